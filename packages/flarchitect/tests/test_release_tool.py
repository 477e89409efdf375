"""The tool that keeps the versions of the distributions together."""

from __future__ import annotations

import importlib.util
import shutil
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
CHANGELOG = """# Changelog

## [Unreleased]

### Added

- A thing.

## [0.1.0] - 2026-01-01

- The first thing.
"""


@pytest.fixture(scope="module")
def release() -> ModuleType:
    """Load `tools/release.py`, which is no part of an installed distribution."""
    spec = importlib.util.spec_from_file_location("release_tool", CHECKOUT / "tools" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Make a workspace of two distributions at 0.1.0, the second on the first."""
    (tmp_path / "VERSION").write_text("0.1.0\n", encoding="utf-8")
    (tmp_path / "LICENSE").write_text("Do what you like.\n", encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    add_distribution(tmp_path, "thing-core", '"Flask>=3.1,<4"')
    add_distribution(tmp_path, "thing", '"thing-core[fast]==0.1.0", "Flask==0.1.0"')
    return tmp_path


def add_distribution(root: Path, name: str, dependencies: str) -> Path:
    """Write a distribution with these dependencies and return its `pyproject.toml`."""
    folder = root / "packages" / name
    folder.mkdir(parents=True)
    shutil.copy(root / "LICENSE", folder / "LICENSE")
    project = folder / "pyproject.toml"
    project.write_text(
        f'[project]\nname = "{name}"\ndependencies = [{dependencies}]\n\n'
        '[tool.hatch.version]\npath = "../../VERSION"\n',
        encoding="utf-8",
    )
    return project


def test_this_checkout_agrees(release: ModuleType) -> None:
    assert release.check(CHECKOUT) == []


def test_check_of_an_agreeing_workspace_exits_0(release: ModuleType, workspace: Path) -> None:
    assert release.main(["--check"], root=workspace) == 0


def test_check_names_file_line_and_versions_of_a_pin_that_differs(
    release: ModuleType, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "VERSION").write_text("0.2.0\n", encoding="utf-8")
    assert release.main(["--check"], root=workspace) == 1
    assert capsys.readouterr().out == (
        "packages/thing/pyproject.toml:3: thing-core is pinned to 0.1.0, VERSION is 0.2.0\n"
    )


@pytest.mark.parametrize("requirement", ["thing-core", "thing-core>=0.1.0", "thing-core==0.1.*", "thing-core[fast]"])
def test_check_refuses_a_sibling_without_exact_pin(release: ModuleType, workspace: Path, requirement: str) -> None:
    add_distribution(workspace, "thing-rest", f'"{requirement}"')
    assert release.check(workspace) == ["packages/thing-rest/pyproject.toml:3: thing-core must be pinned as ==0.1.0"]


def test_check_names_a_licence_that_differs(release: ModuleType, workspace: Path) -> None:
    (workspace / "packages" / "thing" / "LICENSE").write_text("Mine.\n", encoding="utf-8")
    (workspace / "packages" / "thing-core" / "LICENSE").unlink()
    assert release.check(workspace) == [
        "packages/thing/LICENSE: must be a copy of the LICENSE at the root",
        "packages/thing-core/LICENSE: must be a copy of the LICENSE at the root",
    ]


def test_check_refuses_a_version_written_in_a_distribution(release: ModuleType, workspace: Path) -> None:
    project = workspace / "packages" / "thing" / "pyproject.toml"
    project.write_text('[project]\nname = "thing"\nversion = "0.1.0"\n', encoding="utf-8")
    assert len(release.check(workspace)) == 1


def test_set_moves_version_and_sibling_pins_and_nothing_else(release: ModuleType, workspace: Path) -> None:
    assert release.main(["set", "0.2.0"], root=workspace) == 0
    project = (workspace / "packages" / "thing" / "pyproject.toml").read_text(encoding="utf-8")
    assert 'dependencies = ["thing-core[fast]==0.2.0", "Flask==0.1.0"]' in project
    assert (workspace / "VERSION").read_text(encoding="utf-8") == "0.2.0\n"
    assert (workspace / "CHANGELOG.md").read_text(encoding="utf-8") == CHANGELOG
    assert release.check(workspace) == []


@pytest.mark.parametrize("version", ["0.2", "v0.2.0", "0.2.0 ", "next", ""])
def test_set_refuses_what_is_no_version_and_changes_nothing(release: ModuleType, workspace: Path, version: str) -> None:
    assert release.main(["set", version], root=workspace) == 1
    assert release.read_version(workspace) == "0.1.0"


def test_prepare_dates_the_unreleased_part(release: ModuleType, workspace: Path) -> None:
    release.date_changelog(workspace, "0.2.0", date(2026, 2, 3))
    text = (workspace / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]\n\n## [0.2.0] - 2026-02-03\n\n### Added\n\n- A thing.\n" in text


def test_prepare_moves_versions_too(release: ModuleType, workspace: Path) -> None:
    assert release.main(["prepare", "0.2.0"], root=workspace) == 0
    assert "## [0.2.0] - " in (workspace / "CHANGELOG.md").read_text(encoding="utf-8")
    assert release.read_version(workspace) == "0.2.0"


@pytest.mark.parametrize("version", ["0.1.0", "v2"])
def test_prepare_that_is_refused_changes_nothing(release: ModuleType, workspace: Path, version: str) -> None:
    assert release.main(["prepare", version], root=workspace) == 1
    assert (workspace / "CHANGELOG.md").read_text(encoding="utf-8") == CHANGELOG
    assert release.read_version(workspace) == "0.1.0"


def test_prepare_without_an_entry_is_refused(
    release: ModuleType, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [Unreleased]\n\n## [0.1.0]\n\n- Old.\n", encoding="utf-8"
    )
    assert release.main(["prepare", "0.2.0"], root=workspace) == 1
    assert "has no entry" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--check", "set", "0.2.0"]])
def test_unclear_command_line_is_refused(release: ModuleType, workspace: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        release.main(arguments, root=workspace)
