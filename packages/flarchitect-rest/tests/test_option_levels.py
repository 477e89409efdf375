"""Every option that models may set: both of its values show, and the levels beat each other as rest 1.4 says."""

from __future__ import annotations

import decimal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import marshmallow as ma
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, mapped_column, relationship

from flarchitect_core.model.schemas import AutoSchema
from flarchitect_core.operations.idempotency import TABLE
from flarchitect_core.options import CORE_OPTIONS
from flarchitect_core.state import state_of
from flarchitect_core.testing import make_app
from flarchitect_rest.options import REST_OPTIONS
from flarchitect_rest.part import RestPart

pytestmark = pytest.mark.contract("rest 1.4")


@dataclass(frozen=True)
class Effect:
    """Two values of an option, and what the API shows for each of them.

    Attributes:
        show: Gives what is seen of the served items.
        method: Method whose forms decide, for options that have such forms.
        given: Configuration under which the option matters.
        on_all: Whether the rule is about every model on the way, so that all must say it.
    """

    option: str
    first: Any
    second: Any
    show: Callable[[Any], Any]
    shown_first: Any
    shown_second: Any
    method: str = "GET"
    given: dict[str, Any] = field(default_factory=dict)
    on_all: bool = False

    def __str__(self) -> str:
        return self.option


def models(**meta: Any) -> Any:
    """Make shelves with items; `meta` is what the `Meta` of the items says, and `on_all` that of the shelves too."""
    on_all = meta.pop("on_all", False)
    base: Any = type("Base", (DeclarativeBase,), {})
    shelves = {
        "__tablename__": "shelves",
        "Meta": type("Meta", (), meta if on_all else {}),
        "id": mapped_column(sa.Integer, primary_key=True),
        "name": mapped_column(sa.String(20)),
        "items": relationship("Item", back_populates="shelf"),
    }
    base.shelf = type("Shelf", (base,), shelves)

    def double(self: Any) -> int:
        return self.id * 2

    members = {
        "__tablename__": "items",
        "Meta": type("Meta", (), meta),
        "id": mapped_column(sa.Integer, primary_key=True),
        "name": mapped_column(sa.String(20)),
        "email": mapped_column(sa.String(20)),
        "price": mapped_column(sa.Numeric(6, 2), default=decimal.Decimal("1.50")),
        "deleted": mapped_column(sa.Boolean, default=False),
        "_note": mapped_column(sa.String(20), default="inner"),
        "shelf_id": mapped_column(sa.ForeignKey("shelves.id")),
        "shelf": relationship("Shelf", back_populates="items"),
        "parent_id": mapped_column(sa.ForeignKey("items.id")),
        "parent": relationship("Item", remote_side="Item.id"),
        "double": hybrid_property(double),
    }
    base.item = type("Item", (base,), members)
    return base


class Short(AutoSchema):
    """A base of schemas that shows who made the record."""

    made_by = ma.fields.Constant("short")


SOFT = {
    "API_SOFT_DELETE": True,
    "API_SOFT_DELETE_ATTRIBUTE": "deleted",
    "API_SOFT_DELETE_VALUES": (False, True),
}
URL = "/api/items"


def value(url: str) -> Callable[[Any], Any]:
    return lambda served: served.value(url)


def ids(url: str) -> Callable[[Any], Any]:
    return lambda served: [record["id"] for record in served.value(url)]


def has(name: str) -> Callable[[Any], Any]:
    return lambda served: name in served.value(f"{URL}/1")


def status(method: str, url: str, **arguments: Any) -> Callable[[Any], Any]:
    return lambda served: served.open(url, method=method, **arguments).status_code


def created(**body: Any) -> Callable[[Any], Any]:
    return lambda served: served.post(URL, json={"name": "x", **body}).get_json()["value"]


def posted_twice(served: Any) -> Any:
    """Send one request twice with one key, and count the rows it made."""
    for _ in range(2):
        served.post(URL, json={"name": "once"}, headers={"Idempotency-Key": "k"})
    return served.scalar("SELECT count(*) FROM items WHERE name = 'once'")


def is_kept_for_an_hour(served: Any) -> Any:
    """Say whether an answer to a key lives longer than an hour."""
    served.post(URL, json={"name": "once"}, headers={"Idempotency-Key": "k"})
    return served.scalar(f"SELECT expires_at FROM {TABLE}") > time.time() + 3600


