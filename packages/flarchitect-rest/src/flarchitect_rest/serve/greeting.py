"""What the command prints before it serves."""

from __future__ import annotations

from collections.abc import Iterator

from flarchitect_core import options
from flarchitect_core.http.logs import one_line
from flarchitect_core.model.resource import Resource
from flarchitect_core.state import ApplicationState
from flarchitect_rest.serve.listener import Address

__all__ = ["cautions", "greeting"]

_SHOWN = 5


def cautions(state: ApplicationState, address: Address, *, write: bool) -> Iterator[str]:
    """Give a line for everything the user should know before anybody connects."""
    if not address.is_local:
        may = "change and delete" if write else "read"
        yield f"Warning: there is no login. Whoever reaches {address.host}:{address.port} can {may} these tables."
    for notice in state.report.notices:
        yield f"Notice: {one_line(notice)}"


def greeting(state: ApplicationState, address: Address, *, write: bool) -> Iterator[str]:
    """Give the lines that say what is served and what to try."""
    resources = list(state.registry)
    root = f"{address.url}{state.registry.prefix}"
    label = one_line(state.settings.get(options.TITLE))
    rights = "reading and writing" if write else "read-only"
    count = "1 table" if len(resources) == 1 else f"{len(resources)} tables"
    yield f"Serving {count} of {label}, {rights}, at {root or address.url}/"
    yield ""
    yield from (f"  {address.url}{resource.link_path}" for resource in resources[:_SHOWN])
    if len(resources) > _SHOWN:
        yield f"  and {len(resources) - _SHOWN} more, listed at {root}/"
    yield ""
    yield "Try:"
    yield from (f'  curl "{address.url}{path}"' for path in _examples(resources, state.registry.prefix))
    yield ""
    page = state.settings.named("DOCUMENTATION_URL")
    if page is not None:
        yield f"In a browser: {address.url}{state.settings.get(page)}"
        yield ""
    yield "Ctrl-C ends it."


def _examples(resources: list[Resource], prefix: str) -> Iterator[str]:
    yield f"{prefix}/"
    first = resources[0]
    yield f"{first.link_path}?limit=3"
    sortable = next((name for name in first.queryable_names() if first.fields[name] not in first.key), None)
    if sortable is not None:
        yield f"{first.link_path}?order_by=-{sortable}&limit=3"
    for resource in resources:
        relation = next((item for item in resource.relations.values() if not item.many), None)
        if relation is not None:
            yield f"{resource.link_path}?dump=dynamic&join={relation.name}&limit=3"
            break
