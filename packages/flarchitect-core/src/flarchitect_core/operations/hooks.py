"""The callbacks of one resource, called in the order of rest 7.1.

What is fixed at start-up (setup and return callbacks, plugins) is read once; the others are read from the
configuration when they are needed, because an application may change them at any time (rest 1.4).
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from flarchitect_core import options
from flarchitect_core.errors import BadRequestError
from flarchitect_core.model.criteria import condition_of
from flarchitect_core.plugins import why_not_callable
from flarchitect_core.settings import HTTP_METHODS, Option

if TYPE_CHECKING:
    from flarchitect_core.model.dumping import Record
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.operations.operation import Operation
    from flarchitect_core.plugins import PluginManager
    from flarchitect_core.settings import Settings
    from flarchitect_core.startup import StartupReport

__all__ = ["Hooks", "changed_body", "check_callbacks"]

logger = logging.getLogger("flarchitect.hooks")

Callback = Callable[..., Any]
Context = dict[str, Any]

_SETUP_ARGUMENTS = ("id", "field", "join_model", "output_schema", "relation_name", "method", "many")
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

# How each callback is called: positional arguments, then names of keywords. Those that are called with `model` get
# `deserialized_data` too, where there is a body.
_CALLS: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "GLOBAL_PRE_DESERIALIZE_HOOK": (1, ()),
    "GLOBAL_SETUP_CALLBACK": (0, ("model", *_SETUP_ARGUMENTS)),
    "SETUP_CALLBACK": (0, ("model", *_SETUP_ARGUMENTS)),
    "FILTER_CALLBACK": (3, ()),
    "ADD_CALLBACK": (2, ()),
    "UPDATE_CALLBACK": (2, ()),
    "REMOVE_CALLBACK": (2, ()),
    "RETURN_CALLBACK": (0, ("model", "output", *_SETUP_ARGUMENTS)),
    "DUMP_CALLBACK": (1, ("many",)),
    "FINAL_CALLBACK": (1, ()),
    "ERROR_CALLBACK": (3, ()),
}
_BOUND_BY_METHOD: tuple[Option[Any], ...] = (
    options.GLOBAL_SETUP_CALLBACK,
    options.SETUP_CALLBACK,
    options.RETURN_CALLBACK,
)


class Hooks:
    """Calls what the application hung on the operations of one resource."""

    def __init__(self, resource: Resource, settings: Settings, plugins: PluginManager) -> None:
        self._resource = resource
        self._settings = settings
        self._plugins = plugins
        model = resource.model
        self._bound: dict[tuple[str, str], Callback | None] = {
            (option.name, method): settings.get(option, model=model, method=method)
            for option in _BOUND_BY_METHOD
            for method in HTTP_METHODS
        }
        is_set_up = plugins.overrides("before_model_op")
        self._set_up_in = frozenset(
            method
            for method in HTTP_METHODS
            if is_set_up
            or any(self._bound[name, method] is not None for name in ("GLOBAL_SETUP_CALLBACK", "SETUP_CALLBACK"))
        )
        is_changed = plugins.overrides("after_model_op")
        self._output_in = frozenset(
            method for method in HTTP_METHODS if is_changed or self._bound["RETURN_CALLBACK", method] is not None
        )

    # --- before -------------------------------------------------------------------------------------------------------

    def wants_setup(self, method: str) -> bool:
        """Say whether anybody is called before an operation of this method."""
        return method in self._set_up_in

    def body(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give the decoded body as `API_GLOBAL_PRE_DESERIALIZE_HOOK` leaves it.

        Raises:
            BadRequestError: It leaves no object, as one that unwraps a body does when the client wrapped none.
        """
        return changed_body(data, self._settings)

    def set_up(self, operation: Operation, values: dict[str, Any] | None = None) -> Context:
        """Call plugins and setup callbacks, and give the context as they leave it.

        Args:
            values: Attribute values of the checked body; `deserialized_data` of the context.
        """
        relation = operation.relation
        context: Context = {
            "id": operation.id,
            "field": None,
            "join_model": relation.source.model if relation is not None else None,
            "output_schema": None,
            "relation_name": relation.fact.name if relation is not None else None,
            "method": operation.method,
            "many": operation.many,
        }
        if values is not None:
            context["deserialized_data"] = values
        model = self._resource.model
        context = self._plugins.before_model_op({"model": model, **context})
        for name in ("GLOBAL_SETUP_CALLBACK", "SETUP_CALLBACK"):
            callback = self._bound[name, operation.method]
            if callback is not None:
                changed = callback(**{**context, "model": model})
                context = {**context, **(changed or {})}
        return context

    # --- rows ---------------------------------------------------------------------------------------------------------

    def condition(self, parameters: Mapping[str, list[str]], method: str) -> sa.ColumnElement[bool] | None:
        """Give the condition that the filter callback puts on the rows of the resource, `None` without one."""
        model = self._resource.model
        callback: Callback | None = self._settings.get(options.FILTER_CALLBACK, model=model, method=method)
        if callback is None:
            return None
        return condition_of(callback(sa.select(model), model, dict(parameters)), model)

    def filters(self, method: str) -> bool:
        """Say whether a filter callback is set by now, which may be after the start."""
        return self._settings.get(options.FILTER_CALLBACK, model=self._resource.model, method=method) is not None

    def watches_instances(self) -> bool:
        """Say whether a callback gets the instances that are written."""
        get, model = self._settings.get, self._resource.model
        return any(
            get(option, model=model) is not None
            for option in (options.ADD_CALLBACK, options.UPDATE_CALLBACK, options.REMOVE_CALLBACK)
        )

    def adding(self, instance: Any) -> Any:
        """Give the instance to store in place of a new one."""
        return self._changed(options.ADD_CALLBACK, instance)

    def updating(self, instance: Any) -> Any:
        """Give the instance to store in place of a changed one."""
        return self._changed(options.UPDATE_CALLBACK, instance)

    def removing(self, instance: Any) -> Any:
        """Give the instance to remove in place of one."""
        return self._changed(options.REMOVE_CALLBACK, instance)

    def _changed(self, option: Option[Any], instance: Any) -> Any:
        callback: Callback | None = self._settings.get(option, model=self._resource.model)
        if callback is None:
            return instance
        changed = callback(instance, self._resource.model)
        return instance if changed is None else changed

    # --- after --------------------------------------------------------------------------------------------------------

    def wants_output(self, method: str) -> bool:
        """Say whether anybody gets, and may replace, what an operation of this method gives."""
        return method in self._output_in

    def changes_records(self) -> bool:
        """Say whether anything, in any method, may leave out what a record would show."""
        return bool(self._output_in) or any(self.dump_callback(method) is not None for method in HTTP_METHODS)

    def output(self, operation: Operation, context: Context, output: Any) -> Any:
        """Give the output as the return callback and the plugins leave it."""
        callback = self._bound["RETURN_CALLBACK", operation.method]
        if callback is not None:
            arguments = {**context, "model": self._resource.model, "output": output}
            result = callback(**arguments)
            if isinstance(result, Mapping) and "output" in result:
                output = result["output"]
            else:
                logger.warning(
                    "The return callback of %s gave %s instead of {'output': ...}; the output stays as it was.",
                    self._resource.name,
                    type(result).__name__,
                )
        return self._plugins.after_model_op(context, output)

    def dump_callback(self, method: str) -> Callback | None:
        """Give what is called with every record of the resource, `None` when nothing is."""
        callback: Callback | None = self._settings.get(options.DUMP_CALLBACK, model=self._resource.model, method=method)
        return callback

    def dumped(self, records: list[Record], method: str, *, many: bool) -> list[Record]:
        """Give the records as the dump callback leaves them."""
        callback = self.dump_callback(method)
        if callback is None:
            return records
        changed = (callback(record, many=many) for record in records)
        return [record if new is None else new for record, new in zip(records, changed, strict=True)]


