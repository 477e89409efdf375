"""The marshmallow schema of a resource: its public description, and the check of every body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import marshmallow as ma
import sqlalchemy as sa

from flarchitect_core import options
from flarchitect_core.errors import ValidationError
from flarchitect_core.model.inspect import ColumnFact
from flarchitect_core.suggestions import nearest

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Relation, Resource
    from flarchitect_core.settings import Settings

__all__ = ["AutoSchema", "BodyReader", "schema_of"]

# A body may hold tens of thousands of keys: finding what each may have meant, and an answer as long, help nobody.
_UNKNOWN_KEYS_TOLD = 20
_KEY_CHARACTERS_TOLD = 100


class AutoSchema(ma.Schema):
    """Base class of the generated schemas: keys in the order of the model, mapped attributes as field names."""

    class Meta:
        unknown = ma.EXCLUDE

    resource: ClassVar[Resource]


def schema_of(resource: Resource, method: str) -> AutoSchema:
    """Make the schema of what a method takes (POST, PUT, PATCH) or gives (GET) of a resource."""
    members: dict[str, Any] = {"resource": resource}
    for name, item in resource.fields.items():
        if method in (item.hidden_in if method == "GET" else item.locked_in):
            continue
        item.codec.data_key = name
        members[item.attribute] = item.codec
    made: type[AutoSchema] = type(f"{resource.name}{method.title()}Schema", (AutoSchema,), members)
    return made()


class BodyReader:
    """Turns the body of one method into attribute values of a model.

    Keys that only answers have (a generated key, a read-only column, links of relations) are dropped, so that an
    answer can be sent back as it is. Any other unknown key is a mistake.
    """

    def __init__(self, resource: Resource, method: str, settings: Settings) -> None:
        self._resource = resource
        self._method = method
        # A PUT may leave out what answers do not show: the row keeps it.
        unseen = [item.attribute for item in resource.fields.values() if "GET" in item.hidden_in]
        self._partial: bool | list[str] = method == "PATCH" or (unseen if method == "PUT" else False)
        self._schema = schema_of(resource, method)
        self._takes_unknown = settings.get(options.UNKNOWN_FIELDS, model=resource.model) == "ignore"
        self._accepted = {name: item for name, item in resource.fields.items() if method not in item.locked_in}
        self._shown = {name for name, item in resource.fields.items() if "GET" not in item.hidden_in}

    def read(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Check a body and give the attribute values to set.

        Raises:
            ValidationError: Every wrong key and value at once, by external name.
        """
        errors: dict[str, Any] = {}
        unknown: list[str] = []
        known = {key: value for key, value in body.items() if self._sort_out(key, value, errors, unknown)}
        suggestions = self._tell_unknown(unknown, errors)
        values: dict[str, Any] = {}
        try:
            values = self._schema.load(known, partial=self._partial)
        except ma.ValidationError as error:
            errors = {**_messages(error), **errors}
        if errors:
            failure = ValidationError(errors)
            failure.suggestions = suggestions
            raise failure
        return values

    def require_all(self, values: Mapping[str, Any]) -> None:
        """Check that nothing is missing for a new row, which has nothing to keep.

        Raises:
            ValidationError: Every field that is missing.
        """
        missing = [name for name, item in self._accepted.items() if item.required and item.attribute not in values]
        if missing:
            raise ValidationError({name: ["Missing data for required field."] for name in missing})

    def _sort_out(self, key: str, value: Any, errors: dict[str, Any], unknown: list[str]) -> bool:
        """Say whether the schema takes a key; list it when nobody does."""
        if key in self._accepted:
            return True
        relation = self._resource.relations.get(key)
        if relation is not None:
            self._check_relation(relation, value, errors)
        elif key not in self._shown and not self._takes_unknown:
            unknown.append(key)
        return False

    def _tell_unknown(self, keys: list[str], errors: dict[str, Any]) -> tuple[str, ...]:
        """Add an error for each of the first unknown keys, and give the names that may have been meant."""
        names = [*self._accepted, *self._resource.relations]
        suggestions: dict[str, None] = {}
        for key in keys[:_UNKNOWN_KEYS_TOLD]:
            near = nearest(key, names, limit=1)
            shown = key if len(key) <= _KEY_CHARACTERS_TOLD else f"{key[:_KEY_CHARACTERS_TOLD]}…"
            errors[shown] = ["Unknown field." + (f" Did you mean {near[0]!r}?" if near else "")]
            suggestions.update(dict.fromkeys(near))
        if len(keys) > _UNKNOWN_KEYS_TOLD:
            errors["…"] = [f"… and {len(keys) - _UNKNOWN_KEYS_TOLD} more unknown fields."]
        return tuple(suggestions)

    @staticmethod
    def _check_relation(relation: Relation, value: Any, errors: dict[str, Any]) -> None:
        # A link, or a list of them, is what an answer shows. An object would be a nested write, which must never be
        # lost in silence (decisions 15).
        entries = value if isinstance(value, list) else [value]
        if any(not (entry is None or isinstance(entry, str)) for entry in entries):
            keys = ", ".join(relation.fact.local_names) if relation.fact.is_direct and not relation.many else ""
            hint = f" Set {keys} instead." if keys else ""
            errors[relation.name] = [f"Nested writes are not accepted here.{hint}"]


def _messages(error: ma.ValidationError) -> dict[str, Any]:
    return error.messages if isinstance(error.messages, dict) else {"_schema": error.messages}


class _DefaultContext:
    """What the callable default of a column gets on a replacement, in place of the context of an INSERT."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.current_parameters = parameters

    def get_current_parameters(self, isolate_multiinsert_params: bool = True) -> Mapping[str, Any]:
        """Give the values of the row so far, by column key."""
        return self.current_parameters


def default_value(item: Field, parameters: Mapping[str, Any]) -> tuple[bool, Any]:
    """Give what a PUT without this field sets: `(True, value)`, or `(False, None)` when the mapper decides.

    A Python default is called or taken, a SQL default is given as SQL, and a nullable column without either is NULL.
    What the mapper sets on every update is left to it.

    Args:
        item: The field.
        parameters: Values of the row so far, by column key, for defaults that look at them.
    """
    fact = item.fact
    if not isinstance(fact, ColumnFact) or fact.column is None or _is_set_on_update(fact.column):
        return False, None
    default, server_default = fact.column.default, fact.column.server_default
    if default is not None:
        written = getattr(default, "arg", None)
        if default.is_callable and written is not None:
            return True, written(_DefaultContext(parameters))
        return written is not None, written
    if fact.factory is not None:
        return True, fact.factory()
    if server_default is not None:
        written = getattr(server_default, "arg", None)
        if isinstance(written, str):
            # The same literal as in the table's definition, for the database to convert as it does there.
            return True, sa.literal(written, sa.String(), literal_execute=True)
        return written is not None, written
    return fact.nullable, None


def _is_set_on_update(column: sa.Column[Any]) -> bool:
    return column.onupdate is not None or column.server_onupdate is not None
