"""Query parameters to the expression tree (rest 3). Every name and value is checked here, before any SQL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import marshmallow as ma

from flarchitect_core import options
from flarchitect_core.errors import QueryError
from flarchitect_core.model.fields import BooleanField, text_to_value
from flarchitect_core.model.join_tokens import normalise_join_token
from flarchitect_core.query.expressions import AnyOf, CollectionQuery, Condition, OrderKey
from flarchitect_core.query.include import Mode, View
from flarchitect_core.settings import Option
from flarchitect_core.suggestions import nearest

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Resource
    from flarchitect_core.settings import Settings

__all__ = ["COLLECTION_PARAMETERS", "FILTER_OPERATORS", "VIEW_PARAMETERS", "parse_boolean", "parse_collection"]
__all__ += ["parse_view"]

Parameters = Iterable[tuple[str, str]]
T = TypeVar("T")

FILTER_OPERATORS = ("eq", "ne", "neq", "lt", "le", "gt", "ge", "in", "nin", "like", "ilike")
VIEW_PARAMETERS = ("fields", "dump", "dump_relationships", "join")
COLLECTION_PARAMETERS = (*VIEW_PARAMETERS, "order_by", "page", "limit", "join_type")
_SYNONYMS = {"orderby": "order_by", "join_models": "join"}
_SINGLE = frozenset({"page", "limit", "dump", "dump_relationships", "join_type"})
_MODES = ("url", "json", "dynamic", "hybrid")
_JOIN_TYPES = ("inner", "left", "right", "outer")
_TRUE = frozenset({"1", "true", "yes", "y", "on", ""})
_FALSE = frozenset({"0", "false", "no", "n", "off"})
_OFFSET_MAX = 2**62
# SQLite takes a LIKE pattern of at most 50,000 bytes, and escaping or UTF-8 makes up to four of a character.
_TEXT_MAX = 10_000


def parse_collection(resource: Resource, parameters: Parameters, settings: Settings) -> CollectionQuery:
    """Parse the parameters of a collection or a to-many relation route.

    Args:
        parameters: Name and value pairs in the order of the URL, decoded.

    Raises:
        QueryError: An unknown name, or a value that its parameter does not take; answered with 400.
    """
    return _Parser(resource, settings, "GET", COLLECTION_PARAMETERS).collection(parameters)


def parse_view(
    resource: Resource,
    parameters: Parameters,
    settings: Settings,
    method: str,
    accepted: Sequence[str] = VIEW_PARAMETERS,
) -> View:
    """Parse the parameters of a route that answers with one record, or with none: what to show of it.

    Raises:
        QueryError: As `parse_collection`.
    """
    return _Parser(resource, settings, method, accepted).single(parameters)


def parse_boolean(text: str) -> bool:
    """Read a switch in the URL; a bare name without value is true (rest 3.1).

    Raises:
        QueryError: Any other word.
    """
    lower = text.strip().lower()
    if lower in _TRUE or lower in _FALSE:
        return lower in _TRUE
    raise QueryError(f"Invalid boolean value: {text}. Use true or false.", reason="invalid_boolean")


class _Parser:
    """Parses the parameters of one request."""

    def __init__(self, resource: Resource, settings: Settings, method: str, accepted: Sequence[str]) -> None:
        self.resource = resource
        self.settings = settings
        self.method = method
        self.accepted = accepted
        self.values: dict[str, list[str]] = {}
        self.joined: list[str] = []
        self.where: list[Condition | AnyOf] = []
        self.conditions = 0

    def option(self, option: Option[T]) -> T:
        """Read an option for the model and method of the request."""
        return self.settings.get(option, model=self.resource.model, method=self.method)

    # --- the whole request --------------------------------------------------------------------------------------------

    def collection(self, parameters: Parameters) -> CollectionQuery:
        self._sort_out(parameters)
        limit = self._limit()
        return CollectionQuery(self._view(), tuple(self.where), self._order(), self._page(limit), limit)

    def single(self, parameters: Parameters) -> View:
        self._sort_out(parameters)
        return self._view()

    def _sort_out(self, parameters: Parameters) -> None:
        for raw_name, value in parameters:
            name = _SYNONYMS.get(raw_name, raw_name)
            if name in self.accepted:
                self._collect(name, raw_name, value)
            elif raw_name == "_":
                continue
            elif self._takes_filters() and (raw_name.startswith("or[") or self._is_filter(raw_name)):
                if self.option(options.ALLOW_FILTERS):
                    self._add_filter(raw_name, value)
            elif value == "" and "join" in self.accepted and self._relation_name(raw_name) is not None:
                self.values.setdefault("join", []).append(raw_name)
            else:
                self._unknown(raw_name)

    def _collect(self, name: str, raw_name: str, value: str) -> None:
        given = self.values.setdefault(name, [])
        if given and name in _SINGLE:
            raise QueryError(f"The parameter {raw_name!r} is given twice. Send it once.", reason="duplicate_parameter")
        if name == "order_by" and raw_name == "order_by":
            # `order_by` wins over its synonym (rest 3.4), whichever stands first.
            given.insert(0, value)
        else:
            given.append(value)

    def _takes_filters(self) -> bool:
        return self.accepted is COLLECTION_PARAMETERS

    def _unknown(self, name: str) -> None:
        if self.option(options.UNKNOWN_PARAMETERS) == "ignore" or name in self._additional():
            return
        candidates = [*self.accepted]
        if self._takes_filters():
            field = self.resource.field(name)
            if field is not None and field.is_queryable:
                raise QueryError(
                    f"Unknown query parameter: {name}. To filter, add an operator, such as {name}__eq.",
                    reason="unknown_parameter",
                    suggestions=[f"{name}__eq"],
                )
            target, _, operator = name.rpartition("__")
            like = nearest(target or name, self.resource.queryable_names())
            wanted = operator if target and operator in FILTER_OPERATORS else "eq"
            candidates += [f"{item}__{wanted}" for item in like]
        near = nearest(name, candidates) or candidates[len(self.accepted) :][:1]
        takes = f"takes: {', '.join(self.accepted)}" if self.accepted else "takes no parameters"
        hint = f" Did you mean {near[0]}?" if near else f" This route {takes}."
        raise QueryError(f"Unknown query parameter: {name}.{hint}", reason="unknown_parameter", suggestions=near)

    def _additional(self) -> set[str]:
        declared = self.option(options.ADDITIONAL_QUERY_PARAMS) or ()
        return {entry.get("name", "") for entry in declared if isinstance(entry, dict)}

    # --- filters ------------------------------------------------------------------------------------------------------

    def _is_filter(self, name: str) -> bool:
        target, _, operator = name.rpartition("__")
        return bool(target) and (operator in FILTER_OPERATORS or self.resource.field(target) is not None)

    def _add_filter(self, name: str, value: str) -> None:
        self.where.append(self._group(name, value) if name.startswith("or[") else self._condition(name, value))
        most = self.option(options.FILTER_CONDITIONS_MAX)
        if self.conditions > most:
            raise QueryError(f"More than {most} filter conditions in one request.", reason="too_many_conditions")

    def _group(self, name: str, value: str) -> AnyOf:
        # The URL splits at the first "=", which stands inside the brackets unless the client encoded it.
        whole = name if name.endswith("]") and not value else f"{name}={value}"
        if not whole.endswith("]"):
            raise self._malformed(whole)
        conditions = []
        for part in _split(whole[3:-1]):
            target, equals, text = part.partition("=")
            if not equals or "__" not in target:
                raise self._malformed(whole)
            conditions.append(self._condition(target.strip(), text.strip()))
        return AnyOf(tuple(conditions))

    @staticmethod
    def _malformed(text: str) -> QueryError:
        return QueryError(
            f"Malformed group: {text}. Write it as or[field__operator=value,field__operator=value].",
            reason="malformed_group",
        )

    def _condition(self, name: str, text: str) -> Condition:
        self.conditions += 1
        target, _, operator = name.rpartition("__")
        field = self._field(target)
        if operator not in FILTER_OPERATORS or operator not in field.codec.operators:
            raise self._wrong_operator(field, operator)
        if operator in ("in", "nin"):
            return Condition(field, operator, self._list(field, text))
        if text == "null" and operator in ("eq", "ne", "neq") and field.nullable and not field.codec.is_text:
            return Condition(field, operator, None)
        return Condition(field, operator, self._value(field, text))

    @staticmethod
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

    def _list(self, field: Field, text: str) -> list[Any]:
        inner = text.strip()
        if inner.startswith("(") and inner.endswith(")"):
            inner = inner[1:-1]
        parts = [part.strip() for part in inner.split(",")] if inner.strip() else []
        most = self.option(options.FILTER_VALUES_MAX)
        if len(parts) > most:
            raise QueryError(f"More than {most} values for {field.name!r}.", reason="too_many_values")
        return [self._value(field, part) for part in parts]

    @staticmethod
    def _value(field: Field, text: str) -> Any:
        boolean = isinstance(field.codec, BooleanField)
        if len(text) > _TEXT_MAX:
            why = f"It must not be longer than {_TEXT_MAX} characters."
        elif "\0" not in text:
            try:
                return text_to_value(field.codec, text)
            except ma.ValidationError as error:
                why = "; ".join(str(message) for message in error.messages)
        else:
            why = "It must not contain the NUL character."
        shown = text if len(text) <= 100 else f"{text[:100]}…"
        shown = shown.replace("\0", "\\0")
        if boolean:
            raise QueryError(f"Invalid boolean value: {shown}. Use true or false.", reason="invalid_boolean")
        raise QueryError(f"Invalid value for {field.name}: {shown}. {why}", reason="invalid_value")

    def _field(self, target: str) -> Field:
        """Find the queryable field of a plain or qualified name."""
        table, dot, name = target.rpartition(".")
        if dot and table not in self.resource.table_names:
            near = nearest(table, self.resource.table_names)
            raise QueryError(f"Invalid table name: {table}.{_hint(near)}", reason="invalid_table", suggestions=near)
        field = self.resource.field(name)
        if field is None or not field.is_queryable:
            raise self._no_column(name, self.resource.queryable_names())
        return field

    @staticmethod
    def _no_column(name: str, candidates: Iterable[str]) -> QueryError:
        near = nearest(name, candidates)
        return QueryError(f"Invalid column name: {name}.{_hint(near)}", reason="invalid_column", suggestions=near)

    # --- order and pages ----------------------------------------------------------------------------------------------

    def _order(self) -> tuple[OrderKey, ...]:
        given = self.values.get("order_by")
        if not given or not self.option(options.ALLOW_ORDER_BY):
            return ()
        parts = [part.strip() for part in given[0].split(",") if part.strip()]
        most = self.option(options.ORDER_KEYS_MAX)
        if len(parts) > most:
            raise QueryError(f"More than {most} sort keys.", reason="too_many_sort_keys")
        keys: dict[str, OrderKey] = {}
        for part in parts:
            field = self._field(part.lstrip("+-") if part[0] in "+-" else part)
            if not field.codec.operators:
                raise QueryError(f"The column {field.name!r} cannot be sorted.", reason="not_sortable")
            keys.setdefault(field.attribute, OrderKey(field, part.startswith("-")))
        return tuple(keys.values())

    def _limit(self) -> int:
        most = self.option(options.PAGINATION_SIZE_MAX)
        given = self.values.get("limit")
        if given is None:
            return min(self.option(options.PAGINATION_SIZE_DEFAULT), most)
        limit = _positive(given[0], "Items per page must be an integer.", reason="invalid_limit")
        if limit > most:
            raise QueryError(f"Limit exceeds maximum value of {most}", reason="limit_exceeds_maximum")
        return limit

    def _page(self, limit: int) -> int:
        given = self.values.get("page")
        if given is None:
            return 1
        page = _positive(given[0], "Page number must be an integer.", reason="invalid_page")
        if page * limit > _OFFSET_MAX:
            raise QueryError(f"Page number is too large: {given[0][:40]}.", reason="invalid_page")
        return page

    # --- what to show -------------------------------------------------------------------------------------------------

    def _view(self) -> View:
        if not self.values:
            return View(self._mode(), self.option(options.SERIALIZATION_DEPTH), method=self.method)
        self._check_join_type()
        return View(
            mode=self._mode(),
            depth=self.option(options.SERIALIZATION_DEPTH),
            fields=self._fields(),
            joined=self._joined(),
            relations=parse_boolean(self.values.get("dump_relationships", ["true"])[0]),
            method=self.method,
        )

    def _mode(self) -> Mode:
        configured = self.option(options.SERIALIZATION_TYPE)
        default: Mode = configured if configured in _MODES else "json"
        given = self.values.get("dump")
        if given is None:
            return default
        for mode in _MODES:
            if given[0] == mode:
                return mode  # type: ignore[return-value]
        if self.option(options.UNKNOWN_PARAMETERS) == "ignore":
            return default
        near = nearest(given[0], _MODES)
        raise QueryError(
            f"Invalid dump mode: {given[0]}. Supported: {', '.join(_MODES)}.",
            reason="invalid_dump_mode",
            suggestions=near or _MODES,
        )

    def _fields(self) -> tuple[str, ...] | None:
        given = self.values.get("fields")
        if given is None or not self.option(options.ALLOW_SELECT_FIELDS):
            return None
        # In one order, so that two spellings of a selection are one plan.
        names = {self._shown_name(part.strip()) for part in ",".join(given).split(",") if part.strip()}
        return tuple(sorted(names)) or None

    def _shown_name(self, target: str) -> str:
        table, dot, name = target.rpartition(".")
        if dot and table not in self.resource.table_names:
            near = nearest(table, self.resource.table_names)
            raise QueryError(f"Invalid table name: {table}.{_hint(near)}", reason="invalid_table", suggestions=near)
        field = self.resource.field(name)
        if field is not None and self.method not in field.hidden_in:
            return field.name
        relation = self.resource.relation(name)
        if relation is not None and (relation.is_shown or relation.name in self._joined()):
            return relation.name
        shown = [item.name for item in self.resource.fields.values() if self.method not in item.hidden_in]
        relations = [item.name for item in self.resource.relations.values() if item.is_shown]
        raise self._no_column(name, [*shown, *relations])

    def _joined(self) -> frozenset[str]:
        given = self.values.get("join")
        if not given or not self.option(options.ALLOW_JOIN):
            return frozenset()
        names: set[str] = set()
        for token in ",".join(given).split(","):
            if not token.strip():
                continue
            name = self._relation_name(token)
            if name is None:
                near = nearest(token.strip(), self.resource.relations)
                raise QueryError(
                    f"Invalid join model: {token.strip()}.{_hint(near)}", reason="invalid_join", suggestions=near
                )
            names.add(name)
        return frozenset(names)

    def _relation_name(self, token: str) -> str | None:
        """Find the relation of a join token: its own name first, then any other spelling."""
        normal = normalise_join_token(token)
        exact = self.resource.relation(normal) or self.resource.relation(token.strip())
        if exact is not None:
            return exact.name
        found = [relation.name for relation in self.resource.relations.values() if normal in relation.tokens]
        return found[0] if found else None

    def _check_join_type(self) -> None:
        given = self.values.get("join_type")
        if given is None or not self.option(options.ALLOW_JOIN):
            return
        if given[0] not in _JOIN_TYPES:
            raise QueryError(
                f"Invalid join_type: {given[0]}. Supported: {','.join(_JOIN_TYPES)}", reason="invalid_join_type"
            )


def _hint(near: Sequence[str]) -> str:
    return f" Did you mean {near[0]}?" if near else ""


def _positive(text: str, message: str, *, reason: str) -> int:
    if not re.fullmatch(r"[0-9]{1,30}", text):
        raise QueryError(f"{message} It must be 1 or more.", reason=reason)
    number = int(text)
    if number < 1:
        raise QueryError(f"{message} It must be 1 or more.", reason=reason)
    return number


def _split(text: str) -> list[str]:
    """Split at the commas that stand outside parentheses."""
    parts, depth, start = [], 0, 0
    for position, character in enumerate(text):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == "," and depth <= 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]
