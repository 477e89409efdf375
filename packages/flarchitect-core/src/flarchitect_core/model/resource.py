"""A resource: one published model as clients see it, with the names, rights and URLs of one application."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flarchitect_core.bounded import BoundedCache
from flarchitect_core.model.fields import ColumnField
from flarchitect_core.model.inspect import ColumnFact, HybridFact, ModelFacts, RelationFact
from flarchitect_core.model.join_tokens import join_tokens
from flarchitect_core.model.keys import key_text, key_value, url_converter
from flarchitect_core.model.naming import convert_case
from flarchitect_core.settings import HTTP_METHODS

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from flarchitect_core.model.registry import Registry
    from flarchitect_core.model.schemas import AutoSchema
    from flarchitect_core.model.search import Search
    from flarchitect_core.model.soft_delete import SoftDelete
    from flarchitect_core.model.validators import Validator
    from flarchitect_core.query.include import LoadPlan
    from flarchitect_core.query.view import View

__all__ = ["PATH_SAFE", "Field", "Relation", "Resource"]

PLANS_PER_RESOURCE = 128

PATH_SAFE = "/:@!$&'()*+,;=~"
"""What a path may hold as it is besides letters, digits and `-._` (RFC 3986, 3.3)."""


@dataclass(frozen=True, eq=False, slots=True)
class Field:
    """One column or hybrid property of a resource.

    Attributes:
        name: What clients call it, in `API_FIELD_CASE`.
        fact: What it is on the model.
        codec: Conversion to and from JSON and URL text; shared, never changed after start-up.
        hidden_in: Methods whose answers leave it out. Hidden for GET means it cannot be filtered or sorted either.
        locked_in: Methods whose bodies do not take it.
        required: Whether POST and PUT need it.
        is_withheld: Whether a rule about fields hides it from the caller, so that no own schema shows it.
        is_fixed: Whether such a rule keeps the caller from setting it, so that no own schema takes it.
        checks: Method to the check that its bodies get for the column's format or name.
        reads: Other resources whose tables its SQL reads; known when all resources are.
    """

    name: str
    fact: ColumnFact | HybridFact
    codec: ColumnField
    hidden_in: frozenset[str]
    locked_in: frozenset[str]
    required: bool
    is_withheld: bool = False
    is_fixed: bool = False
    checks: Mapping[str, Validator] = field(default_factory=dict)
    reads: list[Resource] = field(default_factory=list)

    @property
    def attribute(self) -> str:
        """The mapped attribute on the model."""
        return self.fact.name

    @property
    def nullable(self) -> bool:
        """Whether NULL is a value of it."""
        return not isinstance(self.fact, ColumnFact) or self.fact.nullable

    @property
    def is_queryable(self) -> bool:
        """Whether it may stand in filters, sorts and groups: readable, and known to SQL."""
        return "GET" not in self.hidden_in and self.fact.attribute is not None


@dataclass(eq=False, slots=True)
class Relation:
    """One relationship between two published models.

    Attributes:
        name: What clients call it, in `API_FIELD_CASE`.
        segment: Last URL segment of its relation route; empty when it has no route.
        association: What the rows of the secondary table are, where a model is mapped to it of which rows may be there
            that a request must not see.
        is_shown: Whether answers show it unasked; with `API_ADD_RELATIONS` off, only `join` brings it.
        is_closed: Whether its rows are not for the caller, so that it is a link at most.
        order_by: How its rows are sorted as far as the caller may see that; known when all resources are.
    """

    name: str
    fact: RelationFact
    source: Resource
    target: Resource
    segment: str = ""
    association: Resource | None = None
    is_shown: bool = True
    is_closed: bool = False
    order_by: tuple[ColumnElement[Any], ...] = ()
    _tokens: frozenset[str] = frozenset()

    @property
    def tokens(self) -> frozenset[str]:
        """What a client may write in `join` for it besides its name, normalised (rest 3.6)."""
        if not self._tokens:
            # Made when somebody first asks: inflecting the names of every relation would be felt at start-up.
            kebab = convert_case(self.fact.name, "kebab")
            self._tokens = join_tokens(self.fact.name, self.name, kebab, self.target.segment)
        return self._tokens

    @property
    def mentions(self) -> tuple[Resource, ...]:
        """The resources that a statement mentions when it follows the relation."""
        return (self.target,) if self.association is None else (self.target, self.association)

    @property
    def is_readable(self) -> bool:
        """Whether requests may follow it to its rows."""
        return "GET" in self.target.methods and not self.is_closed

    @property
    def link_segment(self) -> str:
        """Last URL segment used in links, percent-encoded."""
        return quote(self.segment, safe=PATH_SAFE)

    @property
    def many(self) -> bool:
        """Whether it leads to a list."""
        return self.fact.uselist

    def is_link(self, value: object) -> bool:
        """Say whether a value in a body is what answers have for it that show no rows: a link, or a list of links."""
        if isinstance(value, str):
            return True
        return self.many and isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)

    def key_attributes(self) -> tuple[str, ...] | None:
        """List the attributes of the source that hold the key of the one target; `None` when it must be looked up."""
        fact, key = self.fact, tuple(item.attribute for item in self.target.key)
        if not (fact.is_reference and set(fact.remote_names) == set(key)):
            return None
        local = dict(zip(fact.remote_names, fact.local_names, strict=True))
        return tuple(local[name] for name in key)

    def leads_back(self, origin: Relation | None) -> bool:
        """Say whether this relation is the way back over `origin`, whose target is this relation's source."""
        if origin is None or self.target.model is not origin.source.model:
            return False
        if origin.fact.inverse_name is not None:
            return self.fact.name == origin.fact.inverse_name
        return self.fact.is_direct and self.fact.local_names == origin.fact.remote_names


