"""Faces: the published models as callers with certain rights see them.

A field that a caller may not read is not there for it at all: in records, filters, sort keys, bodies and messages. A
relation to rows that it may not ask for is a link at most. So callers with other rights get other resources, built as
those of everybody are, once for each set of rights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from flarchitect_core.access.fields import FieldLimits, FieldRule, RelatedRule, field_rules_of, limits_for
from flarchitect_core.access.identity import get_current_user
from flarchitect_core.access.policies import policies_of
from flarchitect_core.access.tenancy import tenants_of
from flarchitect_core.bounded import BoundedCache
from flarchitect_core.catalogue.related import related_rules_of
from flarchitect_core.model.registry import Registry
from flarchitect_core.operations.service import provide_services
from flarchitect_core.startup import StartupReport
from flarchitect_core.state import FACES_MAX

if TYPE_CHECKING:
    from flarchitect_core.access.policies import RowPolicy
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.state import ApplicationState

__all__ = ["Faces", "read_access_rules"]


class Faces:
    """The faces of one application; without rules there is only the one that everybody sees."""

    def __init__(self, state: ApplicationState, fields: tuple[FieldRule, ...]) -> None:
        self._state = state
        self._fields = fields
        self._related: tuple[RelatedRule, ...] = ()
        self._kept: BoundedCache[FieldLimits, ApplicationState] = BoundedCache(FACES_MAX)

    @property
    def vary(self) -> bool:
        """Whether callers may see different fields and relations."""
        return bool(self._fields or self._related)

    def read_related(self) -> None:
        """Read who may reach which rows through others, which the parts know as soon as they are checked."""
        self._related = related_rules_of(self._state)

    def current(self) -> ApplicationState:
        """Give the state by which the current caller is served."""
        if not self.vary:
            return self._state
        limits = limits_for(self._fields, self._related, get_current_user())
        if not (limits.hidden or limits.locked or limits.closed or limits.refused):
            return self._state
        return self._kept.get(limits, lambda: self._made(limits))

    def _made(self, limits: FieldLimits) -> ApplicationState:
        state, report = self._state, StartupReport()  # what is wrong was reported at the start
        with state.app.app_context():
            models = [resource.model for resource in state.registry]
            face = replace(state, registry=Registry(models, state.settings, report, limits), hooks={}, services={})
            let_policies_judge(face.registry, face.policies)
            provide_services(face)
        return face


def let_policies_judge(resources: Iterable[Resource], policies: Mapping[type, RowPolicy]) -> None:
    """Mark the resources whose rows, or rows of whose subclasses, a policy wants to see one by one."""
    judging = {model for model, policy in policies.items() if policy.judges_reads}
    for resource in resources:
        resource.judges_reads = any(each.model in judging for each in (resource, *resource.subclasses))


def read_access_rules(state: ApplicationState) -> None:
    """Read the rules about rows, tenants and fields of all published models, and report what is none."""
    resources, settings, report = list(state.registry), state.settings, state.report
    state.tenants = tenants_of(state.registry, settings, report)
    state.policies = state.tenants.joined(policies_of(resources, settings, report))
    let_policies_judge(state.registry, state.policies)
    for resource in resources:
        searched = [] if resource.search is None else resource.search.resources()
        if any(each.judges_reads for each in searched):
            report.problem(
                f"{resource.name}.Meta.search reaches rows that a policy judges one by one (can_read), so that what is "
                f"found would tell of them. Leave these columns out, or say with scope_query which rows may be read."
            )
    state.faces = Faces(state, field_rules_of(resources, settings, report))
