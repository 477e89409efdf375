"""The value that each option has in an application, and where it comes from (core C-1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flarchitect_core.redaction import MASK, is_secret_name, redact_value
from flarchitect_core.settings import HTTP_METHODS, Option, Origin, Settings, is_set
from flarchitect_core.state import ApplicationState

__all__ = ["EffectiveOption", "effective_options"]


@dataclass(frozen=True, slots=True)
class EffectiveOption:
    """One value.

    Attributes:
        name: Configuration key, or the attribute of a `Meta` such as `Film.Meta.read_only`.
        value: What JSON can hold, without secrets.
        origin: `default`, `config`, `keyword` or `model`.
    """

    name: str
    value: Any
    origin: Origin


def effective_options(state: ApplicationState) -> Iterator[EffectiveOption]:
    """Give all options in the order of their declaration: of the application, for one method, of each model."""
    settings = state.settings
    for option in settings:
        if option.config:
            yield _effective(option.key, option, *settings.resolve(option))
            yield from _for_methods(settings, option)
        if option.meta:
            for resource in state.registry:
                yield from _of_model(settings, option, resource.model)


def _for_methods(settings: Settings, option: Option[Any]) -> Iterator[EffectiveOption]:
    general = settings.resolve(option)
    for method in HTTP_METHODS if option.method else ():
        value, origin = settings.resolve(option, method=method)
        if origin == "config" and (value, origin) != general:
            yield _effective(f"API_{method}_{option.name}", option, value, origin)


def _of_model(settings: Settings, option: Option[Any], model: type) -> Iterator[EffectiveOption]:
    meta = getattr(model, "Meta", None)
    for method in (None, *(HTTP_METHODS if option.method else ())):
        value, origin = settings.resolve(option, model=model, method=method)
        # For a method without a name of its own, the general one stands in for it and was told already.
        names = set(option.meta_names(method)) - (set(option.meta_names()) if method else set())
        if origin == "model" and any(is_set(getattr(meta, name, None)) for name in names):
            name = option.name.lower() if method is None else f"{method.lower()}_{option.name.lower()}"
            yield _effective(f"{model.__name__}.Meta.{name}", option, value, origin)


def _effective(name: str, option: Option[Any], value: Any, origin: Origin) -> EffectiveOption:
    is_hidden = is_set(value) and (option.secret or is_secret_name(option.name))
    return EffectiveOption(name, MASK if is_hidden else redact_value(value), origin)
