"""Writing rows: the unit of work behind every create, replace, update and delete.

One request is one transaction. The caller renders its answer inside `unit_of_work`, so that nothing can fail after
the commit (decisions 21).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import marshmallow as ma
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, lazyload

from flarchitect_core.errors import NotFoundError, ValidationError
from flarchitect_core.model.fields import to_jsonable
from flarchitect_core.model.inspect import ColumnFact
from flarchitect_core.model.schemas import BodyReader, default_value
from flarchitect_core.operations.direct import DirectWriter
from flarchitect_core.operations.failures import write_failure
from flarchitect_core.operations.instances import InstanceMaker
from flarchitect_core.query.compile import key_conditions, key_parameters

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Resource
    from flarchitect_core.state import ApplicationState

__all__ = ["Writer", "Written", "unit_of_work"]

Key = tuple[Any, ...]


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
        session.rollback()
        raise write_failure(error, resource, deleting=deleting) from error
    except BaseException:
        session.rollback()
        raise


@contextmanager
def refusing(name: str) -> Iterator[None]:
    """Turn the ValueError by which a model refuses a value, in `@validates` for example, into a 400."""
    try:
        yield
    except ValueError as error:
        raise ValidationError({name: ["Not accepted by the model."]}) from error


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
        self._maker = InstanceMaker(resource.facts)

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
        instance = self._find(session, key)
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
        instance = self._find(session, key)
        if instance is None:
            raise self._not_found()
        return self._assign(session, instance, key, values)

    def delete(self, session: Session, key: Key | None) -> None:
        """Delete a row.

        Raises:
            NotFoundError: There is no such row.
        """
        instance = self._find(session, self._require_key(key))
        if instance is None:
            raise self._not_found()
        session.delete(instance)
        session.flush()

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _insert(self, session: Session, values: Mapping[str, Any]) -> Written:
        if self._direct.serves(session, values):
            return Written(self._direct.insert(session, values), created=True)
        with refusing(", ".join(values)):
            instance = self._maker.make(values)
        session.add(instance)
        session.flush()
        return Written(self._resource.key_of(instance), created=True)

    @staticmethod
    def _assign(session: Session, instance: object, key: Key, values: Mapping[str, Any]) -> Written:
        for attribute, value in values.items():
            with refusing(attribute):
                setattr(instance, attribute, value)
        session.flush()
        return Written(key, created=False)

    def _find(self, session: Session, key: Key) -> Any | None:
        return session.execute(self._by_key, key_parameters(key)).scalars().first()

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


def _column_key(item: Field) -> str:
    return str(getattr(getattr(item.fact, "column", None), "key", item.attribute))


def _means(item: Field, given: Any, value: Any) -> bool:
    try:
        return bool(item.codec.deserialize(given) == value)
    except ma.ValidationError:
        return False
