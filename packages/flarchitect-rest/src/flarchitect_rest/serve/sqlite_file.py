"""The file of a SQLite database: found, checked, and opened without ever creating one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

import sqlalchemy as sa

from flarchitect_rest.serve.errors import ServeError, WrongArgumentError

__all__ = ["SqliteFile"]

# What SQLAlchemy hands to the driver; with `uri=true` everything else belongs to the file URI.
_ARGUMENTS = frozenset({"cached_statements", "check_same_thread", "detect_types", "isolation_level", "timeout", "uri"})


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """One database file.

    Attributes:
        path: Absolute path.
        parameters: Parameters of SQLite's own file URI, such as `immutable`.
        arguments: Keyword arguments of `sqlite3.connect`.
    """

    path: Path
    parameters: dict[str, str]
    arguments: dict[str, Any]

    @classmethod
    def of(cls, url: sa.URL) -> SqliteFile:
        """Find the file of a SQLAlchemy URL.

        Raises:
            WrongArgumentError: The URL names no file.
        """
        if (url.database or ":memory:") == ":memory:" or url.query.get("mode") == "memory":
            raise WrongArgumentError("This URL names an empty database in memory. Name a file: sqlite:///shop.db")
        unknown = url.query.keys() - _ARGUMENTS
        if unknown and "uri" not in url.query:
            raise WrongArgumentError(
                f"SQLite does not know all of the parameters after `?` in the URL ({', '.join(sorted(unknown))}). "
                f"Remove them, or add uri=true where they are SQLite's own."
            )
        (name,), arguments = url.get_dialect()().create_connect_args(url)
        parameters: dict[str, str] = {}
        if arguments.pop("uri", False):
            name, _, query = str(name).removeprefix("file:").partition("?")
            name, parameters = unquote(name.removeprefix("//")), dict(parse_qsl(query))
        return cls(Path(os.path.abspath(name)), parameters, dict(arguments))

    def check(self, *, write: bool) -> None:
        """Look whether the file can be opened as asked.

        Raises:
            ServeError: It is missing, or no file, or the user has no permission.
            WrongArgumentError: The URL forbids to write.
        """
        if self.path.is_dir():
            raise ServeError(f"{self.path} is a folder. Name the database file in it.")
        if not self.path.exists():
            raise ServeError(f"There is no file {self.path}. {self._hint()}")
        if not os.access(self.path, os.R_OK):
            raise ServeError(f"No permission to read {self.path}. Ask its owner, or run `chmod u+r` on it.")
        if write and (self.parameters.get("mode") == "ro" or self.parameters.get("immutable", "0") not in ("0", "no")):
            raise WrongArgumentError(
                "The URL says that nobody writes (mode=ro or immutable), and --write says the opposite. Leave out one."
            )
        if write and not (os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)):
            raise ServeError(
                f"No permission to write to {self.path} and its folder, as --write needs. Leave --write out to read."
            )

    def _hint(self) -> str:
        rooted = Path("/", *self.path.relative_to(Path.cwd()).parts) if self.path.is_relative_to(Path.cwd()) else None
        if rooted is not None and rooted.is_file():
            return f"An absolute path takes four slashes: sqlite:///{rooted}"
        return "Correct the path; it starts at the current folder after three slashes, and at the root after four."

    def opener(self, *, write: bool) -> Callable[[], sqlite3.Connection]:
        """Make what opens connections; without `write`, SQLite itself refuses every change."""
        parameters = {**self.parameters, "mode": "rw" if write else "ro"}
        address = f"{self.path.as_uri()}?{urlencode(parameters)}"
        # Any program may have stored text in another encoding; it is shown as far as it can be read.
        decode = partial(str, encoding="utf-8", errors="replace")

        def connect() -> sqlite3.Connection:
            connection: sqlite3.Connection = sqlite3.connect(address, uri=True, **self.arguments)
            connection.text_factory = decode
            return connection

        return connect
