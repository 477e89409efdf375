"""What in a newer document would break clients of an older one (docs D-20)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from flarchitect_docs.document.check import METHODS

__all__ = ["breaking_changes"]

Document = Mapping[str, Any]
Direction = Literal["request", "answer"]

# Bounds by what makes them narrower: a greater least, or a smaller most.
_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
# All values of the types that have few.
_VALUES: Mapping[str, tuple[Any, ...]] = {"boolean": (True, False), "null": (None,)}
_ANY = object()


def breaking_changes(old: Document, new: Document) -> Iterator[str]:
    """Say what clients of the old document would stumble over, one sentence each: removed paths, operations and
    properties, new required input, narrowed types, and credentials that were not needed before.

    Args:
        old: It may come from anywhere; what in it is no OpenAPI is passed over.
    """
    yield from _Comparison(_plain(old), _plain(new)).changes()


class _Comparison:
    def __init__(self, old: Document, new: Document) -> None:
        self._old = old
        self._new = new
        self._compared: set[tuple[str, str, str]] = set()

    def changes(self) -> Iterator[str]:
        paths = _member(self._new, "paths")
        for path, item in _member(self._old, "paths").items():
            newer = _of(self._new, paths.get(path))
            if path not in paths:
                yield f"{path} was removed."
                continue
            before, after = _operations(self._old, item), _operations(self._new, newer)
            for method, operation in before.items():
                where = f"{method.upper()} {path}"
                if method not in after:
                    yield f"{where} was removed."
                else:
                    yield from self._operation(where, operation, after[method])

    def _operation(self, where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
        yield from self._credentials(where, old, new)
        yield from self._parameters(where, old, new)
        yield from self._body(where, old, new)
        responses = _member(new, "responses")
        for status, response in _member(old, "responses").items():
            if status not in responses:
                if status.startswith("2"):
                    yield f"{where}: the answer {status} was removed."
                continue
            contents = _member(_of(self._new, responses[status]), "content")
            for media_type, content in _member(_of(self._old, response), "content").items():
                if media_type not in contents:
                    yield f"{where}: the answer {status} is not given as {media_type} any more."
                else:
                    place = f"{where}: the answer {status}"
                    yield from self._schema(place, _schema_of(content), _schema_of(contents[media_type]), "answer")

    def _credentials(self, where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
        before, after = _alternatives(self._old, old), _alternatives(self._new, new)
        for name, needed in before.items():
            if not any(each <= needed for each in after.values()):
                yield f"{where}: {name} is not enough any more." if needed else f"{where} needs credentials now."

    def _parameters(self, where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
        before = self._by_name(self._old, old)
        after = self._by_name(self._new, new)
        for key, parameter in before.items():
            if key not in after:
                yield f"{where}: the {key[0]} parameter {key[1]} was removed."
                continue
            place = f"{where}: the {key[0]} parameter {key[1]}"
            yield from self._schema(place, _schema_of(parameter), _schema_of(after[key]), "request")
        for key, parameter in after.items():
            if parameter.get("required") and not before.get(key, {}).get("required"):
                yield f"{where}: the {key[0]} parameter {key[1]} is required now."

    @staticmethod
    def _by_name(document: Document, operation: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
        found = [_of(document, parameter) for parameter in _items(operation, "parameters")]
        return {(each["in"], each["name"]): each for each in found if "in" in each and "name" in each}

    def _body(self, where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
        before, after = _of(self._old, old.get("requestBody")), _of(self._new, new.get("requestBody"))
        if after.get("required") and not before.get("required"):
            yield f"{where}: a body is required now."
        contents = _member(after, "content")
        for media_type, content in _member(before, "content").items():
            if media_type not in contents:
                yield f"{where}: the body is not taken as {media_type} any more."
            else:
                place = f"{where}: the body"
                yield from self._schema(place, _schema_of(content), _schema_of(contents[media_type]), "request")

    def _schema(
        self, where: str, old: Mapping[str, Any], new: Mapping[str, Any], direction: Direction
    ) -> Iterator[str]:
        names = (str(old.get("$ref", "")), str(new.get("$ref", "")), direction)
        if names[0]:
            # A schema that many operations share is told of once, and one that leads to itself ends here.
            if names in self._compared:
                return
            self._compared.add(names)
            where = f"{where} ({names[0].rpartition('/')[2]})"
        before, after = _merged(self._old, old), _merged(self._new, new)
        yield from _narrowed(where, before, after, direction)
        properties, newer = _member(before, "properties"), _member(after, "properties")
        for name, member in properties.items():
            if name in newer:
                yield from self._schema(f"{where}.{name}", _mapping(member), _mapping(newer[name]), direction)
            elif direction == "answer" or after.get("additionalProperties") is False:
                yield f"{where}.{name} was removed."
        if direction == "request":
            for name in _items(after, "required"):
                if name not in _items(before, "required"):
                    yield f"{where}.{name} is required now."
        if "items" in before and "items" in after:
            yield from self._schema(f"{where}[]", _mapping(before["items"]), _mapping(after["items"]), direction)
        yield from self._variants(where, _items(before, "anyOf"), _items(after, "anyOf"), direction)

    def _variants(self, where: str, old: list[Any], new: list[Any], direction: Direction) -> Iterator[str]:
        sent, wanted = (old, new) if direction == "request" else (new, old)
        if len(sent) > len(wanted) > 0:
            yield f"{where} has other alternatives than before."
        elif len(sent) == len(wanted):
            for before, after in zip(old, new, strict=True):
                yield from self._schema(where, _mapping(before), _mapping(after), direction)


# --- reading what may be anything -------------------------------------------------------------------------------------


def _plain(node: Any) -> Any:
    """Write the keys of everything as text: in YAML, a status is a number."""
    if isinstance(node, Mapping):
        return {str(name): _plain(value) for name, value in node.items()}
    return [_plain(item) for item in node] if isinstance(node, list) else node


def _mapping(node: object) -> Mapping[str, Any]:
    return node if isinstance(node, Mapping) else {}


def _member(node: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return _mapping(node.get(name))


def _items(node: Mapping[str, Any], name: str) -> list[Any]:
    found = node.get(name)
    return found if isinstance(found, list) else []


def _schema_of(node: object) -> Mapping[str, Any]:
    return _member(_mapping(node), "schema")


def _operations(document: Document, item: object) -> dict[str, Mapping[str, Any]]:
    """Give the operations of a path, with the parameters that all of them have."""
    members = _of(document, item)
    shared = _items(members, "parameters")
    found = {name: _mapping(value) for name, value in members.items() if name in METHODS}
    return {
        method: {**operation, "parameters": [*shared, *_items(operation, "parameters")]}
        for method, operation in found.items()
    }


def _alternatives(document: Document, operation: Mapping[str, Any]) -> dict[str, frozenset[tuple[str, ...]]]:
    """Give what is enough to call an operation, each by its name: schemes by what they are, and nothing at all."""
    schemes = _member(_member(document, "components"), "securitySchemes")
    source = operation if "security" in operation else document
    found = {}
    for each in _items(source, "security") or [{}]:
        names = list(_mapping(each))
        described = [_of(document, schemes.get(name)) for name in names]
        found[" with ".join(names)] = frozenset(
            tuple(str(scheme.get(word, "")) for word in ("type", "scheme", "in", "name")) if scheme else (name,)
            for name, scheme in zip(names, described, strict=True)
        )
    return found


def _of(document: Document, node: object) -> Mapping[str, Any]:
    """Follow the references of a node."""
    found = _mapping(node)
    for _ in range(10):
        reference = found.get("$ref")
        if not isinstance(reference, str):
            break
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            if isinstance(target, list):
                target = target[int(part)] if part.isdecimal() and int(part) < len(target) else None
            else:
                target = _mapping(target).get(part.replace("~1", "/").replace("~0", "~"))
        found = _mapping(target)
    return found


def _merged(document: Document, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Put the parts of `allOf` together, and the alternatives of `anyOf` where each is one type of its own."""
    found = dict(_of(document, schema))
    alternatives = [_mapping(part) for part in _items(found, "anyOf") or _items(found, "oneOf")]
    if alternatives and all("type" in part and not {"properties", "items"} & part.keys() for part in alternatives):
        found = {**_united(alternatives), **found}
        found.pop("anyOf", None)
        found.pop("oneOf", None)
    parts = found.pop("allOf", ())
    for part in parts if isinstance(parts, list) else ():
        inner = _merged(document, part)
        properties = {**_member(found, "properties"), **_mapping(inner.pop("properties", {}))}
        required = [*_items(found, "required"), *_items(inner, "required")]
        found = {**inner, **found}
        if properties:
            found["properties"] = properties
        if required:
            found["required"] = required
    return found


