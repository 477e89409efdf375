"""The tool that writes the option reference."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from flarchitect_core.options import PAGINATION_SIZE_MAX

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def config_table() -> ModuleType:
    """Load `tools/config_table.py`, which is no part of an installed distribution."""
    spec = importlib.util.spec_from_file_location("config_table_tool", CHECKOUT / "tools" / "config_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.contract("core 12 20")
def test_the_reference_of_this_checkout_is_current(config_table: ModuleType) -> None:
    assert (
        config_table.differences(CHECKOUT / config_table.PAGE, config_table.page(config_table.declared_options())) == []
    )


def test_what_was_written_is_found_current(config_table: ModuleType, tmp_path: Path) -> None:
    assert config_table.main([], root=tmp_path) == 0
    assert config_table.main(["--check"], root=tmp_path) == 0


def test_check_shows_what_differs_and_how_to_mend_it(
    config_table: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config_table.main([], root=tmp_path)
    page = tmp_path / config_table.PAGE
    page.write_text(page.read_text(encoding="utf-8").replace("`API_PREFIX`", "`API_PERFIX`"), encoding="utf-8")
    assert config_table.main(["--check"], root=tmp_path) == 1
    told = capsys.readouterr().out
    assert "-| `API_PERFIX`" in told
    assert "+| `API_PREFIX`" in told
    assert "Run `python tools/config_table.py`" in told


def test_check_without_a_page_fails(config_table: ModuleType, tmp_path: Path) -> None:
    assert config_table.main(["--check"], root=tmp_path) == 1
    assert not (tmp_path / config_table.PAGE).exists()


def test_a_row_says_all_there_is_to_know(config_table: ModuleType) -> None:
    assert config_table.row(PAGINATION_SIZE_MAX) == (
        "`API_PAGINATION_SIZE_MAX`",
        "`pagination_size_max`",
        "yes",
        "`100`",
        "a whole number of at least 1",
        "Largest accepted `limit`.",
        "flarchitect-core",
    )


def test_an_option_without_a_heading_is_refused_by_name(config_table: ModuleType) -> None:
    with pytest.raises(config_table.UndeclaredTopicError, match="API_PAGINATION_SIZE_MAX"):
        config_table.page([replace(PAGINATION_SIZE_MAX, topic="")])


def test_every_declared_option_has_a_sentence_and_names_of_its_own(config_table: ModuleType) -> None:
    options = config_table.declared_options()
    keys = [key for option in options for key in option.config_keys()]
    in_meta = [name for option in options for name in option.meta_names()]
    assert all(option.sentence.endswith(".") for option in options)
    assert (len(set(keys)), len(set(in_meta))) == (len(keys), len(in_meta))