def twice(served: Any) -> Any:
    return [served.get(URL).status_code for _ in range(2)]


def after_a_change_elsewhere(served: Any) -> Any:
    """Read, change the row behind the back of the API, and read again."""
    served.value(f"{URL}/1")
    served.execute(sa.text("UPDATE items SET name = 'changed' WHERE id = 1"))
    return served.value(f"{URL}/1")["name"]


def after_a_mark(url: str) -> Callable[[Any], Any]:
    """Mark an item as deleted, and count those that are shown."""

    def show(served: Any) -> Any:
        served.execute(sa.text("UPDATE items SET deleted = 1 WHERE id = 1"))
        return len(served.value(url))

    return show


def total(url: str) -> Callable[[Any], Any]:
    return lambda served: served.get(url).get_json()["total_count"]


def stored(method: str, url: str, sql: str, **arguments: Any) -> Callable[[Any], Any]:
    def show(served: Any) -> Any:
        served.open(url, method=method, **arguments)
        return served.scalar(sql)

    return show


SHELF = {"id": 1, "name": "S"}
NO_CHANGE = staticmethod(lambda **arguments: None)
NAME_OF_1 = "SELECT name FROM items WHERE id = 1"


def renamed(obj: Any, model: type) -> Any:
    obj.name = "called"
    return obj


def kept(obj: Any, model: type) -> Any:
    return obj


def nothing_removed(obj: Any, model: type) -> Any:
    raise LookupError("kept")


