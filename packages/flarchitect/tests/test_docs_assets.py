"""The scripts of the documentation pages are those that `tools/docs_assets.py` pins, whole and with their licences."""

from __future__ import annotations

import gzip
import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

CHECKOUT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def docs_assets() -> ModuleType:
    """Load `tools/docs_assets.py`, which is no part of an installed distribution."""
    spec = importlib.util.spec_from_file_location("docs_assets_tool", CHECKOUT / "tools" / "docs_assets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copied(docs_assets: ModuleType, tmp_path: Path) -> Path:
    """A copy of the checkout's files below another root."""
    shutil.copytree(CHECKOUT / docs_assets.FOLDER, tmp_path / docs_assets.FOLDER)
    return tmp_path


@pytest.mark.contract("docs D-8")
def test_the_files_of_this_checkout_are_as_pinned(docs_assets: ModuleType) -> None:
    assert docs_assets.main(["--check"]) == 0


@pytest.mark.contract("docs D-8")
def test_each_package_has_its_licence_beside_it(docs_assets: ModuleType) -> None:
    names = {path.name.partition(".")[0] for path in (CHECKOUT / docs_assets.FOLDER).glob("*.LICENSE.txt")}
    assert {"redoc", "scalar", "swagger-ui"} <= names


def test_a_changed_file_is_told(docs_assets: ModuleType, copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = copied / docs_assets.FOLDER / "swagger-ui.css.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"*{}"))
    assert docs_assets.main(["--check"], root=copied) == 1
    assert "swagger-ui.css.gz has another content than the manifest says" in capsys.readouterr().out


def test_missing_and_foreign_files_are_told(
    docs_assets: ModuleType, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copied / docs_assets.FOLDER / "redoc.LICENSE.txt").unlink()
    (copied / docs_assets.FOLDER / "analytics.js").write_text("")
    assert docs_assets.main(["--check"], root=copied) == 1
    told = capsys.readouterr().out
    assert "redoc.LICENSE.txt is missing" in told
    assert "analytics.js is not needed" in told
