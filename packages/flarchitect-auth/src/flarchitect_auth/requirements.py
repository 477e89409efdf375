"""Which operations need a known caller: `API_AUTH_REQUIREMENTS` (auth 10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flarchitect_core.access.asked import Asked

__all__ = ["DONE_BY_PUT", "Requirement", "check_requirements", "keys_of", "names_put", "requirement_of"]

# What a PUT may do, for rules that do not name it: they are as old as the other methods, and must hold for it too.
DONE_BY_PUT = ("PATCH", "POST")

Requirement = bool | None | Callable[[], "bool | None"]
"""Whether an operation needs a known caller; `None` when that is decided elsewhere, a callable when by the request."""

_YES = frozenset({"true", "1", "yes", "on", "require", "required", "enforce"})
_NO = frozenset({"false", "0", "no", "off", "skip", "disable"})
_UNDECIDED = frozenset({"inherit", "default", "auto", ""})


def keys_of(asked: Asked, method: str) -> tuple[str, ...]:
    """List the keys by which maps of rules name an operation, the most specific one first (auth 9.3)."""
    plural = "MANY" if asked.many else "ONE"
    keys: list[str] = []
    if asked.is_relation:
        keys += [f"RELATION_{method}_{plural}", f"RELATION_{method}", "RELATION_ALL", "RELATION"]
    if method == "GET":
        keys.append(f"GET_{plural}")
    return (*keys, method, "ALL", "*")


def names_put(rules: Mapping[Any, Any], asked: Asked) -> bool:
    """Say whether a map of rules names PUT, and does not only mean it by what stands for all."""
    given = {str(key).upper() for key in rules}
    return any(key in given for key in keys_of(asked, "PUT") if "PUT" in key)


def requirement_of(value: Any, asked: Asked, method: str) -> Requirement:
    """Read what the option says about one operation.

    Args:
        value: A bool, a number, a word, a mapping by operation, or a callable that gives one of these.
    """
    if callable(value):
        return lambda: _decided(_ask(value, asked, method), asked, method)
    return _decided(value, asked, method)


def _ask(function: Callable[..., Any], asked: Asked, method: str) -> Any:
    return function(
        model=asked.model,
        output_schema=asked.output_schema,
        input_schema=asked.input_schema,
        http_method=method,
        many=asked.many,
        is_relation=asked.is_relation,
        relation_name=asked.relation_name,
        context={},
    )


def _decided(value: Any, asked: Asked, method: str) -> bool | None:
    if not isinstance(value, Mapping):
        return _coerced(value)
    given = {str(key).upper(): each for key, each in value.items()}
    if method == "PUT" and not names_put(value, asked):
        decisions = {_decided(value, asked, like) for like in DONE_BY_PUT}
        return True if True in decisions else None if None in decisions else False
    for key in (*keys_of(asked, method), "DEFAULT"):
        found = given.get(key)
        decided = _decided(_ask(found, asked, method), asked, method) if callable(found) else _coerced(found)
        if decided is not None:
            return decided
    return None


def _coerced(value: Any) -> bool | None:
    """Give what a value decides.

    Raises:
        ValueError: It cannot be read; nothing may be opened by a word that nobody knows.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return bool(value)
    word = value.strip().lower() if isinstance(value, str) else None
    if word in _YES:
        return True
    if word in _NO:
        return False
    if word in _UNDECIDED:
        return None
    raise ValueError(f"{value!r} decides nothing. Use True, False or None, or one of the words for them.")


def check_requirements(value: Any) -> Iterator[str]:
    """Say what is wrong with a value of the option; what a callable gives is seen when it is asked."""
    values = value.values() if isinstance(value, Mapping) else [value]
    for each in values:
        if callable(each):
            continue
        try:
            _coerced(each)
        except ValueError as error:
            yield str(error)
    if isinstance(value, Mapping):
        for key in value:
            if str(key).upper() not in _KNOWN_KEYS:
                yield f"{key!r} names no operation. Use one of {', '.join(sorted(_KNOWN_KEYS))}."


_KNOWN_KEYS = frozenset(
    key
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
    for asked in (Asked(), Asked(many=True), Asked(relation_name="any"), Asked(relation_name="any", many=True))
    for key in (*keys_of(asked, method), "DEFAULT")
)
