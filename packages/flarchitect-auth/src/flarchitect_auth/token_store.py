"""The refresh tokens that were given out: stored as hashes, used once, revoked family by family (auth 7, S-9 to S-14).

All refresh tokens that come from one login are a family. A token is exchanged by one conditional UPDATE, so that of
many that try at once one succeeds. Whoever presents a token that was exchanged already has a copy of it, and nobody can
tell which of the two is the thief: the family ends.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import sqlalchemy as sa
from flask import current_app, has_app_context
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flarchitect_auth import options
from flarchitect_auth.accounts import Accounts, moment_of
from flarchitect_core.errors import UnavailableError
from flarchitect_core.http.exceptions import CustomHTTPException

if TYPE_CHECKING:
    from flarchitect_core.state import ApplicationState

__all__ = ["Base", "DeniedToken", "Origin", "RefreshToken", "TokenStore", "refusal", "stored_form"]

logger = logging.getLogger("flarchitect.auth")

PLAIN_CHARACTERS_MAX = 700
_TRIES = 3
_PASSES = 20
# The sessions of the store hold no instances that a statement could make wrong.
_UNSEEN = {"synchronize_session": False}
_INVALID = "Invalid or expired refresh token"


class UtcDateTime(sa.types.TypeDecorator[dt.datetime]):
    """A moment in UTC, on databases without zones too."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        """Write a moment."""
        if value is None:
            return None
        moment = value.astimezone(dt.timezone.utc)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        """Read a moment."""
        return moment_of(value)


class Base(DeclarativeBase):
    """Base of the tables of this part; its `metadata` is what migrations need."""


def _now() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)


class RefreshToken(Base):
    """One refresh token.

    Attributes:
        token: SHA-256 of the token in hex, or the token itself with `API_REFRESH_TOKEN_STORAGE = "plain"`.
        replaced_by: Stored form of the token that came in its place.
        revoked_reason: `rotated`, `reuse`, `logout`, `revoked` or `expired`.
        family_id: The login that it comes from.
        family_ends_at: When the family cannot be renewed any more.
    """

    __tablename__ = "refresh_tokens"

    token: Mapped[str] = mapped_column(sa.String(PLAIN_CHARACTERS_MAX), primary_key=True)
    user_pk: Mapped[str] = mapped_column(sa.String(255), index=True)
    user_lookup: Mapped[str] = mapped_column(sa.String(255))
    expires_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, index=True)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, default=_now)
    last_used_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    revoked: Mapped[bool] = mapped_column(default=False)
    revoked_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    revoked_reason: Mapped[str | None] = mapped_column(sa.String(20))
    replaced_by: Mapped[str | None] = mapped_column(sa.String(PLAIN_CHARACTERS_MAX))
    family_id: Mapped[str] = mapped_column(sa.String(43), index=True)
    family_ends_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    jti: Mapped[str | None] = mapped_column(sa.String(64))
    client_id: Mapped[str | None] = mapped_column(sa.String(255))
    ip: Mapped[str | None] = mapped_column(sa.String(45))
    user_agent: Mapped[str | None] = mapped_column(sa.String(255))


class DeniedToken(Base):
    """One access token that was logged out before it expired."""

    __tablename__ = "denied_access_tokens"

    jti: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    expires_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, index=True)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a token was asked for; kept with it for people who look into what happened."""

    ip: str | None = None
    user_agent: str | None = None


Result = TypeVar("Result")
Outcome = Literal["rotated", "reused", "refused", "expired"]


