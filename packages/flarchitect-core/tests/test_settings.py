"""Declared options: where a value may stand, which one wins, and what counts as set."""

from __future__ import annotations

from typing import Any

import pytest

from flarchitect_core.options import CORE_OPTIONS
from flarchitect_core.settings import (
    Option,
    Settings,
    anything,
    boolean,
    choice,
    class_or_classes,
    function,
    integer,
    mapping,
    names,
    text,
)
from flarchitect_core.startup import StartupReport

RATE_LIMIT: Option[Any] = Option("RATE_LIMIT", None, text, "Requests.", meta=True, method=True)
PAGE_SIZE = Option("PAGE_SIZE", 20, integer(1), "Rows.", meta=True, method=True)
SWITCH = Option("SWITCH", True, boolean, "On or off.", meta=True)
LISTED: Option[Any] = Option("LISTED", ("a",), names, "Names.", meta=True, meta_aliases=("items",))
BARE = Option("BARE", 1, anything, "Read without prefix too.", aliases=("BARE",))
GLOBAL_ONLY = Option("GLOBAL_ONLY", 1, anything, "Not in Meta.")
META_ONLY = Option("META_ONLY", 1, anything, "Only in Meta.", meta=True, config=False)
ALL = (RATE_LIMIT, PAGE_SIZE, SWITCH, LISTED, BARE, GLOBAL_ONLY, META_ONLY)


def settings(config: dict[str, Any] | None = None, **keywords: Any) -> Settings:
    return Settings(config or {}, ALL, keywords)


def a_model(**meta: Any) -> type:
    return type("Model", (), {"Meta": type("Meta", (), meta)})


@pytest.mark.contract("core 1, verified examples")
@pytest.mark.parametrize(
    "has_meta,method,expected",
    [
        (True, None, ("5 per minute", "model")),
        (True, "GET", ("1 per day", "model")),
        (True, "POST", ("5 per minute", "model")),
        (False, None, ("9 per hour", "config")),
        (False, "GET", ("9 per hour", "config")),
        (False, "POST", ("8 per hour", "config")),
        (False, "DELETE", ("7 per hour", "config")),
    ],
)
def test_the_examples_of_the_contract(has_meta: bool, method: str | None, expected: tuple[str, str]) -> None:
    config = {
        "API_RATE_LIMIT": "9 per hour",
        "API_POST_RATE_LIMIT": "8 per hour",
        "DELETE_RATE_LIMIT": "7 per hour",
    }
    model = a_model(rate_limit="5 per minute", get_rate_limit="1 per day") if has_meta else None
    assert settings(config).resolve(RATE_LIMIT, model=model, method=method) == expected


@pytest.mark.contract("rest 1.4, precedence")
@pytest.mark.parametrize("strongest", range(6))
def test_every_source_beats_those_after_it(strongest: int) -> None:
    metas = {"get_page_size": 1, "page_size": 2}
    configs = {"GET_PAGE_SIZE": 4, "API_GET_PAGE_SIZE": 5, "API_PAGE_SIZE": 6}
    order = ["get_page_size", "page_size", "keyword", "GET_PAGE_SIZE", "API_GET_PAGE_SIZE", "API_PAGE_SIZE"]
    left = set(order[strongest:])
    resolved = Settings(
        {name: value for name, value in configs.items() if name in left},
        ALL,
        {"PAGE_SIZE": 3} if "keyword" in left else {},
    ).get(PAGE_SIZE, model=a_model(**{name: value for name, value in metas.items() if name in left}), method="GET")
    assert resolved == strongest + 1


@pytest.mark.contract("core 1, what counts as set")
@pytest.mark.parametrize("empty", [None, [], {}])
def test_what_is_empty_falls_through(empty: object) -> None:
    assert settings({"API_LISTED": empty}).get(LISTED) == ("a",)
    assert settings({"API_LISTED": ["c"]}).get(LISTED, model=a_model(listed=empty)) == ["c"]


@pytest.mark.contract("core 1, what counts as set")
@pytest.mark.parametrize("value", [False, 0, ""])
def test_false_zero_and_the_empty_string_are_values(value: object) -> None:
    assert settings({"API_SWITCH": value}).get(SWITCH) == value
    assert settings({"API_SWITCH": True}).get(SWITCH, model=a_model(switch=value)) == value


