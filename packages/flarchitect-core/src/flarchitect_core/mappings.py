"""Small functions over dictionaries and names, kept for the import paths under which they are known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flarchitect_core.http.encoding import encode_json
from flarchitect_core.model.naming import convert_case
from flarchitect_core.settings import meta_attributes
from flarchitect_core.state import state_of

__all__ = ["case_no_change", "make_base_dict", "normalize_key", "pretty_print_dict", "search_all_keys"]
__all__ += ["update_dict_if_flag_true"]


def case_no_change(text: str) -> str:
    """Give a name as it is."""
    return text


def normalize_key(key: str) -> str:
    """Write a name as a key of the configuration, `page size` as `PAGE_SIZE`."""
    return convert_case(key, "screaming_snake")


def pretty_print_dict(value: Mapping[str, Any]) -> str:
    """Write a dictionary as indented JSON."""
    return json.dumps(json.loads(encode_json(value)), indent=4, ensure_ascii=False)


def update_dict_if_flag_true(
    output: dict[str, Any], flag: bool, key: str, value: Any, case_func: Callable[[str], str] = case_no_change
) -> None:
    """Set a key of a dictionary when the flag is true, its name changed by `case_func`."""
    if flag:
        output[case_func(key)] = value


def make_base_dict() -> dict[str, Any]:
    """Give the envelope of the current application around a made-up value, as documents show it."""
    return state_of().envelope.body("...")


def search_all_keys(base: type, key: str) -> bool:
    """Say whether the configuration or the `Meta` of any model below a base sets an option.

    Args:
        base: Declarative base.
        key: Key of the option, with or without `API_`, in any letter case.
    """
    wanted = key.lower().removeprefix("api_")
    if any(name.lower().removeprefix("api_") == wanted for name in state_of().app.config):
        return True
    return any(name.removeprefix("api_") == wanted for model in _below(base) for name in meta_attributes(model))


def _below(base: type) -> Iterator[type]:
    model: type
    for model in base.__subclasses__():
        yield model
        yield from _below(model)
