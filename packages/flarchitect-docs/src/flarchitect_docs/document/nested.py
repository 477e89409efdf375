"""What stands below the relationship keys of bodies: links, and the objects that are written with the row (rest 5.7).

Each relationship has a component for new rows and one for rows that are named by their key. How many levels of objects
may follow decides what stands in them, so there is one for each number of levels that makes a difference: models that
lead to each other in circles are described without a circle, as deep as bodies may be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from flarchitect_core import options as core
from flarchitect_core.catalogue.nested import BodyObject, NestedPlace, Rules
from flarchitect_core.model.json_types import JsonSchema

if TYPE_CHECKING:
    from flarchitect_core.operations.nested.relations import NestedRelation
    from flarchitect_core.state import ApplicationState
    from flarchitect_docs.document.components import Components
    from flarchitect_docs.document.names import SchemaNames

__all__ = ["NestedSchemas"]

_METHODS: tuple[Rules, ...] = ("POST", "PUT", "PATCH")
_WORDS = {"POST": "Create", "PUT": "Replace", "PATCH": "Update"}
_OBJECT: JsonSchema = {"type": "object"}
_LINK: JsonSchema = {"type": "string", "description": "A link, as answers have it; it writes nothing."}
_LINK_OR_NULL: JsonSchema = {"type": ["string", "null"]}
_LINKS: JsonSchema = {"anyOf": [_LINK_OR_NULL, {"type": "array", "items": {"type": "string"}}]}
_ABOVE: JsonSchema = {"description": "Disregarded: the row belongs to the object in which it stands."}
_NO_KEY: JsonSchema = {"type": "null", "description": "A new row gets its key when it is written."}
_READ_ONLY: JsonSchema = {"readOnly": True, "description": "What answers have here; it writes nothing."}


class NestedSchemas:
    """Describes the nested objects in the bodies of one application."""

    def __init__(self, components: Components, state: ApplicationState, names: SchemaNames) -> None:
        self._components = components
        self._state = state
        self._names = names
        self._most = state.settings.get(core.NESTED_ROWS_MAX)
        self._forms: dict[BodyObject, int] = {}
        self._form_numbers: dict[tuple[tuple[str, int, int], ...], int] = {}

    def in_object(self, described: JsonSchema, body: BodyObject) -> JsonSchema:
        """Add relationships to what an object has of its own."""
        places = list(body.places(self._state))
        own = described["properties"]
        below = {place.link.relation.name: self._below(body, place, own) for place in places}
        required: list[str] = described.pop("required", [])
        references = [place.link for place in places if place.takes_objects and place.link.kind == "reference"]
        filled = {name for link in references for name in link.filled_names}
        left = [name for name in required if name not in filled]
        rules = [*_keys_or_objects(required, references), *_keys_beside_null(own, required, references)]
        return {
            **described,
            "properties": {**own, **below},
            **({"required": left} if left else {}),
            **({"allOf": rules} if rules else {}),
        }

    # --- below a relationship -----------------------------------------------------------------------------------------

    def _below(self, body: BodyObject, place: NestedPlace, own: JsonSchema) -> JsonSchema:
        link = place.link
        if not place.takes_objects:
            return {**(_LINKS if link.many else _LINK_OR_NULL), **_READ_ONLY}
        objects = list(self._objects(body, link))
        if not link.many:
            takes_null = link.kind != "reference" or link.can_unlink or not own.keys().isdisjoint(link.filled_names)
            return {"anyOf": [*objects, _LINK, *([{"type": "null"}] if takes_null else [])]}
        items = objects[0] if len(objects) == 1 else {"anyOf": objects}
        rows = {"type": "array", "items": items, "maxItems": self._most}
        return {"anyOf": [rows, {"type": "array", "items": _LINK}, _LINK]}

    def _objects(self, body: BodyObject, link: NestedRelation) -> Iterator[JsonSchema]:
        if link.makes_rows and link.own_key:
            yield self._reference(link, body.below(link, "POST"))
        yield self._reference(link, body.below(link, "PATCH"))

    def _reference(self, link: NestedRelation, nested: BodyObject) -> JsonSchema:
        shown, relation = self._simplest(nested), link.relation
        words = ["Nested", relation.fact.name, _WORDS[shown.rules]]
        if shown.method != "POST":
            words += ["In", _WORDS[shown.method]]
        if shown.levels:
            words.append(str(shown.levels))
        name = self._names.of_resource(relation.source, *words)
        return self._components.schema(name, lambda: self._object(link, shown))

    def _object(self, link: NestedRelation, nested: BodyObject) -> JsonSchema:
        target = link.target
        key = [item for item in target.key if item.attribute in link.own_key]
        # What leads to the object above is not read.
        above = [item for item in target.fields.values() if link.kind == "children" and item.attribute in link.filled]
        named = key if nested.rules == "PATCH" else []
        described = self._components.body_of(target, nested.rules, {item.attribute for item in (*named, *above)})
        own, shown = described["properties"], target.shown_names("GET")
        described["properties"] = {
            **{item.name: self._components.key_property(item) for item in named},
            **{item.name: _NO_KEY for item in key if item not in named and item.name not in own and item.name in shown},
            **own,
            **{item.name: _ABOVE for item in above},
        }
        required = [*(item.name for item in named), *described.get("required", ())]
        return self.in_object({**described, "required": required}, nested)

    # --- what is described by one component ---------------------------------------------------------------------------

    def _simplest(self, nested: BodyObject) -> BodyObject:
        """Give the object with the fewest levels, and of the first method, below which the same may stand."""
        form = self._form(nested)
        alike = (
            replace(nested, method=method, levels=levels) for levels in range(nested.levels + 1) for method in _METHODS
        )
        return next(each for each in alike if self._form(each) == form)

    def _form(self, body: BodyObject) -> int:
        """Number what may stand below an object: the same number for the same."""
        known = self._forms.get(body)
        if known is None:
            below = tuple(
                (
                    place.link.relation.name,
                    self._form(body.below(place.link, "POST")),
                    self._form(body.below(place.link, "PATCH")),
                )
                for place in body.places(self._state)
                if place.takes_objects
            )
            known = self._forms[body] = self._form_numbers.setdefault(below, len(self._form_numbers))
        return known


def _keys_or_objects(required: list[str], references: list[NestedRelation]) -> Iterator[JsonSchema]:
    """Say that a required foreign key may be left out when an object fills it in."""
    by_objects: dict[tuple[str, ...], list[str]] = {}
    for name in required:
        fillers = tuple(link.relation.name for link in references if name in link.filled_names)
        if fillers:
            by_objects.setdefault(fillers, []).append(name)
    for fillers, names in by_objects.items():
        objects = [{"required": [filler], "properties": {filler: _OBJECT}} for filler in fillers]
        yield {"anyOf": [{"required": names}, *objects]}


def _keys_beside_null(own: JsonSchema, required: list[str], references: list[NestedRelation]) -> Iterator[JsonSchema]:
    """Say that a row which must lead to another one has null for it only beside its key."""
    for link in references:
        keys = [name for name in link.filled_names if name in own]
        if keys and not link.can_unlink and not set(keys) & set(required):
            not_null = {"properties": {link.relation.name: {"type": ["object", "string"]}}}
            yield {"anyOf": [*({"required": [name]} for name in keys), not_null]}
