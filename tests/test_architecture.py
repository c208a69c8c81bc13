"""The import contracts of pyproject.toml hold, and each of them bites when a forbidden import is planted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import grimp
import pytest
from importlinter.api import read_configuration
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.independence import IndependenceContract
from importlinter.contracts.layers import LayersContract
from importlinter.domain.contract import Contract, registry

ROOTS = ("quiredb", "quiredb_client")

# contract, the module that must not import, what it must not import
PLANTED = [
    ("layers", "quiredb.app", "quiredb.cli.planted"),
    ("layers", "quiredb.api.planted", "quiredb.app"),
    ("layers", "quiredb.services.planted", "quiredb.api.planted"),
    ("layers", "quiredb.services.planted", "quiredb.settings"),
    ("layers", "quiredb.repositories.planted", "quiredb.services.planted"),
    ("layers", "quiredb.repositories.planted", "quiredb.embedders.planted"),
    ("layers", "quiredb.engine.planted", "quiredb.storage.planted"),
    ("layers", "quiredb.storage.planted", "quiredb.engine.planted"),
    ("layers", "quiredb.indexes.planted", "quiredb.domain.planted"),
    ("layers", "quiredb.domain.planted", "quiredb.indexes.planted"),
    ("services", "quiredb.services.planted", "quiredb.services.another"),
    ("repositories", "quiredb.services.planted", "quiredb.storage.planted"),
    ("repositories", "quiredb.api.planted", "quiredb.storage.planted"),
    ("web", "quiredb.services.planted", "fastapi"),
    ("web", "quiredb.domain.planted", "pydantic"),
    ("web", "quiredb.cli.planted", "starlette"),
    ("numba", "quiredb.engine.planted", "numba"),
    ("apsw", "quiredb.repositories.planted", "apsw"),
    ("network", "quiredb.services.planted", "httpx"),
    ("network", "quiredb.api.planted", "cohere"),
    ("network", "quiredb.engine.planted", "sentence_transformers"),
    ("domain", "quiredb.domain.planted", "numpy"),
    ("client", "quiredb_client.planted", "quiredb.domain.planted"),
]


@pytest.fixture(scope="module")
def configured(repository: Path) -> dict[str, Any]:
    registry.register(ForbiddenContract, name="forbidden")
    registry.register(IndependenceContract, name="independence")
    registry.register(LayersContract, name="layers")
    return read_configuration(str(repository / "pyproject.toml"))


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOTS, include_external_packages=True, cache_dir=None)


def contracts(configured: dict[str, Any]) -> Iterator[tuple[str, Contract]]:
    for options in configured["contracts_options"]:
        contract_class = registry.get_contract_class(options["type"])
        yield options["id"], contract_class(options["name"], configured["session_options"], options)


def broken(configured: dict[str, Any], graph: grimp.ImportGraph) -> set[str]:
    return {name for name, contract in contracts(configured) if not contract.check(deepcopy(graph), verbose=False).kept}


def test_the_contracts_hold(configured: dict[str, Any], graph: grimp.ImportGraph) -> None:
    assert broken(configured, graph) == set()


@pytest.mark.parametrize(("contract", "importer", "imported"), PLANTED)
def test_a_planted_import_breaks_its_contract(
    configured: dict[str, Any], graph: grimp.ImportGraph, contract: str, importer: str, imported: str
) -> None:
    planted = deepcopy(graph)
    planted.add_import(importer=importer, imported=imported)

    assert contract in broken(configured, planted)


def test_every_contract_has_a_planted_violation(configured: dict[str, Any]) -> None:
    assert {options["id"] for options in configured["contracts_options"]} == {contract for contract, _, _ in PLANTED}


@pytest.mark.parametrize(
    ("package", "others"), [("quiredb.domain", set()), ("quiredb.indexes", {"llvmlite", "numba", "numpy"})]
)
def test_the_lowest_packages_depend_on_little(graph: grimp.ImportGraph, package: str, others: set[str]) -> None:
    inside = {package, *graph.find_descendants(package)}
    imported = {name.split(".")[0] for module in inside for name in graph.find_modules_directly_imported_by(module)}

    assert imported - sys.stdlib_module_names - others <= {"quiredb"}
    assert all(
        name in inside
        for module in inside
        for name in graph.find_modules_directly_imported_by(module)
        if name.startswith("quiredb")
    )
