"""What the body of a request sets of a row, with what the request says of the row besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import marshmallow as ma
import sqlalchemy as sa

from flarchitect_core.access.identity import get_current_user
from flarchitect_core.errors import ValidationError
from flarchitect_core.model.body_reader import BodyReader
from flarchitect_core.model.default_values import default_value
from flarchitect_core.model.fields import text_to_value
from flarchitect_core.model.inspect import ColumnFact
from flarchitect_core.model.jsonable import to_jsonable
from flarchitect_core.model.merge_patch import merge_patch

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Resource
    from flarchitect_core.operations.nested.bodies import NestedReader
    from flarchitect_core.operations.operation import Operation
    from flarchitect_core.state import ApplicationState

__all__ = ["RowValues"]

Key = tuple[Any, ...]


class RowValues:
    """Turns the bodies of one resource into attribute values; made once at start-up."""

    def __init__(self, resource: Resource, state: ApplicationState) -> None:
        self._resource = resource
        self._tenants = state.tenants
        self._nested = nested = state.nested
        self._readers: dict[str, BodyReader | NestedReader] = {
            method: (nested and nested.reader(resource, method)) or BodyReader(resource, method, state.settings)
            for method in ("POST", "PUT", "PATCH")
            if method in resource.methods
        }
        mark = resource.soft_delete
        if mark is not None and "PATCH" in resource.methods:
            # A deleted row is restored by a PATCH of its mark (rest 6.1), the only body that may carry it.
            self._restoring = BodyReader(resource, "PATCH", state.settings, unlocked=frozenset({mark.fact.name}))

    def read(self, method: str, operation: Operation, body: Mapping[str, Any]) -> dict[str, Any]:
        """Check a body and give the attribute values it sets.

        Raises:
            NotFoundError: The text in the URL cannot be a key.
            ValidationError: The body does not fit, or carries another key than the URL.
        """
        if method == "POST":
            return self._with_tenant(self._with_mark(self._readers["POST"].read(body)))
        key = operation.require_key()
        if method == "PUT":
            return self._with_tenant(self._read(self._readers["PUT"], self._keyed(body, key), key))
        mark = self._resource.soft_delete
        if mark is None or not operation.include_deleted:
            return self._read(self._readers["PATCH"], body, key)
        values = self._read(self._restoring, body, key)
        if values.get(mark.fact.name, mark.active) != mark.active:
            name = next(item.name for item in self._resource.fields.values() if item.attribute == mark.fact.name)
            raise ValidationError({name: ["Only the value of a row that is not deleted; delete rows with DELETE."]})
        return values

    def of_new_row(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Complete the values of a PUT, those of its key among them, for a row that it creates.

        Raises:
            ValidationError: Something is missing.
        """
        self._readers["PUT"].require_all(values)
        # The key of the URL may name another tenant.
        return self._with_mark(self._with_tenant(dict(values)))

    def defaults(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Give what a replacement sets for columns that its body leaves out.

        Columns that clients cannot see are kept: whoever sends an answer back must not clear a password with it.

        Args:
            given: Attribute values of the body and of the key.
        """
        values: dict[str, Any] = {}
        filled = set() if self._nested is None else self._nested.filled(self._resource, given)
        items = [item for item in self._resource.fields.values() if isinstance(item.fact, ColumnFact)]
        items = [item for item in items if item.attribute not in filled]
        parameters = {_column_key(item): given[item.attribute] for item in items if item.attribute in given}
        for item in items:
            if item.attribute in given or "PUT" in item.locked_in or "GET" in item.hidden_in:
                continue
            is_known, default = default_value(item, parameters)
            if is_known:
                values[item.attribute] = parameters[_column_key(item)] = default
        return values

    def merged(self, instance: Any, values: Mapping[str, Any]) -> dict[str, Any]:
        """Merge JSON values into those of the row (RFC 7396)."""
        merged = dict(values)
        for fact in self._resource.facts.columns:
            patch = values.get(fact.name)
            if isinstance(fact.type, sa.JSON) and isinstance(patch, dict):
                merged[fact.name] = merge_patch(getattr(instance, fact.name), patch)
        return merged

    def _with_mark(self, values: dict[str, Any]) -> dict[str, Any]:
        """Let a new row be one that is not deleted."""
        mark = self._resource.soft_delete
        return values if mark is None else {mark.fact.name: mark.active, **values}

    def _with_tenant(self, values: dict[str, Any]) -> dict[str, Any]:
        """Let a row be one of the caller's tenant."""
        return values if self._tenants is None else self._tenants.filled(self._resource, values, get_current_user())

    def _keyed(self, body: Mapping[str, Any], key: Key) -> Mapping[str, Any]:
        """Put the key of the URL into a body that leaves it out, so that it is no missing field."""
        missing = {
            item.name: to_jsonable(value)
            for item, value in zip(self._resource.key, key, strict=True)
            if item.name not in body and "PUT" not in item.locked_in
        }
        return {**body, **missing}

    def _read(self, reader: BodyReader | NestedReader, body: Mapping[str, Any], key: Key) -> dict[str, Any]:
        """Read a body for the row of the URL: its key may stand in the body only as it is in the URL (rest 5.3)."""
        errors: dict[str, Any] = {}
        for item, value in zip(self._resource.key, key, strict=True):
            if item.name in body and not _means(item, body[item.name], value):
                errors[item.name] = ["The key in the body differs from the key in the URL."]
        if errors:
            raise ValidationError(errors)
        values = reader.read(body)
        for item in self._resource.key:
            values.pop(item.attribute, None)
        return values


def _column_key(item: Field) -> str:
    return str(getattr(getattr(item.fact, "column", None), "key", item.attribute))


def _means(item: Field, given: Any, value: Any) -> bool:
    try:
        return bool(text_to_value(item.codec, given) == value)
    except ma.ValidationError:
        return False
