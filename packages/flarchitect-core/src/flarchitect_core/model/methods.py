"""Which HTTP methods a model has (rest 2.5)."""

from __future__ import annotations

from typing import Any

from flarchitect_core import options
from flarchitect_core.model.inspect import ModelFacts
from flarchitect_core.model.mapped_classes import full_name
from flarchitect_core.settings import HTTP_METHODS, Settings, is_set
from flarchitect_core.startup import StartupReport

__all__ = ["methods_of"]

_WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def methods_of(facts: ModelFacts, settings: Settings, report: StartupReport) -> frozenset[str]:
    """Give the HTTP methods of a model; the report tells of one that it cannot have."""
    methods = _allowed_methods(settings, facts.model)
    kept = [
        relationship.key
        for relationship in facts.mapper.relationships
        if relationship.lazy == "write_only" and not (relationship.passive_deletes or relationship.viewonly)
    ]
    if "DELETE" not in methods or not kept:
        return methods
    report.notice(
        f"{full_name(facts.model)} has no DELETE, because SQLAlchemy cannot delete rows that have the write-only "
        f"relationship {kept[0]!r}. Give it passive_deletes=True and its foreign key an ON DELETE rule."
    )
    return methods - {"DELETE"}


def _allowed_methods(settings: Settings, model: type) -> frozenset[str]:
    allowed, allowed_from = settings.resolve(options.ALLOWED_METHODS, model=model)
    blocked, blocked_from = settings.resolve(options.BLOCK_METHODS, model=model)
    allow, block = _upper(allowed), _upper(blocked)
    methods = {method for method in HTTP_METHODS if not allow or method in allow}
    if settings.get(options.READ_ONLY, model=model):
        methods -= {method for method in _WRITING if method not in allow}
    spared = allow if allowed_from == "model" and blocked_from != "model" else frozenset()
    return frozenset(methods - {method for method in block if method not in spared})


def _upper(value: Any) -> frozenset[str]:
    if not is_set(value):
        return frozenset()
    return frozenset(item.upper() for item in ([value] if isinstance(value, str) else value))
