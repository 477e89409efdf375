"""Write the option reference from the declarations of core and of every installed part.

    python tools/config_table.py            write docs/reference/options.md
    python tools/config_table.py --check    compare; exit 1 and show what differs

Needs the packages of the workspace installed.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from flarchitect_core._discovery import installed_parts
from flarchitect_core.options import CORE_OPTIONS
from flarchitect_core.settings import Option, is_set
from flarchitect_core.startup import StartupReport

ROOT = Path(__file__).resolve().parents[1]
PAGE = Path("docs", "reference", "options.md")
INTRODUCTION = """\
# Options

<!-- Written by tools/config_table.py from the declarations; change those. -->

An option is set in `app.config`, and many also in the `Meta` of a model. The first of these that is set wins:

1. `Meta` of the model, for one method: `get_pagination_size_max = 500`
2. `Meta` of the model: `pagination_size_max = 200`
3. a keyword argument: `Architect(app, pagination_size_max=100)`
4. the configuration, for one method: `API_GET_PAGINATION_SIZE_MAX = 80`
5. the configuration: `API_PAGINATION_SIZE_MAX = 60`
6. the default

`None` and an empty list or dictionary do not count as set; `False`, `0` and an empty string do.

*Per method* says whether the forms for one method (get, post, put, patch, delete) exist. Every name and value is
checked at start-up: a misspelt one stops the start and is told with the nearest valid name.
"""
HEADER = ("Key", "In `Meta`", "Per method", "Default", "Value", "What it does", "Distribution")


class UndeclaredTopicError(Exception):
    """An option without a heading; the message says which."""


def declared_options() -> list[Option[Any]]:
    """List the options of core, then those of each installed part in the order of the parts.

    Raises:
        ConfigurationError: A part cannot be loaded.
    """
    report = StartupReport()
    parts = installed_parts(report)
    report.raise_if_any()
    return [*CORE_OPTIONS, *(option for part in parts for option in part.options)]


def page(options: Iterable[Option[Any]]) -> str:
    """Write the whole page: a heading and a table for each topic, in the order of the declarations.

    Raises:
        UndeclaredTopicError: An option has no topic.
    """
    topics: dict[str, list[Option[Any]]] = {}
    for option in options:
        if not option.topic:
            message = f"{option.key} of {option.owner} has no topic: the reference has no place for it"
            raise UndeclaredTopicError(message)
        topics.setdefault(option.topic, []).append(option)
    tables = [f"## {topic}\n\n{table(members)}" for topic, members in topics.items()]
    return "\n".join([INTRODUCTION, *tables])


def table(options: Iterable[Option[Any]]) -> str:
    """Write one Markdown table with a row for each option."""
    rows = [HEADER, ("---",) * len(HEADER), *(row(option) for option in options)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def row(option: Option[Any]) -> tuple[str, ...]:
    """Write the cells of one option."""
    keys = [option.key, *option.aliases] if option.config else []
    in_meta = [option.name.lower(), *option.meta_aliases] if option.meta else []
    cells = (
        code(dict.fromkeys(keys)),
        code(in_meta),
        "yes" if option.method else "no",
        default(option.default),
        option.expects.words,
        option.sentence,
        option.owner,
    )
    return tuple(cell.replace("|", "\\|") for cell in cells)


def code(names: Iterable[str]) -> str:
    """Write names as code, a dash when there are none."""
    return ", ".join(f"`{name}`" for name in names) or "-"


def default(value: object) -> str:
    """Write a default; what does not count as set has no default."""
    if not is_set(value) or value == ():
        return "-"
    if isinstance(value, tuple):
        return code(map(repr, value))
    return f"`{value!r}`"


def differences(path: Path, wanted: str) -> list[str]:
    """Compare a file with what it should be, as the lines of a unified diff; empty when they are equal."""
    present = path.read_text(encoding="utf-8") if path.is_file() else ""
    names = ("in the file", "from the declarations")
    return list(difflib.unified_diff(present.splitlines(), wanted.splitlines(), *names, lineterm="", n=0))


def main(argv: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Run the command line and return the exit status: 0, or 1 for differences."""
    parser = argparse.ArgumentParser(prog="config_table.py", description="Write the option reference.")
    parser.add_argument("--check", action="store_true", help="compare the page with the declarations, change nothing")
    given = parser.parse_args(argv)
    options = declared_options()
    wanted = page(options)
    path = root / PAGE
    if not given.check:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted, encoding="utf-8")
        print(f"config_table: wrote {len(options)} options to {PAGE.as_posix()}")
        return 0
    found = differences(path, wanted)
    if found:
        print("\n".join(found))
        print(f"config_table: {PAGE.as_posix()} differs from the declarations. Run `python tools/config_table.py`.")
        return 1
    print(f"config_table: {PAGE.as_posix()} has all {len(options)} options")
    return 0


if __name__ == "__main__":
    sys.exit(main())
