"""Row policies: which rows a caller may see and write, in every statement and before and after every write.

A policy is an object of `access.rules`, or one with hooks (auth 11): a class, an instance, a factory or a mapping of
`scope_query` and `can_*`. To the rest of core both are a `RowPolicy`.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa
from flask import has_request_context, request

from flarchitect_core import options
from flarchitect_core.access.rules import Policy, RowAction
from flarchitect_core.errors import ForbiddenError
from flarchitect_core.model.criteria import condition_of
from flarchitect_core.plugins import why_not_callable
from flarchitect_core.settings import is_set

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.settings import Settings
    from flarchitect_core.startup import StartupReport

__all__ = ["ActionName", "Intent", "RowPolicy", "forbidden", "policies_of"]

logger = logging.getLogger("flarchitect.policies")

Clause = sa.ColumnElement[bool]
ActionName = str
"""What hooks call an operation: `GET_MANY`, `GET_ONE`, `POST`, `PATCH`, `DELETE`, `RELATION_GET_MANY` and so on."""

_SCOPE = ("query", "action", "user", "request", "model", "many", "relation_name")
_HOOKS: Mapping[str, tuple[str, ...]] = {
    "scope_query": _SCOPE,
    "can_read": ("obj", *_SCOPE[1:]),
    "can_create": ("data", "obj", "action", "user", "request", "model"),
    "can_update": ("obj", "data", "action", "user", "request", "model"),
    "can_delete": ("obj", "action", "user", "request", "model"),
}
_HOOK_OF_ACTION = {"POST": "can_create", "PUT": "can_update", "PATCH": "can_update", "DELETE": "can_delete"}
_ACTION_OF_METHOD: Mapping[str, RowAction] = {
    "GET": "read",
    "POST": "create",
    "PUT": "update",
    "PATCH": "update",
    "DELETE": "delete",
}
_VERBS: Mapping[RowAction, str] = {"read": "read", "create": "create", "update": "change", "delete": "delete"}


@dataclass(frozen=True, slots=True)
class Intent:
    """Who wants what, as policies see it.

    Attributes:
        method: HTTP method that means the same.
        user: Who calls, `None` when nobody is known.
        many: Whether it is about a list.
        relation_name: Relation that leads to the rows.
    """

    method: str
    user: Any
    many: bool = False
    relation_name: str | None = None

    @property
    def action(self) -> ActionName:
        """What hooks call it."""
        if self.method != "GET":
            return self.method
        return f"{'RELATION_' if self.relation_name else ''}GET_{'MANY' if self.many else 'ONE'}"

    @property
    def row_action(self) -> RowAction:
        """What it does with a row."""
        return _ACTION_OF_METHOD[self.method]


class RowPolicy(Protocol):
    """The rules about the rows of one model.

    Attributes:
        judges_reads: Whether it wants to see the instance of every row that is shown.
        judges_writes: Whether it wants to see the instance of every row that is written.
        asks_hooks: Whether code that may look at more than the user decides about reading.
    """

    judges_reads: bool
    judges_writes: bool
    asks_hooks: bool

    def visible(self, intent: Intent) -> Clause | None:
        """Give the condition of the rows that a request may see, `None` when it may see all."""

    def writable(self, action: RowAction, intent: Intent) -> Clause | None:
        """Give the condition of the rows that it may create, update or delete, `None` when they are all."""

    def may_read(self, instance: Any, intent: Intent) -> bool:
        """Say whether a row may be shown."""

    def may_write(self, action: RowAction, instance: Any, data: Mapping[str, Any] | None, intent: Intent) -> bool:
        """Say whether a row may be written as it is, or as it is to be."""

    def explain(self, action: RowAction, user: Any) -> str:
        """Say which rule decides, for people."""


def forbidden(resource_name: str, action: RowAction) -> ForbiddenError:
    """Make the error of a row that may be seen and not written, or seen and not shown."""
    return ForbiddenError(
        f"You may not {_VERBS[action]} this {resource_name}.", reason="policy_denied", details={"action": action}
    )


class RulePolicy:
    """A policy of rules in SQL."""

    judges_reads = False
    judges_writes = False
    asks_hooks = False

    def __init__(self, model: type, policy: Policy) -> None:
        self._model = model
        self._policy = policy

    def visible(self, intent: Intent) -> Clause | None:
        """Give the condition of reading, whatever is to be done with the rows."""
        return self._policy.clause("read", self._model, intent.user)

    def writable(self, action: RowAction, intent: Intent) -> Clause | None:
        """Give the condition of the action."""
        return self._policy.clause(action, self._model, intent.user)

    def may_read(self, instance: Any, intent: Intent) -> bool:
        """Let every row pass: SQL has decided."""
        return True

    def may_write(self, action: RowAction, instance: Any, data: Mapping[str, Any] | None, intent: Intent) -> bool:
        """Let every row pass: SQL decides."""
        return True

    def explain(self, action: RowAction, user: Any) -> str:
        """Name the rule of the action."""
        return self._policy.explain(action, user)


class HookPolicy:
    """A policy of callables (auth 11).

    Args:
        hooks: Name of a hook to what is called, for every action; or `(action, name)` for one action.
        none_allows: Whether `None` from a `can_*` hook counts as yes, as it once did.
    """

    def __init__(self, model: type, hooks: Mapping[Any, Callable[..., Any]], *, none_allows: bool) -> None:
        self._model = model
        self._hooks = hooks
        self._none_allows = none_allows
        self._has_warned = False
        names = {key[1] if isinstance(key, tuple) else key for key in hooks}
        self.judges_reads = "can_read" in names
        self.judges_writes = bool(names & {"can_create", "can_update", "can_delete"})
        self.asks_hooks = bool(names & {"scope_query", "can_read"})

    def _hook(self, name: str, action: ActionName) -> Callable[..., Any] | None:
        keys: list[Any] = [(action, name), name]
        if action == "PUT":
            keys.insert(1, ("PATCH", name))  # a replacement is an update to rules that know no PUT
        return next((self._hooks[key] for key in keys if key in self._hooks), None)

    def visible(self, intent: Intent) -> Clause | None:
        """Give what `scope_query` leaves of the rows."""
        hook = self._hook("scope_query", intent.action)
        if hook is None:
            return None
        query: sa.Select[Any] = sa.select(self._model)
        scoped = _call(hook, query=query, **self._about(intent), many=intent.many, relation_name=intent.relation_name)
        return None if scoped is None else condition_of(scoped, self._model)

    def writable(self, action: RowAction, intent: Intent) -> Clause | None:
        """Give the same: what a request writes must be within its scope, before and after."""
        return self.visible(intent)

    def may_read(self, instance: Any, intent: Intent) -> bool:
        """Ask `can_read`."""
        hook = self._hook("can_read", intent.action)
        if hook is None:
            return True
        more = {"many": intent.many, "relation_name": intent.relation_name}
        return self._decided("can_read", _call(hook, obj=instance, **self._about(intent), **more))

    def may_write(self, action: RowAction, instance: Any, data: Mapping[str, Any] | None, intent: Intent) -> bool:
        """Ask `can_create`, `can_update` or `can_delete`."""
        name = f"can_{action}"
        hook = self._hook(name, intent.action)
        if hook is None:
            return True
        more = {} if action == "delete" else {"data": dict(data or {})}
        return self._decided(name, _call(hook, obj=instance, **more, **self._about(intent)))

    def explain(self, action: RowAction, user: Any) -> str:
        """Name the hooks that are asked."""
        names = [str(key if isinstance(key, str) else ".".join(key)) for key in self._hooks]
        return f"hooks {', '.join(sorted(names))}"

    def _about(self, intent: Intent) -> dict[str, Any]:
        current = request if has_request_context() else None
        return {"action": intent.action, "user": intent.user, "request": current, "model": self._model}

    def _decided(self, name: str, answer: Any) -> bool:
        if answer is None and not self._none_allows and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "The policy hook %s of %s gave None, which refuses. Give True or False; API_POLICY_NONE_ALLOWS = True "
                "takes None for yes.",
                name,
                self._model.__name__,
            )
        return self._none_allows if answer is None else bool(answer)


class AllOf:
    """Several policies, all of which must agree."""

    def __init__(self, policies: Iterable[RowPolicy]) -> None:
        self._policies = tuple(policies)
        self.judges_reads = any(policy.judges_reads for policy in self._policies)
        self.judges_writes = any(policy.judges_writes for policy in self._policies)
        self.asks_hooks = any(policy.asks_hooks for policy in self._policies)

    def visible(self, intent: Intent) -> Clause | None:
        """Join the conditions."""
        return _all(policy.visible(intent) for policy in self._policies)

    def writable(self, action: RowAction, intent: Intent) -> Clause | None:
        """Join the conditions."""
        return _all(policy.writable(action, intent) for policy in self._policies)

    def may_read(self, instance: Any, intent: Intent) -> bool:
        """Ask all."""
        return all(policy.may_read(instance, intent) for policy in self._policies)

    def may_write(self, action: RowAction, instance: Any, data: Mapping[str, Any] | None, intent: Intent) -> bool:
        """Ask all."""
        return all(policy.may_write(action, instance, data, intent) for policy in self._policies)

    def explain(self, action: RowAction, user: Any) -> str:
        """Name the rules of all."""
        return " and ".join(policy.explain(action, user) for policy in self._policies)


def _all(clauses: Iterable[Clause | None]) -> Clause | None:
    given = [clause for clause in clauses if clause is not None]
    if not given:
        return None
    return given[0] if len(given) == 1 else sa.and_(*given)


def _call(hook: Callable[..., Any], **arguments: Any) -> Any:
    """Call a hook with those arguments that it takes; the documented form takes the rest as `**_`."""
    parameters = inspect.signature(hook).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return hook(**arguments)
    return hook(**{each.name: arguments[each.name] for each in parameters if each.name in arguments})


# --- reading them -----------------------------------------------------------------------------------------------------


def policies_of(resources: Iterable[Resource], settings: Settings, report: StartupReport) -> dict[type, RowPolicy]:
    """Make the policy of every model that has one, and report what is none."""
    found: dict[type, RowPolicy] = {}
    for resource in resources:
        model = resource.model
        value, origin = settings.resolve(options.ACCESS_POLICY, model=model)
        where = f"{resource.name}.Meta.access_policy" if origin == "model" else "API_ACCESS_POLICY"
        if is_set(value):
            try:
                found[model] = _policy_of(model, value, none_allows=settings.get(options.POLICY_NONE_ALLOWS))
            except (TypeError, ValueError) as error:
                report.problem(f"{where} is no policy: {error}")
    return found


def _policy_of(model: type, value: Any, *, none_allows: bool) -> RowPolicy:
    """Read a policy.

    Raises:
        TypeError: It is none.
    """
    if isinstance(value, Policy):
        return RulePolicy(model, value)
    if isinstance(value, Mapping):
        hooks: dict[Any, Callable[..., Any]] = dict(_hooks_of_mapping(value))
        return HookPolicy(model, hooks, none_allows=none_allows)
    made = value
    if isinstance(value, type) or (callable(value) and not _hooks_of_object(value)):
        made = value()
    if isinstance(made, (Policy, Mapping)):
        return _policy_of(model, made, none_allows=none_allows)
    found = _hooks_of_object(made)
    if not found:
        raise TypeError(f"{value!r} has none of {', '.join(_HOOKS)}. Give a Policy, or an object with one of them.")
    return HookPolicy(model, found, none_allows=none_allows)


def _hooks_of_object(candidate: Any) -> dict[Any, Callable[..., Any]]:
    hooks = {name: getattr(candidate, name) for name in _HOOKS if callable(getattr(candidate, name, None))}
    for name, hook in hooks.items():
        _check_hook(name, hook)
    return hooks


def _hooks_of_mapping(given: Mapping[Any, Any]) -> Iterable[tuple[Any, Callable[..., Any]]]:
    for key, value in given.items():
        if key in _HOOKS and callable(value):
            _check_hook(key, value)
            yield key, value
            continue
        action = str(key).upper()
        if action not in _ACTIONS:
            raise TypeError(f"{key!r} is no hook ({', '.join(_HOOKS)}) and no action ({', '.join(sorted(_ACTIONS))}).")
        if isinstance(value, Mapping):
            hooks = dict(_hooks_of_mapping(value))
        elif callable(value) and not _hooks_of_object(value):
            name = _HOOK_OF_ACTION.get(action, "can_read")
            _check_hook(name, value)
            hooks = {name: value}
        else:
            hooks = _hooks_of_object(value)
        if not hooks:
            raise TypeError(f"{key!r} has {value!r}, which has none of {', '.join(_HOOKS)}.")
        for name, hook in hooks.items():
            yield (action, name), hook


_ACTIONS = frozenset({"GET_MANY", "GET_ONE", "POST", "PUT", "PATCH", "DELETE", "RELATION_GET_MANY", "RELATION_GET_ONE"})


def _check_hook(name: str, hook: Callable[..., Any]) -> None:
    if inspect.iscoroutinefunction(hook):
        raise TypeError(f"{name} is a coroutine function. Write it as a plain function.")
    names = [each for each in _HOOKS[name] if _takes(hook, each)]
    why = why_not_callable(hook, 0, names)
    if why is not None:
        raise TypeError(f"{name} cannot be called with {', '.join(_HOOKS[name])}: {why}. Take them by name, or **_.")


def _takes(hook: Callable[..., Any], name: str) -> bool:
    parameters = inspect.signature(hook).parameters
    return name in parameters or any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values())
