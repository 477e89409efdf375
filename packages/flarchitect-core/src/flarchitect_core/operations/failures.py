"""What a failure of the database means for the caller, without a word of SQL (rest 4.2, decisions 8)."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
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
from sqlalchemy.orm.exc import FlushError, StaleDataError

from flarchitect_core.errors import (
    ApiError,
    ConflictError,
    NotFoundError,
    QueryError,
    UnavailableError,
    ValidationError,
)
from flarchitect_core.query.compile import is_sent_by_client
from flarchitect_core.query.expressions import conditions_of

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.query.expressions import CollectionQuery

__all__ = [
    "UNREADABLE",
    "no_such_reference",
    "read_failure",
    "refusing_blanked_keys",
    "refusing_comparisons",
    "refusing_overflow",
    "row_is_referred_to",
    "row_not_found",
    "row_not_kept",
    "unreadable_value",
    "write_failure",
]

logger = logging.getLogger("flarchitect.database")

UNREADABLE = (DataError, ValueError, LookupError, TypeError, ArithmeticError)
"""What drivers and column types raise for a stored value that is none of the column's type, while rows are fetched."""

# SQLSTATE of PostgreSQL, error number of MariaDB and MySQL.
_UNIQUE = ("23505", 1062, 1586)
_FOREIGN_KEY = ("23503", 1216, 1217, 1451, 1452)
_NOT_NULL = ("23502", 1048, 1364)
_CHECK = ("23514", 3819, 4025)
# Deadlocks, and snapshots that another transaction has overtaken: the database gave up one of several transactions.
_WRITE_CONFLICT = ("40001", "40P01", 1020, 1213)
# Locks that were not given in time, and everything that is about the connection or the server: SQLSTATE classes 08,
# 53 and 57 of PostgreSQL.
_UNAVAILABLE: tuple[str | int, ...] = ("55P03", "08", "53", "57")
_UNAVAILABLE += (0, 1040, 1042, 1043, 1053, 1077, 1078, 1079, 1152, 1158, 1159, 1160, 1161, 1203, 1205, 1226)
_UNAVAILABLE += (1317, 1927, 1969, 2002, 2003, 2006, 2013, 2014, 2055, 3024, 4031)
_VALUE = ("22", 1264, 1265, 1292, 1366, 1406)
_OVERFLOW = ("22003", 1690)
_PERMISSION = ("42501", 1044, 1142, 1143)
# How PostgreSQL says that a policy refused a row, where the driver does not tell more than the text.
_ROW_SECURITY = "row-level security policy"
_READ_ONLY = ("25006", 1290, 1792, 1836)
# What a trigger or function of the database raises on purpose.
_RAISED = ("P0001", 1644)
# A value or an operator of another type than the column: PostgreSQL alone converts nothing by itself.
_MISMATCH = ("42804", "42846", "42883")

_UNREACHED = re.compile(
    r"\A(?!no such )(?:.*\bis locked|unable to open|.*\b(?:connect|closed|terminat|time[d ]*out|shutting down))",
    re.I | re.S,
)
# How PostgreSQL says, in any language, that it could not read a value that was sent, whatever the code of the error.
_SENT_VALUE = re.compile(r'\A[^"\n]*\$\d+ = ')
# How SQLAlchemy says that an INSERT left no row behind.
_NO_KEY = "did not produce a new primary key"
# How it says that rows whose key refers to a deleted row would have to lose their key.
_BLANKED_KEY = "Dependency rule on column"
_POSTGRESQL_COLUMN = re.compile(r'column "(?P<column>[^"]+)" is of type ')
_SQLITE_COLUMNS = re.compile(r"constraint failed: (?P<columns>[^()]+)$")
_SQLITE_CONSTRAINT = re.compile(r"constraint failed|datatype mismatch")
_SQLITE_BROKEN_SCHEMA = re.compile(r"no such table: (?:main\.)?(?P<table>.+)|foreign key mismatch")
_MARIADB_KEY = re.compile(r"(?s:.*)for key '(?:[^'.]+\.)?(?P<key>[^']+)'")
_MARIADB_REFERENCE = re.compile(r"FOREIGN KEY \((?P<columns>[^)]+)\)")
_MARIADB_COLUMN = re.compile(r"(?:Column|Field) '(?P<column>[^']+)'")


def read_failure(error: Exception, model: type, parameters: Iterable[str]) -> Exception:
    """Translate a failure while reading; what nobody foresaw is given back as it is and becomes a 500.

    Args:
        parameters: Names of the bind parameters, which tell whether the client sent a value at all.
    """
    refusal = getattr(error, "orig", None)
    if isinstance(refusal, QueryError):
        # Raised on the way to the driver, by a type that knows what this database takes (`query.compile`).
        return refusal
    if (unavailable := _unavailable(error)) is not None:
        return unavailable
    if _matches(error, _PERMISSION):
        return _forbidden("read", model.__name__)
    if _is_out_of_range(error) and any(is_sent_by_client(name) for name in parameters):
        return QueryError("A value in the query is outside of what its column can hold.", reason="invalid_value")
    return error


