"""The query parameters of routes in words: each that the parsers of `parse` take, with the values it takes.

Names, operators and bounds are those by which requests are parsed. Left out is what cannot be listed: the groups
`or[]`, `and[]` and `not[]`, paths over relations, and labels of aggregates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from flarchitect_core import options
from flarchitect_core.catalogue.shapes import Parameter
from flarchitect_core.model.fields import ColumnField, IntegerField
from flarchitect_core.model.json_types import JsonSchema, json_type, nullable, switch
from flarchitect_core.query.counting import COUNT_KINDS
from flarchitect_core.query.grouping import AGGREGATES
from flarchitect_core.query.names import readable_relations
from flarchitect_core.query.parse import DUMP_MODES, JOIN_TYPES, OFFSET_MAX
from flarchitect_core.query.parse_filters import FILTER_OPERATORS
from flarchitect_core.query.values import SWITCH_WORDS, TEXT_MAX

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Resource
    from flarchitect_core.settings import Option, Settings

__all__ = [
    "cascade_parameters",
    "collection_parameters",
    "filter_parameters",
    "switch_schema",
    "url_type",
    "view_parameters",
]

_SYNONYMS = frozenset({"neq", "is_null"})
_PATTERNS = frozenset({"like", "ilike", "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith"})
_SENTENCES = {
    "eq": "equals",
    "ne": "differs from",
    "lt": "is less than",
    "le": "is at most",
    "gt": "is greater than",
    "ge": "is at least",
    "between": "lies between two values, these included",
    "in": "is one of",
    "nin": "is none of",
    "isnull": "is null, or with `false` is not",
    "like": "contains",
    "ilike": "contains, in any letter case,",
    "contains": "contains",
    "icontains": "contains, in any letter case,",
    "startswith": "starts with",
    "istartswith": "starts, in any letter case, with",
    "endswith": "ends with",
    "iendswith": "ends, in any letter case, with",
}


_SWITCH = switch(("", *SWITCH_WORDS))


def switch_schema(default: bool) -> JsonSchema:
    """Describe a switch in a URL: all the words that are read as one."""
    return {**_SWITCH, "default": default}


class _Describer:
    """Describes the parameters of one resource and method."""

    def __init__(self, resource: Resource, settings: Settings, method: str, *, is_long: bool = False) -> None:
        self._resource = resource
        self._settings = settings
        self._method = method
        self._is_long = is_long

    def option(self, option: Option[Any]) -> Any:
        return self._settings.get(option, model=self._resource.model, method=self._method)

    def query(self, name: str, schema: JsonSchema, sentence: str, **members: Any) -> Parameter:
        return Parameter(name, "query", schema, sentence, **members)

    def own(self, name: str, schema: JsonSchema, sentence: str, **members: Any) -> Parameter:
        """Describe a parameter that has another meaning for each resource."""
        return self.query(name, schema, sentence, resource=self._resource.name, **members)

    # --- what is shown ------------------------------------------------------------------------------------------------

    def view(self) -> Iterator[Parameter]:
        resource = self._resource
        if self.option(options.ALLOW_SELECT_FIELDS):
            shown = [*resource.shown_names(self._method)]
            shown += [relation.name for relation in resource.relations.values() if relation.is_shown]
            yield self.own(
                "fields",
                _list_of({"type": "string", "enum": [*dict.fromkeys(shown)]}),
                "Columns and relations to return.",
                is_list=True,
            )
        yield from self._relations()
        if resource.marks_rows and self.option(options.ALLOW_INCLUDE_DELETED):
            yield self.query("include_deleted", switch_schema(False), "Show rows that are marked as deleted too.")

    def _relations(self) -> Iterator[Parameter]:
        relations = readable_relations(self._resource)
        if not relations:
            return
        configured = self.option(options.SERIALIZATION_TYPE)
        mode = configured if configured in DUMP_MODES else "json"
        modes = {"type": "string", "enum": [*DUMP_MODES], "default": mode}
        yield self.query("dump", modes, "How relations are given: as links, as objects, or as said in `join`.")
        yield self.query("dump_relationships", switch_schema(True), "Whether relations are given at all.")
        if self.option(options.ALLOW_JOIN):
            names = {"type": "string", "enum": [relation.name for relation in relations]}
            sentence = "Relations whose columns may be named, and that `dump=dynamic` puts into the rows."
            yield self.own("join", _list_of(names), sentence, is_list=True)

    # --- collections --------------------------------------------------------------------------------------------------

    def collection(self) -> Iterator[Parameter]:
        yield from self.paging()
        yield from self.view()
        if self.option(options.ALLOW_JOIN) and readable_relations(self._resource):
            kinds = {"type": "string", "enum": [*JOIN_TYPES], "default": "inner"}
            yield self.query("join_type", kinds, "Which rows `join` keeps.")
        if self.option(options.ALLOW_ORDER_BY):
            sortable = [field.name for field in self._queryable() if field.codec.operators]
            if sortable:
                keys = {"type": "string", "enum": [*sortable, *(f"-{name}" for name in sortable)]}
                most = self.option(options.ORDER_KEYS_MAX)
                sentence = "What the rows are sorted by; a `-` before a name lets it descend. `orderby` is the same."
                yield self.own("order_by", {**_list_of(keys), "maxItems": most}, sentence, is_list=True)
        yield from self._groups()
        if self._resource.search is not None:
            words = self.option(options.SEARCH_WORDS_MAX)
            pattern = rf"^\s*(\S+(\s+\S+){{0,{words - 1}}})?\s*$"
            schema = {"type": "string", "maxLength": TEXT_MAX, "pattern": pattern}
            yield self.query("search", schema, f"Words that a row must have, {words} at most.")
        yield from self.filters()

    def paging(self) -> Iterator[Parameter]:
        most = self.option(options.PAGINATION_SIZE_MAX)
        usual = min(self.option(options.PAGINATION_SIZE_DEFAULT), most)
        limit = {"type": "integer", "minimum": 1, "maximum": most, "default": usual}
        yield self.query("limit", limit, "Rows per page.")
        page = {"type": "integer", "minimum": 1, "maximum": OFFSET_MAX // most, "default": 1}
        yield self.query("page", page, "Number of the page.")
        yield self.query(
            "cursor",
            {"type": "string"},
            "Where the page begins: empty for the first one, afterwards as given in the links. It excludes `page`.",
            example="",
        )
        if self.option(options.ALLOW_COUNT):
            kinds = {"type": "string", "enum": [*COUNT_KINDS], "default": self.option(options.COUNT)}
            yield self.query("count", kinds, "How the rows are counted.")

    def _groups(self) -> Iterator[Parameter]:
        columns = [field for field in self._queryable() if field.codec.operators]
        if self.option(options.ALLOW_GROUPBY) and columns:
            names = {"type": "string", "enum": [field.name for field in columns]}
            most = self.option(options.GROUP_COLUMNS_MAX)
            sentence = "Columns by which rows are grouped; the answer has a record for each group."
            yield self.own("groupby", {**_list_of(names), "maxItems": most}, sentence, is_list=True)
        if self.option(options.ALLOW_AGGREGATION):
            for field in self._queryable():
                for name, function in AGGREGATES.items():
                    if function.takes(field):
                        sentence = (
                            f"Give `{name}` of `{field.name}` over each group; any value, such as `1`, asks for it."
                        )
                        # No example: pages send those of parameters with every request that is tried out.
                        yield self.own(f"{field.name}__{name}", {"type": "string"}, sentence)

    def filters(self) -> Iterator[Parameter]:
        if not self.option(options.ALLOW_FILTERS):
            return
        most = self.option(options.FILTER_VALUES_MAX)
        for field in self._queryable():
            value = url_type(field.codec, is_long=self._is_long)
            for operator in FILTER_OPERATORS:
                if operator in field.codec.operators and operator not in _SYNONYMS:
                    yield self._filter(field, operator, value, most)

    def _filter(self, field: Field, operator: str, value: JsonSchema, most: int) -> Parameter:
        schema, is_list = value, operator in ("in", "nin", "between")
        if operator in _PATTERNS:
            schema = {"type": "string", "maxLength": TEXT_MAX}
        elif operator == "isnull":
            schema = dict(_SWITCH)
        elif is_list:
            # A comma would begin the next value.
            each = {**schema, "pattern": "^[^,]*$"} if schema.get("type") == "string" and len(schema) == 1 else schema
            bounds = {"minItems": 2, "maxItems": 2} if operator == "between" else {"maxItems": most}
            schema = {"type": "array", "items": each, **bounds}
        elif field.nullable and not field.codec.is_text and operator in ("eq", "ne"):
            schema = nullable(schema)
        sentence = f"`{field.name}` {_SENTENCES[operator]} this."
        if operator == "isnull":
            sentence = f"`{field.name}` {_SENTENCES[operator]}."
        return self.own(f"{field.name}__{operator}", schema, sentence, is_list=is_list)

    def _queryable(self) -> list[Field]:
        return [field for field in self._resource.fields.values() if field.is_queryable]

    def additional(self) -> Iterator[Parameter]:
        """Describe the parameters that the application has for its hooks."""
        for entry in self.option(options.ADDITIONAL_QUERY_PARAMS) or ():
            if isinstance(entry, dict) and entry.get("name"):
                schema = entry.get("schema") or {"type": "string"}
                required = bool(entry.get("required", False))
                yield self.own(entry["name"], schema, entry.get("description", ""), required=required)


def _list_of(items: JsonSchema) -> JsonSchema:
    return {"type": "array", "items": items}


def url_type(codec: ColumnField, *, is_long: bool) -> JsonSchema:
    """Describe the values of a field in a URL.

    Args:
        is_long: Whether the database compares integers of 64 bits with those of any column.
    """
    schema = json_type(codec, "url")
    if isinstance(codec, IntegerField) and not is_long:
        return {**schema, "minimum": codec.minimum, "maximum": codec.maximum}
    return schema


def collection_parameters(resource: Resource, settings: Settings, *, is_long: bool = False) -> list[Parameter]:
    """Describe what `parse_collection` takes.

    Args:
        is_long: As for `url_type`.
    """
    describer = _Describer(resource, settings, "GET", is_long=is_long)
    return [*describer.collection(), *describer.additional()]


def filter_parameters(resource: Resource, settings: Settings, method: str, *, is_long: bool = False) -> list[Parameter]:
    """Describe the filters that a write of many rows takes, and what it shows of them."""
    describer = _Describer(resource, settings, method, is_long=is_long)
    shown: Iterable[Parameter] = describer.view() if method != "DELETE" else ()
    return [*shown, *describer.filters(), *describer.additional()]


def view_parameters(resource: Resource, settings: Settings, method: str) -> list[Parameter]:
    """Describe what `parse_view` takes."""
    describer = _Describer(resource, settings, method)
    return [*describer.view(), *describer.additional()]


def cascade_parameters(resource: Resource, settings: Settings) -> Sequence[Parameter]:
    """Describe what `parse_cascade` takes."""
    describer = _Describer(resource, settings, "DELETE")
    found = list(describer.additional())
    if describer.option(options.ALLOW_CASCADE_DELETE):
        found.insert(0, describer.query("cascade_delete", switch_schema(False), "Delete what hangs on the row too."))
    return found
