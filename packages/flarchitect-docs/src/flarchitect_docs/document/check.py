"""What could be wrong in a document: a reference without target, a component without user, a name that stands twice.

The grammar of OpenAPI is not checked here; `openapi-spec-validator` does that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["problems_of", "references_of"]


def problems_of(document: Mapping[str, Any]) -> Iterator[str]:
    """Say what is wrong, one sentence each."""
    references = set(references_of(document))
    targets = {
        f"#/components/{kind}/{name}"
        for kind, members in document.get("components", {}).items()
        for name in members
        if kind != "securitySchemes"
    }
    for reference in sorted(references - targets):
        yield f"{reference} leads nowhere."
    for target in sorted(targets - references):
        yield f"{target} is used by nothing."
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, item in document.get("paths", {}).items()
        for method, operation in item.items()
    ]
    ids = Counter(operation.get("operationId") for _, operation in operations)
    yield from (f"The operation id {name} stands {count} times." for name, count in ids.items() if count > 1)
    tags = {tag["name"] for tag in document.get("tags", ())}
    for where, operation in operations:
        yield from (f"{where} has the tag {tag}, which is not told of." for tag in operation["tags"] if tag not in tags)
        for link in _links(operation):
            if link["operationId"] not in ids:
                yield f"{where} links to the operation {link['operationId']}, which is not there."


def _links(operation: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for response in operation.get("responses", {}).values():
        yield from (link for link in response.get("links", {}).values() if "operationId" in link)


def references_of(node: Any) -> Iterator[str]:
    """Give every reference below a node."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references_of(value)
    elif isinstance(node, list):
        for item in node:
            yield from references_of(item)
