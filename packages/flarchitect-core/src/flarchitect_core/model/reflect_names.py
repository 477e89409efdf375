"""Names for what is reflected: classes from tables, attributes from columns, relationships from foreign keys.

Names stay as close to the database as Python allows, and never collide once they are URL segments and fields.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Container, Sequence
from itertools import chain, count

import inflection

from flarchitect_core.model.naming import convert_case, field_name, pluralise_last_word, segment_name

__all__ = [
    "NamePool",
    "attribute_name",
    "attribute_pool",
    "class_name",
    "class_pool",
    "collection_names",
    "is_renamed",
    "many_to_many_names",
    "reference_names",
]

_KEY_SUFFIX = re.compile(r"(?<=.)_(id|fk)\Z")
_UNDERSCORES = re.compile(r"_+")


class NamePool:
    """Hands out names of which no two mean the same to clients.

    Args:
        meaning: What clients see of a name.
        separator: Stands before the number of a name that is taken.
    """

    def __init__(self, meaning: Callable[[str], str], separator: str) -> None:
        self._meaning = meaning
        self._separator = separator
        self._taken: set[str] = set()

    def take(self, candidates: Sequence[str]) -> str:
        """Take the first candidate that is free, or the last one with the lowest number from 2 that makes it free."""
        numbered = (f"{candidates[-1]}{self._separator}{number}" for number in count(2))
        free = next(name for name in chain(candidates, numbered) if self._meaning(name) not in self._taken)
        self._taken.add(self._meaning(free))
        return free


def class_pool() -> NamePool:
    """Make the pool for the classes of one database: two classes may not want the same URL segment."""
    return NamePool(lambda name: segment_name(name, "kebab"), "")


def attribute_pool() -> NamePool:
    """Make the pool for the attributes of one class: two may not have the same external name."""
    return NamePool(lambda name: field_name(name, "snake"), "_")


def class_name(table: str) -> str:
    """Name the class of a table in pascal case; `Table` stands before what cannot start a name (`Table2ndHand`)."""
    name = convert_case(_cleaned(table), "pascal")
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"Table{name}"


def is_renamed(table: str) -> bool:
    """Say whether the URL segment of a table is another than its name; a name that can stay chooses first."""
    return segment_name(class_name(table), "kebab") != table.replace("_", "-")


def attribute_name(column: str, reserved: Container[str]) -> str:
    """Name the attribute of a column: the column's own name wherever it is an identifier (decisions 17).

    Other characters become `_`, `column_` stands before a digit, and `_` follows a keyword or reserved name.
    """
    is_usable = column.isidentifier() and not column.startswith(("__", "_sa_"))
    name = column if is_usable else _cleaned(column)
    if not name.isidentifier():
        name = f"column_{name}".rstrip("_")
    return f"{name}_" if keyword.iskeyword(name) or name in reserved else name


def reference_names(columns: Sequence[str], target: str, *, is_only: bool, is_self: bool) -> list[str]:
    """List names for the relationship of a foreign key, best first.

    Args:
        columns: Attributes of the key, in its order.
        target: Class it leads to.
        is_only: Whether no other key of the class leads there.
        is_self: Whether it leads to the class itself.
    """
    whole = [field_name(column, "snake").strip("_") for column in columns]
    stem = _KEY_SUFFIX.sub("", whole[-1])
    one = _singular(target)
    by_column = [stem] if stem != whole[-1] else []
    if len(columns) > 1:
        by_target = [one] if is_only and not is_self else []
        return [*by_target, *by_column, f"{one}_by_{'_and_'.join(whole)}"]
    # `country_code` speaks of a country, `reports_to` does not speak of an employee; a shared key speaks of nothing.
    is_telling = stem == "id" or one.replace("_", "") in stem.replace("_", "")
    by_target = [one] if is_only and is_telling else []
    return [*by_column, *by_target, f"{stem}_record" if stem.endswith(one) else f"{stem}_{one}"]


def collection_names(child: str, reference: str, *, is_only: bool) -> list[str]:
    """List names for the way back of a relationship: the children (`tracks`), or `home_team_matches` among several."""
    many = _plural(child)
    return [many, f"{reference}_{many}"] if is_only else [f"{reference}_{many}"]


def many_to_many_names(target: str, association: str, reference: str, *, is_self: bool) -> list[str]:
    """List names for the way through an association table: the targets, or the plural of the reference to them."""
    many = pluralise_last_word(reference) if is_self else _plural(target)
    return [many, f"{convert_case(association, 'snake')}_{many}"]


def _cleaned(text: str) -> str:
    kept = (character if f"a{character}".isidentifier() else "_" for character in text)
    return _UNDERSCORES.sub("_", "".join(kept)).strip("_")


def _singular(class_: str) -> str:
    return inflection.singularize(convert_case(class_, "snake"))


def _plural(class_: str) -> str:
    return pluralise_last_word(convert_case(class_, "snake"))