@dataclass(eq=False, slots=True)
class Resource:
    """One model, as a rule a published one.

    Attributes:
        name: Name of the model class.
        segment: Canonical URL segment.
        paths: Collection paths that are registered, prefix included, the one used in links first.
        canonical_path: Collection path below which relation routes live.
        fields: External name to field, in the mapper's order, columns before hybrids.
        registry: All resources that are known beside it.
        relations: External name to relation.
        methods: HTTP methods that exist.
        refused: Those that the caller may not use on rows nested in others.
        table_names: What may stand before the dot in a qualified field name.
        soft_delete: How rows are marked as deleted; `None` when they are removed.
        is_filtered: Whether a filter callback was set at start-up, so that links look whether their row is hidden.
        judges_reads: Whether a policy wants to see the instance of every row that is shown.
        protected: External names of the fields that give users their rights, and that no body may set.
        subclasses: Those whose rows are rows of this one too, with what they say of them.
        case: Case of external names.
        input_schema: The application's own schema of bodies, or the base of the generated one.
        output_schema: The same for answers; only instances can be dumped by it.
        output_names: Method to what `output_schema` gives besides relations: external name to name in the schema.
        plans: How to load each view that was asked for. Clients choose views, so the number is bounded.
        groupings: Statements about groups of the rows, one for each shape that was asked for.
    """

    name: str
    model: type
    facts: ModelFacts
    segment: str
    paths: tuple[str, ...]
    canonical_path: str
    methods: frozenset[str]
    table_names: frozenset[str]
    fields: dict[str, Field]
    key: tuple[Field, ...]
    registry: Registry
    refused: frozenset[str] = frozenset()
    soft_delete: SoftDelete | None = None
    is_filtered: bool = False
    judges_reads: bool = False
    protected: frozenset[str] = frozenset()
    search: Search | None = None
    case: str = "snake"
    input_schema: type[AutoSchema] | None = None
    output_schema: type[AutoSchema] | None = None
    output_names: dict[str, Mapping[str, str]] = field(default_factory=dict)
    relations: dict[str, Relation] = field(default_factory=dict)
    subclasses: list[Resource] = field(default_factory=list)
    plans: BoundedCache[View, LoadPlan] = field(default_factory=lambda: BoundedCache(PLANS_PER_RESOURCE))
    groupings: BoundedCache[Any, Any] = field(default_factory=lambda: BoundedCache(PLANS_PER_RESOURCE))
    _by_attribute: dict[str, Field] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_attribute = {item.attribute: item for item in self.fields.values()}

    @property
    def link_path(self) -> str:
        """Collection path used in links to rows, percent-encoded."""
        return quote(self.paths[0] if self.paths else self.canonical_path, safe=PATH_SAFE)

    @property
    def relations_link_path(self) -> str:
        """Collection path used in links to relations of rows, percent-encoded."""
        return quote(self.canonical_path, safe=PATH_SAFE)

    @property
    def is_restricted(self) -> bool:
        """Whether rows may be there that a request must not see."""
        return any(each.soft_delete is not None or each.is_filtered for each in (self, *self.subclasses))

    @property
    def marks_rows(self) -> bool:
        """Whether rows may be there that are marked, and not removed, when they are deleted."""
        return any(each.soft_delete is not None for each in (self, *self.subclasses))

    @property
    def takes_client_keys(self) -> bool:
        """Whether clients choose the keys of new rows, so that a PUT may create one."""
        return "POST" in self.methods and all("POST" not in item.locked_in for item in self.key)

    def field(self, name: str) -> Field | None:
        """Find a field by external name, else by attribute name (rest 2.2)."""
        return self.fields.get(name) or self._by_attribute.get(name)

    def hide(self, attribute: str) -> None:
        """Take a field out of all answers, and so out of filters and sorts; for the time of start-up."""
        hidden = replace(self._by_attribute[attribute], hidden_in=frozenset(HTTP_METHODS))
        self.fields[hidden.name] = self._by_attribute[attribute] = hidden

    def field_of_attribute(self, name: str) -> Field | None:
        """Find a field by mapped attribute."""
        return self._by_attribute.get(name)

    def relation(self, name: str) -> Relation | None:
        """Find a relation by external name, else by attribute name."""
        return self.relations.get(name) or self.relation_of_attribute(name)

    def relation_of_attribute(self, name: str) -> Relation | None:
        """Find a relation by mapped attribute."""
        return next((relation for relation in self.relations.values() if relation.fact.name == name), None)

    def shown_name(self, name: str, method: str) -> str | None:
        """Find what answers to a method call a column, or a field of an own schema; `None` when they have none."""
        item = self.field(name)
        if self.output_schema is None:
            return item.name if item is not None and method not in item.hidden_in else None
        names = self.output_names[method]
        wanted = name if item is None else item.attribute
        return name if name in names else next((given for given, member in names.items() if member == wanted), None)

    def shown_names(self, method: str) -> list[str]:
        """List what `shown_name` may give."""
        if self.output_schema is not None:
            return [*self.output_names[method]]
        return [item.name for item in self.fields.values() if method not in item.hidden_in]

    def queryable_names(self) -> list[str]:
        """List the external names that filters and sorts may use."""
        return [item.name for item in self.fields.values() if item.is_queryable]

    def variables(self) -> list[tuple[str, str]]:
        """List `(name, converter)` of the key's path variables, in the mapper's order."""
        return [
            (
                item.attribute if item.attribute.isascii() and item.attribute.isidentifier() else f"key_{position}",
                url_converter(item.codec),
            )
            for position, item in enumerate(self.key, 1)
        ]

    def item_rule(self) -> str:
        """Give the URL rule of a key, `<int(signed=True):id>`; one segment per column of a composite key."""
        return "/".join(f"<{converter}:{name}>" for name, converter in self.variables())

    def key_values(self, variables: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Convert path variables to key values, `None` when no row can have such a key."""
        raw = [variables[name] for name, _ in self.variables()]
        return key_value([item.codec for item in self.key], raw)

    def named_key(self, values: Sequence[Any]) -> dict[str, Any]:
        """Give key values by the attributes that hold them."""
        return {item.attribute: value for item, value in zip(self.key, values, strict=True)}

    def key_path(self, values: Sequence[Any]) -> str:
        """Write key values as path segments."""
        return "/".join(key_text(value) for value in values)

    def key_of(self, instance: object) -> tuple[Any, ...]:
        """Read the key of a loaded instance, in the mapper's order."""
        return tuple(getattr(instance, item.attribute) for item in self.key)
