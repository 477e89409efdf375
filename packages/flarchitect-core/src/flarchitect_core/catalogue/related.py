"""Which relations a caller may follow: none to rows that it could not ask for at the relation's own route."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flarchitect_core.access.asked import Asked
from flarchitect_core.access.fields import RelationRule
from flarchitect_core.catalogue.access import Access, access_of

if TYPE_CHECKING:
    from flarchitect_core.access.roles import RoleRequirement
    from flarchitect_core.model.resource import Relation, Resource
    from flarchitect_core.state import ApplicationState

__all__ = ["relation_rules_of"]


def relation_rules_of(state: ApplicationState) -> tuple[RelationRule, ...]:
    """Give the rules of the relations that ask for more than every operation on the rows which have them."""
    found: dict[tuple[RoleRequirement, ...], set[tuple[type, str]]] = {}
    for resource in state.registry:
        if resource.relations:
            before = list(_operations_on(state, resource))
            for relation in resource.relations.values():
                access = _access_of(state, relation)
                if not access.is_open and not all(_asks_for_as_much(each, access) for each in before):
                    found.setdefault(access.roles, set()).add((resource.model, relation.fact.name))
    return tuple(RelationRule(frozenset(relations), roles) for roles, relations in found.items())


def _operations_on(state: ApplicationState, resource: Resource) -> Iterator[Access]:
    for method in sorted(resource.methods):
        for many in (True, False):
            yield access_of(state, Asked(method, resource.model, many=many), method)


def _access_of(state: ApplicationState, relation: Relation) -> Access:
    asked = Asked("GET", relation.target.model, many=relation.many, relation_name=relation.fact.name)
    return access_of(state, asked, "GET")


def _asks_for_as_much(access: Access, other: Access) -> bool:
    """Say whether whoever may ask for one operation may ask for another."""
    is_known = access.is_required is True or other.is_required == access.is_required
    return is_known and set(other.roles) <= set(access.roles)
