"""Rules about fields and relationships: which roles may read and write, and follow each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from flarchitect_core import options
from flarchitect_core.access.rules import ANYBODY
from flarchitect_core.suggestions import did_you_mean
from flarchitect_core.users import roles_of

if TYPE_CHECKING:
    from flarchitect_core.access.roles import RoleRequirement
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.settings import Settings
    from flarchitect_core.startup import StartupReport

__all__ = ["FieldLimits", "FieldRule", "RelatedRule", "field_rules_of", "limits_for"]

Column = tuple[type, str]


@dataclass(frozen=True, slots=True)
class FieldLimits:
    """What a caller may not do with fields and relationships, each a model and an attribute.

    It is the same for all callers with equal rights.

    Attributes:
        hidden: Fields that are as if they were not there.
        locked: Fields that bodies cannot set.
        closed: Relationships that lead to rows which are not for the caller.
        refused: Methods that it may not use on rows nested in others, each with the model.
    """

    hidden: frozenset[Column] = frozenset()
    locked: frozenset[Column] = frozenset()
    closed: frozenset[Column] = frozenset()
    refused: frozenset[Column] = frozenset()

    def hides(self, model: type, attribute: str) -> bool:
        """Say whether a field is hidden."""
        return _is_among(self.hidden, model, attribute)

    def locks(self, model: type, attribute: str) -> bool:
        """Say whether bodies cannot set a field."""
        return _is_among(self.locked, model, attribute)

    def closes(self, model: type, relationship: str) -> bool:
        """Say whether a relationship is closed."""
        return (model, relationship) in self.closed

    def refused_on(self, model: type) -> frozenset[str]:
        """Give the methods that are refused on nested rows of a model."""
        return frozenset(method for each, method in self.refused if each is model)

    def hides_column(self, column: Any) -> bool:
        """Say whether a column of any table is hidden."""
        return any(column in _columns_of(model, attribute) for model, attribute in self.hidden)


def _is_among(columns: Iterable[Column], model: type, attribute: str) -> bool:
    """Say whether a rule is about a field: those of a parent class hold for subclasses, whose rows it shows, too."""
    return any(name == attribute and (issubclass(model, each) or issubclass(each, model)) for each, name in columns)


def _columns_of(model: type, attribute: str) -> Sequence[Any]:
    mapper: Any = sa.inspect(model)
    return mapper.column_attrs[attribute].columns if attribute in mapper.column_attrs else ()


@dataclass(frozen=True, slots=True)
class FieldRule:
    """Who may read and write one field; `None` stands for everybody.

    Attributes:
        readers: Roles, `*` for every user who is known.
        writers: The same.
    """

    column: Column
    readers: frozenset[str] | None
    writers: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class RelatedRule:
    """What is asked of those who reach rows through others.

    Attributes:
        relations: Relationships that they follow, each with its model.
        methods: Methods that they use on nested rows, each with the model.
        roles: Roles, each of these requirements.
    """

    relations: frozenset[Column]
    methods: frozenset[Column]
    roles: tuple[RoleRequirement, ...]

    def is_met_by(self, user: Any) -> bool:
        """Say whether a user may; it has to be known who calls."""
        return user is not None and all(roles.is_met_by(user) for roles in self.roles)


def limits_for(rules: Iterable[FieldRule], related: Iterable[RelatedRule], user: Any) -> FieldLimits:
    """Give what the rules about fields and related rows leave out for a user."""
    has = frozenset() if user is None else frozenset({*roles_of(user), ANYBODY})
    hidden = frozenset(rule.column for rule in rules if rule.readers is not None and not rule.readers & has)
    locked = frozenset(rule.column for rule in rules if rule.writers is not None and not rule.writers & has)
    unmet = [rule for rule in related if not rule.is_met_by(user)]
    closed = frozenset(each for rule in unmet for each in rule.relations)
    refused = frozenset(each for rule in unmet for each in rule.methods)
    return FieldLimits(hidden, locked | hidden, closed, refused)


def field_rules_of(resources: Iterable[Resource], settings: Settings, report: StartupReport) -> tuple[FieldRule, ...]:
    """Read the rules of every model, and report what is none."""
    rules: list[FieldRule] = []
    for resource in resources:
        policy: Mapping[str, Any] = settings.get(options.FIELD_POLICY, model=resource.model)
        is_own = settings.resolve(options.FIELD_POLICY, model=resource.model)[1] == "model"
        for name, said in policy.items():
            where = f"{resource.name}.Meta.field_policy[{name!r}]" if is_own else f"API_FIELD_POLICY[{name!r}]"
            field = resource.field(name)
            if field is None:
                if is_own:
                    hint = did_you_mean(name, resource.fields)
                    report.problem(f"{where} names no field of the model.{hint}")
                continue
            if field in resource.key:
                report.problem(f"{where} is about the key, which stands in every URL and link. Leave it out.")
                continue
            try:
                rules.append(_rule((resource.model, field.attribute), said))
            except ValueError as error:
                report.problem(f"{where} {error}")
    return tuple(rules)


def _rule(column: Column, said: Any) -> FieldRule:
    if not isinstance(said, Mapping) or not said or said.keys() - {"read", "write"}:
        raise ValueError(f"must be a mapping with 'read' and 'write', each of them roles; it is {said!r}.")
    return FieldRule(column, _roles(said.get("read", True)), _roles(said.get("write", True)))


def _roles(said: Any) -> frozenset[str] | None:
    if said is True:
        return None
    if said is False:
        return frozenset()
    names = [said] if isinstance(said, str) else said
    if not isinstance(names, (list, tuple, set, frozenset)) or not all(
        isinstance(name, str) and name for name in names
    ):
        raise ValueError(f"must name roles: a name, a list of names, True or False; it is {said!r}.")
    return frozenset(names)
