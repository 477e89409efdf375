"""Keep the one version of all distributions in one place.

    python tools/release.py set 0.2.0       move VERSION and the pins between the distributions
    python tools/release.py prepare 0.2.0   the same, and date the changelog's unreleased part
    python tools/release.py --check         compare; exit 1 and name every difference

Needs the standard library only, so that a bare interpreter can run it.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timezone
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
VERSION_FORM = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+|\.dev\d+)?")
QUOTED = re.compile(r"""(?P<quote>["'])(?P<text>[^"']*)(?P=quote)""")
UNRELEASED = "## [Unreleased]"
VERSION_SOURCE = 'path = "../../VERSION"'


class ReleaseError(Exception):
    """A version that cannot be set; the message is for the person who asked."""


class Pin(NamedTuple):
    """One requirement of a distribution on a sibling.

    Attributes:
        line: 1-based line in the `pyproject.toml`.
        sibling: Distribution it names.
        version: Version it pins, `None` unless it is a plain `==` pin.
        span: Where the requirement stands in the line, without its quotes.
    """

    line: int
    sibling: str
    version: str | None
    span: tuple[int, int]


def distributions(root: Path) -> list[Path]:
    """List the folders of the distributions, sorted by name."""
    return sorted(project.parent for project in root.glob("packages/*/pyproject.toml"))


def pins_in(text: str, siblings: Sequence[str]) -> Iterator[Pin]:
    """Find every requirement on a sibling in the text of a `pyproject.toml`.

    Args:
        text: The file. It is read by line and not parsed, so that `set` changes nothing else in it.
        siblings: Names of all distributions of the workspace.
    """
    names = "|".join(re.escape(name) for name in sorted(siblings, key=len, reverse=True))
    requirement = re.compile(rf"(?P<name>{names})(\[[^\]]*\])?\s*(?P<rest>([=<>!~@;].*)?)", re.DOTALL)
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith(("name ", "name=", "#")):
            continue
        for quoted in QUOTED.finditer(line):
            found = requirement.fullmatch(quoted["text"].strip())
            if found is not None:
                pinned = re.fullmatch(r"==\s*([^\s;,*]+)", found["rest"])
                yield Pin(number, found["name"], pinned[1] if pinned else None, quoted.span("text"))


def check(root: Path) -> list[str]:
    """Compare version, pins and licences.

    Returns:
        One sentence for each difference, empty when all agree.
    """
    version = read_version(root)
    problems = [] if VERSION_FORM.fullmatch(version) else [f"VERSION: {version!r} is not a version such as 0.2.0"]
    licence = (root / "LICENSE").read_bytes()
    folders = distributions(root)
    names = [folder.name for folder in folders]
    for folder in folders:
        where = f"packages/{folder.name}"
        text = (folder / "pyproject.toml").read_text(encoding="utf-8")
        problems += [f"{where}/pyproject.toml:{problem}" for problem in pin_problems(text, names, version)]
        if VERSION_SOURCE not in text:
            problems.append(f"{where}/pyproject.toml: the version must come from the root, with `{VERSION_SOURCE}`")
        copy = folder / "LICENSE"
        if not copy.is_file() or copy.read_bytes() != licence:
            problems.append(f"{where}/LICENSE: must be a copy of the LICENSE at the root")
    if not folders:
        problems.append("packages: there is no distribution in this folder")
    return problems


def pin_problems(text: str, names: Sequence[str], version: str) -> Iterator[str]:
    """Say which pins of one `pyproject.toml` differ from the version; each sentence begins with its line."""
    for pin in pins_in(text, names):
        if pin.version is None:
            yield f"{pin.line}: {pin.sibling} must be pinned as =={version}"
        elif pin.version != version:
            yield f"{pin.line}: {pin.sibling} is pinned to {pin.version}, VERSION is {version}"


def set_version(root: Path, version: str) -> list[Path]:
    """Write VERSION and every pin between the distributions.

    Returns:
        The files that changed.

    Raises:
        ReleaseError: `version` has not the form of a version.
    """
    if not VERSION_FORM.fullmatch(version):
        message = f"{version!r} is not a version such as 0.2.0, 0.2.0rc1 or 0.2.0.dev1"
        raise ReleaseError(message)
    folders = distributions(root)
    names = [folder.name for folder in folders]
    texts = {root / "VERSION": f"{version}\n"}
    for folder in folders:
        project = folder / "pyproject.toml"
        texts[project] = moved_pins(project.read_text(encoding="utf-8"), names, version)
    return [path for path, text in texts.items() if write_if_new(path, text)]


def moved_pins(text: str, names: Sequence[str], version: str) -> str:
    """Return the text of a `pyproject.toml` with its sibling pins at `version`."""
    lines = text.splitlines(keepends=True)
    # From the end, so that a changed pin does not move the place of the next one in the same line.
    for pin in reversed(list(pins_in(text, names))):
        if pin.version is not None:
            line = lines[pin.line - 1]
            start, end = pin.span
            lines[pin.line - 1] = line[:start] + line[start:end].replace(pin.version, version) + line[end:]
    return "".join(lines)


def date_changelog(root: Path, version: str, day: date) -> None:
    """Give the changelog's unreleased part a version and a date, and open an empty one above it.

    Raises:
        ReleaseError: There is nothing unreleased, or the version has its part already.
    """
    path = root / "CHANGELOG.md"
    text = path.read_text(encoding="utf-8")
    if f"## [{version}]" in text:
        message = f"CHANGELOG.md has a part for {version} already"
        raise ReleaseError(message)
    _, found, after = text.partition(f"{UNRELEASED}\n")
    entries = re.split(r"^## ", after, maxsplit=1, flags=re.MULTILINE)[0]
    if not found or "- " not in entries:
        message = f"CHANGELOG.md has no entry below `{UNRELEASED}`: say what users get before you release"
        raise ReleaseError(message)
    heading = f"{UNRELEASED}\n\n## [{version}] - {day.isoformat()}\n"
    path.write_text(text.replace(f"{UNRELEASED}\n", heading, 1), encoding="utf-8")


def read_version(root: Path) -> str:
    """Return the content of VERSION without the end of its line."""
    return (root / "VERSION").read_text(encoding="utf-8").strip()


def write_if_new(path: Path, text: str) -> bool:
    """Write a file unless it has this content, and tell whether it was written."""
    if path.read_text(encoding="utf-8") == text:
        return False
    path.write_text(text, encoding="utf-8")
    return True


def arguments() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(prog="release.py", description="Keep the one version of all distributions.")
    parser.add_argument("--check", action="store_true", help="compare VERSION, pins and licences, and change nothing")
    commands = parser.add_subparsers(dest="command", metavar="{set,prepare}")
    for name, sentence in {
        "set": "move VERSION and the pins between the distributions",
        "prepare": "the same, and date the unreleased part of the changelog",
    }.items():
        command = commands.add_parser(name, help=sentence)
        command.add_argument("version", help="for example 0.2.0")
    return parser


def main(argv: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Run the command line and return the exit status: 0, 1 for differences or a refused version."""
    parser = arguments()
    given = parser.parse_args(argv)
    if given.check == bool(given.command):
        parser.error("give one of: set VERSION, prepare VERSION, --check")
    if given.check:
        problems = check(root)
        print("\n".join(problems) or f"release: all distributions are at {read_version(root)}")
        return 1 if problems else 0
    try:
        # The changelog first: it is the one that can refuse a version of the right form.
        if given.command == "prepare" and VERSION_FORM.fullmatch(given.version):
            date_changelog(root, given.version, datetime.now(timezone.utc).date())
        changed = set_version(root, given.version)
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    for path in changed:
        print(f"changed {path.relative_to(root).as_posix()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