EFFECTS = [
    Effect("SERIALIZATION_TYPE", "url", "json", lambda s: s.value(f"{URL}/1")["shelf"], "/api/shelves/1", SHELF),
    Effect(
        "SERIALIZATION_DEPTH",
        0,
        1,
        lambda s: s.value(f"{URL}/1?dump=json")["shelf"],
        "/api/shelves/1",
        SHELF,
    ),
    Effect("DUMP_HYBRID_PROPERTIES", True, False, has("double"), True, False),
    Effect("IGNORE_FIELDS", ["name"], ["email"], has("email"), True, False),
    Effect("IGNORE_OUTPUT_FIELDS", ["name"], ["email"], has("email"), True, False),
    Effect(
        "IGNORE_INPUT_FIELDS",
        ["name"],
        ["email"],
        lambda s: created(email="a@b.example")(s)["email"],
        "a@b.example",
        None,
        "POST",
    ),
    Effect("AUTO_VALIDATE", True, False, status("POST", URL, json={"name": "x", "email": "no"}), 400, 201, "POST"),
    Effect(
        "ALLOW_NESTED_WRITES",
        False,
        True,
        status("POST", URL, json={"name": "x", "shelf": {"name": "new"}}),
        400,
        201,
        "POST",
        on_all=True,
    ),
    Effect("ALLOW_FILTERS", True, False, ids(f"{URL}?id__eq=2"), [2], [1, 2, 3]),
    Effect("ALLOW_ORDER_BY", True, False, ids(f"{URL}?order_by=-id"), [3, 2, 1], [1, 2, 3]),
    Effect("ALLOW_SELECT_FIELDS", True, False, lambda s: [*s.value(f"{URL}/1?fields=id")] == ["id"], True, False),
    Effect("ALLOW_JOIN", True, False, status("GET", f"{URL}?join=nothing"), 400, 200),
    Effect("ALLOW_GROUPBY", True, False, lambda s: len(s.value(f"{URL}?groupby=shelf_id")), 1, 3),
    Effect("ALLOW_AGGREGATION", True, False, lambda s: s.value(f"{URL}?id__sum=1")[0].get("id_sum"), 6, None),
    Effect("PAGINATION_SIZE_DEFAULT", 2, 1, ids(URL), [1, 2], [1]),
    Effect("PAGINATION_SIZE_MAX", 2, 3, status("GET", f"{URL}?limit=3"), 400, 200),
    Effect(
        "ADDITIONAL_QUERY_PARAMS",
        [{"name": "notify", "in": "query"}],
        [{"name": "other", "in": "query"}],
        status("GET", f"{URL}?notify=1"),
        200,
        400,
    ),
    Effect("ALLOW_INCLUDE_DELETED", True, False, after_a_mark(f"{URL}?include_deleted=1"), 3, 2, given=SOFT),
    Effect("COUNT", "exact", "none", total(f"{URL}?limit=1"), 3, None),
    Effect("COUNT_CAP", 1, 5, total(f"{URL}?limit=1&count=capped"), 1, 3),
    Effect("ALLOW_COUNT", True, False, total(f"{URL}?limit=1&count=none"), None, 3),
    Effect("ALLOW_BULK", False, True, status("POST", URL, json=[{"name": "x"}]), 400, 201, "POST"),
    Effect(
        "BULK_ROWS_MAX",
        1,
        2,
        status("POST", URL, json=[{"name": "x"}, {"name": "y"}]),
        400,
        201,
        "POST",
        given={"API_ALLOW_BULK": True},
    ),
    Effect("IDEMPOTENCY", True, False, posted_twice, 1, 2, "POST"),
    Effect("REQUIRE_IF_MATCH", True, False, status("PATCH", f"{URL}/1", json={"name": "x"}), 428, 200, "PATCH"),
    Effect("RATE_LIMIT", "1 per hour", "2 per hour", twice, [200, 429], [200, 200]),
    Effect(
        "SETUP_CALLBACK",
        NO_CHANGE,
        staticmethod(lambda **arguments: {"id": 2}),
        lambda s: s.value(f"{URL}/1")["id"],
        1,
        2,
    ),
    Effect(
        "FILTER_CALLBACK",
        staticmethod(lambda query, model, params: query),
        staticmethod(lambda query, model, params: query.where(model.id > 1)),
        ids(URL),
        [1, 2, 3],
        [2, 3],
    ),
    Effect(
        "RETURN_CALLBACK",
        NO_CHANGE,
        staticmethod(lambda **arguments: {"output": "mine"}),
        lambda s: s.value(f"{URL}/1") == "mine",
        False,
        True,
    ),
    Effect(
        "DUMP_CALLBACK",
        staticmethod(lambda data, **arguments: data),
        staticmethod(lambda data, **arguments: {**data, "more": 1}),
        has("more"),
        False,
        True,
    ),
    # --- without forms for a method ---
    Effect("ADD_CALLBACK", kept, renamed, lambda s: created()(s)["name"], "x", "called"),
    Effect("UPDATE_CALLBACK", kept, renamed, stored("PATCH", f"{URL}/1", NAME_OF_1, json={"name": "y"}), "y", "called"),
    Effect("REMOVE_CALLBACK", kept, nothing_removed, status("DELETE", f"{URL}/1"), 200, 500),
    Effect("IGNORE_UNDERSCORE_ATTRIBUTES", True, False, has("_note"), False, True),
    Effect("SECRET_FIELDS", ["x"], ["email"], has("email"), True, False),
    Effect("ALLOW_CLIENT_PK", True, False, lambda s: created(id=77)(s)["id"] == 77, True, False),
    Effect("UNKNOWN_FIELDS", "refuse", "ignore", status("POST", URL, json={"name": "x", "nmae": 1}), 400, 201),
    Effect(
        "NESTED_DEPTH_MAX",
        2,
        1,
        status("POST", URL, json={"name": "x", "parent": {"name": "y", "parent": {"name": "z"}}}),
        201,
        400,
        given={"API_ALLOW_NESTED_WRITES": True},
    ),
    Effect("BASE_SCHEMA", AutoSchema, Short, has("made_by"), False, True),
    Effect("DECIMAL_FORMAT", "string", "number", lambda s: s.value(f"{URL}/1")["price"], "1.50", 1.5),
    Effect(
        "INLINE_ROWS_MAX",
        1,
        3,
        status("GET", "/api/shelves/1?dump=json"),
        400,
        200,
    ),
    Effect(
        "GROUP_COLUMNS_MAX",
        1,
        2,
        status("GET", f"{URL}?groupby=name,email"),
        400,
        200,
        given={"API_ALLOW_GROUPBY": True},
    ),
    Effect("FILTER_CONDITIONS_MAX", 1, 2, status("GET", f"{URL}?id__gt=0&id__lt=9"), 400, 200),
    Effect("FILTER_VALUES_MAX", 1, 2, status("GET", f"{URL}?id__in=1,2"), 400, 200),
    Effect("FILTER_DEPTH_MAX", 1, 2, status("GET", f"{URL}?shelf.items.id__eq=1"), 400, 200),
    Effect("ORDER_KEYS_MAX", 1, 2, status("GET", f"{URL}?order_by=name,email"), 400, 200),
    Effect("UNKNOWN_PARAMETERS", "refuse", "ignore", status("GET", f"{URL}?nonsense=1"), 400, 200),
    Effect("SOFT_DELETE", False, True, after_a_mark(URL), 3, 2, given=SOFT),
    Effect("ETAGS", False, True, lambda s: "ETag" in s.get(f"{URL}/1").headers, False, True),
    Effect("IDEMPOTENCY_TTL_SECONDS", 60, 86_400, is_kept_for_an_hour, False, True, given={"API_IDEMPOTENCY": True}),
    Effect("ALLOW_EXPORT", True, False, status("GET", URL, headers={"Accept": "text/csv"}), 200, 406),
    Effect(
        "EXPORT_ROWS_MAX",
        2,
        3,
        status("GET", f"{URL}?id__le=3", headers={"Accept": "text/csv"}),
        400,
        200,
        given={"API_ALLOW_EXPORT": True},
    ),
    Effect(
        "CACHE_TIMEOUT",
        60,
        0,
        after_a_change_elsewhere,
        "a",
        "changed",
        given={"API_CACHE_TYPE": "SimpleCache"},
    ),
    Effect("FIELD_CASE", "snake", "camel", has("shelfId"), False, True),
    Effect("ADD_RELATIONS", True, False, has("shelf"), True, False),
    Effect("ALLOWED_METHODS", ["GET"], ["GET", "POST"], status("POST", URL, json={"name": "x"}), 405, 201),
    Effect("BLOCK_METHODS", ["POST"], ["DELETE"], status("POST", URL, json={"name": "x"}), 405, 201),
    Effect("READ_ONLY", True, False, status("POST", URL, json={"name": "x"}), 405, 201),
    Effect("REGISTER_CANONICAL_ROUTES", True, False, status("GET", URL), 200, 404),
    Effect("RELATION_ROUTE_NAMING", "model", "relationship", lambda s: s.get(f"{URL}/1/shelf").status_code, 404, 200),
    Effect(
        "ENDPOINT_NAMER",
        staticmethod(lambda model, *schemas: f"{model.__tablename__}-one"),
        staticmethod(lambda model, *schemas: f"{model.__tablename__}-two"),
        status("GET", f"{URL}-two"),
        404,
        200,
    ),
    Effect(
        "ALLOW_CASCADE_DELETE",
        True,
        False,
        stored("DELETE", "/api/shelves/1?cascade_delete=1", "SELECT count(*) FROM items"),
        0,
        3,
        on_all=True,
    ),
]
# Where both values, and the levels, of the others are tried.
ELSEWHERE = {
    "DEPRECATED": "of the document; packages/flarchitect/tests/test_openapi",
    "GET_MANY_OPERATION_ID": "of the document; packages/flarchitect/tests/test_openapi",
    "LINKS": "of the document; packages/flarchitect/tests/test_openapi",
    "OPERATION_ID": "of the document; packages/flarchitect/tests/test_openapi",
    "SUNSET": "packages/flarchitect/tests/test_openapi: answers_of_deprecated_methods_say_so",
    "ACCESS_POLICY": "needs a user; test_policies, test_policy_matrix",
    "FIELD_POLICY": "needs a user; test_field_policies",
    "PROTECTED_FIELDS": "needs a user model; packages/flarchitect/tests/test_protected_fields",
    "TENANT_FIELD": "needs a user; test_tenancy",
    "SESSION_GETTER": "test_sessions: a_model_may_have_a_session_of_its_own, the_first_source_wins",
    "ENDPOINT": "of models alone; test_routes: an_endpoint_of_meta_is_one_more_set_of_routes",
    "RELATION_ROUTE_MAP": "of models alone; test_relations: the_route_map_renames_where_relationship_naming_...",
    "SERIALIZATION_IGNORE_DETACHED": "test_own_schemas: relations_that_cannot_be_loaded_any_more_...",
    "SCHEMA_CASE": "needs a name of several words; test_field_cases: the_table_of_a_filter_has_its_own_case",
    "SEARCH": "of models alone; test_search",
    "SEARCH_LANGUAGE": "of PostgreSQL alone; test_search: a_fulltext_index_is_searched",
    "SEARCH_WORDS_MAX": "below, because it needs Meta.search",
    "SOFT_DELETE_ATTRIBUTE": "test_soft_delete: each fixture runs with all three keys global and on Meta",
    "SOFT_DELETE_VALUES": "test_soft_delete: words_as_marks, a_time_as_mark",
    "ALLOW_DELETE_RELATED": "test_cascade: children_and_association_rows_can_be_kept",
    "ALLOW_DELETE_DEPENDENTS": "test_cascade: children_and_association_rows_can_be_kept",
    "CASCADE_ROWS_MAX": "test_cascade: there_is_a_limit",
    **dict.fromkeys(
        [f"GET_{rows}_{text}" for rows in ("MANY", "SINGLE") for text in ("DESCRIPTION", "SUMMARY")],
        "no effect but in documents",
    ),
    **dict.fromkeys(("NAME", "TAG", "TAG_GROUP", "DESCRIPTION", "SUMMARY"), "no effect but in documents"),
}
OPTIONS = {option.name: option for option in (*CORE_OPTIONS, *REST_OPTIONS)}


