"""Writing rows: the unit of work behind every create, replace, update and delete.

One request is one transaction. The caller renders its answer inside `unit_of_work`, so that nothing can fail after
the commit (decisions 21).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import marshmallow as ma
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, lazyload

from flarchitect_core import options
from flarchitect_core.errors import NotFoundError, ValidationError
from flarchitect_core.model.fields import text_to_value, to_jsonable
from flarchitect_core.model.inspect import ColumnFact
from flarchitect_core.model.schemas import BodyReader, default_value
from flarchitect_core.operations.dependents import DependentRows
from flarchitect_core.operations.direct import DirectWriter
from flarchitect_core.operations.failures import (
    UNREADABLE,
    row_is_referred_to,
    row_not_kept,
    unreadable_value,
    write_failure,
)
from flarchitect_core.operations.instances import REFUSALS, InstanceMaker
from flarchitect_core.query.compile import key_conditions, key_parameters
from flarchitect_core.releasing import roll_back

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Resource
    from flarchitect_core.state import ApplicationState

__all__ = ["Writer", "Written", "unit_of_work"]

Key = tuple[Any, ...]

# How SQLAlchemy says that rows whose key refers to a deleted row would have to lose their key.
_BLANKED_KEY = "Dependency rule on column"


@dataclass(frozen=True, slots=True)
class Written:
    """A row that was written but not yet committed."""

    key: Key
    created: bool


@contextmanager
def unit_of_work(state: ApplicationState, resource: Resource, *, deleting: bool = False) -> Iterator[Session]:
    """Run a block as one transaction: commit at its end, or roll everything back on any failure.

    Raises:
        ApiError: What a failure of the database means for the caller.
    """
    try:
        session = state.database.session(resource.model)
    except SQLAlchemyError as error:
        raise write_failure(error, resource) from error
    try:
        yield session
        session.commit()
    except (SQLAlchemyError, OverflowError) as error:
        roll_back(session)
        raise write_failure(error, resource, deleting=deleting) from error
    except BaseException:
        roll_back(session)
        raise


class Writer:
    """Writes rows of one resource; made once at start-up."""

    def __init__(self, resource: Resource, state: ApplicationState) -> None:
        self._resource = resource
        self._readers: dict[str, BodyReader] = {
            method: BodyReader(resource, method, state.settings)
            for method in ("POST", "PUT", "PATCH")
            if method in resource.methods
        }
        self._direct = DirectWriter(resource)
        # Relations are left alone, and what the session still holds of the row is read anew.
        self._by_key: sa.Select[Any] = (
            sa.select(resource.model)
            .where(*key_conditions(resource, resource.model))
            .options(lazyload("*"))
            .execution_options(populate_existing=True)
        )
        self._to_change = _locked(self._by_key, resource)
        self._maker = InstanceMaker(resource.facts)
        self._dependents = DependentRows(resource, state.settings.get(options.CASCADE_ROWS_MAX, model=resource.model))

    def create(self, session: Session, body: Mapping[str, Any]) -> Written:
        """Add a row.

        Raises:
            ValidationError: The body does not fit.
        """
        return self._insert(session, self._readers["POST"].read(body))

    def replace(self, session: Session, key: Key | None, body: Mapping[str, Any]) -> Written:
        """Replace a row as a whole, or create it when the client may choose its key.

        Columns that the body leaves out take their defaults.

        Raises:
            NotFoundError: There is no such row, and the client may not choose keys.
            ValidationError: The body does not fit, or carries another key than the URL.
        """
        key = self._require_key(key)
        values = self._read("PUT", self._keyed(body, key), key)
        named = {item.attribute: value for item, value in zip(self._resource.key, key, strict=True)}
        instance = self._find(session, self._to_change, key)
        if instance is None:
            if not self._may_choose_key():
                raise self._not_found()
            self._readers["PUT"].require_all({**values, **named})
            return self._insert(session, {**values, **named})
        return self._assign(session, instance, key, {**self._defaults({**values, **named}), **values})

    def update(self, session: Session, key: Key | None, body: Mapping[str, Any]) -> Written:
        """Change the columns that the body names.

        Raises:
            NotFoundError: There is no such row.
            ValidationError: The body does not fit, or carries another key than the URL.
        """
        key = self._require_key(key)
        values = self._read("PATCH", body, key)
        if self._direct.serves(session, values):
            if not self._direct.update(session, key, values):
                raise self._not_found()
            return Written(key, created=False)
        instance = self._find(session, self._to_change, key)
        if instance is None:
            raise self._not_found()
        return self._assign(session, instance, key, values)

    def delete(self, session: Session, key: Key | None) -> None:
        """Delete a row.

        Raises:
            NotFoundError: There is no such row.
            ConflictError: Rows that belong to it cannot do without it, or are more than `API_CASCADE_ROWS_MAX`.
        """
        # Without a lock: what belongs to the row is changed before it, the order in which everybody else locks them.
        instance = self._find(session, self._by_key, self._require_key(key))
        if instance is None:
            raise self._not_found()
        self._dependents.check(session, self._require_key(key))
        session.delete(instance)
        try:
            session.flush()
        except AssertionError as error:
            if not str(error).startswith(_BLANKED_KEY):
                raise
            raise row_is_referred_to(self._resource) from error

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _insert(self, session: Session, values: Mapping[str, Any]) -> Written:
        if self._direct.serves(session, values):
            key = self._direct.insert(session, values)
            if len(key) < len(self._resource.key):
                raise row_not_kept(self._resource)
            return Written(key, created=True)
        try:
            instance = self._maker.make(values)
        except REFUSALS as error:
            # Which value it was, the model does not say.
            raise self._refused(self._maker.refused(values) or values) from error
        session.add(instance)
        session.flush()
        return Written(self._resource.key_of(instance), created=True)

    def _assign(self, session: Session, instance: object, key: Key, values: Mapping[str, Any]) -> Written:
        for attribute, value in values.items():
            try:
                setattr(instance, attribute, value)
            except REFUSALS as error:
                raise self._refused([attribute]) from error
        session.flush()
        return Written(key, created=False)

    def _refused(self, attributes: Iterable[str]) -> ValidationError:
        fields = (self._resource.field_of_attribute(attribute) for attribute in attributes)
        return ValidationError({item.name: ["Not accepted by the model."] for item in fields if item is not None})

    def _find(self, session: Session, statement: sa.Select[Any], key: Key) -> Any | None:
        found = session.execute(statement, key_parameters(key)).scalars()
        try:
            return found.first()
        except UNREADABLE as error:
            raise unreadable_value(error, self._resource.name) from error

    # --- keys ---------------------------------------------------------------------------------------------------------

    def _require_key(self, key: Key | None) -> Key:
        if key is None:
            raise self._not_found()
        return key

    def _not_found(self) -> NotFoundError:
        return NotFoundError(f"{self._resource.name} not found.", reason="row_not_found")

    def _may_choose_key(self) -> bool:
        return "POST" in self._resource.methods and all("POST" not in item.locked_in for item in self._resource.key)

    def _keyed(self, body: Mapping[str, Any], key: Key) -> Mapping[str, Any]:
        """Put the key of the URL into a body that leaves it out, so that it is no missing field."""
        missing = {
            item.name: to_jsonable(value)
            for item, value in zip(self._resource.key, key, strict=True)
            if item.name not in body and "PUT" not in item.locked_in
        }
        return {**body, **missing}

    def _read(self, method: str, body: Mapping[str, Any], key: Key) -> dict[str, Any]:
        """Read a body for the row of the URL: its key may stand in the body only as it is in the URL (rest 5.3)."""
        errors: dict[str, Any] = {}
        for item, value in zip(self._resource.key, key, strict=True):
            if item.name in body and not _means(item, body[item.name], value):
                errors[item.name] = ["The key in the body differs from the key in the URL."]
        if errors:
            raise ValidationError(errors)
        values = self._readers[method].read(body)
        for item in self._resource.key:
            values.pop(item.attribute, None)
        return values

    def _defaults(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Give what a replacement sets for columns that its body leaves out.

        Columns that clients cannot see are kept: whoever sends an answer back must not clear a password with it.

        Args:
            given: Attribute values of the body and of the key.
        """
        values: dict[str, Any] = {}
        items = [item for item in self._resource.fields.values() if isinstance(item.fact, ColumnFact)]
        parameters = {_column_key(item): given[item.attribute] for item in items if item.attribute in given}
        for item in items:
            if item.attribute in given or "PUT" in item.locked_in or "GET" in item.hidden_in:
                continue
            is_known, default = default_value(item, parameters)
            if is_known:
                values[item.attribute] = parameters[_column_key(item)] = default
        return values


def _locked(by_key: sa.Select[Any], resource: Resource) -> sa.Select[Any]:
    """Let the select of a row wait for whoever changes it, and see what was committed last.

    The ORM writes only what differs from what was read, which the transaction of MariaDB and MySQL takes from the
    time of its first statement. A version column finds out by itself. `key_share` lets others refer to the row.
    """
    mapper = resource.facts.mapper
    base: Any = mapper.base_mapper.local_table
    if mapper.version_id_col is not None or not isinstance(base, sa.Table):
        return by_key
    # Subclasses that are loaded with their parent stand in outer joins, which PostgreSQL does not lock.
    return by_key.with_for_update(key_share=True, of=base if mapper.with_polymorphic_mappers else None)


def _column_key(item: Field) -> str:
    return str(getattr(getattr(item.fact, "column", None), "key", item.attribute))


def _means(item: Field, given: Any, value: Any) -> bool:
    try:
        return bool(text_to_value(item.codec, given) == value)
    except ma.ValidationError:
        return False
