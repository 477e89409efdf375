"""What bodies may have below relationship keys, object by object (rest 5.7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from flarchitect_core import options

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.operations.nested.relations import NestedRelation
    from flarchitect_core.state import ApplicationState

__all__ = ["BodyObject", "NestedPlace", "Rules", "root_object"]

Rules = Literal["POST", "PUT", "PATCH"]


@dataclass(frozen=True, slots=True)
class NestedPlace:
    """What an object has below one relationship.

    Attributes:
        takes_objects: Whether rows may be written there. Otherwise there may only be what answers have without showing
            rows: links, null or an empty list, and it says nothing.
    """

    link: NestedRelation
    takes_objects: bool


@dataclass(frozen=True, slots=True)
class BodyObject:
    """An object in the bodies of one method: the whole body, or one of those nested in it.

    Attributes:
        method: Method of the request.
        rules: Method whose rules the object follows: in nested ones POST for a new row, PATCH for one with its key.
        levels: Levels of objects that may stand below it.
        origin: The relationship below which it stands; `None` for the whole body.
    """

    resource: Resource
    method: Rules
    rules: Rules
    levels: int
    origin: NestedRelation | None = None

    def places(self, state: ApplicationState) -> Iterator[NestedPlace]:
        """List its relationships, but those that an own schema of the application reads."""
        if state.nested is None:
            return
        origin = None if self.origin is None else self.origin.relation
        taken = state.nested.accepted(self.resource, self.rules)
        for relation in self.resource.relations.values():
            if relation.name not in taken:
                link = state.nested.links[relation]
                is_open = self.levels > 0 and not relation.leads_back(origin)
                yield NestedPlace(link, is_open and link.takes(self.method, self.rules))

    def below(self, link: NestedRelation, rules: Rules) -> BodyObject:
        """Give what stands below one of its relationships."""
        return BodyObject(link.target, self.method, rules, self.levels - 1, link)


def root_object(state: ApplicationState, resource: Resource, method: Rules) -> BodyObject | None:
    """Give the whole body of a method; `None` when nothing may be nested in it."""
    if state.nested is None or state.nested.reader(resource, method) is None:
        return None
    levels = state.settings.get(options.NESTED_DEPTH_MAX, model=resource.model)
    return BodyObject(resource, method, method, levels)