def test_a_changed_configuration_is_seen_at_once() -> None:
    config = {"API_PAGE_SIZE": 5}
    ours = settings(config)
    assert ours.get(PAGE_SIZE, model=a_model(), method="GET") == 5
    config["API_GET_PAGE_SIZE"] = 6
    assert ours.get(PAGE_SIZE, model=a_model(), method="GET") == 6


@pytest.mark.contract("core 12 2")
def test_two_models_of_one_name_do_not_share_a_value() -> None:
    ours = settings()
    models = [a_model(page_size=number) for number in range(1, 20)]
    assert [ours.get(PAGE_SIZE, model=model) for model in models] == list(range(1, 20))


def test_a_meta_that_is_inherited_counts() -> None:
    parent = a_model(page_size=7)
    assert settings().get(PAGE_SIZE, model=type("Child", (parent,), {})) == 7


def test_spellings_that_an_option_does_not_have_are_not_read() -> None:
    ours = settings({"API_META_ONLY": 2, "GET_SWITCH": False, "API_GET_SWITCH": False, "SWITCH": False})
    model = a_model(global_only=2, get_switch=False)
    assert ours.get(META_ONLY) == 1
    assert ours.get(GLOBAL_ONLY, model=model) == 1
    assert ours.get(SWITCH, model=model, method="GET") is True


def test_aliases_are_read_after_the_name_itself() -> None:
    assert settings({"BARE": 2}).get(BARE) == 2
    assert settings({"BARE": 2, "API_BARE": 3}).get(BARE) == 3
    assert settings().get(LISTED, model=a_model(items=["x"])) == ["x"]


def test_an_option_is_found_by_name_in_any_letter_case() -> None:
    assert settings().named("page_size") is PAGE_SIZE
    assert settings().named("page") is None


def test_an_option_is_declared_once() -> None:
    with pytest.raises(RuntimeError, match="API_SWITCH is declared twice"):
        Settings({}, [SWITCH, SWITCH])


@pytest.mark.parametrize(
    "expectation,good,bad",
    [
        (boolean, [True, False], [1, "true", None]),
        (text, ["", "a"], [1, b"a"]),
        (function, [len, lambda: 1, dict], ["len", 1]),
        (mapping, [{}, {"a": 1}], [[("a", 1)], "a"]),
        (names, ["a", ["a"], ("a", "b"), {"a"}, []], [1, [1], {"a": 1}]),
        (class_or_classes, [int, [int, str]], ["int", [1], 1]),
        (integer(1, 3), [1, 3], [0, 4, True, 1.0, "1"]),
        (integer(0), [0, 10**9], [-1]),
        (choice("a", False), ["a", False], ["b", None]),
        (anything, [None, 1, "a"], []),
    ],
)
def test_an_expectation_knows_what_it_takes(expectation: Any, good: list[object], bad: list[object]) -> None:
    assert [value for value in good if not expectation.holds(value)] == []
    assert [value for value in bad if expectation.holds(value)] == []


@pytest.mark.contract("decisions 13")
@pytest.mark.parametrize("option", CORE_OPTIONS, ids=lambda option: option.name)
def test_every_option_of_core_has_a_default_that_fits_it(option: Option[Any]) -> None:
    assert option.default in (None, ()) or option.expects.holds(option.default)
    assert option.topic
    assert option.owner == "flarchitect-core"


@pytest.mark.contract("decisions 13")
@pytest.mark.parametrize(
    "config,problem",
    [
        ({"API_PAGE_SIZE": "many"}, "The configuration key API_PAGE_SIZE must be a whole number of at least 1;"),
        ({"API_POST_PAGE_SIZE": 0}, "The configuration key API_POST_PAGE_SIZE must be a whole number of at least 1;"),
        (
            {"GET_PAGE_SIZE": True},
            "The configuration key GET_PAGE_SIZE must be a whole number of at least 1; it is True",
        ),
        ({"API_PAGE_SIZ": 1}, "API_PAGE_SIZ is not an option. Did you mean API_PAGE_SIZE?"),
        ({"API_LISTD": []}, "API_LISTD is not an option. Did you mean API_LISTED?"),
        ({"API_GRAPHQL_DEPTH": 1}, "The configuration key API_GRAPHQL_DEPTH belongs to flarchitect-graphql,"),
    ],
)
def test_a_mistake_in_the_configuration_is_told_with_its_fix(config: dict[str, Any], problem: str) -> None:
    report = StartupReport()
    settings(config).check(report)
    assert len(report.problems) == 1
    assert report.problems[0].startswith(problem)