class TokenStore:
    """The tables of tokens of one application, in the database of its users.

    Every function is a transaction of its own: what happens to a token must not depend on whether the rest of a request
    succeeds.
    """

    def __init__(self, state: ApplicationState, accounts: Accounts) -> None:
        self._state = state
        self._settings = state.settings
        self._accounts = accounts

    # --- tables -------------------------------------------------------------------------------------------------------

    def create_tables(self) -> None:
        """Create the tables that are missing.

        Raises:
            SQLAlchemyError: The database cannot be asked, or refuses.
        """
        engine = self._engine()
        try:
            Base.metadata.create_all(engine)
        except (OperationalError, ProgrammingError):
            # Another process may have been faster: then all of them are there by now.
            if not set(Base.metadata.tables) <= set(sa.inspect(engine).get_table_names()):
                raise

    def _engine(self) -> sa.Engine:
        model = self._accounts.model
        # In a context of its own, what finds the session would give another one than the request has.
        app = self._state.app
        is_current = has_app_context() and current_app._get_current_object() is app  # type: ignore[attr-defined]  # noqa: SLF001
        surroundings = nullcontext() if is_current else app.app_context()
        with surroundings, self._state.database.session_scope(model) as session:
            return session.get_bind(sa.inspect(model)).engine

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a short session on the database of the users; the block commits.

        Raises:
            UnavailableError: The database does not answer, or the tables are not there (503).
        """
        try:
            with Session(self._engine(), expire_on_commit=False) as session:
                yield session
        except SQLAlchemyError as error:
            raise _unavailable(error) from error

    # --- giving out ---------------------------------------------------------------------------------------------------

    def new_family(self) -> tuple[str, dt.datetime]:
        """Give the id of a new family, and when it ends."""
        days = self._settings.get(options.REFRESH_FAMILY_MAX_AGE)
        return secrets.token_urlsafe(24), _now() + dt.timedelta(days=days)

    def store(
        self,
        token: str,
        user_pk: str,
        user_lookup: str,
        expires_at: dt.datetime,
        *,
        jti: str | None = None,
        origin: Origin | None = None,
        family: tuple[str, dt.datetime] | None = None,
    ) -> None:
        """Store a token that is given out.

        Raises:
            UnavailableError: It could not be stored, so it must not be given out.
        """
        with self.session() as session:
            family_id, ends_at = family or self.new_family()
            values = self._row(token, user_pk, user_lookup, expires_at, jti, origin, family_id, ends_at)
            session.execute(sa.insert(RefreshToken).values(values))
            session.commit()

    def _row(
        self,
        token: str,
        user_pk: str,
        user_lookup: str,
        expires_at: dt.datetime,
        jti: str | None,
        origin: Origin | None,
        family_id: str,
        ends_at: dt.datetime,
    ) -> dict[str, Any]:
        origin = origin or Origin()
        return {
            "token": self.form(token),
            "user_pk": user_pk,
            "user_lookup": user_lookup[:255],
            "expires_at": expires_at,
            "family_id": family_id,
            "family_ends_at": ends_at,
            "jti": jti,
            "ip": None if origin.ip is None else origin.ip[:45],
            "user_agent": None if origin.user_agent is None else origin.user_agent[:255],
        }

    def form(self, token: str) -> str:
        """Give what is stored of a token."""
        return token if self._settings.get(options.REFRESH_TOKEN_STORAGE) == "plain" else stored_form(token)

    # --- looking up ---------------------------------------------------------------------------------------------------

    def find(self, token: str) -> RefreshToken | None:
        """Find a token, whatever has become of it."""
        with self.session() as session:
            return session.get(RefreshToken, self.form(token))

    def of_user(self, user_pk: object) -> list[RefreshToken]:
        """List the tokens of a user that count, newest first."""
        with self.session() as session:
            wanted = sa.select(RefreshToken).where(
                RefreshToken.user_pk == str(user_pk), ~RefreshToken.revoked, RefreshToken.expires_at > _now()
            )
            return list(session.scalars(wanted.order_by(RefreshToken.created_at.desc(), RefreshToken.token)))

    # --- exchanging ---------------------------------------------------------------------------------------------------

    def rotate(
        self, old: str, new: str, expires_at: dt.datetime, *, jti: str | None = None, origin: Origin | None = None
    ) -> Outcome:
        """Exchange a token for another one, in one transaction.

        Returns:
            `rotated`; `reused` when it was exchanged before, which ends the family; `expired` or `refused` otherwise.
        """
        return _tried(lambda: self._rotate(old, new, expires_at, jti, origin))

    def _rotate(self, old: str, new: str, expires_at: dt.datetime, jti: str | None, origin: Origin | None) -> Outcome:
        with self.session() as session:
            form, now = self.form(old), _now()
            # Without a look before it: what is read first, some databases show for the rest of the transaction.
            update = self._replacing(old, new, now).where(RefreshToken.expires_at > now)
            changed: Any = session.execute(update, execution_options=_UNSEEN)
            row = session.get(RefreshToken, form, with_for_update=True)
            if row is None:
                return "refused"
            if changed.rowcount != 1 and not self._may_repeat(session, row, now):
                outcome = self._refused(session, row, now)
                session.commit()
                return outcome
            ends_at = row.family_ends_at
            if ends_at <= now:
                session.rollback()
                return "expired"
            expires_at = min(expires_at, ends_at)
            values = self._row(
                new, row.user_pk, row.user_lookup, expires_at, jti, origin, row.family_id, row.family_ends_at
            )
            session.execute(sa.insert(RefreshToken).values(values))
            session.commit()
            return "rotated"

    def replace(self, old: str, new: str) -> None:
        """Let a token count no more because of another one that was stored; nothing happens when it counts no more."""
        with self.session() as session:
            session.execute(self._replacing(old, new, _now()), execution_options=_UNSEEN)
            session.commit()

    def _replacing(self, old: str, new: str, now: dt.datetime) -> sa.Update:
        exchanged = {"replaced_by": self.form(new), "last_used_at": now}
        revoked = {"revoked": True, "revoked_at": now, "revoked_reason": "rotated"}
        update = sa.update(RefreshToken).where(RefreshToken.token == self.form(old), ~RefreshToken.revoked)
        return update.values({**revoked, **exchanged})

    def _may_repeat(self, session: Session, row: RefreshToken, now: dt.datetime) -> bool:
        """Say whether a token that was exchanged may be exchanged once more: its client may have lost the answer."""
        grace = dt.timedelta(seconds=self._settings.get(options.REFRESH_REUSE_GRACE))
        if not grace or row.revoked_reason != "rotated" or row.revoked_at is None or row.expires_at <= now:
            return False
        alive = sa.select(RefreshToken.token).where(RefreshToken.family_id == row.family_id, ~RefreshToken.revoked)
        # Of a login that was ended meanwhile nothing is left that could be given once more.
        return now - row.revoked_at <= grace and session.scalars(alive.limit(1)).first() is not None

    @staticmethod
    def _refused(session: Session, row: RefreshToken, now: dt.datetime) -> Outcome:
        if not row.revoked:
            session.delete(row)  # nobody needs what has expired by itself
            return "expired"
        if row.revoked_reason in ("rotated", "reuse"):
            _revoke(session, RefreshToken.family_id == row.family_id, "reuse", now)
            return "reused"
        return "refused"

    # --- revoking -----------------------------------------------------------------------------------------------------

    def revoke(self, token: str, reason: str = "revoked") -> None:
        """Revoke one token; nothing happens when it is not there."""
        self._revoke(RefreshToken.token == self.form(token), reason)

    def revoke_family(self, family_id: str, reason: str = "revoked") -> int:
        """Revoke all tokens of one login, and say how many."""
        return self._revoke(RefreshToken.family_id == family_id, reason)

    def revoke_user(self, user_pk: object, reason: str = "revoked") -> int:
        """Revoke all tokens of one user, and say how many."""
        return self._revoke(RefreshToken.user_pk == str(user_pk), reason)

    def _revoke(self, which: sa.ColumnElement[bool], reason: str) -> int:
        def revoke() -> int:
            with self.session() as session:
                return _revoke(session, which, reason, _now())

        return _tried(revoke)

    def delete(self, token: str) -> None:
        """Forget one token; nothing happens when it is not there."""
        with self.session() as session:
            session.execute(
                sa.delete(RefreshToken).where(RefreshToken.token == self.form(token)), execution_options=_UNSEEN
            )
            session.commit()

    def mark_used(self, token: str, replaced_by: str | None = None) -> None:
        """Note that a token was used, and what came in its place."""
        values: dict[str, Any] = {"last_used_at": _now()}
        if replaced_by is not None:
            values["replaced_by"] = self.form(replaced_by)
        with self.session() as session:
            update = sa.update(RefreshToken).where(RefreshToken.token == self.form(token)).values(values)
            session.execute(update, execution_options=_UNSEEN)
            session.commit()

    def purge(self, older_than: dt.timedelta = dt.timedelta(days=30)) -> int:
        """Delete what expired longer ago than a time, and say how many refresh tokens that were."""
        before = _now() - older_than
        with self.session() as session:
            old = sa.delete(RefreshToken).where(RefreshToken.expires_at < before)
            deleted: Any = session.execute(old, execution_options=_UNSEEN)
            session.execute(sa.delete(DeniedToken).where(DeniedToken.expires_at < _now()), execution_options=_UNSEEN)
            session.commit()
            return int(deleted.rowcount)

    # --- access tokens ------------------------------------------------------------------------------------------------

    def deny(self, jti: str, expires_at: dt.datetime) -> None:
        """Let an access token count no more, where `API_JWT_DENYLIST` is on."""
        if not self._settings.get(options.JWT_DENYLIST):
            return
        with self.session() as session:
            if session.get(DeniedToken, jti) is None:
                session.add(DeniedToken(jti=jti, expires_at=expires_at))
                with suppress(IntegrityError):  # it was logged out twice at once
                    session.commit()

    def is_denied(self, jti: object) -> bool:
        """Say whether an access token was logged out."""
        if not self._settings.get(options.JWT_DENYLIST):
            return False
        # In the session of the request: a second connection for each would be one too many under load.
        wanted = sa.select(DeniedToken.jti).where(DeniedToken.jti == sa.bindparam("jti"))
        if not isinstance(jti, str):
            return True
        try:
            return bool(self._state.database.read(self._accounts.model, wanted, {"jti": jti}))
        except SQLAlchemyError as error:
            raise _unavailable(error) from error


def stored_form(token: str) -> str:
    """Give the SHA-256 of a token in hex.

    A plain hash is enough: tokens are random and long, so that trying all of them is no way to find one.
    """
    return hashlib.sha256(token.encode()).hexdigest()


def _unavailable(error: SQLAlchemyError) -> UnavailableError:
    logger.error("The store of tokens failed: %s", type(getattr(error, "orig", None) or error).__name__)
    message = "Tokens cannot be looked up at the moment. Try again soon."
    return UnavailableError(message, reason="token_store_unavailable")


def _tried(work: Callable[[], Result]) -> Result:
    """Do something with the store, again where the database gave up one of several transactions."""
    for _ in range(_TRIES - 1):
        try:
            return work()
        except UnavailableError as error:
            # Two that meet in a deadlock, or on a locked file: one of them is through by now.
            if not isinstance(error.__cause__, OperationalError):
                raise
    return work()


def _revoke(session: Session, which: sa.ColumnElement[bool], reason: str, now: dt.datetime) -> int:
    """Revoke tokens, commit, and say how many they were.

    A renewal that was under way adds a token that the statement which waited for it does not see, so that is done until
    a new transaction sees none.

    Raises:
        UnavailableError: The tokens were renewed all the while (503).
    """
    values = {"revoked": True, "revoked_at": now, "revoked_reason": reason}
    update = sa.update(RefreshToken).where(which, ~RefreshToken.revoked).values(values)
    left = sa.select(RefreshToken.token).where(which, ~RefreshToken.revoked).limit(1)
    count = 0
    for _ in range(_PASSES):
        changed: Any = session.execute(update, execution_options=_UNSEEN)
        count += int(changed.rowcount)
        session.commit()
        is_done = session.scalar(left) is None
        session.commit()
        if is_done:
            return count
    raise UnavailableError("Tokens cannot be revoked at the moment. Try again soon.", reason="token_store_unavailable")


def refusal(outcome: Outcome) -> CustomHTTPException:
    """Give the error of a token that was not exchanged: 403, the same for whatever has become of it (auth 5.3)."""
    reason = "refresh_reused" if outcome == "reused" else "refresh_refused"
    return CustomHTTPException(403, _INVALID, code_name=reason)