def changed_body(data: Mapping[str, Any], settings: Settings) -> Mapping[str, Any]:
    """Give a decoded body as `API_GLOBAL_PRE_DESERIALIZE_HOOK` leaves it.

    Raises:
        BadRequestError: It leaves no object.
    """
    hook: Callback | None = settings.get(options.GLOBAL_PRE_DESERIALIZE_HOOK)
    if hook is None:
        return data
    changed = hook(data)
    if isinstance(changed, Mapping):
        return changed
    logger.warning("API_GLOBAL_PRE_DESERIALIZE_HOOK gave %s instead of a dictionary.", type(changed).__name__)
    raise BadRequestError("The body does not hold an object where one is expected.", reason="not_an_object")


def check_callbacks(settings: Settings, resources: Iterable[Resource], report: StartupReport) -> None:
    """Report every callback that cannot be called as it will be."""
    uses = [(resource.model, method) for resource in resources for method in HTTP_METHODS if method in resource.methods]
    for option in settings:
        if option.name not in _CALLS:
            continue
        checked: set[tuple[int, bool]] = set()
        for model, method in uses if "model" in _CALLS[option.name][1] or option.meta else [(None, None)]:
            callback = settings.get(option, model=model, method=method)
            use = (id(callback), method in _WITH_BODY)
            if callable(callback) and use not in checked:
                checked.add(use)
                _check_call(option, callback, report, with_body=method in _WITH_BODY)


def _check_call(option: Option[Any], callback: Callback, report: StartupReport, *, with_body: bool) -> None:
    positional, names = _CALLS[option.name]
    if with_body and "model" in names:
        names = (*names, "deserialized_data")
    named = getattr(callback, "__qualname__", repr(callback))
    if inspect.iscoroutinefunction(callback):
        report.problem(f"The callback {named} of {option.key} is a coroutine function. Write it as a plain function.")
        return
    why = why_not_callable(callback, positional, names)
    if why is not None:
        arguments = ", ".join([*("..." for _ in range(positional)), *(f"{name}=..." for name in names)])
        report.problem(
            f"The callback {named} of {option.key} cannot be called as {option.name.lower()}({arguments}): {why}. "
            f"Take these arguments{', or **kwargs' if names else ''}."
        )
