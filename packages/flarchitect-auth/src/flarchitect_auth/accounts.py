"""The users of an application: finding them, and checking what they say to be theirs."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import marshmallow as ma
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapper, object_session

from flarchitect_auth import options
from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.http.request_scope import current_request
from flarchitect_core.model.fields import ColumnField, text_to_value
from flarchitect_core.model.inspect import ColumnFact
from flarchitect_core.model.registry import Registry
from flarchitect_core.model.resource import Resource
from flarchitect_core.model.type_table import field_for_type
from flarchitect_core.operations.failures import read_failure
from flarchitect_core.operations.unattached import Unattached, made_of
from flarchitect_core.releasing import roll_back
from flarchitect_core.settings import Option
from flarchitect_core.startup import StartupReport
from flarchitect_core.state import ApplicationState

__all__ = ["Accounts", "moment_of", "stored_moment"]

logger = logging.getLogger("flarchitect.auth")

# Longer than any name or password; what is longer is wrong, and is not hashed at all.
CREDENTIAL_CHARACTERS_MAX = 4096
_USE_PRECISION = dt.timedelta(seconds=60)


class Accounts:
    """Finds users by key, login name or key id, in the session of the request."""

    def __init__(self, state: ApplicationState) -> None:
        self._state = state
        self._settings = state.settings
        self._sampled: Mapping[str, Any] | None = None
        self._statements: dict[str, sa.Select[Any]] = {}

    @property
    def model(self) -> type:
        """The user model.

        Raises:
            CustomHTTPException: None is configured (500).
        """
        model: type | None = self._settings.get(options.USER_MODEL)
        if model is None:
            raise CustomHTTPException(500, "API_USER_MODEL missing", code_name="user_model_missing")
        return model

    @property
    def is_configured(self) -> bool:
        """Whether there is a user model with a login name."""
        model = self._settings.get(options.USER_MODEL)
        return model is not None and bool(self._settings.get(options.USER_LOOKUP_FIELD, model=model))

    def option(self, option: Option[Any]) -> Any:
        """Read an option that the `Meta` of the user model, where there is one, may set."""
        return self._settings.get(option, model=self._settings.get(options.USER_MODEL))

    # --- names --------------------------------------------------------------------------------------------------------

    @property
    def lookup_field(self) -> str:
        """The attribute with the login name.

        Raises:
            CustomHTTPException: None is configured (500).
        """
        name: str | None = self.option(options.USER_LOOKUP_FIELD)
        if not name:
            raise CustomHTTPException(500, "API_USER_LOOKUP_FIELD missing", code_name="lookup_field_missing")
        return name

    @cached_property
    def pk_name(self) -> str:
        """The attribute with the key."""
        mapper = self._mapper
        return str(mapper.get_property_by_column(mapper.primary_key[0]).key)

    @cached_property
    def resource(self) -> Resource:
        """What `Meta` says of the user model: of one that is not published, by the same rules."""
        published = self._state.registry.get(self.model)
        resource = published or Registry([self.model], self._settings, StartupReport()).get(self.model)
        if resource is None:
            raise RuntimeError(f"{self.model!r} is not mapped.")
        return resource

    @cached_property
    def _secret_attributes(self) -> list[str]:
        hidden = [each.fact for each in self.resource.fields.values() if "GET" in each.hidden_in]
        return [fact.name for fact in hidden if isinstance(fact, ColumnFact)]

    @cached_property
    def _mapper(self) -> Mapper[Any]:
        mapper: Mapper[Any] = sa.inspect(self.model)
        return mapper

    @cached_property
    def _pk_field(self) -> ColumnField:
        return field_for_type(self._mapper.primary_key[0].type)

    def pk_of(self, user: Any) -> Any:
        """Give the key of a user; `None` of what is no user of the model."""
        return getattr(user, self.pk_name, None)

    def key_of(self, user: Any) -> Any:
        """Give the key of the current user where it is one of the model, `None` of anybody else."""
        return self.pk_of(user) if self._is_row(user) else None

    def _is_row(self, user: Any) -> bool:
        model = self._settings.get(options.USER_MODEL)
        return model is not None and isinstance(user, model)

    def identity_of(self, user: Any) -> dict[str, str]:
        """Give the claims that name a user: its login name and its key, as text."""
        return {self.lookup_field: str(getattr(user, self.lookup_field)), self.pk_name: str(self.pk_of(user))}

    # --- finding ------------------------------------------------------------------------------------------------------

    def by_pk(self, text: object, *, attached: bool = True) -> Any | None:
        """Find a user by key.

        Args:
            text: As tokens carry it.
            attached: Whether the user must have the session of the request. One that need not may have only its
                columns, until it is given to `attach`.
        """
        if not isinstance(text, str) or len(text) > CREDENTIAL_CHARACTERS_MAX:
            return None
        try:
            key = text_to_value(self._pk_field, text)
        except ma.ValidationError:
            return None
        if not attached and self._is_judged_by_columns and self._unattached.is_possible(self._state.database):
            row = self._only(self._columns_by_pk, key)
            return None if row is None else self._unattached.instance(row)
        return self._one(self._by(self.pk_name), key)

    def attach(self, user: Any) -> Any:
        """Give a user the session of the request, unless it has one; where that knew it before, as it knows it."""
        return self._unattached.attached(self._state.database, user) if self._is_row(user) else user

    def has_column(self, name: str) -> bool:
        """Say whether an attribute of users is a column, or is not there: a look at it needs no session."""
        is_missing = not hasattr(self.model, name) and not hasattr(self.model, "__getattr__")
        return name in self._unattached.columns or is_missing

    @cached_property
    def has_roles_in_column(self) -> bool:
        """Whether a look at the roles of users needs no session."""
        return self._settings.get(options.USER_MODEL) is not None and self.has_column("roles")

    @cached_property
    def _is_judged_by_columns(self) -> bool:
        return self.has_column(self._active_name) and self.has_column(self._valid_after_name)

    @cached_property
    def _active_name(self) -> str:
        name: str | None = self.option(options.USER_ACTIVE_FIELD)
        return name or "is_active"

    @cached_property
    def _valid_after_name(self) -> str:
        name: str = self.option(options.TOKENS_VALID_AFTER_FIELD)
        return name

    @cached_property
    def _unattached(self) -> Unattached:
        return Unattached(self.model)

    @cached_property
    def _columns_by_pk(self) -> sa.Select[Any]:
        column = getattr(self.model, self.pk_name)
        wanted = sa.bindparam("wanted", type_=column.type)
        return sa.select(*self._unattached.columns.values()).where(column == wanted).limit(2)

    def by_name(self, name: str) -> Any | None:
        """Find a user by login name."""
        return self._one(self._by(self.lookup_field), name)

    def by_key_id(self, key_id: str) -> Any | None:
        """Find the user of an API key by the public part of it."""
        return self._one(self._by(self.option(options.KEY_ID_FIELD)), key_id)

    def has_more_hashes_than(self, number: int) -> bool:
        """Say whether more users than a number have the hash of an API key."""
        column = getattr(self.model, self.option(options.CREDENTIAL_HASH_FIELD))
        wanted = sa.select(*self._mapper.primary_key).where(column.is_not(None))
        return bool(self._read(wanted.offset(number).limit(1), {}))

    def with_hash(self) -> list[Any]:
        """List the users who have the hash of an API key; all of them, one by one, is what a key without id costs."""
        column = getattr(self.model, self.option(options.CREDENTIAL_HASH_FIELD))
        session = self._state.database.session(self.model)
        return list(session.scalars(sa.select(self.model).where(column.is_not(None))))

    def _by(self, attribute: str) -> sa.Select[Any]:
        statement = self._statements.get(attribute)
        if statement is None:
            column = getattr(self.model, attribute)
            statement = sa.select(self.model).where(column == sa.bindparam("wanted", type_=column.type)).limit(2)
            self._statements[attribute] = statement
        return statement

    def _one(self, statement: sa.Select[Any], value: Any) -> Any | None:
        row = self._only(statement, value, instances=True)
        return None if row is None else row[0]

    def _only(self, statement: sa.Select[Any], value: Any, *, instances: bool = False) -> Sequence[Any] | None:
        if isinstance(value, str) and not _is_storable(value):
            return None
        rows = self._read(statement, {"wanted": value}, instances=instances)
        # Two users of one name are nobody: which of them it is cannot be said.
        return rows[0] if len(rows) == 1 else None

    def _read(
        self, statement: sa.Select[Any], parameters: Mapping[str, Any], *, instances: bool = False
    ) -> Sequence[Any]:
        """Read in the session of the request; outside of one, in a session of its own that is closed again."""
        database = self._state.database
        try:
            if current_request() is not None:
                return database.read(self.model, statement, parameters, instances=instances)
            with database.session_scope(self.model) as session:
                return session.execute(statement, parameters).all()
        except (SQLAlchemyError, OverflowError) as error:
            raise read_failure(error, self.model, {}) from error

    # --- noting -------------------------------------------------------------------------------------------------------

    def note_use(self, user: Any) -> None:
        """Keep when the API key of a user was last used, to the minute; where it cannot be kept, the log says so."""
        name = self.option(options.KEY_LAST_USED_FIELD)
        if not name or not self._is_row(user):
            return
        now, last = dt.datetime.now(dt.timezone.utc), moment_of(getattr(user, name))
        if last is not None and now - last < _USE_PRECISION:
            return
        key, column = getattr(self.model, self.pk_name), getattr(self.model, name)
        update = sa.update(self.model).where(key == self.pk_of(user)).values({name: stored_moment(now, column.type)})
        session = self._state.database.session(self.model)
        try:
            session.execute(update, execution_options={"synchronize_session": False})
            session.commit()
        except SQLAlchemyError as error:
            roll_back(session)
            logger.warning("The last use of an API key could not be kept: %s", type(error).__name__)

    # --- judging ------------------------------------------------------------------------------------------------------

    def is_active(self, user: Any) -> bool:
        """Say whether an account is open: not closed by its own attribute, and not marked as deleted."""
        active = getattr(user, self._active_name, True)
        active = active() if callable(active) else active
        if not active or not self._is_row(user):
            return bool(active)
        mark = self.resource.soft_delete
        return mark is None or not mark.is_deleted(getattr(user, mark.fact.name))

    def accepts_issued_at(self, user: Any, issued_at: object) -> bool:
        """Say whether a token of a user counts that was issued at a moment (seconds of the epoch)."""
        after = moment_of(getattr(user, self._valid_after_name, None))
        return after is None or (isinstance(issued_at, (int, float)) and issued_at >= int(after.timestamp()))

    def state_of(self, user: Any) -> str:
        """Digest what is secret of a user, and since when its tokens count: another one after the password changed."""
        after = getattr(user, self.option(options.TOKENS_VALID_AFTER_FIELD), None)
        secrets = [(name, repr(getattr(user, name))) for name in self._secret_attributes]
        return hashlib.sha256(repr((secrets, after)).encode("utf-8", "surrogatepass")).hexdigest()

    def verify(self, user: Any | None, secret: str) -> bool:
        """Check a password, in the same time whether or not there is such a user (S-15)."""
        if not secret or len(secret) > CREDENTIAL_CHARACTERS_MAX:
            return False
        if user is None:
            self._pretend(secret)
            return False
        return self.checks(user, secret)

    def example_of(self, attribute: str) -> Any:
        """Give what some user has in an attribute, to judge as it those who do not exist (S-15)."""
        values = self._sample()
        return None if values is None else values.get(attribute)

    def checks(self, user: Any, secret: str) -> bool:
        """Ask a user whether a secret is right; one that the check cannot take, such as one too long, is wrong."""
        name = self.option(options.CREDENTIAL_CHECK_METHOD)
        if not name:
            raise CustomHTTPException(500, "API_CREDENTIAL_CHECK_METHOD missing", code_name="check_method_missing")
        try:
            return bool(getattr(user, name)(secret))
        except (ValueError, TypeError) as error:
            # Only the kind: libraries of hashes repeat in their words what they were given.
            logger.warning("%s refused what it was given: %s", name, type(error).__name__)
            return False

    def _pretend(self, secret: str) -> None:
        """Do the work of checking a password for somebody who does not exist."""
        values = self._sample()
        if values is None:
            return
        decoy = made_of(self._mapper, values)  # of no session: what a check changes of it is lost
        try:
            self.checks(decoy, secret)
        except Exception as error:  # noqa: BLE001 - the check is the application's, and this user is only half there
            logger.debug("The check of a password failed for a user who does not exist: %s", type(error).__name__)
        finally:
            session = object_session(decoy)
            if session is not None:
                roll_back(session)  # a check that stores what it counts must not store this one

    def _sample(self) -> Mapping[str, Any] | None:
        """Give the columns of one user who has a password; read once, as any will do."""
        if self._sampled is None:
            columns = {name: getattr(self.model, name) for name in self._mapper.column_attrs.keys()}  # noqa: SIM118
            secrets = [getattr(self.model, name) for name in self._secret_attributes]
            lacking: Any = sum((sa.case((column.is_(None), 1), else_=0) for column in secrets), sa.literal(0))
            ordered = sa.select(*columns.values()).order_by(lacking, *self._mapper.primary_key)
            rows = self._read(ordered.limit(1), {})
            self._sampled = dict(zip(columns, rows[0], strict=True)) if rows else None
        return self._sampled


def _is_storable(text: str) -> bool:
    """Say whether a database can hold a text: some drivers refuse to ask for one that none can."""
    return (
        len(text) <= CREDENTIAL_CHARACTERS_MAX and "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)
    )


def moment_of(value: Any) -> dt.datetime | None:
    """Give a moment that a database told, in UTC where it names no zone."""
    if not isinstance(value, dt.datetime):
        return None
    return value if value.tzinfo is not None else value.replace(tzinfo=dt.timezone.utc)


def stored_moment(moment: dt.datetime, column: sa.types.TypeEngine[Any]) -> dt.datetime:
    """Give a moment in UTC as a column takes it: of a zone, a column without zones would make its server's time."""
    return moment if getattr(column, "timezone", False) else moment.replace(tzinfo=None)
