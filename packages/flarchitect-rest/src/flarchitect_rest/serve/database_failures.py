"""What it means that a database cannot be opened or read, in one sentence with the fix."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flarchitect_rest.serve.database_url import DatabaseURL

__all__ = ["sentence_for"]

Sentence = Callable[[DatabaseURL], str]


def _unknown_host(database: DatabaseURL) -> str:
    hint = " In a password, @ is written %40 and / is written %2F." if database.url.password else ""
    return f"The host `{database.url.host}` cannot be found. Correct it in the URL.{hint}"


def _unreachable(database: DatabaseURL) -> str:
    where = database.place if database.url.host else f"{database.product} on this machine"
    return f"{where} does not answer. Start the server, or correct host and port in the URL."


def _refused_login(database: DatabaseURL) -> str:
    who = f"the user `{database.url.username}`" if database.url.username else "a login without user"
    return (
        f"{database.place} refuses {who}. Correct user and password in the URL, "
        f"as in {database.url.drivername}://user:password@host/database"
    )


def _missing_database(database: DatabaseURL) -> str:
    return f"{database.place} has no database `{database.url.database or database.url.username}`. Correct its name."


def _forbidden(database: DatabaseURL) -> str:
    return (
        f"{database.place} does not let the user `{database.url.username}` read `{database.url.database}`. "
        f"Grant the permission, or use another user."
    )


def _full(database: DatabaseURL) -> str:
    return f"{database.place} takes no more connections. Close some, or raise its limit."


def _other_server(database: DatabaseURL) -> str:
    return f"What answers is not {database.place}, or it hung up. Correct host and port in the URL."


def _bad_parameter(database: DatabaseURL) -> str:
    listed = ", ".join(database.url.query) or "none"
    return f"The driver does not take the parameters after `?` in the URL ({listed}). Correct or remove them."


def _not_sqlite(database: DatabaseURL) -> str:
    return f"{database.url.database} is not a SQLite database, or it is encrypted. Name another file."


def _locked(database: DatabaseURL) -> str:
    return f"{database.url.database} is locked. Close the program that writes to it."


def _unopened(database: DatabaseURL) -> str:
    return (
        f"SQLite cannot open {database.url.database}. A database in write-ahead mode needs a folder it can write to; "
        f"without one, add ?uri=true&immutable=1 to the URL while nobody writes."
    )


# The first pattern that fits the driver's message decides. Numbers are those of MariaDB and MySQL; PostgreSQL's codes
# are not known before there is a connection.
_SENTENCES: tuple[tuple[str, Sentence], ...] = (
    (r"resolve host|translate host name|name or service not known|nodename nor servname|getaddrinfo failed"
     r"|name resolution|unknown (mysql|mariadb) server host|\b2005\b", _unknown_host),
    (r"invalid connection option|unexpected keyword argument|invalid dsn", _bad_parameter),
    (r"role .* does not exist|password authentication failed|no password supplied|no pg_hba\.conf entry"
     r"|authentication (method|plugin|failed)|\(1045\b|\(1698\b", _refused_login),
    (r"database .* does not exist|\(1049\b", _missing_database),
    (r"permission denied|\(1044\b|\(1142\b", _forbidden),
    (r"too many (connections|clients)|remaining connection slots|\(1040\b|\(1203\b", _full),
    (r"refused|timed? ?out|timeout|no route to host|unreachable|is the server running|\(200[23]\b", _unreachable),
    (r"invalid response|lost connection|closed the connection|bad handshake|\(2013\b", _other_server),
    (r"not a database", _not_sqlite),
    (r"database( table)? is locked", _locked),
    (r"unable to open database file", _unopened),
)  # fmt: skip


def sentence_for(error: Exception, database: DatabaseURL) -> str:
    """Say what a failure means: for a known one what to do, else the driver's own first line."""
    if isinstance(error, (TypeError, ValueError, AttributeError)) and database.url.query:
        return _bad_parameter(database)
    original: Any = getattr(error, "orig", None) or error
    text = f"{original!r} {original}"
    for pattern, sentence in _SENTENCES:
        if re.search(pattern, text, re.IGNORECASE):
            return sentence(database)
    lines = str(original).strip().splitlines() or [type(original).__name__]
    return f"{database.label} cannot be read: {lines[0].rstrip('.')}. Correct the URL, or mend the database."
