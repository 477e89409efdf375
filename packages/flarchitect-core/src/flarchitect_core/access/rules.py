"""Rules about rows, said as SQL: the main way to write a row policy.

A rule is `True` (every row), `False` (none), a callable `(model, user)` that gives a condition or one of the two, or a
mapping of roles to rules, of which those of all roles of the caller count. What nobody has said is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import sqlalchemy as sa

from flarchitect_core.users import roles_of

__all__ = ["ANONYMOUS", "ANYBODY", "Policy", "RowAction", "Rule", "owner"]

RowAction = Literal["read", "create", "update", "delete"]
Clause = sa.ColumnElement[bool]
Rule = bool | Callable[[Any, Any], Any] | Mapping[str, Any]

ANYBODY = "*"
"""Key of a mapping of roles: every user who is known."""
ANONYMOUS = "anonymous"
"""Key of a mapping of roles: callers whom nobody knows."""

_ACTIONS: tuple[RowAction, ...] = ("read", "create", "update", "delete")


class Policy:
    """Which rows of a model a caller may read, create, update and delete, each by a rule.

    The rule of an action is its own, else that of `write` (for all but reading), else `every`, else nobody may.

    ```python
    class Invoice(Base):
        class Meta:
            access_policy = Policy(
                read={"accounts": True, "*": owner("customer_id")},
                write={"accounts": lambda Invoice, user: Invoice.office_id == user.office_id},
            )
    ```

    Rows that may not be read are as if they were not there: 404, and in no list, count, filter or related record. A
    write that a rule refuses is a 403, before and after the row is changed.

    Args:
        every: Rule of every action that has none of its own.
        read: Rule of reading.
        write: Rule of creating, updating and deleting.
        create: Rule of the rows that may be created, as they are then.
        update: Rule of the rows that may be updated, as they were and as they are then.
        delete: Rule of the rows that may be deleted.

    Raises:
        TypeError: A rule is none.
    """

    def __init__(
        self,
        every: Rule = False,
        *,
        read: Rule | None = None,
        write: Rule | None = None,
        create: Rule | None = None,
        update: Rule | None = None,
        delete: Rule | None = None,
    ) -> None:
        given: dict[RowAction, Rule | None] = {"read": read, "create": create, "update": update, "delete": delete}
        self.rules: dict[RowAction, Rule] = {}
        for action in _ACTIONS:
            candidates = (given[action], None if action == "read" else write, every)
            rule = next(each for each in candidates if each is not None)
            _check(rule, action)
            self.rules[action] = rule

    def clause(self, action: RowAction, model: Any, user: Any) -> Clause | None:
        """Give the condition of the rows that a user may do something with; `None` when it is every row."""
        allowed = list(_clauses(self.rules[action], model, user))
        if any(each is True for each in allowed):
            return None
        conditions = [each for each in allowed if each is not False]
        return sa.or_(*conditions) if conditions else sa.false()

    def explain(self, action: RowAction, user: Any) -> str:
        """Say which rule decides about a user, for people."""
        rule = self.rules[action]
        if user is None and not isinstance(rule, (bool, Mapping)):
            return f"no row: {_name_of(rule)} says nothing about nobody"
        return _explained(rule, user)


def owner(attribute: str, *, of: str = "id") -> Callable[[Any, Any], Clause | bool]:
    """Make the rule of rows that belong to the user; a user without the attribute has none, not those of nobody.

    Args:
        attribute: Attribute of the model with the key of the owner.
        of: Attribute of the user that it is compared with.
    """

    def is_owner(model: Any, user: Any) -> Clause | bool:
        value = getattr(user, of)
        if value is None:
            return False
        clause: Clause = getattr(model, attribute) == value
        return clause

    is_owner.__qualname__ = f"owner({attribute!r})"
    return is_owner


def _clauses(rule: Rule, model: Any, user: Any) -> Iterator[Any]:
    """Give what each rule that counts for a user allows: a condition, `True` or `False`."""
    if isinstance(rule, bool):
        yield rule
    elif isinstance(rule, Mapping):
        for _, each in _counting(rule, user):
            # A rule for those whom nobody knows is asked about nobody.
            yield from [_decided(each(model, user), each)] if callable(each) else _clauses(each, model, user)
    elif user is None:
        yield False  # a rule about the user says nothing about nobody
    else:
        yield _decided(rule(model, user), rule)


def _counting(rule: Mapping[str, Rule], user: Any) -> Iterator[tuple[str, Rule]]:
    names = (ANONYMOUS,) if user is None else (*roles_of(user), ANYBODY)
    return ((name, rule[name]) for name in names if name in rule)


def _decided(value: Any, rule: Any) -> Any:
    """Check what a rule gave.

    Raises:
        TypeError: It is neither a condition nor a bool. Nothing may be opened by what cannot be read.
    """
    if isinstance(value, (bool, sa.ColumnElement)):
        return value
    if hasattr(value, "__clause_element__"):
        return value.__clause_element__()
    raise TypeError(f"The rule {_name_of(rule)} gave {type(value).__name__}. Give a condition on the model, or a bool.")


def _check(rule: Any, where: str) -> None:
    if isinstance(rule, Mapping):
        for name, each in rule.items():
            if not isinstance(name, str):
                raise TypeError(f"The rule of {where!r} has {name!r} in place of the name of a role.")
            _check(each, f"{where}[{name}]")
    elif not (isinstance(rule, bool) or callable(rule)):
        raise TypeError(
            f"The rule of {where!r} is {rule!r}. Give True, False, a callable (model, user), or a mapping of roles."
        )


def _explained(rule: Rule, user: Any) -> str:
    if isinstance(rule, bool):
        return "every row" if rule else "no row"
    if isinstance(rule, Mapping):
        parts = [f"{name}: {_explained(each, user)}" for name, each in _counting(rule, user)]
        return "; ".join(parts) or "no row: none of the roles is named"
    return _name_of(rule)


def _name_of(rule: Any) -> str:
    return str(getattr(rule, "__qualname__", repr(rule)))