class Items:
    """Three items on one shelf, served from memory."""

    def __init__(self, base: Any, **config: Any) -> None:
        app = make_app(base, "sqlite://", parts=[RestPart()], **config)
        self.engine = state_of(app).database.engine
        base.metadata.create_all(self.engine)
        client = app.test_client()
        self.open, self.get, self.post = client.open, client.get, client.post
        self.execute(sa.insert(base.shelf.__table__).values(id=1, name="S"))
        for number, name in enumerate("abc", 1):
            self.execute(sa.insert(base.item.__table__).values(id=number, name=name, shelf_id=1))

    def value(self, url: str) -> Any:
        response = self.get(url)
        assert response.status_code == 200, response.text
        return response.get_json()["value"]

    def execute(self, statement: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(statement)

    def scalar(self, statement: str) -> Any:
        with self.engine.connect() as connection:
            return connection.exec_driver_sql(statement).scalar()


def shown(effect: Effect, config: dict[str, Any], meta: dict[str, Any]) -> Any:
    """Give what an effect shows under a configuration and a `Meta`."""
    # On Meta a function may be wrapped, but in the configuration it must not be.
    plain = {key: item.__func__ if isinstance(item, staticmethod) else item for key, item in config.items()}
    items = Items(models(**meta, on_all=effect.on_all), **{**effect.given, **plain})
    try:
        return effect.show(items)
    finally:
        items.engine.dispose()


def test_every_option_of_models_is_tried():
    named = [effect.option for effect in EFFECTS] + list(ELSEWHERE)
    assert sorted(named) == sorted(name for name, option in OPTIONS.items() if option.meta)


@pytest.mark.contract("rest 11")
@pytest.mark.parametrize("effect", EFFECTS, ids=str)
def test_both_values_show_and_one_model_beats_the_application(effect):
    key, name = f"API_{effect.option}", effect.option.lower()
    assert shown(effect, {key: effect.first}, {}) == effect.shown_first
    assert shown(effect, {key: effect.second}, {}) == effect.shown_second
    assert shown(effect, {key: effect.first}, {name: effect.second}) == effect.shown_second


@pytest.mark.contract("rest 1.4, D42")
@pytest.mark.parametrize("effect", [effect for effect in EFFECTS if OPTIONS[effect.option].method], ids=str)
def test_a_value_for_one_method_beats_the_general_one_of_its_level_and_leaves_other_methods_alone(effect):
    key, name, verb = effect.option, effect.option.lower(), effect.method
    other = "DELETE" if verb != "DELETE" else "GET"
    first, second = effect.first, effect.second
    assert shown(effect, {f"API_{key}": first, f"API_{verb}_{key}": second}, {}) == effect.shown_second
    assert shown(effect, {f"API_{key}": first, f"API_{other}_{key}": second}, {}) == effect.shown_first
    assert shown(effect, {}, {name: first, f"{verb.lower()}_{name}": second}) == effect.shown_second
    # Any value of the model beats any of the application.
    assert shown(effect, {f"API_{verb}_{key}": first}, {name: second}) == effect.shown_second


@pytest.mark.parametrize(
    "config, meta, code",
    [
        ({"API_SEARCH_WORDS_MAX": 1}, {}, 400),
        ({"API_SEARCH_WORDS_MAX": 2}, {}, 200),
        ({"API_SEARCH_WORDS_MAX": 1}, {"search_words_max": 2}, 200),
    ],
)
def test_the_number_of_words_to_search_for(config, meta, code):
    items = Items(models(search=["name"], **meta), **config)
    assert items.get(f"{URL}?search=a b").status_code == code
    items.engine.dispose()
