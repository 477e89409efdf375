"""What callers may do with rows that they reach through others: no more than the routes of these rows let them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flarchitect_core import options
from flarchitect_core.access.asked import Asked
from flarchitect_core.access.fields import RelatedRule
from flarchitect_core.catalogue.access import Access, access_of

if TYPE_CHECKING:
    from flarchitect_core.access.roles import RoleRequirement
    from flarchitect_core.model.resource import Relation, Resource
    from flarchitect_core.state import ApplicationState

__all__ = ["related_rules_of"]


_NESTING = frozenset({"POST", "PUT", "PATCH"})
_NESTED = frozenset({"POST", "PATCH", "DELETE"})

_Roles = tuple["RoleRequirement", ...]


def related_rules_of(state: ApplicationState) -> tuple[RelatedRule, ...]:
    """Give the rules about related rows, as far as they ask for more than every operation that leads there."""
    relations: dict[_Roles, set[tuple[type, str]]] = {}
    methods: dict[_Roles, set[tuple[type, str]]] = {}
    followed = {each: _access_of(state, each) for resource in state.registry for each in resource.relations.values()}
    if any(not access.is_open for access in followed.values()):
        before = {each.model: list(_operations_on(state, each, each.methods)) for each in state.registry}
        for relation, access in followed.items():
            before[relation.target.model].append(access)
        for relation, access in followed.items():
            if not access.is_open and not all(
                _asks_for_as_much(each, access) for each in before[relation.source.model]
            ):
                relations.setdefault(access.roles, set()).add((relation.source.model, relation.fact.name))
    nested = [each for each in state.registry if _may_be_nested(state, each)]
    writes = [access for each in nested for access in _operations_on(state, each, each.methods & _NESTING)]
    for resource in nested:
        for method in sorted(resource.methods & _NESTED):
            access = access_of(state, Asked(method, resource.model), method)
            if not access.is_open and not all(_asks_for_as_much(each, access) for each in writes):
                methods.setdefault(access.roles, set()).add((resource.model, method))
    return tuple(
        RelatedRule(frozenset(relations.get(roles, ())), frozenset(methods.get(roles, ())), roles)
        for roles in dict.fromkeys((*relations, *methods))
    )


def _may_be_nested(state: ApplicationState, resource: Resource) -> bool:
    get = state.settings.get
    return any(get(options.ALLOW_NESTED_WRITES, model=resource.model, method=method) for method in _NESTING)


def _operations_on(state: ApplicationState, resource: Resource, methods: frozenset[str]) -> Iterator[Access]:
    for method in sorted(methods):
        for many in (True, False):
            yield access_of(state, Asked(method, resource.model, many=many), method)


def _access_of(state: ApplicationState, relation: Relation) -> Access:
    asked = Asked("GET", relation.target.model, many=relation.many, relation_name=relation.fact.name)
    return access_of(state, asked, "GET")


def _asks_for_as_much(access: Access, other: Access) -> bool:
    """Say whether whoever may ask for one operation may ask for another."""
    is_known = access.is_required is True or other.is_required == access.is_required
    return is_known and set(other.roles) <= set(access.roles)
