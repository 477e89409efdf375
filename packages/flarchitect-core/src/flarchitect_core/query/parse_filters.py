"""The texts of filters to the expression tree: `column__operator=value`, and the groups `or[]`, `and[]` and `not[]`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, cast

from flarchitect_core.errors import QueryError
from flarchitect_core.query.expressions import Condition, Filter, Group, Related, merged
from flarchitect_core.query.values import field_value, parse_boolean, split_list
from flarchitect_core.suggestions import nearest

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field
    from flarchitect_core.query.names import Names

__all__ = ["FILTER_OPERATORS", "FilterParser", "is_filter"]

FILTER_OPERATORS: tuple[str, ...] = (
    *("eq", "ne", "neq", "lt", "le", "gt", "ge", "between", "in", "nin", "isnull", "is_null"),
    *("like", "ilike", "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith"),
)

_GROUP = re.compile(r"\s*(or|and|not)\[")
_AFTER_GROUP = re.compile(r"\s*(,|\]|\Z)")
_NESTING_MAX = 5


def is_filter(name: str, names: Names) -> bool:
    """Say whether the name of a parameter is that of a filter, right or wrong."""
    if _GROUP.match(name):
        return True
    target, _, operator = name.rpartition("__")
    return bool(target) and (operator in FILTER_OPERATORS or names.is_known(target))


class FilterParser:
    """Parses the filters of one request.

    Args:
        most: Most conditions of all filters together.
        most_values: Most values of one list.
    """

    def __init__(self, names: Names, *, most: int, most_values: int) -> None:
        self._names = names
        self._most = most
        self._most_values = most_values
        self._count = 0

    def parse(self, name: str, value: str) -> Filter:
        """Parse one parameter.

        Raises:
            QueryError: It is malformed, or it names what is not there.
        """
        if not _GROUP.match(name):
            return self._condition(name, value)
        # The URL splits at the first "=", which stands inside the brackets unless the client encoded it.
        return self._group(name if name.endswith("]") and not value else f"{name}={value}", 1)

    def _group(self, text: str, depth: int) -> Filter:
        start = _GROUP.match(text)
        if start is None or not text.rstrip().endswith("]"):
            raise _malformed(text)
        if depth > _NESTING_MAX:
            raise QueryError(
                f"Groups are nested more than {_NESTING_MAX} deep.",
                reason="groups_too_deep",
                details={"maximum": _NESTING_MAX},
            )
        parts = list(_members(text.rstrip()[start.end() : -1]))
        if not all(map(str.strip, parts)):
            raise _malformed(text)
        members = tuple(self._member(part, depth) for part in parts)
        kind = cast('Literal["and", "or", "not"]', start[1])
        return Group(kind, members if kind == "or" else merged(members))

    def _member(self, text: str, depth: int) -> Filter:
        if _GROUP.match(text):
            return self._group(text, depth + 1)
        target, equals, value = text.partition("=")
        if not equals or "__" not in target:
            raise _malformed(text)
        return self._condition(target.strip(), value.strip())

    def _condition(self, name: str, text: str) -> Filter:
        self._count += 1
        if self._count > self._most:
            raise QueryError(f"More than {self._most} filter conditions in one request.", reason="too_many_conditions")
        target, _, operator = name.rpartition("__")
        path, field = self._names.find(target)
        result: Filter = self._comparison(field, operator, text)
        for relation in reversed(path):
            result = Related(relation, (result,))
        return result

    def _comparison(self, field: Field, operator: str, text: str) -> Condition:
        if operator not in FILTER_OPERATORS or operator not in field.codec.operators:
            raise _wrong_operator(field, operator)
        if operator in ("isnull", "is_null"):
            return Condition(field, "eq" if parse_boolean(text) else "ne", None)
        if operator in ("in", "nin"):
            return Condition(field, operator, self._list(field, text))
        if operator == "between":
            return Condition(field, operator, self._pair(field, text))
        if text == "null" and operator in ("eq", "ne", "neq") and field.nullable and not field.codec.is_text:
            return Condition(field, operator, None)
        return Condition(field, operator, field_value(field, text))

    def _list(self, field: Field, text: str) -> list[Any]:
        parts = split_list(text)
        if len(parts) > self._most_values:
            raise QueryError(f"More than {self._most_values} values for {field.name!r}.", reason="too_many_values")
        return [field_value(field, part) for part in parts]

    @staticmethod
    def _pair(field: Field, text: str) -> tuple[Any, Any]:
        parts = split_list(text)
        if len(parts) != 2:
            raise QueryError(
                f"Invalid value for {field.name}: between takes two values, the least and the greatest, as in "
                f"{field.name}__between=1,9.",
                reason="invalid_value",
            )
        return field_value(field, parts[0]), field_value(field, parts[1])


def _members(text: str) -> Iterator[str]:
    """Split the inside of a group at its commas: not at those in parentheses, nor at those of a group in it."""
    start = position = parentheses = groups = 0
    at_start = True
    while position < len(text):
        if at_start and (opening := _GROUP.match(text, position)):
            groups += 1
            position = opening.end()
            continue
        at_start = False
        character = text[position]
        if character == "(":
            parentheses += 1
        elif character == ")":
            parentheses -= 1
        elif character == "]" and groups and _AFTER_GROUP.match(text, position + 1):
            groups -= 1
        elif character == "," and parentheses <= 0:
            at_start = True
            if not groups:
                yield text[start:position]
                start = position + 1
        position += 1
    yield text[start:]


def _malformed(text: str) -> QueryError:
    return QueryError(
        f"Malformed group: {text[:200]}. Write it as or[field__operator=value,field__operator=value].",
        reason="malformed_group",
    )


def _wrong_operator(field: Field, operator: str) -> QueryError:
    fitting = [name for name in FILTER_OPERATORS if name in field.codec.operators]
    if not fitting:
        return QueryError(
            f"Invalid operator: {operator}. The column {field.name!r} cannot be filtered.", reason="not_filterable"
        )
    return QueryError(
        f"Invalid operator: {operator}. The column {field.name!r} takes {', '.join(fitting)}.",
        reason="invalid_operator",
        suggestions=nearest(operator, fitting) or fitting,
    )
