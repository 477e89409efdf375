"""Who would notice that a row is read or written without the unit of work of SQLAlchemy's ORM.

A plain statement is several times faster than the ORM, and gives the same row in the database. It is used only while
no one listens to what it would skip, which is asked for every request, because listeners may be added at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Mapper, Session

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource

__all__ = [
    "is_idle",
    "is_plain",
    "someone_listens_to_execution",
    "someone_listens_to_loading",
    "someone_listens_to_writes",
]

_SESSION_EVENTS = (
    "do_orm_execute",
    "before_flush",
    "after_flush",
    "after_flush_postexec",
    "before_attach",
    "after_attach",
    "transient_to_pending",
    "pending_to_persistent",
    "loaded_as_persistent",
)
_LOADING_EVENTS = ("do_orm_execute", "before_attach", "after_attach", "loaded_as_persistent", "detached_to_persistent")
_HELD_MAX = 16
_MAPPER_EVENTS = ("before_insert", "after_insert", "before_update", "after_update")
_INSTANCE_EVENTS = ("init", "load", "refresh", "refresh_flush")


def is_idle(session: Session, mapper: Mapper[Any]) -> bool:
    """Say whether a session holds no instance that a plain statement could leave behind its back.

    Instances of other models do not stand in the way, such as the user who calls, as long as nothing of them is to be
    written; of many, none is looked at.
    """
    held = session.identity_map
    if session.new or session.deleted or len(held) > _HELD_MAX or session.dirty:
        return False
    base = mapper.base_mapper
    return not any(state.mapper.base_mapper is base for state in held.all_states())


def someone_listens_to_execution(session: Session) -> bool:
    """Say whether statements of a session are watched or rewritten."""
    return bool(session.dispatch.do_orm_execute)


def someone_listens_to_loading(session: Session, mapper: Mapper[Any]) -> bool:
    """Say whether anybody follows how instances of a model are loaded, a reconstructor and composites included.

    Who follows how they expire counts as well: SQLAlchemy tells of that where an instance is made without a session.
    """
    dispatch: Any = session.dispatch
    instance: Any = mapper.class_manager.dispatch
    return any(getattr(dispatch, event) for event in _LOADING_EVENTS) or bool(instance.load or instance.expire)


def someone_listens_to_writes(session: Session, mapper: Mapper[Any], attributes: Iterable[str]) -> bool:
    """Say whether anybody follows what happens to instances of a model, `@validates` included."""
    dispatch = session.dispatch
    if any(getattr(dispatch, event) for event in _SESSION_EVENTS):
        return True
    mapped: Any = mapper.dispatch
    instance: Any = mapper.class_manager.dispatch
    if any(getattr(mapped, event) for event in _MAPPER_EVENTS):
        return True
    if any(_is_foreign(listener) for event in _INSTANCE_EVENTS for listener in getattr(instance, event)):
        return True
    return any(bool(getattr(mapper.class_, attribute).dispatch.set) for attribute in attributes)


def _is_foreign(listener: Any) -> bool:
    # SQLAlchemy itself listens to the making of every instance, to configure mappers that are not configured yet.
    return bool(listener.__module__ != "sqlalchemy.orm.mapper")


def is_plain(resource: Resource) -> bool:
    """Say whether a row of a model is nothing but a row of its one table.

    Inheritance, versions, values that the ORM sets on an update, and a constructor of the application's own all need
    an instance.
    """
    mapper = resource.facts.mapper
    model: Any = resource.model
    constructor: Any = mapper.class_manager.original_init
    return (
        mapper.inherits is None
        and len(list(mapper.self_and_descendants)) == 1
        and mapper.polymorphic_on is None
        and mapper.version_id_col is None
        and len(mapper.tables) == 1
        and mapper.local_table is mapper.persist_selectable is mapper.tables[0]
        and constructor is mapper.registry.constructor
        and constructor.__module__.startswith("sqlalchemy.")
        and model.__setattr__ is object.__setattr__
        and not any(column.onupdate or column.server_onupdate for column in mapper.local_table.columns)
    )
