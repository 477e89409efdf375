"""Reading bodies: every value is checked, and every mistake is told by its path."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal

import marshmallow as ma

from flarchitect_core import options
from flarchitect_core.errors import ApiError, ValidationError
from flarchitect_core.model.schemas import schema_of
from flarchitect_core.suggestions import nearest

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Relation, Resource
    from flarchitect_core.settings import Settings

__all__ = ["BodyReader"]

# A body may hold tens of thousands of keys: finding what each may have meant, and an answer as long, help nobody.
_UNKNOWN_KEYS_TOLD = 20
_UNKNOWN_KEYS_READ = 200
_KEY_CHARACTERS_TOLD = 100


class BodyReader:
    """Turns the body of one method into attribute values of a model.

    Args:
        unlocked: Attributes that it takes although bodies of the method do not.
        nests: Whether somebody writes the rows that declared fields make of relations.

    Keys that only answers have (a generated key, a read-only column, links of relations) are dropped, so that an
    answer can be sent back as it is. Any other unknown key is a mistake.
    """

    def __init__(
        self,
        resource: Resource,
        method: str,
        settings: Settings,
        *,
        unlocked: frozenset[str] = frozenset(),
        nests: bool = False,
    ) -> None:
        self._resource = resource
        self._nests = nests
        # A PUT may leave out what answers do not show: the row keeps it.
        unseen = [item.attribute for item in resource.fields.values() if "GET" in item.hidden_in]
        self._partial: bool | list[str] = method == "PATCH" or (unseen if method == "PUT" else False)
        self._schema = schema_of(resource, method, unlocked=unlocked)
        takes_unknown = settings.get(options.UNKNOWN_FIELDS, model=resource.model) == "ignore"
        self._unknown: Literal["exclude", "raise"] = ma.EXCLUDE if takes_unknown else ma.RAISE
        self._accepted = {field.data_key or name: field for name, field in self._schema.load_fields.items()}
        self._attributes = {item.attribute for item in resource.fields.values()}
        is_strict = settings.get(options.SECURITY_PROFILE) == "strict"
        self._refused = resource.protected if is_strict else frozenset()
        self._shown = {name for name, item in resource.fields.items() if "GET" not in item.hidden_in}
        if resource.output_schema is not None:
            shown = schema_of(resource, "GET").dump_fields
            self._shown = {field.data_key or name for name, field in shown.items()}

    @property
    def accepted(self) -> Collection[str]:
        """Keys that bodies may have, links of relations aside."""
        return self._accepted.keys()

    def read(self, body: Mapping[str, Any], *, given: Collection[str] = ()) -> dict[str, Any]:
        """Check a body and give the attribute values to set.

        Args:
            given: Attributes that get their values from elsewhere, so that the body need not have them.

        Raises:
            ValidationError: Every wrong key and value at once, by external name.
            ApiError: In the profile `strict`, it carries what gives users their rights (422).
        """
        self._refuse_protected(body)
        errors: dict[str, Any] = {}
        known = {key: value for key, value in body.items() if self._is_read(key, value, errors)}
        # marshmallow takes long over thousands of keys that it does not know, and some of them say it all.
        surplus = [key for key in known if key not in self._accepted][_UNKNOWN_KEYS_READ:]
        for key in surplus:
            del known[key]
        partial = self._partial if self._partial is True else [*(self._partial or ()), *given]
        values: Any = {}
        try:
            values = self._schema.load(known, partial=partial or None, unknown=self._unknown)
        except ma.ValidationError as error:
            errors = {**_messages(error), **errors}
        if errors:
            raise self._failure(body, errors, len(surplus))
        if not isinstance(values, dict):
            raise TypeError(
                f"{type(self._schema).__mro__[1].__name__} gave {type(values).__name__} for a body instead of the "
                f"dictionary of its values. Return the dictionary from its post_load methods."
            )
        if not self._nests:
            self._refuse_nested(values)
        # A declared field may be there for a check alone.
        model = self._resource.model
        return {name: value for name, value in values.items() if name in self._attributes or hasattr(model, name)}

    def _refuse_protected(self, body: Mapping[str, Any]) -> None:
        named = [name for name in body if name in self._refused]
        if named:
            raise ApiError(
                f"No body may set {', '.join(named)} of a {self._resource.name}.",
                status=422,
                reason="protected_field",
                fields={name: ["Cannot be set by clients."] for name in named},
            )

    def require_all(self, values: Mapping[str, Any]) -> None:
        """Check that nothing is missing for a new row, which has nothing to keep.

        Raises:
            ValidationError: Every field that is missing.
        """
        missing = [
            key
            for key, field in self._accepted.items()
            if field.required and (field.attribute or field.name) not in values
        ]
        if missing:
            raise ValidationError({name: ["Missing data for required field."] for name in missing})

    def _is_read(self, key: str, value: Any, errors: dict[str, Any]) -> bool:
        """Say whether the schema is to read a key, be it to find that nobody knows it."""
        if key in self._accepted:
            return True
        relation = self._resource.relations.get(key)
        if relation is None:
            return key not in self._shown
        self._check_relation(relation, value, errors)
        return False

    def _refuse_nested(self, values: Mapping[str, Any]) -> None:
        """Refuse dictionaries that a declared field made of a relation."""
        errors: dict[str, Any] = {}
        for relation in self._resource.relations.values():
            value = values.get(relation.fact.name)
            if any(isinstance(entry, Mapping) for entry in (value if isinstance(value, list) else [value])):
                self._check_relation(relation, value, errors)
        if errors:
            raise ValidationError(errors)

    def _failure(self, body: Mapping[str, Any], errors: dict[str, Any], surplus: int) -> ValidationError:
        """Make the error, with the nearest name for each key that nobody knows.

        Args:
            surplus: Number of further such keys.
        """
        suggestions: dict[str, None] = {}
        is_unknown = [self._schema.error_messages["unknown"]]
        # In the order of the body: some releases of marshmallow tell of them in the order of a set.
        unknown = [key for key in dict.fromkeys([*body, *errors]) if errors.get(key) == is_unknown]
        told = {key: messages for key, messages in errors.items() if messages != is_unknown}
        names = [*self._accepted, *self._resource.relations]
        for key in unknown[:_UNKNOWN_KEYS_TOLD]:
            near = nearest(key, names, limit=1)
            shown = key if len(key) <= _KEY_CHARACTERS_TOLD else f"{key[:_KEY_CHARACTERS_TOLD]}…"
            told[shown] = ["Unknown field." + (f" Did you mean {near[0]!r}?" if near else "")]
            suggestions.update(dict.fromkeys(near))
        more = len(unknown) + surplus - _UNKNOWN_KEYS_TOLD
        if more > 0:
            told["…"] = [f"… and {more} more unknown fields."]
        failure = ValidationError(told)
        failure.suggestions = tuple(suggestions)
        return failure

    @staticmethod
    def _check_relation(relation: Relation, value: Any, errors: dict[str, Any]) -> None:
        # A link, or a list of them, is what an answer shows. An object would be a nested write, which must never be
        # lost in silence (decisions 15).
        if not (value is None or relation.is_link(value) or (relation.many and value == [])):
            keys = ", ".join(relation.fact.local_names) if relation.fact.is_direct and not relation.many else ""
            hint = f" Set {keys} instead." if keys else ""
            errors[relation.name] = [f"Nested writes are not accepted here.{hint}"]


def _messages(error: ma.ValidationError) -> dict[str, Any]:
    return error.messages if isinstance(error.messages, dict) else {"_schema": error.messages}
