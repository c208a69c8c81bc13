"""Vector indexes: arrays in, arrays out. Numba lives here and nowhere else, and nothing of the product is imported."""

from quiredb.indexes.contract import (
    BuildCancelled,
    IndexArraysError,
    IndexStructure,
    KernelSelfTestError,
    MetricName,
)
from quiredb.indexes.exact import exact_distances, exact_scan
from quiredb.indexes.flat import FlatIndex, build_flat, open_flat
from quiredb.indexes.graph import GraphIndex, open_graph
from quiredb.indexes.graph_build import build_graph
from quiredb.indexes.ivf import IvfIndex, open_ivf
from quiredb.indexes.ivf_build import build_ivf
from quiredb.indexes.vector_index import VectorIndex
from quiredb.indexes.warmup import WarmUpReport, warm_up

__all__ = [
    "BuildCancelled",
    "FlatIndex",
    "GraphIndex",
    "IndexArraysError",
    "IndexStructure",
    "IvfIndex",
    "KernelSelfTestError",
    "MetricName",
    "VectorIndex",
    "WarmUpReport",
    "build_flat",
    "build_graph",
    "build_ivf",
    "exact_distances",
    "exact_scan",
    "open_flat",
    "open_graph",
    "open_ivf",
    "warm_up",
]
