"""Query parameters to the expression tree (rest 3). Every name and value is checked here, before any SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeVar, cast

from flarchitect_core import options
from flarchitect_core.errors import QueryError
from flarchitect_core.query.counting import COUNT_KINDS, CountKind
from flarchitect_core.query.expressions import CollectionQuery, Filter, OrderKey, Related, merged
from flarchitect_core.query.joins import JoinedColumn
from flarchitect_core.query.names import Names, joinable, no_column, readable_relations, require_no_judge
from flarchitect_core.query.parse_filters import FILTER_OPERATORS, FilterParser, is_filter
from flarchitect_core.query.parse_grouping import AskedOrder, GroupingParser, is_aggregate
from flarchitect_core.query.values import TEXT_MAX, hint, parse_boolean, positive
from flarchitect_core.query.view import Mode, View
from flarchitect_core.settings import Option
from flarchitect_core.suggestions import nearest

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Relation, Resource
    from flarchitect_core.query.grouping import Grouping
    from flarchitect_core.settings import Settings

__all__ = ["COLLECTION_PARAMETERS", "DUMP_MODES", "FILTER_OPERATORS", "JOIN_TYPES", "OFFSET_MAX", "VIEW_PARAMETERS"]
__all__ += ["parse_boolean", "parse_cascade", "parse_collection", "parse_view"]

Parameters = Iterable[tuple[str, str]]
T = TypeVar("T")

VIEW_PARAMETERS = ("fields", "dump", "dump_relationships", "join", "include_deleted")
COLLECTION_PARAMETERS = (*VIEW_PARAMETERS, "order_by", "page", "limit", "cursor", "count", "join_type", "groupby")
_SYNONYMS = {"orderby": "order_by", "join_models": "join"}
_SINGLE = frozenset(
    {"page", "limit", "cursor", "count", "search", "dump", "dump_relationships", "join_type", "include_deleted"}
    | {"cascade_delete"}
)
DUMP_MODES = ("url", "json", "dynamic", "hybrid")
JOIN_TYPES = ("inner", "left", "right", "outer")
_OUTER_JOINS = frozenset({"left", "outer"})
_NULLS = {"nullsfirst": "first", "nullslast": "last"}
OFFSET_MAX = 2**62


def parse_collection(
    resource: Resource, parameters: Parameters, settings: Settings, *, method: str = "GET", strict: bool = False
) -> CollectionQuery:
    """Parse the parameters of a collection or a to-many relation route.

    Args:
        parameters: Name and value pairs in the order of the URL, decoded.
        method: HTTP method of the request.
        strict: Whether unknown names are refused whatever `API_UNKNOWN_PARAMETERS` is.

    Raises:
        QueryError: An unknown name, or a value that its parameter does not take; answered with 400.
    """
    return _Parser(resource, settings, method, COLLECTION_PARAMETERS, is_strict=strict).collection(parameters)


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


def parse_cascade(resource: Resource, parameters: Parameters, settings: Settings) -> bool:
    """Parse the parameters of a DELETE: whether dependent rows go too. Where cascades are off, it is ignored.

    Raises:
        QueryError: As `parse_collection`.
    """
    parser = _Parser(resource, settings, "DELETE", ("cascade_delete",))
    parser.single(parameters)
    given = parser.values.get("cascade_delete")
    return given is not None and parser.option(options.ALLOW_CASCADE_DELETE) and parse_boolean(given[0])


class _Parser:
    """Parses the parameters of one request."""

    def __init__(
        self,
        resource: Resource,
        settings: Settings,
        method: str,
        accepted: Sequence[str],
        *,
        is_strict: bool = False,
    ) -> None:
        self.resource = resource
        self.settings = settings
        self.method = method
        self.accepted = accepted
        self.is_strict = is_strict
        self.values: dict[str, list[str]] = {}
        self.takes_filters = False
        self._aggregates: list[str] = []

    def option(self, option: Option[T]) -> T:
        """Read an option for the model and method of the request."""
        return self.settings.get(option, model=self.resource.model, method=self.method)

    # --- the whole request --------------------------------------------------------------------------------------------

    def collection(self, parameters: Parameters) -> CollectionQuery:
        self.takes_filters = True
        if self.resource.search is not None:
            self.accepted = (*self.accepted, "search")
        where = [*self._filters(self._sort_out(parameters)), *self._matches_of_joins()]
        limit = self._limit()
        grouping = self._grouping()
        return CollectionQuery(
            self._view(),
            merged(where),
            self._order() if grouping is None else (),
            self._page(),
            limit,
            self._words(),
            self._cursor(),
            self._count(),
            self.option(options.COUNT_CAP),
            grouping,
        )

    def single(self, parameters: Parameters) -> View:
        for name, _ in self._sort_out(parameters):
            self._unknown(name)
        return self._view()

    def _sort_out(self, parameters: Parameters) -> list[tuple[str, str]]:
        """Collect the parameters with fixed names, and give the others: what they mean may depend on the joins."""
        others: list[tuple[str, str]] = []
        for raw_name, value in parameters:
            name = _SYNONYMS.get(raw_name, raw_name)
            if name in self.accepted:
                self._collect(name, raw_name, value)
            elif value == "" and "join" in self.accepted and joinable(self.resource, raw_name) is not None:
                self.values.setdefault("join", []).append(raw_name)
            elif raw_name != "_":
                others.append((raw_name, value))
        return others

    def _collect(self, name: str, raw_name: str, value: str) -> None:
        given = self.values.setdefault(name, [])
        if given and name in _SINGLE:
            raise QueryError(f"The parameter {raw_name!r} is given twice. Send it once.", reason="duplicate_parameter")
        if name == "order_by" and raw_name == "order_by":
            # `order_by` wins over its synonym (rest 3.4), whichever stands first.
            given.insert(0, value)
        else:
            given.append(value)

    @cached_property
    def _names(self) -> Names:
        return Names(self.resource, self._joined, self.option(options.FILTER_DEPTH_MAX))

    def _unknown(self, name: str) -> None:
        ignores = self.option(options.UNKNOWN_PARAMETERS) == "ignore" and not self.is_strict
        if ignores or name in self._additional():
            return
        candidates = [*self.accepted]
        if self.takes_filters:
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

    def _filters(self, parameters: Sequence[tuple[str, str]]) -> list[Filter]:
        if not parameters:
            return []
        parser = FilterParser(
            self._names,
            most=self.option(options.FILTER_CONDITIONS_MAX),
            most_values=self.option(options.FILTER_VALUES_MAX),
        )
        found: list[Filter] = []
        for name, value in parameters:
            if is_aggregate(name):
                self._aggregates.append(name)
            elif not is_filter(name, self._names):
                self._unknown(name)
            elif self.option(options.ALLOW_FILTERS):
                found.append(parser.parse(name, value))
        return found

    def _matches_of_joins(self) -> list[Filter]:
        """An inner join keeps the rows with a related row; so does a right one, as only base rows are shown."""
        if self._is_outer() or "join" not in self.values:
            return []
        return [Related(relation) for relation in self._joined]

    def _words(self) -> tuple[str, ...]:
        given = self.values.get("search")
        if given is None:
            return ()
        if len(given[0]) > TEXT_MAX:
            raise QueryError(f"`search` must not be longer than {TEXT_MAX} characters.", reason="search_too_long")
        if "\0" in given[0]:
            raise QueryError("`search` must not contain the NUL character.", reason="invalid_text")
        words = tuple(dict.fromkeys(given[0].split()))
        most = self.option(options.SEARCH_WORDS_MAX)
        if len(words) > most:
            raise QueryError(f"More than {most} words in `search`.", reason="too_many_words", details={"maximum": most})
        return words

    def _grouping(self) -> Grouping | None:
        """Parse what is asked about groups of rows; `None` when rows are asked for."""
        given, aggregates = self.values.get("groupby", []), self._aggregates
        if given and not self.option(options.ALLOW_GROUPBY):
            given = []
        if aggregates and not self.option(options.ALLOW_AGGREGATION):
            aggregates = []
        columns = [part.strip() for part in ",".join(given).split(",") if part.strip()]
        if not columns and not aggregates:
            return None
        require_no_judge([self.resource])
        if "cursor" in self.values:
            raise QueryError("Groups have page numbers and no cursors. Leave `cursor` out.", reason="invalid_cursor")
        parser = GroupingParser(
            self._names,
            case=self.option(options.FIELD_CASE),
            most=self.option(options.GROUP_COLUMNS_MAX),
            is_outer=self._is_outer(),
        )
        return parser.parse(columns, aggregates, self._asked_order())

    # --- order and pages ----------------------------------------------------------------------------------------------

    def _order(self) -> tuple[OrderKey, ...]:
        keys: dict[object, OrderKey] = {}
        for asked in self._asked_order():
            key = self._order_key(*asked)
            keys.setdefault((key.path, key.field), key)
        return tuple(keys.values())

    def _asked_order(self) -> list[AskedOrder]:
        given = self.values.get("order_by")
        if not given or not self.option(options.ALLOW_ORDER_BY):
            return []
        parts = [part.strip() for part in given[0].split(",") if part.strip()]
        most = self.option(options.ORDER_KEYS_MAX)
        if len(parts) > most:
            raise QueryError(f"More than {most} sort keys.", reason="too_many_sort_keys")
        return [self._asked_key(part) for part in parts]

    @staticmethod
    def _asked_key(part: str) -> AskedOrder:
        target, colon, nulls = part.partition(":")
        if colon and nulls not in _NULLS:
            raise QueryError(
                f"Invalid order: {part[:100]}. After the colon stands nullsfirst or nullslast.",
                reason="invalid_order",
                suggestions=nearest(nulls, _NULLS) or [*_NULLS],
            )
        placed = cast('Literal["first", "last"] | None', _NULLS.get(nulls))
        return target[1:] if target[:1] in ("+", "-") else target, target.startswith("-"), placed

    def _order_key(self, target: str, descending: bool, nulls: Literal["first", "last"] | None) -> OrderKey:
        path, field = self._names.find(target)
        if not field.codec.operators:
            raise QueryError(f"The column {field.name!r} cannot be sorted.", reason="not_sortable")
        many = next((relation for relation in path if relation.many), None)
        if many is not None and path[0] not in self._joined:
            raise QueryError(
                f"Cannot sort by {target[:100]}: {many.name!r} may lead to many rows. "
                f"Name it in `join` to sort by the first of them.",
                reason="not_sortable",
            )
        return OrderKey(field, descending, path, nulls)

    def _limit(self) -> int:
        most = self.option(options.PAGINATION_SIZE_MAX)
        given = self.values.get("limit")
        if given is None:
            return min(self.option(options.PAGINATION_SIZE_DEFAULT), most)
        limit = positive(given[0], "Items per page must be an integer.", reason="invalid_limit")
        if limit > most:
            raise QueryError(f"Limit exceeds maximum value of {most}", reason="limit_exceeds_maximum")
        return limit

    def _page(self) -> int:
        given = self.values.get("page")
        if given is None:
            return 1
        page = positive(given[0], "Page number must be an integer.", reason="invalid_page")
        # The same bound for every limit, so that it can be told beforehand.
        if page > OFFSET_MAX // self.option(options.PAGINATION_SIZE_MAX):
            raise QueryError(f"Page number is too large: {given[0][:40]}.", reason="invalid_page")
        return page

    def _cursor(self) -> str | None:
        given = self.values.get("cursor")
        if given is None:
            return None
        if "page" in self.values:
            raise QueryError(
                "`cursor` and `page` exclude each other. Leave `page` out and follow `next_url`.",
                reason="invalid_cursor",
            )
        return given[0]

    def _count(self) -> CountKind:
        given = self.values.get("count")
        if given is None or not self.option(options.ALLOW_COUNT):
            return "none" if "cursor" in self.values else self.option(options.COUNT)
        for kind in COUNT_KINDS:
            if given[0] == kind:
                return kind
        raise QueryError(
            f"Invalid count: {given[0][:100]}. Supported: {', '.join(COUNT_KINDS)}.",
            reason="invalid_count",
            suggestions=nearest(given[0], COUNT_KINDS) or COUNT_KINDS,
        )

    # --- what to show -------------------------------------------------------------------------------------------------

    def _view(self) -> View:
        if not self.values:
            return View(self._mode(), self.option(options.SERIALIZATION_DEPTH), method=self.method)
        fields, columns = self._selection()
        return View(
            mode=self._mode(),
            depth=self.option(options.SERIALIZATION_DEPTH),
            fields=fields,
            columns=columns,
            joined=frozenset(relation.name for relation in self._joined),
            relations=parse_boolean(self.values.get("dump_relationships", ["true"])[0]),
            method=self.method,
            include_deleted=self._includes_deleted(),
        )

    def _includes_deleted(self) -> bool:
        given = self.values.get("include_deleted")
        if given is not None and self.method == "DELETE":
            raise QueryError(
                "Unknown query parameter: include_deleted. What is deleted cannot be deleted again.",
                reason="unknown_parameter",
            )
        return given is not None and self.option(options.ALLOW_INCLUDE_DELETED) and parse_boolean(given[0])

    def _mode(self) -> Mode:
        configured = self.option(options.SERIALIZATION_TYPE)
        default: Mode = configured if configured in DUMP_MODES else "json"
        given = self.values.get("dump")
        if given is None:
            return default
        for mode in DUMP_MODES:
            if given[0] == mode:
                return mode  # type: ignore[return-value]
        if self.option(options.UNKNOWN_PARAMETERS) == "ignore":
            return default
        near = nearest(given[0], DUMP_MODES)
        raise QueryError(
            f"Invalid dump mode: {given[0]}. Supported: {', '.join(DUMP_MODES)}.",
            reason="invalid_dump_mode",
            suggestions=near or DUMP_MODES,
        )

    def _selection(self) -> tuple[tuple[str, ...] | None, tuple[JoinedColumn, ...]]:
        """Parse `fields` into what is shown of the row, and of joined rows."""
        given = self.values.get("fields")
        if given is None or not self.option(options.ALLOW_SELECT_FIELDS):
            return None, ()
        names: set[str] = set()
        joined: dict[tuple[Relation, Field], None] = {}
        for target in (part.strip() for part in ",".join(given).split(",")):
            if target:
                self._select(target, names, joined)
        # In one order, so that two spellings of a selection are one plan.
        return (tuple(sorted(names)) if names or joined else None), self._columns(names, joined)

    def _select(self, target: str, names: set[str], joined: dict[tuple[Relation, Field], None]) -> None:
        *steps, name = target.split(".")
        path = self._names.path(steps)
        if path and (len(path) > 1 or path[0] not in self._joined):
            raise QueryError(
                f"Invalid table name: {'.'.join(steps)[:100]}. Name the relation in `join` to show its columns.",
                reason="invalid_table",
            )
        own = None if path else self._own_name(name)
        if own is not None:
            names.add(own)
            return
        for relation in path or (() if steps else self._joined):
            field = relation.target.field(name)
            if field is not None and field.is_queryable and self.method not in field.hidden_in:
                joined[self._selectable(relation), field] = None
                return
        raise no_column(name, path[0].target.queryable_names() if path else self._shown_names())

    def _selectable(self, relation: Relation) -> Relation:
        if relation.many and not self.takes_filters:
            raise QueryError(
                f"Invalid table name: {relation.name}. The answer is one row, which cannot show columns of many.",
                reason="invalid_table",
            )
        return relation

    def _own_name(self, name: str) -> str | None:
        """Find the name of what answers show of the row itself: a column, a field of an own schema, or a relation."""
        shown = self.resource.shown_name(name, self.method)
        if shown is not None:
            return shown
        relation = self.resource.relation(name)
        if relation is not None and (relation.is_shown or relation in self._joined):
            return relation.name
        return None

    def _shown_names(self) -> list[str]:
        return [
            *self.resource.shown_names(self.method),
            *(item.name for item in self.resource.relations.values() if item.is_shown),
        ]

    def _columns(self, names: set[str], joined: Iterable[tuple[Relation, Field]]) -> tuple[JoinedColumn, ...]:
        """Name the selected columns of joined rows: by themselves, or with their relation where two are alike."""
        plain = [*names, *(field.name for _, field in joined)]
        columns = [
            JoinedColumn(
                field.name if plain.count(field.name) == 1 else f"{relation.name}.{field.name}",
                relation,
                field,
                self._is_outer(),
            )
            for relation, field in joined
        ]
        return tuple(sorted(columns, key=lambda column: column.name))

    # --- joins --------------------------------------------------------------------------------------------------------

    @cached_property
    def _joined(self) -> tuple[Relation, ...]:
        """The relations named in `join`, in that order."""
        given = self.values.get("join")
        if not given or not self.option(options.ALLOW_JOIN):
            return ()
        found: dict[Relation, None] = {}
        for token in (part.strip() for part in ",".join(given).split(",")):
            if not token:
                continue
            relation = joinable(self.resource, token)
            if relation is None:
                near = nearest(token, [each.name for each in readable_relations(self.resource)])
                raise QueryError(
                    f"Invalid join model: {token[:100]}.{hint(near)}", reason="invalid_join", suggestions=near
                )
            found[relation] = None
        return tuple(found)

    def _is_outer(self) -> bool:
        given = self.values.get("join_type")
        if not self.option(options.ALLOW_JOIN):
            return False
        if given is None:
            # There `join` says what to put into the rows, which must not cost any of them.
            return self._mode() == "dynamic"
        if given[0] not in JOIN_TYPES:
            raise QueryError(
                f"Invalid join_type: {given[0][:100]}. Supported: {','.join(JOIN_TYPES)}", reason="invalid_join_type"
            )
        return given[0] in _OUTER_JOINS
