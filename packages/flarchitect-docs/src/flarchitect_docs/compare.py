"""What in a newer document would break clients of an older one (docs D-20)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

__all__ = ["breaking_changes"]

Document = Mapping[str, Any]
Direction = Literal["request", "answer"]

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
# Bounds by what makes them narrower: a greater least, or a smaller most.
_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
# All values of the types that have few.
_VALUES: Mapping[str, tuple[Any, ...]] = {"boolean": (True, False), "null": (None,)}
_ANY = object()


def breaking_changes(old: Document, new: Document) -> Iterator[str]:
    """Say what clients of the old document would stumble over, one sentence each: removed paths, operations and
    properties, new required input, and narrowed types.
    """
    yield from _Comparison(old, new).changes()


class _Comparison:
    def __init__(self, old: Document, new: Document) -> None:
        self._old = old
        self._new = new
        self._compared: set[tuple[str, str, str]] = set()

    def changes(self) -> Iterator[str]:
        for path, item in self._old.get("paths", {}).items():
            newer = self._new.get("paths", {}).get(path)
            if newer is None:
                yield f"{path} was removed."
                continue
            for method in _METHODS & item.keys():
                where = f"{method.upper()} {path}"
                if method not in newer:
                    yield f"{where} was removed."
                else:
                    yield from self._operation(where, item[method], newer[method])

    def _operation(self, where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
        yield from self._parameters(where, old, new)
        yield from self._body(where, old, new)
        for status, response in old.get("responses", {}).items():
            newer = new.get("responses", {}).get(status)
            if newer is None:
                if status.startswith("2"):
                    yield f"{where}: the answer {status} was removed."
                continue
            for media_type, content in _of(self._old, response).get("content", {}).items():
                other = _of(self._new, newer).get("content", {}).get(media_type)
                if other is None:
                    yield f"{where}: the answer {status} is not given as {media_type} any more."
                else:
                    place = f"{where}: the answer {status}"
                    yield from self._schema(place, content.get("schema", {}), other.get("schema", {}), "answer")

    def _parameters(self, where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
        before = self._by_name(self._old, old)
        after = self._by_name(self._new, new)
        for key, parameter in before.items():
            if key not in after:
                yield f"{where}: the {key[0]} parameter {key[1]} was removed."
                continue
            place = f"{where}: the {key[0]} parameter {key[1]}"
            yield from self._schema(place, parameter.get("schema", {}), after[key].get("schema", {}), "request")
        for key, parameter in after.items():
            if parameter.get("required") and not before.get(key, {}).get("required"):
                yield f"{where}: the {key[0]} parameter {key[1]} is required now."

    @staticmethod
    def _by_name(document: Document, operation: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
        found = [_of(document, parameter) for parameter in operation.get("parameters", ())]
        return {(each["in"], each["name"]): each for each in found}

    def _body(self, where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
        before, after = _of(self._old, old.get("requestBody", {})), _of(self._new, new.get("requestBody", {}))
        if after.get("required") and not before.get("required"):
            yield f"{where}: a body is required now."
        for media_type, content in before.get("content", {}).items():
            other = after.get("content", {}).get(media_type)
            if other is None:
                yield f"{where}: the body is not taken as {media_type} any more."
            else:
                place = f"{where}: the body"
                yield from self._schema(place, content.get("schema", {}), other.get("schema", {}), "request")

    def _schema(
        self, where: str, old: Mapping[str, Any], new: Mapping[str, Any], direction: Direction
    ) -> Iterator[str]:
        names = (old.get("$ref", ""), new.get("$ref", ""), direction)
        if names[0]:
            # A schema that many operations share is told of once, and one that leads to itself ends here.
            if names in self._compared:
                return
            self._compared.add(names)
            where = f"{where} ({names[0].rpartition('/')[2]})"
        before, after = _merged(self._old, old), _merged(self._new, new)
        yield from _narrowed(where, before, after, direction)
        properties, newer = before.get("properties", {}), after.get("properties", {})
        for name, member in properties.items():
            if name in newer:
                yield from self._schema(f"{where}.{name}", member, newer[name], direction)
            elif direction == "answer" or after.get("additionalProperties") is False:
                yield f"{where}.{name} was removed."
        if direction == "request":
            for name in after.get("required", ()):
                if name not in before.get("required", ()):
                    yield f"{where}.{name} is required now."
        if "items" in before and "items" in after:
            yield from self._schema(f"{where}[]", before["items"], after["items"], direction)
        yield from self._alternatives(where, before.get("anyOf", ()), after.get("anyOf", ()), direction)

    def _alternatives(
        self, where: str, old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]], direction: Direction
    ) -> Iterator[str]:
        sent, wanted = (old, new) if direction == "request" else (new, old)
        if len(sent) > len(wanted) > 0:
            yield f"{where} has other alternatives than before."
        elif len(sent) == len(wanted):
            for before, after in zip(old, new, strict=True):
                yield from self._schema(where, before, after, direction)


def _of(document: Document, node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow the references of a node."""
    for _ in range(10):
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return node
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target.get(part.replace("~1", "/").replace("~0", "~"), {})
        node = target
    return node


def _merged(document: Document, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Put the parts of `allOf` together, and the alternatives of `anyOf` where each is one type of its own."""
    found = dict(_of(document, schema))
    alternatives = found.get("anyOf", found.get("oneOf", ()))
    if alternatives and all("type" in part and not {"properties", "items"} & part.keys() for part in alternatives):
        found = {**_united(alternatives), **found}
        found.pop("anyOf", None)
        found.pop("oneOf", None)
    for part in found.pop("allOf", ()):
        inner = _merged(document, part)
        properties = {**found.get("properties", {}), **inner.pop("properties", {})}
        required = [*found.get("required", ()), *inner.pop("required", ())]
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
        given = part["type"]
        kinds.update(dict.fromkeys([given] if isinstance(given, str) else given))
        values += part.get("enum", _VALUES.get(given, (_ANY,)) if isinstance(given, str) else (_ANY,))
    united["type"] = list(kinds)
    united.pop("enum", None)
    if _ANY not in values:
        united["enum"] = values
    return united


def _types(schema: Mapping[str, Any]) -> set[str]:
    """List the types that a schema allows; none for any."""
    kinds = schema.get("type")
    found = {kinds} if isinstance(kinds, str) else set(kinds or ())
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
