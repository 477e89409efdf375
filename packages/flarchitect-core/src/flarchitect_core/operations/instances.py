"""Making instances of a model by its constructor, whatever that takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm.attributes import set_committed_value

from flarchitect_core.operations.refusals import REFUSALS, names_of

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource

__all__ = ["InstanceMaker"]

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class InstanceMaker:
    """Makes instances of one model from attribute values.

    The constructor gets the columns it takes; what it does not take is set afterwards, and so are hybrids, whose
    setters need an instance. A column or relation that the constructor requires and the values leave out is empty. A
    constructor that requires anything else is left out altogether, as SQLAlchemy does when it loads a row.
    """

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        facts = resource.facts
        self._model: Callable[..., Any] = facts.model
        self._new_instance: Callable[[], Any] = facts.mapper.class_manager.new_instance
        empty: dict[str, Callable[[], Any]] = {fact.name: _nothing for fact in facts.columns}
        named = frozenset(empty)
        for relationship in facts.mapper.relationships:
            empty[relationship.key] = (relationship.collection_class or list) if relationship.uselist else _nothing
        signature = inspect.signature(facts.model.__init__)  # type: ignore[misc]
        parameters = list(signature.parameters.values())[1:]
        required = [
            parameter
            for parameter in parameters
            if parameter.default is inspect.Parameter.empty
            and parameter.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        ]
        takes_all = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
        taken = {parameter.name for parameter in parameters if parameter.kind in _NAMED}
        self._takes = named if takes_all else named & taken
        self._can_call = all(item.name in empty and item.kind in _NAMED for item in required)
        self._required = {item.name: empty[item.name] for item in required if item.name in empty}
        self._references = [item.key for item in facts.mapper.relationships if not item.uselist]

    def make(self, values: Mapping[str, Any]) -> Any:
        """Make an instance that belongs to no session yet."""
        taken: dict[str, Any] = {}
        if self._can_call:
            taken = {name: value for name, value in values.items() if name in self._takes}
            missing = {name: make() for name, make in self._required.items() if name not in taken}
            instance = self._model(**missing, **taken)
            self._forget_empty_references(instance)
        else:
            instance = self._new_instance()
        for name, value in values.items():
            if name not in taken:
                setattr(instance, name, value)
        return instance

    def refused_names(self, values: Mapping[str, Any]) -> list[str]:
        """Give what clients call the values that the model refuses when they are set one by one, else all of them.

        That is done on an instance that is thrown away: which value it was, the model does not say.
        """
        instance = self._new_instance()
        refused = [name for name, value in values.items() if not _takes(instance, name, value)]
        return names_of(self._resource, refused or values)

    def _forget_empty_references(self, instance: Any) -> None:
        # A constructor that sets a reference to None, as dataclass models do, would clear the foreign key beside it.
        for name in self._references:
            if instance.__dict__.get(name, instance) is None:
                set_committed_value(instance, name, None)


def _takes(instance: Any, name: str, value: Any) -> bool:
    try:
        setattr(instance, name, value)
    except REFUSALS:
        return False
    except Exception:  # noqa: BLE001 - setters may need what a whole instance has; that is no refusal
        return True
    return True


def _nothing() -> None:
    return None