def unreadable_value(error: Exception, name: str) -> ApiError:
    """Say that a row holds what its column cannot; the log tells where it was met, neither tells the value."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    logger.error(
        "A stored value of %s is none of its column's type: %s in %s (%s, line %s).",
        name,
        type(getattr(error, "orig", error)).__name__,
        place.name,
        place.filename,
        place.lineno,
    )
    return ApiError(
        f"A stored value of {name} is not of the type of its column and cannot be shown. Ask for other columns with "
        f"`fields`, or have the row mended in the database.",
        reason="unreadable_value",
        status=500,
    )


@contextmanager
def refusing_comparisons(query: CollectionQuery) -> Iterator[None]:
    """Turn what the database says of a filter or sort that its column does not take into a 400 that names them."""
    try:
        yield
    except DBAPIError as error:
        asked = [*_names_of_filters(query), *(f"order_by={key.field.name}" for key in query.order)]
        if query.grouping is not None:
            asked += [f"{each.field.name}__{each.function}" for each in query.grouping.aggregates]
        if not asked or not _is_mismatch(error):
            raise
        _tell(error)
        raise QueryError(
            f"The database cannot compare as asked by {' or '.join(asked)}: the column has another type. "
            f"Use another operator or column.",
            reason="invalid_operator",
        ) from error


@contextmanager
def refusing_overflow() -> Iterator[None]:
    """Turn what the database says of a result that is too great for it into a 400."""
    try:
        yield
    except DBAPIError as error:
        if not _matches(error, _OVERFLOW) and str(error.orig) != "integer overflow":
            raise
        raise QueryError(
            "The rows add up to more than the database can compute. Send filters for fewer rows.",
            reason="result_out_of_range",
        ) from error


@contextmanager
def refusing_blanked_keys(resource: Resource) -> Iterator[None]:
    """Turn what SQLAlchemy says of rows that would lose their key with a row of this resource into a 409."""
    try:
        yield
    except AssertionError as error:
        if not str(error).startswith(_BLANKED_KEY):
            raise
        raise row_is_referred_to(resource) from error


def _names_of_filters(query: CollectionQuery) -> Iterator[str]:
    for condition in conditions_of(query.where):
        yield f"{condition.field.name}__{condition.operator}"


def write_failure(error: Exception, resource: Resource, *, deleting: bool = False) -> Exception:
    """Translate a failure while writing; what nobody foresaw is given back as it is and becomes a 500."""
    if (unavailable := _unavailable(error)) is not None:
        return unavailable
    if _matches(error, _PERMISSION):
        return _refused_by_policy(resource) if _is_of_policy(error) else _forbidden("write", resource.name)
    if _matches(error, _READ_ONLY) or _text(error) == "attempt to write a readonly database":
        return ApiError(
            "The database takes no changes: it is opened, or set, to be read only.",
            reason="database_read_only",
            status=403,
        )
    if _is_raised(error):
        return ConflictError("A rule of the database refused the change.", reason="refused_by_database", status=422)
    if _lacks_other_table(error, resource):
        logger.warning("The schema of the database is broken: %s", _text(error))
        return ConflictError(
            f"The database refuses the change, because a foreign key or trigger of {resource.name} leads to a table "
            f"or column that does not exist. Mend it in the database.",
            reason="constraint_violation",
        )
    if deleting and isinstance(error, IntegrityError):
        # Whatever constraint is named, the reason is that other rows need this one.
        return row_is_referred_to(resource)
    if isinstance(error, FlushError) and _NO_KEY in str(error):
        return row_not_kept(resource)
    if isinstance(error, StaleDataError):
        return ConflictError(
            f"The {resource.name} was changed or deleted by another request. Read it again and repeat the change.",
            reason="row_changed",
        )
    if isinstance(error, IntegrityError) or _code(error) in (*_NOT_NULL, *_CHECK):
        return _integrity(error, resource)
    if not deleting and _is_mismatch(error):
        _tell(error)
        return _wrong_type(error, resource)
    if _is_out_of_range(error) or _matches(error, _VALUE):
        return ConflictError("A value is outside of what its column can hold.", reason="value_out_of_range", status=422)
    return error


def row_is_referred_to(resource: Resource) -> ConflictError:
    """Say that a row cannot be deleted, because others refer to it."""
    return ConflictError(
        f"Error deleting object: other rows still refer to this {resource.name}.", reason="row_is_referred_to"
    )


def row_not_found(resource: Resource) -> NotFoundError:
    """Say that the row to write is not there, as far as the request may see."""
    return NotFoundError(f"{resource.name} not found.", reason="row_not_found")


def no_such_reference(resource: Resource, attributes: Iterable[str]) -> ConflictError:
    """Say that a row refers to one that does not exist, as the database says it of a foreign key."""
    found = (resource.field_of_attribute(attribute) for attribute in attributes)
    names = [item.name for item in found if item is not None]
    message, on_field = _foreign_key_words(resource.name, ", ".join(names))
    return ConflictError(message, reason="foreign_key_violation", fields={name: [on_field] for name in names})


def row_not_kept(resource: Resource) -> ConflictError:
    """Say that a row which was written is not where it was written to."""
    return ConflictError(
        f"The database did not keep the {resource.name} under the key it was written with, so nothing was changed. "
        f"A trigger or a column type alters the key or drops the row: send the key as the database keeps it.",
        reason="row_not_kept",
        status=422,
    )


def _unavailable(error: Exception) -> UnavailableError | None:
    """Say that the same request may succeed later; `None` when that is not what the failure means."""
    if _is_write_conflict(error):
        return UnavailableError(
            "Another request changed the same rows at the same time, and the database gave this one up. "
            "Nothing was written: send it again.",
            reason="write_conflict",
        )
    if not _is_unavailable(error):
        return None
    return UnavailableError("The database is not available. Try again in a moment.", reason="database_unavailable")


def _forbidden(action: str, model: str) -> ApiError:
    return ApiError(
        f"The database does not let this server {action} what {model} needs. "
        f"Grant its user the right, or leave the table out of the API.",
        reason="database_permission",
        status=403,
    )


def _is_of_policy(error: Exception) -> bool:
    """Say whether row level security refused a row; its SQLSTATE is that of a right which is missing."""
    diagnosis = getattr(getattr(error, "orig", None), "diag", None)
    # The function of PostgreSQL that found out, which is the same in any language.
    return getattr(diagnosis, "source_function", None) == "ExecWithCheckOptions" or _ROW_SECURITY in _text(error)


def _refused_by_policy(resource: Resource) -> ApiError:
    return ApiError(
        f"A policy of the database does not let you write this {resource.name}.",
        reason="database_permission",
        status=403,
    )


def _wrong_type(error: Exception, resource: Resource) -> ApiError:
    fields = {name: ["Not accepted by the type of the column."] for name in _field_names(error, resource)}
    where = f" for {', '.join(fields)}" if fields else ""
    return ValidationError(fields, f"The {resource.name} has a value{where} of another type than the database takes.")


def _is_raised(error: Exception) -> bool:
    if _matches(error, _RAISED):
        return True
    # SQLite gives the text of the trigger alone, and for its own constraints texts of its own.
    is_sqlite = isinstance(error, IntegrityError) and type(error.orig).__module__ == "sqlite3"
    return is_sqlite and not _SQLITE_CONSTRAINT.search(_text(error))


def _lacks_other_table(error: Exception, resource: Resource) -> bool:
    """Say whether SQLite misses what a key or trigger leads to; a missing table of the model is our own mistake."""
    found = _SQLITE_BROKEN_SCHEMA.match(_text(error))
    tables: Any = resource.facts.mapper.tables
    return found is not None and found["table"] not in {table.name for table in tables}


def _is_mismatch(error: Exception) -> bool:
    # A function or trigger of the database has a context: what it does wrong is no fault of the request.
    return _matches(error, _MISMATCH) and not _context(error)


def _tell(error: Exception) -> None:
    """Log what may also be a model that does not fit its table; the first line holds no SQL and no values."""
    logger.warning("The database met a value or an operator of another type: %s", _text(error).partition("\n")[0])


def _is_out_of_range(error: Exception) -> bool:
    # SQLAlchemy wraps what a column type raises on the way to the driver, such as an interval kept as a date.
    if isinstance(error, (DataError, OverflowError)) or _SENT_VALUE.match(_context(error)):
        return True
    refused = (OverflowError, ValueError, TypeError)
    return isinstance(error, StatementError) and not isinstance(error, DBAPIError) and isinstance(error.orig, refused)


def _is_write_conflict(error: BaseException | None) -> bool:
    # MariaDB ends the whole transaction, so that on top of it the way back to a savepoint fails.
    while isinstance(error, Exception):
        if _matches(error, _WRITE_CONFLICT):
            return True
        error = error.__context__
    return False


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
    text = _text(error)
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
    state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    return None if state is None else str(state)


def _text(error: Exception) -> str:
    return str(getattr(error, "orig", error))


def _context(error: Exception) -> str:
    """Give where in the database a failure happened, as far as PostgreSQL tells."""
    diagnosis = getattr(getattr(error, "orig", None), "diag", None)
    return getattr(diagnosis, "context", None) or ""


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
        found = _POSTGRESQL_COLUMN.match(text)
        if found:
            return [found["column"]]
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
            if isinstance(constraint, sa.UniqueConstraint):
                # MariaDB calls a unique key without a name after its first column.
                made += names[:1]
            if name is not None and name in (constraint.name, *made):
                columns = names
    return columns
