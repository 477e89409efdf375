"""Reading bodies with objects below relationship keys: to attribute values, with dictionaries for nested rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import marshmallow as ma

from flarchitect_core import options
from flarchitect_core.errors import BadRequestError, ValidationError
from flarchitect_core.model.body_reader import BodyReader

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Relation, Resource
    from flarchitect_core.operations.nested.relations import NestedRelation
    from flarchitect_core.settings import Settings

__all__ = ["NestedBodies", "NestedReader", "too_many_nested_rows"]

Links = Mapping["Relation", "NestedRelation"]


class NestedBodies:
    """The readers of all models, for objects at any level of a body."""

    def __init__(self, resources: Collection[Resource], links: Links, settings: Settings) -> None:
        self._links = links
        self._settings = settings
        self._readers = {
            (resource.model, method): BodyReader(resource, method, settings, nests=True)
            for resource in resources
            for method in ("POST", "PUT", "PATCH")
        }

    def reader(self, resource: Resource, method: str) -> BodyReader:
        """Give the reader of what an object itself has."""
        return self._readers[resource.model, method]

    def read(self, resource: Resource, method: str, body: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:
        """Read the body of a request.

        Raises:
            ValidationError: Every wrong key and value at once, by path.
            BadRequestError: There are more nested objects than may be.
        """
        reading = _Reading(
            self,
            self._links,
            method,
            self._settings.get(options.NESTED_DEPTH_MAX, model=resource.model),
            self._settings.get(options.NESTED_ROWS_MAX),
        )
        return reading.object(resource, method, body, given, depth=0)


class NestedReader:
    """Reads bodies of one method of one resource, as `BodyReader` does, with the objects nested in them."""

    def __init__(self, resource: Resource, method: str, bodies: NestedBodies, links: Links) -> None:
        self._resource = resource
        self._method = method
        self._bodies = bodies
        self._links = links

    def read(self, body: Mapping[str, Any], *, given: Collection[str] = ()) -> dict[str, Any]:
        """Check a body and give the attribute values to set; nested objects are dictionaries of theirs.

        Raises:
            ValidationError: Every wrong key and value at once, by path.
            BadRequestError: There are more nested objects than may be.
        """
        return self._bodies.read(self._resource, self._method, body, given)

    def require_all(self, values: Mapping[str, Any]) -> None:
        """Check that nothing is missing for a new row.

        Raises:
            ValidationError: Every field that is missing.
        """
        filled = {
            name: None
            for relation in self._resource.relations.values()
            if relation.fact.name in values and self._links[relation].kind == "reference"
            for name in self._links[relation].filled
        }
        self._bodies.reader(self._resource, self._method).require_all({**filled, **values})


class _Wrong(Exception):
    """Something is wrong with a nested object; `messages` are told under its path."""

    def __init__(self, messages: Any, suggestions: Collection[str] = ()) -> None:
        super().__init__(messages)
        self.messages = messages
        self.suggestions = suggestions


class _Reading:
    """The reading of one body."""

    def __init__(self, bodies: NestedBodies, links: Links, method: str, depth_max: int, rows_max: int) -> None:
        self._bodies = bodies
        self._links = links
        self._method = method
        self._depth_max = depth_max
        self._rows_max = rows_max
        self._rows = 0

    def object(
        self,
        resource: Resource,
        method: str,
        body: Mapping[str, Any],
        given: Collection[str],
        depth: int,
        origin: Relation | None = None,
        read: Collection[str] = (),
    ) -> dict[str, Any]:
        """Read an object of a resource.

        Args:
            method: Whose rules the object follows: POST for a new row, PATCH for one with a key.
            given: Attributes that get their values from elsewhere.
            origin: The relation below which the object stands.
            read: Names that have been read already, those of its key.
        """
        reader = self._bodies.reader(resource, method)
        plain = {name: value for name, value in body.items() if name not in read}
        nested: dict[str, Any] = {}
        filled = set(given)
        errors: dict[str, Any] = {}
        suggestions: list[str] = []
        for name, value in body.items():
            relation = resource.relations.get(name)
            if relation is None or name in reader.accepted or relation.is_link(value):
                continue
            link = self._links[relation]
            if not link.takes(self._method, method):
                continue  # The reader refuses objects, and drops what may stand in an answer.
            is_closed = depth >= self._depth_max or relation.leads_back(origin)
            if is_closed and (value is None or value == []):
                continue  # Nor may objects stand there.
            del plain[name]
            is_reference = link.kind == "reference"
            if is_reference and value is None and any(body.get(each) is not None for each in link.filled_names):
                continue  # The key counts: an answer has null for a row that its reader may not see.
            try:
                self._check_place(relation, depth, origin)
                nested[relation.fact.name] = self._related(link, value, depth)
            except _Wrong as error:
                errors[name] = error.messages
                suggestions += error.suggestions
            if is_reference:
                filled.update(link.filled)
                for each in link.filled_names:
                    plain.pop(each, None)
        values: dict[str, Any] = {}
        try:
            values = reader.read(plain, given=filled)
        except ValidationError as error:
            errors = {**(error.fields or {}), **errors}
            suggestions = [*error.suggestions, *suggestions]
        if errors:
            failure = ValidationError(errors)
            failure.suggestions = tuple(suggestions)
            raise failure
        return {**{name: value for name, value in values.items() if name not in filled}, **nested}

    def _check_place(self, relation: Relation, depth: int, origin: Relation | None) -> None:
        if relation.leads_back(origin):
            raise _Wrong(["Leads back to the object in which it stands. Leave it out."])
        if depth >= self._depth_max:
            raise _Wrong([f"Nested deeper than {self._depth_max} levels. Write it by a request of its own."])

    def _related(self, link: NestedRelation, value: Any, depth: int) -> Any:
        if not link.many:
            if value is None:
                if link.kind == "reference" and not link.can_unlink:
                    raise _Wrong(["Field may not be null."])
                return None
            return self._entry(link, value, depth)
        if not isinstance(value, list):
            raise _Wrong(["Must be a list of objects."])
        entries: list[Any] = []
        errors: dict[str, Any] = {}
        suggestions: list[str] = []
        for position, entry in enumerate(value):
            try:
                entries.append(self._entry(link, entry, depth))
            except _Wrong as error:
                errors[str(position)] = error.messages
                suggestions += error.suggestions
        if errors:
            raise _Wrong(errors, suggestions)
        return entries

    def _entry(self, link: NestedRelation, body: Any, depth: int) -> dict[str, Any]:
        names = ", ".join(item.name for item in link.target.key)
        if not isinstance(body, Mapping):
            raise _Wrong([f"Must be an object. To link a row that is there, give its key in an object: {names}."])
        self._rows += 1
        if self._rows > self._rows_max:
            raise too_many_nested_rows(f"More than {self._rows_max} nested objects in one body.", self._rows_max)
        filled = link.filled if link.kind == "children" else {}
        left_out = {*link.filled_names} if link.kind == "children" else set()
        own = {name: value for name, value in body.items() if name not in left_out}
        key = self._key_in(link, own)
        method = "POST" if key is None else "PATCH"
        read = () if key is None else [item.name for item in link.target.key]
        try:
            values = self.object(link.target, method, own, filled, depth + 1, link.relation, read)
        except ValidationError as error:
            raise _Wrong(error.fields, error.suggestions) from error
        return {**(key or {}), **values}

    @staticmethod
    def _key_in(link: NestedRelation, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Read the key of an object; `None` when it has none, so that a new row is meant."""
        key: dict[str, Any] = {}
        for attribute in link.own_key:
            item = link.target.field_of_attribute(attribute)
            if item is None or body.get(item.name) is None:
                return None
            try:
                key[attribute] = item.codec.deserialize(body[item.name])
            except ma.ValidationError as error:
                raise _Wrong({item.name: error.messages}) from error
        return key


def too_many_nested_rows(sentence: str, most: int) -> BadRequestError:
    """Say that one body would write more nested rows than `API_NESTED_ROWS_MAX`."""
    return BadRequestError(
        f"{sentence} Write the rows by requests of their own.",
        reason="too_many_nested_rows",
        details={"maximum": most},
    )
