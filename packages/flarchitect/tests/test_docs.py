"""The documentation and the README, held to the code: every example on their pages is run, sent or compared.

What happens to a block depends on its language:

| Block | What is done |
| --- | --- |
| `python` | run as a module; the application that it leaves is the one that requests go to |
| `pycon` | run as a doctest |
| `console` | `curl` lines are sent, and must succeed unless the answer is shown; other programs must be known ones |
| | `flask flarchitect` is run, and must exit with 0, or with 1 where it is `--strict` |
| `json` | parsed; after a `console` block compared with the last answer: what is shown must be in it, and equal |
| `http` | status line, headers and, after an empty line, the body of the last answer |
| `text` | compared with what its marker names |
| `sql` | nothing: it needs a server, and its marker says what runs it |

Values that differ each time (`datetime`, `response_ms`, a made request id) are compared by type. A comment above a
block changes this, and is not seen by readers:

| Marker | Meaning |
| --- | --- |
| `<!-- test: continue PAGE -->` | run that page first, so that its application and rows are there |
| `<!-- test: configure -->` | run the page's last program again, with the block before its `Architect(app)` |
| `<!-- test: configure, raises NAME -->` | the same, and it must raise this; `raises NAME` alone runs the block only |
| `<!-- test: error -->` | the block shows the text of what was raised |
| `<!-- test: log -->` | the block shows the last log record |
| `<!-- test: output -->` | the block shows what the last `flask flarchitect` command printed, or in JSON a part of it |
| `<!-- test: skip, REASON -->` | leave the block out |
"""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import io
import json
import logging
import pkgutil
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

import flarchitect
import flarchitect.exceptions
from flarchitect.logging import TextFormatter
from flarchitect_auth.options import AUTH_OPTIONS
from flarchitect_core.errors import _ERROR_CODES
from flarchitect_core.options import CORE_OPTIONS
from flarchitect_core.query.parse import COLLECTION_PARAMETERS, FILTER_OPERATORS
from flarchitect_docs.options import DOCS_OPTIONS
from flarchitect_rest.cli import serve
from flarchitect_rest.options import REST_OPTIONS

