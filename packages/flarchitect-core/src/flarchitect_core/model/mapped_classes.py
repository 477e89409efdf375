"""The mapped classes of an application, published or not."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper

__all__ = [
    "full_name",
    "has_rows_of",
    "mapped_around",
    "mapped_below",
    "published_models",
    "unpublished_models",
]


def published_models(bases: Any) -> list[type]:
    """List the mapped classes below the bases that have a `Meta`, own or inherited, in the order of definition."""
    return [model for model in mapped_below(bases) if hasattr(model, "Meta")]


def unpublished_models(bases: Any) -> list[str]:
    """List the names of the mapped classes below the bases that have no `Meta`, in the order of definition."""
    return [model.__name__ for model in mapped_below(bases) if not hasattr(model, "Meta")]


def mapped_below(bases: Any) -> dict[type, None]:
    """Give the mapped classes below the bases, each once, in the order of definition."""
    return dict.fromkeys(
        model
        for base in (bases if isinstance(bases, (list, tuple)) else [bases])
        for model in _descendants(base)
        if sa.inspect(model, raiseerr=False) is not None
    )


def _descendants(base: type) -> Iterator[type]:
    yield base
    children: list[type] = base.__subclasses__()
    for child in children:
        yield from _descendants(child)


def mapped_around(models: Iterable[type]) -> list[Mapper[Any]]:
    """List every mapped class of the registries of models, and of those that relationships lead to, in one order."""
    mappers: set[Mapper[Any]] = set()
    registries: list[Any] = list(dict.fromkeys(sa.inspect(model).registry for model in models))
    for registry in registries:
        registry.configure(cascade=True)
        mappers |= registry.mappers
        registries += {each.mapper.registry for mapper in registry.mappers for each in mapper.relationships}.difference(
            registries
        )
    return sorted(mappers, key=lambda mapper: full_name(mapper.class_))


def has_rows_of(mapper: Mapper[Any], other: Mapper[Any]) -> bool:
    """Say whether the rows of another model are rows of this one, because it is a subclass."""
    if other is mapper or not other.isa(mapper):
        return False
    # With concrete inheritance each class has a table of its own.
    between = itertools.takewhile(lambda each: each is not mapper, other.iterate_to_root())
    return not any(each.concrete for each in between)


def full_name(model: type) -> str:
    """Name a class with its module, as start-up messages do."""
    return f"{model.__module__}.{model.__qualname__}"
