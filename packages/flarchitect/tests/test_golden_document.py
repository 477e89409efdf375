"""The document of a small library, byte for byte: a change of it is one that users see (docs D-3)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "golden"


def written(version: str, *, seed: str) -> str:
    """Give the document as a process of its own writes it."""
    command = ["--app", str(FOLDER / "library.py"), "openapi", "export", "--format", "yaml", "--version", version]
    process = subprocess.run(  # noqa: S603 - the command is ours
        [sys.executable, "-m", "flask", *command],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return process.stdout.rstrip("\n")


@pytest.mark.contract("docs D-3")
@pytest.mark.parametrize("seed", ["1", "2"])
def test_every_process_writes_the_document_that_is_kept(seed: str) -> None:
    # How to write it anew is said in `library.py`.
    assert written("3.1", seed=seed) == (FOLDER / "library.yaml").read_text(encoding="utf-8").rstrip("\n")


@pytest.mark.contract("docs D-3")
def test_every_process_writes_the_same_in_the_older_words() -> None:
    assert written("3.0", seed="1") == written("3.0", seed="2")
