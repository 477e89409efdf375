"""The OpenAPI document as apispec holds it, with what it does not know: groups of tags, and the hooks of plugins."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from apispec import APISpec

__all__ = ["CustomSpec"]

Finish = Callable[[dict[str, Any]], dict[str, Any]]


class CustomSpec(APISpec):
    """A document that groups its tags for Redoc.

    Args:
        spec_groups: Groups with the names of their tags; `None` leaves `x-tagGroups` out.
        finish: What is done to the finished document.
        arguments: As for `apispec.APISpec`.
    """

    def __init__(
        self,
        *arguments: Any,
        spec_groups: Mapping[str, list[str]] | None = None,
        finish: Finish | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(*arguments, **keywords)
        self.spec_groups: dict[str, list[str]] | None = None if spec_groups is None else dict(spec_groups)
        self.api_keywords: list[str] = []
        self._finish = finish

    def set_xtags_group(self, tag: str, group: str) -> None:
        """Put a tag into a group; where it is already, nothing changes."""
        if self.spec_groups is None:
            self.spec_groups = {}
        tags = self.spec_groups.setdefault(group, [])
        if tag not in tags:
            tags.append(tag)

    def add_operation(self, path: str, method: str, operation: dict[str, Any]) -> None:
        """Put an operation into the document as it is; `path` of apispec would copy and search all of it.

        Args:
            operation: An operation object whose references are written out.
        """
        self._paths.setdefault(path, {})[method.lower()] = operation

    def to_dict(self) -> dict[str, Any]:
        """Give the document as data of its own, for the caller to change."""
        return copy.deepcopy(self.content())

    def content(self) -> dict[str, Any]:
        """Give the document as data that nobody changes."""
        written: dict[str, Any] = dict(super().to_dict())
        members = ("openapi", "jsonSchemaDialect", "info", "servers", "tags", "x-tagGroups", "paths", "components")
        if self.spec_groups is not None:
            written["x-tagGroups"] = [{"name": name, "tags": tags} for name, tags in self.spec_groups.items()]
        ordered = {name: written.pop(name) for name in members if name in written}
        document = {**ordered, **written}
        return document if self._finish is None else self._finish(document)
