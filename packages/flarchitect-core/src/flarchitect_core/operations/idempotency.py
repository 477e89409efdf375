"""`Idempotency-Key`: a write that is sent again is not done again, but gets the answer of the first time.

The answer is stored by the transaction that writes, so both are there or neither is, whatever happens to the process.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from flarchitect_core import options
from flarchitect_core.errors import ApiError, BadRequestError, ConflictError, UnavailableError

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.settings import Settings

__all__ = ["TABLE", "Attempt", "IdempotencyKeys", "StoredAnswer", "attempt_of", "idempotency_of"]

TABLE = "flarchitect_idempotency_keys"
METHODS = ("POST", "PATCH")

_KEY_MAX = 255
_BODY_MAX_BYTES = 2**24 - 1


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request with a key.

    Attributes:
        id: Digest of the caller and the key.
        fingerprint: Digest of what is asked for.
    """

    id: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer of the first time."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


def attempt_of(header: str, caller: str, request: Iterable[bytes]) -> Attempt:
    """Read a key, for this caller alone.

    Args:
        header: Value of `Idempotency-Key`, with or without quotes.
        caller: Identity of who asks. Two callers may use the same key and never see each other's answers.
        request: What must be the same in every request with the key: method, path, query, body, content type, and the
                format of the answer.

    Raises:
        BadRequestError: It is no key.
    """
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key or len(key) > _KEY_MAX or not key.isprintable():
        raise BadRequestError(
            f"Idempotency-Key must be a text of 1 to {_KEY_MAX} characters, such as a UUID.",
            reason="invalid_idempotency_key",
        )
    return Attempt(_digest((caller.encode(), key.encode())), _digest(request))


def _digest(parts: Iterable[bytes]) -> str:
    digest = blake2b(digest_size=32)
    for part in parts:
        # With its length before it, no text can pretend to be two.
        digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()


def idempotency_of(resource: Resource, settings: Settings) -> IdempotencyKeys | None:
    """Make the store of a resource, `None` where no method of it takes keys."""
    taken = {
        method
        for method in METHODS
        if method in resource.methods and settings.get(options.IDEMPOTENCY, model=resource.model, method=method)
    }
    if not taken:
        return None
    seconds = settings.get(options.IDEMPOTENCY_TTL_SECONDS, model=resource.model)
    return IdempotencyKeys(resource, frozenset(taken), seconds)


class IdempotencyKeys:
    """The keys that were used for one resource; they live in its database.

    Attributes:
        methods: Methods that take a key.
    """

    def __init__(self, resource: Resource, methods: frozenset[str], seconds: int) -> None:
        self.methods = methods
        self.model = resource.model
        self._mapper = resource.facts.mapper
        self._seconds = seconds
        model: Any = resource.model
        # A part of the metadata, so that `create_all` and migrations know of it.
        self.table = _table(model.metadata)

    def begin(self, session: Session, attempt: Attempt) -> StoredAnswer | None:
        """Claim a key; must be the first thing that its transaction does.

        A request with the same key waits here until the first one is over.

        Returns:
            The answer that was given before; `None` when nothing was, and the request is to be done.

        Raises:
            ApiError: 422, the key was used for another request; 409, another request has just claimed it; 503, there
                is no table.
        """
        for _ in range(2):
            if self._claim(session, attempt):
                return None
            stored = self._stored(session, attempt)
            if stored is not None:
                return stored
        raise _in_progress()

    def finish(self, session: Session, attempt: Attempt, answer: StoredAnswer) -> None:
        """Store the answer; the commit of the write makes it last."""
        if len(answer.body) > _BODY_MAX_BYTES:
            raise ApiError(
                "The answer is too large to be kept for an Idempotency-Key. Write fewer rows at once, or send "
                "Prefer: return=minimal.",
                status=422,
                reason="answer_too_large",
            )
        table = self.table
        statement = sa.update(table).where(table.c.id == attempt.id)
        headers = orjson.dumps(answer.headers).decode()
        self._connection(session).execute(statement.values(status=answer.status, headers=headers, body=answer.body))

    def purge(self, session: Session) -> int:
        """Delete the keys that have expired, and give their number."""
        statement = sa.delete(self.table).where(self.table.c.expires_at <= _now())
        return self._connection(session).execute(statement).rowcount

    def _claim(self, session: Session, attempt: Attempt) -> bool:
        row = {"id": attempt.id, "fingerprint": attempt.fingerprint, "expires_at": _now() + self._seconds}
        try:
            self._connection(session).execute(sa.insert(self.table).values(row))
        except IntegrityError:
            session.rollback()
            return False
        except (ProgrammingError, OperationalError) as error:
            session.rollback()
            if sa.inspect(self._connection(session)).has_table(TABLE, schema=self.table.schema):
                raise
            raise UnavailableError(
                f"Idempotency-Key cannot be honoured: the table {TABLE} is missing. Create it with create_all, or by a "
                f"migration.",
                reason="idempotency_table_missing",
            ) from error
        return True

    def _stored(self, session: Session, attempt: Attempt) -> StoredAnswer | None:
        table = self.table
        found = self._connection(session).execute(sa.select(table).where(table.c.id == attempt.id)).first()
        if found is None:
            return None
        if found.expires_at <= _now():
            self._connection(session).execute(
                sa.delete(table).where(table.c.id == attempt.id, table.c.expires_at == found.expires_at)
            )
            return None
        if found.fingerprint != attempt.fingerprint:
            raise ApiError(
                "This Idempotency-Key was used for another request: its method, URL, body, content type or format "
                "differs. Make a new key for each new request.",
                status=422,
                reason="idempotency_key_reused",
            )
        if found.status is None:
            raise _in_progress()  # a database that shows what is not committed
        headers = [(name, value) for name, value in orjson.loads(found.headers)]
        return StoredAnswer(found.status, headers, bytes(found.body))

    def _connection(self, session: Session) -> sa.Connection:
        return session.connection(bind_arguments={"mapper": self._mapper})


def _in_progress() -> ConflictError:
    return ConflictError(
        "A request with this Idempotency-Key is being done. Try again in a moment.",
        reason="request_in_progress",
        headers={"Retry-After": "1"},
    )


def _now() -> int:
    return int(time.time())


def _table(metadata: sa.MetaData) -> sa.Table:
    name = f"{metadata.schema}.{TABLE}" if metadata.schema else TABLE
    existing = metadata.tables.get(name)
    if existing is not None:
        return existing
    return sa.Table(
        TABLE,
        metadata,
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("status", sa.Integer),
        sa.Column("headers", sa.Text),
        sa.Column("body", sa.LargeBinary(_BODY_MAX_BYTES)),
    )
