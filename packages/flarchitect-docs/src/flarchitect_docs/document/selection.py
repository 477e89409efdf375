"""Some operations of a document, with all that they need and nothing else (docs D-16)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flarchitect_core.access.roles import RoleRequirement
from flarchitect_docs.document.check import METHODS, references_of

__all__ = ["Keep", "required_roles", "selected"]

Keep = Callable[[str, str, Mapping[str, Any]], bool]
"""Takes path, method in capitals and operation object, and says whether the operation stays."""


def selected(content: Mapping[str, Any], keep: Keep) -> dict[str, Any]:
    """Give a document with the operations that stay; links to others, and what only others use, are left out.

    Args:
        content: A whole document, which is not changed.
    """
    paths = _paths(content["paths"], keep)
    ids = {operation.get("operationId") for operation in _operations(paths)}
    paths = {path: {name: _linked(each, ids) for name, each in item.items()} for path, item in paths.items()}
    used = {tag for operation in _operations(paths) for tag in operation.get("tags", ())}
    written: dict[str, Any] = {}
    for name, value in content.items():
        if name == "paths":
            value = paths
        elif name == "tags":
            value = [tag for tag in value if tag["name"] in used]
        elif name == "x-tagGroups":
            groups = ({**group, "tags": [tag for tag in group["tags"] if tag in used]} for group in value)
            value = [group for group in groups if group["tags"]]
        elif name == "components":
            value = _components(value, paths)
        written[name] = value
    return written


def required_roles(operation: Mapping[str, Any]) -> list[RoleRequirement]:
    """Read the roles that an operation says it needs, each of them."""
    said = operation.get("x-required-roles", [])
    required = [said] if isinstance(said, Mapping) else said
    return [RoleRequirement(tuple(each["roles"]), each["any_of"]) for each in required]


def _paths(paths: Mapping[str, Any], keep: Keep) -> dict[str, Any]:
    kept = {}
    for path, item in paths.items():
        members = {name: each for name, each in item.items() if name not in METHODS or keep(path, name.upper(), each)}
        if not METHODS.isdisjoint(members):
            kept[path] = members
    return kept


def _operations(paths: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (each for item in paths.values() for name, each in item.items() if name in METHODS)


def _linked(member: Any, ids: set[Any]) -> Any:
    """Leave out of an operation the links to operations that are not there."""
    if not isinstance(member, Mapping) or "responses" not in member:
        return member
    responses = {}
    for status, response in member["responses"].items():
        links = response.get("links")
        if links:
            left = {name: link for name, link in links.items() if link.get("operationId") in (None, *ids)}
            response = {name: value for name, value in response.items() if name != "links"}
            response = {**response, "links": left} if left else response
        responses[status] = response
    return {**member, "responses": responses}


def _components(components: Mapping[str, Any], paths: Mapping[str, Any]) -> dict[str, Any]:
    needed: set[str] = set()
    open_ = set(references_of(paths))
    while open_:
        reference = open_.pop()
        needed.add(reference)
        _, _, kind, name = reference.split("/", 3)
        open_ |= set(references_of(components[kind][name])) - needed
    schemes = {name for each in _operations(paths) for way in each.get("security", ()) for name in way}
    found = {
        kind: {
            name: value
            for name, value in members.items()
            if f"#/components/{kind}/{name}" in needed or (kind == "securitySchemes" and name in schemes)
        }
        for kind, members in components.items()
    }
    return {kind: members for kind, members in found.items() if members}
