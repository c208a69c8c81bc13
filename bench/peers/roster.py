"""Who is measured: every contender by name, with the environment and the parameters that it gets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

ANCHOR = "hnswlib"
_ADAPTERS = "bench.peers.adapters"


@dataclass(frozen=True, slots=True)
class Contender:
    """`environment`: "own" runs in the project's Python, "peers" in the one that `make bench-setup` makes."""

    name: str
    environment: Literal["own", "peers"]
    adapter: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_own(self) -> bool:
        """Whether this is Quire's index, and so no peer."""
        return self.adapter == f"{_ADAPTERS}.quire:Quire"


def _own(name: str, **parameters: Any) -> Contender:
    return Contender(name, "own", f"{_ADAPTERS}.quire:Quire", parameters)


def _peer(name: str, adapter: str, **parameters: Any) -> Contender:
    return Contender(name, "peers", f"{_ADAPTERS}.{adapter}", parameters)


CONTENDERS = {
    contender.name: contender
    for contender in (
        _own("quire-graph", kind="graph"),
        _own("quire-ivf", kind="ivf"),
        _own("quire-flat", kind="flat"),
        _own("quire-auto", kind="auto"),
        _peer("hnswlib", "hnswlib:Hnswlib", links=16, build_effort=200),
        _peer("faiss-hnsw-sq8", "faiss:HnswSq8", links=32, build_effort=200),
        _peer("faiss-ivf-pqfs", "faiss:IvfPqFastScan"),
        _peer("usearch-f32", "usearch:Usearch", links=16, build_effort=200, dtype="f32"),
        _peer("usearch-bf16", "usearch:Usearch", links=16, build_effort=200, dtype="bf16"),
        _peer("symphonyqg", "symphony:SymphonyQG", degree=32, build_effort=200),
        _peer("symphonyqg-64", "symphony:SymphonyQG", degree=64, build_effort=200),
        _peer("svs-lvq", "scalable:Svs", degree=64, window=128, codes="lvq"),
        _peer("svs-leanvec", "scalable:Svs", degree=64, window=128, codes="leanvec"),
        _peer("svs-f16", "scalable:Svs", degree=64, window=128, codes="float16"),
        Contender("exact", "own", f"{_ADAPTERS}.exact:Exact"),
    )
}

DEFAULT = (
    "quire-graph",
    "quire-ivf",
    "hnswlib",
    "faiss-hnsw-sq8",
    "faiss-ivf-pqfs",
    "usearch-bf16",
    "symphonyqg",
    "svs-lvq",
    "svs-f16",
)


def chosen(names: str) -> Sequence[Contender]:
    """The contenders of a comma-separated list; exits with the known names when one is not known."""
    unknown = [name for name in names.split(",") if name not in CONTENDERS]
    if unknown:
        raise SystemExit(f"unknown contender {', '.join(unknown)}; known are {', '.join(CONTENDERS)}")
    return [CONTENDERS[name] for name in dict.fromkeys(names.split(","))]