CHECKOUT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    str(path.relative_to(CHECKOUT))
    for pattern in ("*.md", "docs/**/*.md", "packages/*/README.md")
    for path in CHECKOUT.glob(pattern)
    if "_build" not in path.parts
)
SERVER = "http://127.0.0.1:5000"
PROGRAMS = {"flarchitect", "flask", "nox", "pip", "python"}
VOLATILE = {"datetime", "response_ms", "request_id", "timestamp", "duration_ms", "latency_ms", "logger", "user_agent"}
BLOCK = re.compile(
    r"(?:^<!-- test: (?!continue )(?P<marker>[^>]*) -->\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```$"
    r"|^<!-- test: continue (?P<page>\S+) -->$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block, or the order to run another page first (`language` is `page`).

    Attributes:
        where: Page and line, for messages.
        line: 1-based line of the first line of text.
    """

    language: str
    text: str
    marker: str
    where: str
    line: int


def blocks_of(page: str) -> Iterator[Block]:
    """Find the blocks of a page in their order."""
    source = (CHECKOUT / page).read_text(encoding="utf-8")
    # Directives, such as a table of contents, are of Sphinx and no examples.
    source = re.sub(
        r"^```\{.*?^```$", lambda match: "\n" * match[0].count("\n"), source, flags=re.DOTALL | re.MULTILINE
    )
    for match in BLOCK.finditer(source):
        line = source.count("\n", 0, match.start("text" if match["page"] is None else 0)) + 1
        text, language = (match["text"], match["language"]) if match["page"] is None else (match["page"], "page")
        yield Block(language, text, match["marker"] or "", f"{page}:{line}", line)


class Reader:
    """Does what a page says, as a reader would, in a folder of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
        self._monkeypatch = monkeypatch
        self._caplog = caplog
        self._modules: list[ModuleType] = []
        self._current = ModuleType("cinema")
        self._program = ""
        self._answer: Any = None
        self._unseen: Any = None
        self._log = io.StringIO()
        self._raised = ""
        self._output = ""
        self._has_asked = False

    def read(self, page: str, *, compare: bool = True) -> None:
        """Work through a page; without `compare` only for what it leaves behind."""
        for block in blocks_of(page):
            if block.language == "page":
                self.read(block.text, compare=False)
                continue
            known = {"python", "pycon", "console", "json", "http", "text", "sql"}
            assert block.language in known, f"{block.where}: a block of {block.language!r}"
            if block.marker.startswith("skip"):
                assert re.fullmatch(r"skip, \w.+", block.marker), f"{block.where}: a reason is missing"
            elif compare or block.language in ("python", "console"):
                getattr(self, f"_{block.language}")(block)
            self._has_asked = block.language == "console"
            if block.language in ("json", "http") or not compare:
                self._unseen = None
        self._expect_success()

    def close(self) -> None:
        """Close every database that a program opened."""
        for module in self._modules:
            for value in list(vars(module).values()):
                if isinstance(value, sa.Engine):
                    value.dispose()
                elif isinstance(value, Flask):
                    self._close_application(value)

    @staticmethod
    def _close_application(app: Flask) -> None:
        state = app.extensions.get("flarchitect.state")
        if state is not None and state.database.engine is not None:
            state.database.engine.dispose()
        if "sqlalchemy" in app.extensions:
            with app.app_context():
                app.extensions["sqlalchemy"].engine.dispose()

    # --- blocks -------------------------------------------------------------------------------------------------------

    def _python(self, block: Block) -> None:
        text = block.text
        if block.marker.startswith("configure"):
            before, call, after = self._program.partition("Architect(app)")
            assert call, f"{block.where}: there is no program to configure"
            text = before + text + call + after
        elif "Architect(app)" in text:
            self._program = text
        before_it, _, expected = block.marker.partition("raises ")
        if not expected:
            self._run(text, block)
            return
        assert before_it in ("", "configure, "), block.where
        served = self._current
        with pytest.raises(getattr(flarchitect.exceptions, expected)) as raised:
            self._run(text, block)
        self._raised = str(raised.value)
        self._current = served

    def _run(self, text: str, block: Block) -> None:
        # A program of its own is a module of its own; what follows continues the last one.
        if "Flask(" in text:
            self._current = ModuleType("cinema")
            self._modules.append(self._current)
        self._monkeypatch.setitem(sys.modules, "cinema", self._current)
        exec(compile("\n" * (block.line - 1) + text, block.where, "exec"), vars(self._current))  # noqa: S102

    def _pycon(self, block: Block) -> None:
        names = dict(vars(self._current))
        parsed = doctest.DocTestParser().get_doctest(block.text, names, block.where, block.where, block.line)
        told = io.StringIO()
        doctest.DocTestRunner().run(parsed, out=told.write)
        assert told.getvalue() == ""

    def _console(self, block: Block) -> None:
        for command in block.text.replace("\\\n", " ").splitlines():
            assert command.startswith("$ "), f"{block.where}: {command!r} is no command"
            for part in command[2:].split(" && "):
                program, *arguments = shlex.split(part)
                if program == "curl":
                    self._curl(arguments, block)
                else:
                    assert program in PROGRAMS, f"{block.where}: unknown program {program!r}"
                if program == "flask" and "flarchitect" in arguments:
                    self._flask(arguments[arguments.index("flarchitect") :], block)
                if (program, arguments[:1]) == ("flarchitect", ["serve"]):
                    serve.make_context("serve", arguments[1:])

    def _flask(self, arguments: list[str], block: Block) -> None:
        result = vars(self._current)["app"].test_cli_runner().invoke(args=arguments)
        # 1 is the answer of `doctor --strict`; what fails otherwise has another one, or an exception.
        assert result.exit_code == int("--strict" in arguments), f"{block.where}: {result.output}"
        self._output = result.output

    def _curl(self, arguments: list[str], block: Block) -> None:
        sent: dict[str, Any] = {"headers": [("Accept", "*/*")], "base_url": SERVER}
        url, method = "", ""
        rest = iter(arguments)
        for argument in rest:
            if argument == "-X":
                method = next(rest)
            elif argument == "-H":
                name, _, value = next(rest).partition(": ")
                sent["headers"] = [pair for pair in sent["headers"] if pair[0] != name] + [(name, value)]
            elif argument == "-d":
                sent["data"] = next(rest)
            elif not argument.startswith("-"):
                url = argument
            else:
                assert argument in ("-i", "-g", "-s"), f"{block.where}: unknown option {argument!r} of curl"
        if "data" in sent and not any(name == "Content-Type" for name, _ in sent["headers"]):
            sent["content_type"] = "application/x-www-form-urlencoded"
        assert url.startswith(SERVER), f"{block.where}: {url!r}"
        assert "-g" in arguments or not set("[]{}") & set(url), f"{block.where}: curl needs -g for this URL"
        self._expect_success()
        self._log = io.StringIO()
        client = vars(self._current)["app"].test_client()
        target = url.removeprefix(SERVER)
        self._answer = client.open(
            target, method=method or ("POST" if "data" in sent else "GET"), errors_stream=self._log, **sent
        )
        self._answer.get_data()
        self._unseen = self._answer

    def _expect_success(self) -> None:
        """Refuse an error that the page does not show."""
        unseen, self._unseen = self._unseen, None
        assert unseen is None or unseen.status_code < 400, unseen.get_data(as_text=True)

    def _json(self, block: Block) -> None:
        shown = json.loads(block.text)
        if block.marker == "log":
            assert steady(json.loads(self._log.getvalue().splitlines()[-1])) == steady(shown), block.where
        elif block.marker == "output":
            given = json.loads(self._output)
            assert all(item in given for item in shown), f"{block.where}: {given}"
        elif self._has_asked and self._answer is not None:
            self._compare_body(shown, block)

    def _http(self, block: Block) -> None:
        head, _, body = block.text.partition("\n\n")
        status, *headers = head.splitlines()
        assert status == f"HTTP/1.1 {self._answer.status}", block.where
        for header in headers:
            name, _, value = header.partition(": ")
            given = self._answer.headers.get(name)
            is_steady = not re.fullmatch(r"[0-9a-f]{32}", value)
            assert given == value if is_steady else re.fullmatch(r"[0-9a-f]{32}", given), f"{block.where}: {header}"
        if body:
            self._compare_body(json.loads(body), block)

    def _compare_body(self, shown: Any, block: Block) -> None:
        given = self._answer.get_json(force=True)
        selected = {name: given.get(name, "(absent)") for name in shown}
        assert steady(selected) == steady(shown), block.where

    def _sql(self, block: Block) -> None:
        pytest.fail(f"{block.where}: say by a marker what runs it")

    def _text(self, block: Block) -> None:
        if block.marker == "error":
            assert self._raised == block.text.strip(), block.where
        elif block.marker == "output":
            shown, given = (text.split() for text in (block.text, self._output))
            assert " ".join(shown) in " ".join(given), f"{block.where}: {self._output}"
        elif block.marker == "log":
            line = TextFormatter().format(self._caplog.records[-1])
            assert steady_line(line) == steady_line(block.text.strip()), block.where
        else:
            pytest.fail(f"{block.where}: a text block needs a marker")


def steady(value: Any) -> Any:
    """Replace what differs each time by its type."""
    if isinstance(value, list):
        return [steady(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _kind(item) if _snake(name) in VOLATILE else steady(item) for name, item in value.items()}


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _kind(value: object) -> str:
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def steady_line(line: str) -> str:
    """Replace what differs each time in a log line."""
    line = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", line)
    return re.sub(r"in [\d.]+ ms", "in N ms", re.sub(r"\[[0-9a-f]{32}\]", "[ID]", line))


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> Iterator[Reader]:
    """Make a reader in an empty folder."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO, logger="flarchitect")
    reader = Reader(monkeypatch, caplog)
    yield reader
    reader.close()


@pytest.mark.contract("TOOL-B11")
@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_work(reader: Reader, page: str) -> None:
    reader.read(page)


def test_the_quick_start_of_the_readme_is_the_program_of_the_tutorial() -> None:
    readme, tutorial = (
        next(block.text for block in blocks_of(page) if "Architect(app)" in block.text)
        for page in ("README.md", "docs/tutorials/quickstart.md")
    )
    assert readme == tutorial


# --- lists that must be complete --------------------------------------------------------------------------------------


def rows_of(page: str, heading: str) -> list[list[str]]:
    """Read the rows of the first table below a heading, as the code words of each first cell and the other cells."""
    text = (CHECKOUT / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert lines, f"{page} has no table below {heading!r}"
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[2:]]


def first_names(page: str, heading: str) -> list[str]:
    """Give what stands as code in the first cell of each row."""
    return [name for row in rows_of(page, heading) for name in re.findall(r"`([^`]+)`", row[0])]


# What refuses a caller is given the reason by its place.
REASON_IS_SECOND = {"AuthenticationError", "ForbiddenError", "TokenError"}


def reasons_in_sources() -> set[str]:
    """Find every `reason="..."` in the sources of all packages, and those of refusals."""
    calls = [
        node
        for path in CHECKOUT.glob("packages/*/src/**/*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]
    given = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "reason"]
    given += [call.args[1] for call in calls if len(call.args) > 1 and getattr(call.func, "id", "") in REASON_IS_SECOND]
    return {value.value for value in given if isinstance(value, ast.Constant)}


@pytest.mark.contract("decisions 8")
def test_the_list_of_reasons_is_that_of_the_sources() -> None:
    listed = first_names("docs/howto/errors.md", "Every reason")
    assert sorted(listed) == sorted(reasons_in_sources())


@pytest.mark.contract("decisions 8")
def test_the_list_of_error_codes_is_that_of_the_sources() -> None:
    listed = {int(row[0]): row[1].strip("`") for row in rows_of("docs/howto/errors.md", "Every code")}
    assert listed == _ERROR_CODES


def test_the_list_of_query_parameters_is_that_of_the_sources() -> None:
    assert set(COLLECTION_PARAMETERS) <= set(first_names("docs/reference/http.md", "Query parameters"))
    assert first_names("docs/howto/querying.md", "Operators") == list(FILTER_OPERATORS)


def test_the_list_of_statuses_has_that_of_every_reason() -> None:
    listed = {status.strip() for row in rows_of("docs/reference/http.md", "Statuses") for status in row[0].split(",")}
    assert {row[1] for row in rows_of("docs/howto/errors.md", "Every reason")} <= listed


def test_the_list_of_query_parameters_has_those_of_writes() -> None:
    listed = first_names("docs/reference/http.md", "Query parameters")
    assert {"cascade_delete", "max_affected", "atomic"} <= set(listed)


@pytest.mark.contract("core 10")
def test_the_list_of_import_paths_is_the_facade() -> None:
    modules = ["flarchitect", *(found.name for found in pkgutil.walk_packages(flarchitect.__path__, "flarchitect."))]
    public = {
        f"{module}.{name}"
        for module in modules
        if module != "flarchitect._parts"
        for name in public_names(module)
        if f"{module}.{name}" not in modules and not name.startswith("__")
    }
    assert set(first_names("docs/reference/python.md", "Import paths")) == {*public, "flarchitect.__version__"}


def public_names(module: str) -> list[str]:
    """List what the source of a module of the facade exports, also where the module stands for one of core."""
    path = CHECKOUT / "packages" / "flarchitect" / "src" / Path(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(source.read_text(encoding="utf-8"))
    found = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    ]
    if not found:
        # It stands for a part that does not exist yet, or has no names of its own.
        return []
    (names,) = found
    assert all(hasattr(importlib.import_module(module), name) for name in names)
    return list(names)


def test_every_option_that_a_page_names_exists() -> None:
    known = {
        key
        for option in (*CORE_OPTIONS, *REST_OPTIONS, *AUTH_OPTIONS, *DOCS_OPTIONS)
        for method in (None, "GET", "POST")
        for key in option.config_keys(method)
    }
    for page in PAGES:
        text = (CHECKOUT / page).read_text(encoding="utf-8")
        for block in blocks_of(page):
            # These are misspelt on purpose.
            text = text.replace(block.text, "") if "raises" in block.marker or block.marker == "error" else text
        named = set(re.findall(r"\bAPI_[A-Z][A-Z_]+[A-Z]\b", text))
        assert named <= known, f"{page} names {sorted(named - known)}"


def test_the_architect_takes_what_the_reference_says() -> None:
    assert list(inspect.signature(flarchitect.Architect).parameters) == ["app", "parts", "options"]
