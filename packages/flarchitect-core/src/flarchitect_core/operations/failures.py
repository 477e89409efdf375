"""What a failure of the database means for the caller, without a word of SQL (rest 4.2, decisions 8)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError

from flarchitect_core.errors import ConflictError, QueryError, UnavailableError

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource

__all__ = ["read_failure", "write_failure"]

# SQLSTATE of PostgreSQL, error number of MariaDB and MySQL.
_UNIQUE = ("23505", 1062, 1586)
_FOREIGN_KEY = ("23503", 1216, 1217, 1451, 1452)
_NOT_NULL = ("23502", 1048, 1364)
_CHECK = ("23514", 3819, 4025)
# Deadlocks, locks that were not given, and everything that is about the connection or the server: SQLSTATE classes 08,
# 53 and 57 of PostgreSQL.
_UNAVAILABLE: tuple[str | int, ...] = ("40001", "40P01", "55P03", "08", "53", "57")
_UNAVAILABLE += (0, 1040, 1042, 1043, 1053, 1077, 1078, 1079, 1152, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1226)
_UNAVAILABLE += (1317, 1927, 1969, 2002, 2003, 2006, 2013, 2014, 2055, 3024, 4031)
_VALUE = ("22", 1264, 1265, 1366, 1406)

_UNREACHED = re.compile(
    r"\A(?!no such )(?:.*\bis locked|unable to open|.*\b(?:connect|closed|terminat|time[d ]*out|shutting down))",
    re.I | re.S,
)
_SQLITE_COLUMNS = re.compile(r"constraint failed: (?P<columns>[^()]+)$")
_MARIADB_KEY = re.compile(r"(?s:.*)for key '(?:[^'.]+\.)?(?P<key>[^']+)'")
_MARIADB_REFERENCE = re.compile(r"FOREIGN KEY \((?P<columns>[^)]+)\)")
_MARIADB_COLUMN = re.compile(r"(?:Column|Field) '(?P<column>[^']+)'")


def read_failure(error: Exception) -> Exception:
    """Translate a failure while reading; what nobody foresaw is given back as it is and becomes a 500."""
    if _is_unavailable(error):
        return _unavailable()
    if _is_out_of_range(error):
        return QueryError("A value in the query is outside of what its column can hold.", reason="invalid_value")
    return error


def write_failure(error: Exception, resource: Resource, *, deleting: bool = False) -> Exception:
    """Translate a failure while writing; what nobody foresaw is given back as it is and becomes a 500."""
    if _is_unavailable(error):
        return _unavailable()
    if deleting and isinstance(error, IntegrityError):
        # Whatever constraint is named, the reason is that other rows need this one.
        return ConflictError(
            f"Error deleting object: other rows still refer to this {resource.name}.", reason="row_is_referred_to"
        )
    if isinstance(error, StaleDataError):
        return ConflictError(
            f"The {resource.name} was changed or deleted by another request. Read it again and repeat the change.",
            reason="row_changed",
        )
    if isinstance(error, IntegrityError) or _code(error) in (*_NOT_NULL, *_CHECK):
        return _integrity(error, resource)
    if _is_out_of_range(error) or _matches(error, _VALUE):
        return ConflictError("A value is outside of what its column can hold.", reason="value_out_of_range", status=422)
    return error


def _unavailable() -> UnavailableError:
    return UnavailableError("The database is not available. Try again in a moment.", reason="database_unavailable")


def _is_out_of_range(error: Exception) -> bool:
    # SQLAlchemy wraps what a column type raises on the way to the driver, such as an interval kept as a date.
    if isinstance(error, (DataError, OverflowError)):
        return True
    refused = (OverflowError, ValueError, TypeError)
    return isinstance(error, StatementError) and not isinstance(error, DBAPIError) and isinstance(error.orig, refused)


def _is_unavailable(error: Exception) -> bool:
    if isinstance(error, PoolTimeoutError) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return True
    if _code(error) is not None:
        return _matches(error, _UNAVAILABLE)
    # SQLite has no codes before Python 3.11, and a server that was never reached gives none.
    return isinstance(error, (OperationalError, InterfaceError, InternalError)) and bool(
        _UNREACHED.search(str(error.orig))
    )


def _integrity(error: Exception, resource: Resource) -> ConflictError:
    violation = _violation(error)
    names = _field_names(error, resource)
    message, on_field = violation.words(resource.name, ", ".join(names))
    fields = {name: [on_field] for name in names}
    return ConflictError(message, reason=violation.reason, status=violation.status, fields=fields or None)


class _Violation(NamedTuple):
    """What kind of constraint was broken; `words` makes the sentence and the message of each field."""

    reason: str
    status: int
    words: Callable[[str, str], tuple[str, str]]


def _violation(error: Exception) -> _Violation:
    text = str(getattr(error, "orig", error))
    if _matches(error, _UNIQUE) or "UNIQUE constraint" in text:
        return _Violation(reason="unique_violation", status=409, words=_unique_words)
    if _matches(error, _FOREIGN_KEY) or "FOREIGN KEY constraint" in text:
        return _Violation(reason="foreign_key_violation", status=409, words=_foreign_key_words)
    if _matches(error, _NOT_NULL) or "NOT NULL constraint" in text:
        return _Violation(reason="not_null_violation", status=422, words=_not_null_words)
    if _matches(error, _CHECK) or "CHECK constraint" in text:
        return _Violation(reason="check_violation", status=422, words=_check_words)
    return _Violation(reason="constraint_violation", status=409, words=_other_words)


def _unique_words(model: str, names: str) -> tuple[str, str]:
    what = f"this value of {names}" if names else "one of these values, which must be unique"
    return f"Another {model} already has {what}.", "Already in use."


def _foreign_key_words(model: str, names: str) -> tuple[str, str]:
    return (
        f"The {model} refers to a row that does not exist, or other rows still refer to it.",
        "Refers to a row that does not exist.",
    )


def _not_null_words(model: str, names: str) -> tuple[str, str]:
    return f"The {model} needs a value for {names or 'a column that must not be empty'}.", "Field may not be null."


def _check_words(model: str, names: str) -> tuple[str, str]:
    return f"The {model} breaks a rule of the database.", "Not accepted by the database."


def _other_words(model: str, names: str) -> tuple[str, str]:
    return f"The {model} breaks a constraint of the database.", "Not accepted by the database."


# --- reading the driver's error ---------------------------------------------------------------------------------------


def _code(error: Exception) -> str | int | None:
    """Give the error number of MariaDB, which says more than the SQLSTATE beside it, or the SQLSTATE of PostgreSQL."""
    original = getattr(error, "orig", None)
    arguments: Sequence[Any] = getattr(original, "args", ())
    if arguments and isinstance(arguments[0], int):
        return arguments[0]
    state = getattr(original, "sqlstate", None)
    return None if state is None else str(state)


def _matches(error: Exception, codes: Sequence[str | int]) -> bool:
    code = _code(error)
    return code in codes or (isinstance(code, str) and code[:2] in codes)


def _field_names(error: Exception, resource: Resource) -> list[str]:
    """Name the fields a violated constraint is about, as far as the driver tells, and only those clients may see."""
    columns = set(_column_names(getattr(error, "orig", None), resource))
    return [
        item.name
        for item in resource.fields.values()
        if getattr(getattr(item.fact, "column", None), "name", None) in columns and "GET" not in item.hidden_in
    ]


def _column_names(original: Any, resource: Resource) -> list[str]:
    text = str(original)
    diagnosis = getattr(original, "diag", None)
    if diagnosis is not None:
        if diagnosis.column_name:
            return [diagnosis.column_name]
        return _columns_of_constraint(resource, diagnosis.constraint_name)
    found = _SQLITE_COLUMNS.search(text)
    if found:
        return [part.strip().rpartition(".")[2] for part in found["columns"].split(",")]
    found = _MARIADB_REFERENCE.search(text)
    if found:
        return [part.strip(" `") for part in found["columns"].split(",")]
    found = _MARIADB_KEY.search(text)
    if found:
        return _columns_of_constraint(resource, found["key"])
    found = _MARIADB_COLUMN.search(text)
    return [found["column"]] if found else []


def _columns_of_constraint(resource: Resource, name: str | None) -> list[str]:
    """Find the columns of a unique, primary or foreign key by its name, given or made by the database."""
    columns: list[str] = []
    tables: Any = resource.facts.mapper.tables
    for table in tables:
        if name == "PRIMARY" or name == f"{table.name}_pkey":
            return [column.name for column in table.primary_key]
        for constraint in (*table.constraints, *table.indexes):
            names = [column.name for column in getattr(constraint, "columns", ())]
            joined = "_".join(names)
            made = [f"{table.name}_{joined}_key", f"{table.name}_{joined}_fkey"]
            if not isinstance(constraint, sa.ForeignKeyConstraint):
                # MariaDB calls a unique key without a name after its first column.
                made += names[:1]
            if name is not None and name in (constraint.name, *made):
                columns = names
    return columns
