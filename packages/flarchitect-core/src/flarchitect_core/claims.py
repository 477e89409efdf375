"""What PostgreSQL is told of who calls, so that policies written in the database can judge it (auth 11, bar F81).

The values are settings of one transaction, which ends them: no connection goes back to its pool with those of somebody.
The listeners stand on SQLAlchemy's `Session` class, because the sessions of an application may come from anywhere. They
act only within a request whose scope has claims. A process in which no application has any has none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, SessionTransaction

from flarchitect_core import options
from flarchitect_core.http.request_scope import current_request
from flarchitect_core.model.jsonable import to_jsonable
from flarchitect_core.operations.failures import read_failure
from flarchitect_core.suggestions import did_you_mean

if TYPE_CHECKING:
    from flarchitect_core.settings import Settings
    from flarchitect_core.startup import StartupReport

__all__ = ["Claims", "RequestClaims", "claims_of", "listen_to_transactions"]

# What PostgreSQL takes for the name of a setting that is not its own.
_NAME = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)+")
# The connections of the transaction in which a session is, as it keeps them in its `info`.
_HELD = "flarchitect_connections"


class Claims:
    """The settings of one application, and where their values come from.

    Args:
        sources: Name of a setting to an attribute of the user, or to a callable that takes it.
    """

    def __init__(self, sources: Mapping[str, str | Callable[[Any], Any]]) -> None:
        self._sources = list(sources.values())
        self._statement = sa.select(
            *(
                sa.func.set_config(
                    sa.bindparam(f"name_{position}", name, type_=sa.Text()),
                    sa.bindparam(_value(position), type_=sa.Text()),
                    sa.true(),
                )
                for position, name in enumerate(sources)
            )
        )

    def values_of(self, user: Any) -> dict[str, str]:
        """Give the parameters of the statement: of nobody, and of what a user lacks, an empty text."""
        if user is None:
            return {_value(position): "" for position in range(len(self._sources))}
        return {_value(position): _text(source, user) for position, source in enumerate(self._sources)}

    def takes_columns_alone(self, user: Any) -> bool:
        """Say whether a user needs no session to be looked at."""
        mapped: Any = sa.inspect(user, raiseerr=False)
        columns = () if mapped is None else mapped.mapper.column_attrs
        return all(isinstance(source, str) and source in columns for source in self._sources)

    def send(self, connection: Connection, values: Mapping[str, str]) -> None:
        """Set the values until the transaction ends."""
        # Read, because a cursor of the server computes nothing before.
        connection.execute(self._statement, values).one()


class RequestClaims:
    """The claims of one request: of nobody, until it is known who calls."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._values = claims.values_of(None)
        self._connections: set[Connection] = set()
        self._may_be_undone = False

    def begin(self, connection: Connection) -> None:
        """Say who calls in a transaction that begins."""
        if connection.dialect.name == "postgresql":
            self._send(connection)
            self._connections = {*self._open(), connection}

    def adopt(self, session: Session) -> None:
        """Say who calls where a session is in a transaction that this request has not begun."""
        for connection in _held_by(session):
            if connection not in self._connections:
                self.begin(connection)

    def take_columns_alone(self, user: Any) -> bool:
        """Say whether a user needs no session to be told of."""
        return self._claims.takes_columns_alone(user)

    def change(self, user: Any) -> None:
        """Say who calls from now on, in the transactions that have begun too.

        Raises:
            ApiError: What a failure of the database means for the caller.
        """
        before = self._values
        try:
            # Not when a transaction begins: what has expired of a user is read in one.
            values = self._claims.values_of(user)
            if values != before:
                self._values = values
                self._send_again()
        except SQLAlchemyError as error:
            self._values = before
            raise read_failure(error, type(user), ()) from error

    def end(self, outer: RequestClaims | None) -> None:
        """Leave the transactions of the request in which this one was made to that one."""
        if outer is not None:
            outer.resume(self._open())

    def resume(self, connections: Iterable[Connection]) -> None:
        """Say who calls again, in those transactions that were of this request before."""
        for connection in self._connections.intersection(connections):
            self._send(connection)

    def savepoint_undone(self) -> None:
        """Repeat what a savepoint may have undone."""
        if self._may_be_undone:
            self._send_again()

    def _send_again(self) -> None:
        self._may_be_undone = False
        for connection in self._open():
            self._send(connection)

    def _send(self, connection: Connection) -> None:
        self._claims.send(connection, self._values)
        self._may_be_undone |= connection.in_nested_transaction()

    def _open(self) -> Iterator[Connection]:
        return (each for each in self._connections if _is_open(each))


def listen_to_transactions() -> None:
    """Say who calls in every transaction of every session within a request that has claims, from now on."""
    if not sa.event.contains(Session, "after_begin", _begun):
        sa.event.listen(Session, "after_begin", _begun)
        sa.event.listen(Session, "after_soft_rollback", _undone)


def _begun(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    if transaction.nested:
        return
    session.info[_HELD] = [*_held_by(session), connection]
    scope = current_request()
    if scope is not None and scope.claims is not None:
        scope.claims.begin(connection)


def _undone(session: Session, transaction: SessionTransaction) -> None:
    scope = current_request()
    if transaction.nested and scope is not None and scope.claims is not None:
        scope.claims.savepoint_undone()


def _held_by(session: Session) -> list[Connection]:
    return [each for each in session.info.get(_HELD, ()) if _is_open(each)]


def _is_open(connection: Connection) -> bool:
    return not connection.closed and connection.in_transaction()


def _value(position: int) -> str:
    return f"value_{position}"


def _text(source: str | Callable[[Any], Any], user: Any) -> str:
    value = getattr(user, source) if isinstance(source, str) else source(user)
    plain = to_jsonable(value() if callable(value) else value)
    if plain is None or isinstance(plain, str):
        return plain or ""
    return json.dumps(plain, default=to_jsonable)


def claims_of(settings: Settings, report: StartupReport) -> Claims | None:
    """Read `API_DATABASE_CLAIMS`, and report what cannot be one; `None` where the database is told nothing."""
    sources = settings.get(options.DATABASE_CLAIMS)
    if not sources:
        return None
    problems = [problem for name, source in sources.items() for problem in _problems_of(name, source)]
    report.problems_from(problems)
    if problems:
        return None
    users = settings.named("USER_MODEL")
    model = None if users is None else settings.get(users)
    if isinstance(model, type):
        for name, source in sources.items():
            if isinstance(source, str) and not hasattr(model, source):
                report.notice(_lacking(name, source, model))
    return Claims(sources)


def _problems_of(name: object, source: object) -> Iterator[str]:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield (
            f"API_DATABASE_CLAIMS has the key {name!r}, which PostgreSQL takes for no setting of an application. Write "
            f"words of lower case letters, digits and underscores with a dot between them, such as 'app.user_id'."
        )
    if not callable(source) and not (isinstance(source, str) and source.isidentifier()):
        yield (
            f"API_DATABASE_CLAIMS has {source!r} for {name!r}. Name an attribute of the user, such as 'id', or give a "
            f"callable that takes the user."
        )


def _lacking(name: str, source: str, model: type) -> str:
    hint = did_you_mean(source, [each for each in dir(model) if not each.startswith("_")])
    return (
        f"API_DATABASE_CLAIMS takes {name!r} from the attribute {source!r}, which {model.__name__} does not have.{hint}"
    )
