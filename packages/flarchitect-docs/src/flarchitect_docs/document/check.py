"""What could be wrong in a document: a reference without target, a component without user, a name that stands twice.

The grammar of OpenAPI is checked by `openapi-spec-validator`, which applications need not have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["METHODS", "grammar_problems_of", "operations_in", "problems_of", "references_of"]

METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
"""The members of a path item that are operations."""


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
    operations = [(f"{method.upper()} {path}", operation) for path, method, operation in operations_in(document)]
    # Plugins may have added some without.
    ids = Counter(operation["operationId"] for _, operation in operations if "operationId" in operation)
    yield from (f"The operation id {name} stands {count} times." for name, count in ids.items() if count > 1)
    tags = {tag["name"] for tag in document.get("tags", ())}
    for where, operation in operations:
        given = operation.get("tags", ())
        yield from (f"{where} has the tag {tag}, which is not told of." for tag in given if tag not in tags)
        for link in _links(operation):
            if link["operationId"] not in ids:
                yield f"{where} links to the operation {link['operationId']}, which is not there."


def grammar_problems_of(document: Mapping[str, Any]) -> Iterator[str]:
    """Say where a document is none by the grammar of its version of OpenAPI, one sentence each.

    Raises:
        ImportError: `openapi-spec-validator` is not installed.
    """
    from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

    is_older = document["openapi"].startswith("3.0")
    validator = OpenAPIV30SpecValidator if is_older else OpenAPIV31SpecValidator
    for error in validator(document).iter_errors():
        where = " / ".join(str(part) for part in error.absolute_path) or "the document"
        sentence = str(error.message).partition("\n")[0].rstrip(".")
        yield f"{where}: {sentence}."


def operations_in(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Give every operation with its path and method."""
    for path, item in document.get("paths", {}).items():
        yield from ((path, method, operation) for method, operation in item.items() if method in METHODS)


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
