"""How the instances of a nested write are linked in memory, so that the session writes just what the body asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.collections import collection_adapter

if TYPE_CHECKING:
    from flarchitect_core.operations.nested.rows import NestedLink

__all__ = ["hold", "put_in", "take_out"]


def hold(link: NestedLink) -> None:
    """Let an instance hold the members that were loaded, so that it does not load all of them itself."""
    if link.nested.is_held:
        members: Any = link.members if link.nested.many else next(iter(link.members), None)
        set_committed_value(link.row.instance, link.nested.attribute, members)


def take_out(link: NestedLink) -> None:
    """Unlink the rows that are left out, where SQLAlchemy writes what links them."""
    removed = link.removed()
    if not removed:
        return
    instance, nested, held = link.row.instance, link.nested, _held(link)
    for member in removed:
        if not nested.many:
            setattr(instance, nested.attribute, None)
        elif not nested.is_held:
            getattr(instance, nested.attribute).remove(member)
        elif id(member) in held:
            collection_adapter(getattr(instance, nested.attribute)).remove_with_event(member)


def _held(link: NestedLink) -> set[int]:
    """Give the identities in memory of what a row holds for a relation.

    That is not always what was loaded: of a row that is linked with itself, each of two relations changes the other.
    """
    instance, nested = link.row.instance, link.nested
    if not (nested.many and nested.is_held):
        return {id(member) for member in link.members}
    return {id(member) for member in collection_adapter(getattr(instance, nested.attribute))}


def put_in(link: NestedLink) -> bool:
    """Link the rows of a relation, and say whether the row itself is another one by that.

    Where the key that one row takes from the other is known, it is set as it is: the order of the statements is free
    then, and a row may go below one that was below it.
    """
    nested, row = link.nested, link.row
    related = [each.instance for each in link.rows]
    if nested.kind == "reference":
        return _refer(link)
    if link.link_rows is not None:
        # Instances show the links that SQLAlchemy is not to write.
        if nested.is_held:
            held: Any = related if nested.many else next(iter(related), None)
            set_committed_value(row.instance, nested.attribute, held)
        return False
    if nested.kind == "children":
        for each in link.rows:
            each.is_changed |= each.instance not in link.members
        if nested.is_direct and not row.is_created:
            for instance in related:
                for ours, theirs in nested.filled.items():
                    setattr(instance, ours, getattr(row.instance, theirs))
            return False
    if not nested.many:
        setattr(row.instance, nested.attribute, related[0] if related else None)
        return False
    held = _held(link)
    collection = getattr(row.instance, nested.attribute)
    for instance in related:
        if id(instance) in held:
            continue
        if nested.is_held:
            collection_adapter(collection).append_with_event(instance)
        else:
            collection.add(instance)
    return False


def _refer(link: NestedLink) -> bool:
    nested, row = link.nested, link.row
    referred = link.rows[0] if link.rows else None
    if not nested.is_direct or row.is_created or (referred is not None and referred.is_created):
        setattr(row.instance, nested.attribute, None if referred is None else referred.instance)
        return True
    is_changed = False
    for ours, theirs in nested.filled.items():
        value = None if referred is None else getattr(referred.instance, theirs)
        is_changed |= getattr(row.instance, ours) != value
        setattr(row.instance, ours, value)
    return is_changed
