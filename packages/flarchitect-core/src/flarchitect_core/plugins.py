"""Plugins of an application: objects that watch and change requests at fixed moments (rest 7.4, core 5.3)."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException

from flarchitect_core.errors import ApiError, ConfigurationError

if TYPE_CHECKING:
    from flask import Request, Response

__all__ = ["PluginBase", "PluginManager", "why_not_callable"]

logger = logging.getLogger("flarchitect.plugins")

Context = dict[str, Any]


class PluginBase:
    """Base class of plugins; override what you need, everything else does nothing.

    Plugins are called in the order of `API_PLUGINS`. An exception in one is logged with its traceback, and the next
    one runs; only an HTTP error (`abort`, `CustomHTTPException`) ends the request, with its status. In
    `request_finished` it is logged too: what was asked for has been done by then. In `before_authenticate` every
    exception ends the request, with 500 where it is no HTTP error: who may come in is not decided by luck.
    """

    def request_started(self, request: Request) -> None:
        """See a request before anything else does."""

    def request_finished(self, request: Request, response: Response) -> Response | None:
        """See the answer; the first response that a plugin returns replaces it."""

    def before_authenticate(self, context: Context) -> Mapping[str, Any] | None:
        """See who is about to be asked for; a mapping is merged into the context.

        Args:
            context: `model`, `method`, `output_schema`, `input_schema`.
        """

    def after_authenticate(self, context: Context, success: bool, user: Any) -> None:
        """See whether the caller was accepted, and as whom."""

    def before_model_op(self, context: Context) -> Mapping[str, Any] | None:
        """See an operation before it runs; a mapping is merged into the context and into the setup arguments.

        Args:
            context: `model`, `method`, `many`, `id`, `field`, `join_model`, `relation_name`, `output_schema`,
                `deserialized_data`.
        """

    def after_model_op(self, context: Context, output: Any) -> Any:
        """See what an operation gives; anything but `None` replaces it and goes to the next plugin."""

    def spec_build_started(self, spec: Any) -> None:
        """See the document before it is built."""

    def spec_build_completed(self, spec_dict: dict[str, Any]) -> dict[str, Any] | None:
        """See the finished document; a dictionary replaces it and goes to the next plugin."""


class PluginManager:
    """Calls the plugins of one application.

    Args:
        plugins: Plugins in the order in which they are called.
    """

    def __init__(self, plugins: Iterable[PluginBase] | None = None) -> None:
        self.plugins: tuple[PluginBase, ...] = tuple(plugins or ())
        self._overriding = {name: self._methods(name) for name in vars(PluginBase) if not name.startswith("_")}

    @classmethod
    def from_config(cls, value: Any, *, ignore_errors: bool = False) -> PluginManager:
        """Make a manager of what `API_PLUGINS` holds: classes, instances and factories, one or a list of them.

        Args:
            ignore_errors: Leave out what makes no plugin, and log it.

        Raises:
            ConfigurationError: Every entry that makes no plugin, and every method that cannot be called.
        """
        entries = [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]
        plugins: list[PluginBase] = []
        problems: list[str] = []
        for position, entry in enumerate(entries):
            try:
                plugin = entry if isinstance(entry, PluginBase) else entry()
            except Exception as error:  # noqa: BLE001 - the factory is the application's code
                problems.append(f"API_PLUGINS[{position}] ({entry!r}) cannot be made: {type(error).__name__}: {error}")
                continue
            if isinstance(plugin, PluginBase):
                wrong = list(_wrong_methods(plugin))
                problems += wrong
                plugins += [] if wrong else [plugin]
            else:
                problems.append(
                    f"API_PLUGINS[{position}] ({entry!r}) is no plugin. Give a subclass of PluginBase, an instance of "
                    f"one, or a callable that makes one."
                )
        if problems and not ignore_errors:
            raise ConfigurationError(problems)
        for problem in problems:
            logger.warning("%s It is left out (API_PLUGINS_IGNORE_ERRORS).", problem)
        return cls(plugins)

    def overrides(self, *names: str) -> bool:
        """Say whether any plugin has its own version of one of these methods."""
        return any(self._overriding[name] for name in names)

    def request_started(self, request: Request) -> None:
        """Tell every plugin that a request began."""
        for method in self._overriding["request_started"]:
            _call(method, request)

    def request_finished(self, request: Request, response: Response) -> Response:
        """Give the response that answers: the first one that a plugin returned, else the one that was made."""
        for method in self._overriding["request_finished"]:
            answer: Response | None = _call(method, request, response, refuses=())
            if answer is not None:
                return answer
        return response

    def before_authenticate(self, context: Context) -> Context:
        """Give the context with everything that plugins merged into it; a plugin that fails ends the request."""
        return self._merged("before_authenticate", context, refuses=(Exception,))

    def after_authenticate(self, context: Context, success: bool, user: Any) -> None:
        """Tell every plugin how the authentication ended."""
        for method in self._overriding["after_authenticate"]:
            _call(method, context, success, user)

    def before_model_op(self, context: Context) -> Context:
        """Give the context with everything that plugins merged into it."""
        return self._merged("before_model_op", context)

    def after_model_op(self, context: Context, output: Any) -> Any:
        """Give the output as the plugins leave it."""
        for method in self._overriding["after_model_op"]:
            changed = _call(method, context, output)
            output = output if changed is None else changed
        return output

    def spec_build_started(self, spec: Any) -> None:
        """Tell every plugin that the document is being built."""
        for method in self._overriding["spec_build_started"]:
            _call(method, spec)

    def spec_build_completed(self, spec_dict: dict[str, Any]) -> dict[str, Any]:
        """Give the document as the plugins leave it."""
        for method in self._overriding["spec_build_completed"]:
            changed = _call(method, spec_dict)
            spec_dict = changed if isinstance(changed, dict) else spec_dict
        return spec_dict

    def _methods(self, name: str) -> tuple[Callable[..., Any], ...]:
        default = getattr(PluginBase, name)
        methods = (getattr(plugin, name) for plugin in self.plugins)
        return tuple(method for method in methods if getattr(method, "__func__", None) is not default)

    def _merged(
        self, name: str, context: Context, refuses: tuple[type[Exception], ...] = (HTTPException, ApiError)
    ) -> Context:
        for method in self._overriding[name]:
            added = _call(method, context, refuses=refuses)
            if isinstance(added, Mapping):
                context = {**context, **added}
        return context


def why_not_callable(function: Callable[..., Any], positional: int, names: Iterable[str] = ()) -> str | None:
    """Say why a function cannot be called with so many positional arguments and these keywords, if it cannot."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None  # a builtin without a signature
    try:
        signature.bind(*(None for _ in range(positional)), **dict.fromkeys(names))
    except TypeError as error:
        return str(error)
    return None


def _wrong_methods(plugin: PluginBase) -> Iterator[str]:
    for name, default in vars(PluginBase).items():
        if name.startswith("_"):
            continue
        names = list(inspect.signature(default).parameters)[1:]
        method = getattr(plugin, name)
        where = f"{type(plugin).__name__}.{name}"
        if inspect.iscoroutinefunction(method):
            yield f"{where} of API_PLUGINS is a coroutine function. Write it as a plain method."
        elif (why := why_not_callable(method, len(names))) is not None:
            yield f"{where} of API_PLUGINS cannot be called as {name}({', '.join(names)}): {why}."


def _call(
    method: Callable[..., Any],
    *arguments: Any,
    refuses: tuple[type[Exception], ...] = (HTTPException, ApiError),
) -> Any:
    try:
        return method(*arguments)
    except refuses:
        raise
    except Exception:
        logger.exception("%s failed and was passed over.", getattr(method, "__qualname__", method))
        return None
