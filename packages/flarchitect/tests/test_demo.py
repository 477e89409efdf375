"""The demo: it starts from everywhere, does what its README says, and explains what stops it."""

from __future__ import annotations

import ast
import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
SHOP = CHECKOUT / "demo" / "shop"


def start(*arguments: str, folder: Path = CHECKOUT) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, SHOP / "app.py", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def run(*arguments: str, folder: Path = CHECKOUT) -> tuple[int, str, str]:
    """Give exit code, output and error stream."""
    with start(*arguments, folder=folder) as process:
        output, errors = process.communicate(timeout=100)
    return process.returncode, output, errors


@pytest.fixture
def shop() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running shop and what it printed."""
    process = start("--port", "0")
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        yield process, "".join(lines)
    finally:
        # Not killed: it removes its folder.
        process.terminate()
        process.communicate(timeout=60)


def curl_lines(text: str) -> list[list[str]]:
    """Read the arguments of every `curl` line."""
    return [shlex.split(line) for line in re.findall(r"^ *(?:\$ )?curl (.+)$", text, re.MULTILINE)]


def send(arguments: list[str]) -> tuple[int, dict[str, object]]:
    """Send what `curl` would send."""
    url = next(argument for argument in arguments if argument.startswith("http"))
    given = dict(pairwise(arguments))
    headers = dict([given["-H"].split(": ")]) if "-H" in given else {}
    body = given["-d"].encode() if "-d" in given else None
    request = Request(url, body, headers, method=given.get("-X", "GET"))  # noqa: S310 - the demo's own address
    with urlopen(request, timeout=30) as response:  # noqa: S310
        return response.status, json.load(response)


@pytest.mark.contract("issue 2")
@pytest.mark.parametrize("place", ["checkout", "elsewhere"])
def test_demo_starts_answers_and_ends(place: str, tmp_path: Path) -> None:
    code, output, errors = run("--check", folder=CHECKOUT if place == "checkout" else tmp_path)
    assert code == 0, errors
    assert [line.split()[0] for line in output.splitlines()] == ["200"] * 4
    assert list(tmp_path.iterdir()) == []


@pytest.mark.contract("issue 2")
def test_every_line_that_the_demo_prints_works(shop: tuple[subprocess.Popen[str], str]) -> None:
    lines = curl_lines(shop[1])
    assert [send(line)[0] for line in lines] == [200, 200, 200, 200, 201]


@pytest.mark.contract("issue 2")
def test_every_line_of_the_readme_works(shop: tuple[subprocess.Popen[str], str]) -> None:
    root = re.search(r"http://127\.0\.0\.1:\d+", shop[1])[0]
    text = (SHOP / "README.md").read_text(encoding="utf-8").replace("http://127.0.0.1:5000", root)
    answers = [send(line) for line in curl_lines(text)]
    assert [status for status, _ in answers] == [200, 200, 200, 200, 201, 200, 200]
    assert all(answer["value"] for _, answer in answers[:-1])


def test_readme_and_program_show_the_same_requests(shop: tuple[subprocess.Popen[str], str]) -> None:
    root = re.search(r"http://127\.0\.0\.1:\d+", shop[1])[0]
    documented = curl_lines((SHOP / "README.md").read_text(encoding="utf-8").replace("http://127.0.0.1:5000", root))
    assert [line for line in curl_lines(shop[1]) if line not in documented] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_demo_without_an_error(shop: tuple[subprocess.Popen[str], str], number: int) -> None:
    process, _ = shop
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "The shop is closed." in output
    assert "Traceback" not in errors


def test_kept_database_has_the_same_rows_after_a_second_start(tmp_path: Path) -> None:
    for _ in range(2):
        code, _, errors = run("--check", "--data", str(tmp_path / "new" / "folder"))
        assert code == 0, errors
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["shop.db"]


@pytest.mark.contract("issue 2")
def test_taken_port_is_one_sentence() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, output, errors = run("--port", str(port))
    assert (code, output) == (1, "")
    assert re.fullmatch(rf"shop: cannot listen on port {port}: .+ choose another port with --port\.\n", errors)


@pytest.mark.contract("issue 2")
def test_folder_that_cannot_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, output, errors = run("--data", str(tmp_path / "file" / "folder"))
    assert (code, output) == (1, "")
    assert re.fullmatch(r"shop: cannot write to .+ Give another folder with --data\.\n", errors)


def test_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_text("This is a letter and no database.")
    code, output, errors = run("--data", str(tmp_path))
    assert (code, output) == (1, "")
    assert re.fullmatch(r"shop: cannot use .+ Remove the file, or give another folder with --data\.\n", errors)


@pytest.mark.contract("issue 2")
def test_python_that_is_too_old_is_one_sentence() -> None:
    # The start of the program as an old Python would meet it.
    source = (SHOP / "app.py").read_text(encoding="utf-8")
    pretended = "import sys; sys.version_info = (3, 9, 18)\n" + source
    process = subprocess.run([sys.executable, "-c", pretended], capture_output=True, text=True, check=False)  # noqa: S603
    assert process.returncode == 1
    assert process.stderr == "shop: this is Python 3.9; start the demo with Python 3.10 to 3.13.\n"


def test_start_of_the_demo_can_be_read_by_an_old_python() -> None:
    tree = ast.parse((SHOP / "app.py").read_text(encoding="utf-8"), feature_version=(3, 4))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr)
    assert not any(isinstance(node, newer) or getattr(node, "annotation", None) for node in ast.walk(tree))
    future = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    assert future == []