def _united(alternatives: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Write alternatives as one schema of several types."""
    united: dict[str, Any] = {}
    kinds: dict[str, None] = {}
    values: list[Any] = []
    for part in alternatives:
        united.update(part)
        given = [part["type"]] if isinstance(part["type"], str) else _items(part, "type")
        kinds.update(dict.fromkeys(given))
        few = [_VALUES.get(kind, (_ANY,)) for kind in given]
        values += _items(part, "enum") if "enum" in part else [value for each in few for value in each]
    united["type"] = list(kinds)
    united.pop("enum", None)
    if _ANY not in values:
        united["enum"] = values
    return united


def _types(schema: Mapping[str, Any]) -> set[str]:
    """List the types that a schema allows; none for any."""
    kinds = schema.get("type")
    found: set[str] = {kinds} if isinstance(kinds, str) else set(_items(schema, "type"))
    if schema.get("nullable"):
        found.add("null")
    return found | {"integer"} if "number" in found else found


def _narrowed(where: str, old: Mapping[str, Any], new: Mapping[str, Any], direction: Direction) -> Iterator[str]:
    """Say how what is sent may be less than before; of answers, how what comes may be something else than before."""
    sent, wanted = (old, new) if direction == "request" else (new, old)
    before, after = _types(sent), _types(wanted)
    if after and (not before or before - after):
        lost = ", ".join(sorted(before - after)) or "any type"
        yield f"{where}: {lost} is not taken any more." if direction == "request" else f"{where} may be {lost} now."
    values, allowed = sent.get("enum"), wanted.get("enum")
    if allowed is not None and (values is None or any(value not in allowed for value in values)):
        yield f"{where} has other values than before."
    if direction == "answer":
        return
    for word in (*_LEAST, *_MOST):
        bound, earlier = new.get(word), old.get(word)
        if bound is None or isinstance(bound, bool) or bound == earlier:
            continue
        if earlier is None or (bound > earlier if word in _LEAST else bound < earlier):
            yield f"{where}: {word} is {bound} now."
    if new.get("pattern") not in (None, old.get("pattern")):
        yield f"{where} must match another pattern now."
