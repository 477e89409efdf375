"""Looking up one option by its key, in `Meta` classes and the configuration (core 1).

`Settings` resolves the options that are declared. This is the same rule for code that only knows a key: hand-written
routes, hooks, and keys of the application itself.
"""

from __future__ import annotations

from typing import Any, Literal

from flask import Flask, current_app, g, has_app_context, has_request_context

from flarchitect_core.settings import HTTP_METHODS, Settings, is_set
from flarchitect_core.state import STATE_KEY

__all__ = ["clear_config_cache", "forget_request_lookups", "get_config_or_model_meta"]

_CACHE = "_flarch_cfg_cache"

Source = Literal["model", "config", "default"]


def get_config_or_model_meta(
    key: str,
    model: Any = None,
    output_schema: Any = None,
    input_schema: Any = None,
    default: Any = None,
    allow_join: bool = False,
    method: str = "IGNORE",
    return_from_config: bool = False,
) -> Any:
    """Read an option from the model, the schemas, or the application.

    The first value that is set wins: `model.Meta`, `output_schema.Meta`, `input_schema.Meta`, the configuration. Within
    each, a name for the method beats the general one. `None`, and an empty list or dictionary, do not count as set;
    `False`, `0` and `""` do. Within a request a value is looked up once.

    Args:
        key: Key with or without `API_`, in any letter case.
        model: Class with a `Meta`, and so for the schemas, which may also be instances.
        output_schema: Schema of answers.
        input_schema: Schema of bodies.
        default: What to give when nothing is set.
        allow_join: Join the lists of several `Meta` classes instead of taking the first.
        method: HTTP method whose own names are tried first; any other word means none.
        return_from_config: Give `(value, origin)`.

    Returns:
        The value, or with `return_from_config` the value and `"model"`, `"config"` or `"default"`. Outside of an
        application context the configuration is not asked.
    """
    sources = (model, output_schema, input_schema)
    verb = method.upper() if method.upper() in HTTP_METHODS else ""
    cache: dict[Any, Any] | None = g.setdefault(_CACHE, {}) if has_request_context() else None
    # By identity: two models may have one name. The entry holds the sources, so that no identity is used twice.
    cache_key = (key.lower(), verb, allow_join, *map(id, sources))
    known = None if cache is None else cache.get(cache_key)
    if known is not None:
        value, origin, _ = known
    else:
        value, origin = _look_up(key.lower(), sources, verb, allow_join, default)
        if cache is not None and origin != "default":
            cache[cache_key] = (value, origin, sources)
    return (value, origin) if return_from_config else value


def clear_config_cache(app: Flask | None = None) -> None:
    """Forget what was looked up in `Meta` classes and in this request.

    Needed only by code that changes a `Meta` after the start; a changed configuration is seen by itself. What is fixed
    at the start, such as routes and names, stays.

    Args:
        app: Application, the current one by default.
    """
    forget_request_lookups()
    settings = _settings(app)
    if settings is not None:
        settings.forget()


def forget_request_lookups() -> None:
    """Forget what was looked up in this request."""
    if has_app_context():
        g.pop(_CACHE, None)


def _look_up(key: str, sources: tuple[Any, ...], verb: str, allow_join: bool, default: Any) -> tuple[Any, Source]:
    bare = key.removeprefix("api_")
    settings = _settings()
    option = None if settings is None else settings.named(bare)
    names = [*([f"{verb.lower()}_{bare}"] if verb else []), key, bare, *(option.meta_aliases if option else ())]
    found = [value for source in sources if is_set(value := _from_meta(source, names))]
    if found and allow_join and isinstance(found[0], (list, tuple)):
        return [item for value in found if isinstance(value, (list, tuple)) for item in value], "model"
    if found:
        return found[0], "model"
    if settings is not None and option is not None and (given := settings.resolve(option))[1] == "keyword":
        return given[0], "config"
    upper = bare.upper()
    keys = [*([f"{verb}_{upper}", f"API_{verb}_{upper}"] if verb else []), key.upper(), f"API_{upper}"]
    config = current_app.config if has_app_context() else {}
    for name in (*keys, *(option.aliases if option else ())):
        if is_set(value := config.get(name)):
            return value, "config"
    return default, "default"


def _from_meta(source: Any, names: list[str]) -> Any:
    meta = getattr(source, "Meta", None)
    return next((value for name in names if is_set(value := getattr(meta, name, None))), None)


def _settings(app: Flask | None = None) -> Settings | None:
    if app is None and not has_app_context():
        return None
    state = (app or current_app).extensions.get(STATE_KEY)
    return None if state is None else state.settings
