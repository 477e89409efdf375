"""How models refuse values, in `@validates` for example, and what clients are told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flarchitect_core.errors import ValidationError

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource

__all__ = ["REFUSALS", "names_of", "refusing"]

REFUSALS = (ValueError, AssertionError)
"""What a model raises to refuse a value."""


@contextmanager
def refusing(names: Callable[[], Iterable[str]]) -> Iterator[None]:
    """Turn the error by which a model refuses a value, in `@validates` for example, into a 400.

    Args:
        names: Gives what clients call the values that it may have been; called only when the model refused.
    """
    try:
        yield
    except REFUSALS as error:
        raise ValidationError({name: ["Not accepted by the model."] for name in names()}) from error


def names_of(resource: Resource, attributes: Iterable[str]) -> list[str]:
    """Give what clients call these attributes."""
    found = (resource.field_of_attribute(attribute) for attribute in attributes)
    return [item.name for item in found if item is not None]
