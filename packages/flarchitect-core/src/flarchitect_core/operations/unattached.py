"""Instances of a model that were read without a session, and get one when somebody wants more than their columns.

Loading an instance takes a session several times as long as a select of its columns takes, and a request that has a
session sends everything else through it. Who only looks at columns needs neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper, make_transient_to_detached
from sqlalchemy.orm.attributes import instance_dict, set_committed_value

from flarchitect_core.operations.listeners import someone_listens_to_loading

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from flarchitect_core.database import Database

__all__ = ["Unattached", "made_of"]


class Unattached:
    """Reads instances of one model without a session, as far as they are then what a session would have given.

    Attributes:
        columns: The attributes that are columns, by name; what a statement must select, in this order.
    """

    def __init__(self, model: type) -> None:
        mapper: Mapper[Any] = sa.inspect(model)
        self._model, self._mapper = model, mapper
        self.columns: Mapping[str, Any] = {each.key: getattr(model, each.key) for each in mapper.column_attrs}
        self._is_whole = (
            mapper.inherits is None
            and mapper.polymorphic_on is None
            and not any(each.deferred for each in mapper.column_attrs)
        )

    def is_possible(self, database: Database) -> bool:
        """Say whether the current request may read the model so: it uses no session yet, and nobody would notice."""
        session = database.idle_session(self._model) if self._is_whole else None
        return session is not None and not someone_listens_to_loading(session, self._mapper)

    def instance(self, row: Sequence[Any]) -> Any:
        """Make the instance of a row: of no session, with its key and all its columns."""
        manager: Any = self._mapper.class_manager
        instance = manager.new_instance()
        instance_dict(instance).update(zip(self.columns, row, strict=True))
        make_transient_to_detached(instance)  # what it has counts as loaded
        return instance

    def attached(self, database: Database, instance: Any) -> Any:
        """Give an instance to the session of the current request.

        Returns:
            The instance of its key in that session: this one, unless the session had read the row before.
        """
        state: Any = sa.inspect(instance)
        if state.session is not None:
            return instance
        session: Session = database.session(self._model)
        held = session.identity_map.get(state.key)
        if held is not None:
            return held
        session.add(instance)
        return instance


def made_of(mapper: Mapper[Any], values: Mapping[str, Any]) -> Any:
    """Make an instance with these values, as it would have been loaded; no session knows it."""
    manager: Any = mapper.class_manager
    instance = manager.new_instance()
    for name, value in values.items():
        set_committed_value(instance, name, value)
    return instance
