"""Links: what can be done with what an answer shows (OpenAPI, Link Object)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarchitect_core.catalogue.endpoint import Endpoint
    from flarchitect_core.model.resource import Resource


__all__ = ["Links"]

_ITEM_KINDS = ("get", "update", "replace", "delete")
_SENTENCES = {
    "get": "Read the row.",
    "update": "Change the row.",
    "replace": "Replace the row.",
    "delete": "Delete the row.",
}


class Links:
    """Finds the operations that follow others."""

    def __init__(self, ids: Mapping[Endpoint, str], value_name: str) -> None:
        self._value = value_name
        self._ids = ids
        self._items: dict[tuple[type, str], Endpoint] = {}
        for endpoint in ids:
            resource = endpoint.resource
            if resource is None or endpoint.kind not in _ITEM_KINDS:
                continue
            if endpoint.rule in [f"{path}/{resource.item_rule()}" for path in resource.paths[:1]]:
                self._items[resource.model, endpoint.kind] = endpoint

    def of(self, endpoint: Endpoint, status: int) -> dict[str, Any]:
        """Give the links of an answer."""
        resource = endpoint.resource
        if resource is None or resource.output_schema is not None:
            # What an own schema calls the key is not known.
            return {}
        if endpoint.kind == "create" and status in (200, 201):
            return self._to_items(resource, "", _ITEM_KINDS)
        if endpoint.kind in ("list", "list_related") and status == 200:
            following = {
                "next": {
                    "operationId": self._ids[endpoint],
                    "description": "The next page is at `next_url`; by number it is this.",
                    "parameters": {"query.page": "2"},
                }
            }
            if endpoint.kind == "list_related":
                return {}
            return {**following, **self._to_items(resource, "/0", ("get",))}
        return {}

    def _to_items(self, resource: Resource, where: str, kinds: Iterable[str]) -> dict[str, Any]:
        names = [name for name, _ in resource.variables()]
        shown = {item.attribute: item.name for item in resource.key if "GET" not in item.hidden_in}
        if len(shown) < len(names):
            return {}
        keys = [item.name for item in resource.key]
        parameters = {
            f"path.{name}": f"$response.body#/{self._value}{where}/{key.replace('~', '~0').replace('/', '~1')}"
            for name, key in zip(names, keys, strict=True)
        }
        return {
            kind: {
                "operationId": self._ids[endpoint],
                "description": _SENTENCES[kind],
                "parameters": parameters,
            }
            for kind in kinds
            if (endpoint := self._items.get((resource.model, kind))) is not None
        }
