"""Tenants: rows of one are not there for another (S-21)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from flarchitect_core import options
from flarchitect_core.access.policies import AllOf, Intent, RowPolicy
from flarchitect_core.access.rules import RowAction
from flarchitect_core.errors import ForbiddenError
from flarchitect_core.settings import is_set

if TYPE_CHECKING:
    from flarchitect_core.model.registry import Registry
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.settings import Settings
    from flarchitect_core.startup import StartupReport

__all__ = ["TenantPolicy", "Tenants", "tenants_of"]

Clause = sa.ColumnElement[bool]
Resolver = Callable[[Any], Any]


class TenantPolicy:
    """Lets a caller see and write the rows of its own tenant; who has none sees nothing, never everything."""

    judges_reads = False
    judges_writes = False
    asks_hooks = False

    def __init__(self, model: Any, attribute: str, resolve: Resolver) -> None:
        self._attribute = getattr(model, attribute)
        self._name = attribute
        self._resolve = resolve

    def visible(self, intent: Intent) -> Clause | None:
        """Give the rows of the tenant."""
        tenant = self.tenant_of(intent.user)
        clause: Clause = sa.false() if tenant is None else self._attribute == tenant
        return clause

    def writable(self, action: RowAction, intent: Intent) -> Clause | None:
        """Give the rows of the tenant."""
        return self.visible(intent)

    def may_read(self, instance: Any, intent: Intent) -> bool:
        """Let every row pass: SQL has decided."""
        return True

    def may_write(self, action: RowAction, instance: Any, data: Mapping[str, Any] | None, intent: Intent) -> bool:
        """Let every row pass: SQL decides."""
        return True

    def explain(self, action: RowAction, user: Any) -> str:
        """Name the tenant."""
        return f"tenant {self._name} = {self.tenant_of(user)!r}"

    def tenant_of(self, user: Any) -> Any:
        """Give the tenant of a user, `None` when there is none."""
        return None if user is None else self._resolve(user)


class Tenants:
    """The tenant column of each model that has one.

    Args:
        attributes: Model to the name of its column, and what gives the tenant of a user there.
    """

    def __init__(self, attributes: Mapping[type, tuple[str, Resolver]]) -> None:
        self._attributes = attributes

    def attribute_of(self, model: type) -> str | None:
        """Name the tenant column of a model, `None` where rows belong to no tenant."""
        return self._attributes[model][0] if model in self._attributes else None

    def filled(self, resource: Resource, values: Mapping[str, Any], user: Any) -> dict[str, Any]:
        """Give the values of a new row with its tenant.

        Raises:
            ForbiddenError: They name another one, or the caller has none.
        """
        if resource.model not in self._attributes:
            return dict(values)
        attribute, resolve = self._attributes[resource.model]
        tenant = None if user is None else resolve(user)
        if tenant is None or values.get(attribute, tenant) != tenant:
            raise ForbiddenError(f"A {resource.name} of another tenant cannot be written.", reason="tenant_mismatch")
        return {**values, attribute: tenant}

    def joined(self, policies: Mapping[type, RowPolicy]) -> dict[type, RowPolicy]:
        """Give the policies of all models with those about tenants in front."""
        joined = dict(policies)
        for model, (attribute, resolve) in self._attributes.items():
            own = TenantPolicy(model, attribute, resolve)
            joined[model] = AllOf((own, policies[model])) if model in policies else own
        return joined


def tenants_of(registry: Registry, settings: Settings, report: StartupReport) -> Tenants:
    """Find the tenant column of every model, published or not, and report what cannot be one."""
    resources = list(registry)
    resolver, field = settings.get(options.TENANT_RESOLVER), settings.get(options.TENANT_FIELD)
    attributes: dict[type, tuple[str, Resolver]] = {}
    shared: list[str] = []
    for resource in resources:
        value, origin = settings.resolve(options.TENANT_FIELD, model=resource.model)
        if value and hasattr(resource.model, value):
            attributes[resource.model] = (value, resolver or _attribute(field or value))
        elif value and origin == "model":
            report.problem(f"{resource.name}.Meta.tenant_field names {value!r}, which is no attribute of the model.")
        elif value and not is_set(settings.get(options.ACCESS_POLICY, model=resource.model)):
            shared.append(resource.name)
    if field and not attributes and resources:
        report.problem(f"API_TENANT_FIELD names {field!r}, which no published model has, so it would hide nothing.")
    elif shared:
        report.notice(
            f"All tenants share the rows of {', '.join(shared)}, which have no {field}. Say so with "
            f"Meta.tenant_field = False, or give them an access_policy."
        )
    for resource in registry.unpublished:
        name = settings.get(options.TENANT_FIELD, model=resource.model)
        attributes[resource.model] = (name, resolver or _attribute(field or name))
    if field and attributes:
        _tell_unmapped(registry, field, report)
    return Tenants(attributes)


def _tell_unmapped(registry: Registry, field: str, report: StartupReport) -> None:
    """Tell of expressions that read tables of tenants which no model stands for: no rule reaches those."""
    known = {table for resource in (*registry, *registry.unpublished) for table in resource.facts.mapper.tables}
    for resource in registry:
        for item in resource.fields.values():
            for table in item.fact.sources.tables:
                if table not in known and field in table.columns:
                    report.notice(
                        f"{resource.name}.{item.attribute} reads the table {table} of all tenants, because no model "
                        f"stands for it. Map a class to it, and let the expression select from the class."
                    )


def _attribute(name: str) -> Resolver:
    return lambda user: getattr(user, name, None)
