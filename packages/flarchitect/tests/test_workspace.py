"""The workspace: what one more distribution must be named in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CHECKOUT = Path(__file__).resolve().parents[3]


def read_toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def distributions() -> dict[str, dict[str, Any]]:
    """Return the parsed `pyproject.toml` of each distribution by its name."""
    return {path.parent.name: read_toml(path) for path in sorted(CHECKOUT.glob("packages/*/pyproject.toml"))}


@pytest.fixture(scope="module")
def import_contracts() -> dict[str, Any]:
    return read_toml(CHECKOUT / "pyproject.toml")["tool"]["importlinter"]


def test_import_contracts_know_every_distribution(import_contracts: dict[str, Any]) -> None:
    packages = {name.replace("-", "_") for name in distributions()}
    star, cycles = import_contracts["contracts"]
    layered = {package.strip() for layer in star["layers"] for package in layer.split("|")}
    assert set(import_contracts["root_packages"]) == layered == set(cycles["ancestors"]) == packages


def test_parts_are_one_layer_between_facade_and_core(import_contracts: dict[str, Any]) -> None:
    layers = import_contracts["contracts"][0]["layers"]
    assert len(layers) == 3
    assert (layers[0], layers[2]) == ("flarchitect", "flarchitect_core")


@pytest.mark.parametrize("name", distributions())
def test_distribution_is_named_like_its_folder(name: str) -> None:
    assert distributions()[name]["project"]["name"] == name


def test_facade_requires_every_other_distribution() -> None:
    projects = distributions()
    required = {line.split("==")[0].split("[")[0] for line in projects["flarchitect"]["project"]["dependencies"]}
    assert required == set(projects) - {"flarchitect"}


def test_extras_of_the_facade_add_nothing() -> None:
    extras = distributions()["flarchitect"]["project"]["optional-dependencies"]
    assert set(extras) == {"rest", "auth", "docs", "graphql", "ws", "mcp", "all"}
    assert not any(extras.values())


@pytest.mark.parametrize("name", sorted(set(distributions()) - {"flarchitect", "flarchitect-core"}))
def test_part_requires_core_and_no_other_part(name: str) -> None:
    dependencies = distributions()[name]["project"]["dependencies"]
    siblings = [line.split("==")[0].split("[")[0] for line in dependencies if line.startswith("flarchitect")]
    assert siblings == ["flarchitect-core"]