@pytest.mark.parametrize("key", ["API_KEY", "API_RATE", "API_TOKEN", "API_MY_OWN", "API_URL"])
def test_a_key_of_the_application_that_is_like_no_option_is_only_noticed(key: str) -> None:
    report = StartupReport()
    Settings({key: 1}, CORE_OPTIONS).check(report)
    assert (report.problems, report.notices) == ([], [f"{key} is not an option."])


def test_strict_configuration_refuses_every_unknown_key() -> None:
    report = StartupReport()
    Settings({"API_MY_OWN": 1, "API_CONFIG_STRICT": True}, CORE_OPTIONS).check(report)
    assert report.problems == ["API_MY_OWN is not an option."]


def test_keys_without_our_prefix_are_nobodys_business() -> None:
    report = StartupReport()
    settings({"SECRET_KEY": "x", "PAGE_SIZ": 1, "MY_API_PAGE_SIZE": 1}).check(report)
    assert (report.problems, report.notices) == ([], [])


@pytest.mark.parametrize(
    "meta,problem",
    [
        ({"page_size": 0}, "Model.Meta.page_size must be a whole number of at least 1; it is 0."),
        ({"delete_page_size": 0}, "Model.Meta.delete_page_size must be a whole number of at least 1; it is 0."),
        ({"pagesize": 1}, 'Model.Meta.pagesize is not an option. Did you mean "page_size"?'),
    ],
)
def test_a_mistake_in_a_meta_is_told_with_model_and_fix(meta: dict[str, Any], problem: str) -> None:
    report = StartupReport()
    settings().check(report, [a_model(**meta)])
    assert report.problems == [problem]


def test_a_wrong_keyword_argument_is_told() -> None:
    report = StartupReport()
    settings(PAGE_SIZE="many").check(report)
    assert report.problems == ["The keyword argument page_size must be a whole number of at least 1; it is 'many'."]


@pytest.mark.contract("core 9")
@pytest.mark.parametrize(
    "name, default",
    [
        *((name, True) for name in ("FULL_AUTO", "LOG_REQUESTS", "ADD_RELATIONS", "DUMP_VERSION", "DUMP_DATETIME")),
        *((f"DUMP_{name}", True) for name in ("STATUS_CODE", "RESPONSE_MS", "TOTAL_COUNT", "NULL_NEXT_URL")),
        *((f"ALLOW_{name}", True) for name in ("FILTERS", "ORDER_BY", "SELECT_FIELDS", "JOIN", "INCLUDE_DELETED")),
        *((f"ALLOW_{name}", False) for name in ("GROUPBY", "AGGREGATION", "NESTED_WRITES", "CASCADE_DELETE")),
        *((name, False) for name in ("DUMP_NULL_ERRORS", "DUMP_REQUEST_ID", "JSON_LOGS", "XML_AS_TEXT", "READ_ONLY")),
        *((name, False) for name in ("SOFT_DELETE", "ALLOW_CLIENT_PK", "EXPOSE_EXCEPTIONS")),
        *((name, True) for name in ("AUTO_VALIDATE", "DUMP_HYBRID_PROPERTIES", "IGNORE_UNDERSCORE_ATTRIBUTES")),
        *((name, True) for name in ("SERIALIZATION_IGNORE_DETACHED", "REGISTER_CANONICAL_ROUTES")),
        *((f"{name}_CASE", case) for name, case in (("FIELD", "snake"), ("SCHEMA", "camel"), ("ENDPOINT", "kebab"))),
        *(("PREFIX", "/api"), ("VERBOSITY_LEVEL", 0), ("VERSION", None), ("SERIALIZATION_TYPE", "url")),
        *(("SERIALIZATION_DEPTH", 1), ("PAGINATION_SIZE_DEFAULT", 20), ("PAGINATION_SIZE_MAX", 100)),
        *(("RELATION_ROUTE_NAMING", "model"), ("CREATED_STATUS", 201), ("ERROR_FORMAT", "envelope")),
    ],
)
def test_the_defaults_of_the_contract(name, default):
    """What an application gets that sets nothing; a change here breaks those who rely on it."""
    assert {option.name: option.default for option in CORE_OPTIONS}[name] == default
