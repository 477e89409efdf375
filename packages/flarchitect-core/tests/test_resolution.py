"""Looking up one option by its key: the names that are tried, and which of several values wins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, g

from flarchitect_core.architect import Architect
from flarchitect_core.resolution import clear_config_cache, get_config_or_model_meta


class Metered:
    class Meta:
        rate_limit = "5 per minute"
        get_rate_limit = "1 per day"
        api_tag = "Full"
        empty: list[str] = []
        nothing = None
        off = False
        zero = 0
        blank = ""


class Plain:
    pass


def a_class(name: str, **meta: Any) -> type:
    """Make a class with a `Meta`."""
    return type(name, (), {"Meta": type("Meta", (), meta)})


@pytest.fixture
def app() -> Flask:
    app = Flask("resolution")
    app.config.update(
        API_RATE_LIMIT="9 per hour", API_POST_RATE_LIMIT="8 per hour", DELETE_RATE_LIMIT="7 per hour", API_EMPTY=["x"]
    )
    return app


@pytest.mark.contract("core 1, verified examples")
@pytest.mark.parametrize(
    "arguments,expected",
    [
        ({"key": "API_RATE_LIMIT", "model": Metered}, "5 per minute"),
        ({"key": "API_RATE_LIMIT", "model": Metered, "method": "GET"}, "1 per day"),
        ({"key": "API_RATE_LIMIT", "model": Metered, "method": "POST"}, "5 per minute"),
        ({"key": "RATE_LIMIT"}, "9 per hour"),
        ({"key": "rate_limit"}, "9 per hour"),
        ({"key": "RATE_LIMIT", "method": "POST"}, "8 per hour"),
        ({"key": "API_RATE_LIMIT", "method": "post"}, "8 per hour"),
        ({"key": "RATE_LIMIT", "method": "DELETE"}, "7 per hour"),
        ({"key": "RATE_LIMIT", "method": "PURGE"}, "9 per hour"),
        ({"key": "ZZ", "default": 5, "return_from_config": True}, (5, "default")),
        ({"key": "RATE_LIMIT", "return_from_config": True}, ("9 per hour", "config")),
        ({"key": "RATE_LIMIT", "model": Metered, "return_from_config": True}, ("5 per minute", "model")),
        ({"key": "API_EMPTY", "model": Metered}, ["x"]),
        ({"key": "TAG", "model": Metered}, None),
        ({"key": "API_TAG", "model": Metered}, "Full"),
        ({"key": "API_RATE_LIMIT", "model": Plain}, "9 per hour"),
        ({"key": "NOTHING", "model": Metered, "default": 1}, 1),
        ({"key": "OFF", "model": Metered, "default": 1}, False),
        ({"key": "ZERO", "model": Metered, "default": 1}, 0),
        ({"key": "BLANK", "model": Metered, "default": 1}, ""),
    ],
)
def test_the_examples_of_the_contract(app: Flask, arguments: dict[str, Any], expected: object) -> None:
    with app.app_context():
        assert get_config_or_model_meta(**arguments) == expected


@pytest.mark.contract("core 1")
def test_a_key_is_read_as_it_is_asked_before_its_other_form(app: Flask) -> None:
    app.config.update(BAR=1, API_BAR=2)
    with app.app_context():
        assert [get_config_or_model_meta("BAR"), get_config_or_model_meta("API_BAR")] == [1, 2]


@pytest.mark.contract("core 1")
def test_only_a_leading_api_is_a_prefix(app: Flask) -> None:
    app.config["API_GRAPHAPI_X"] = 1
    with app.app_context():
        assert get_config_or_model_meta("graphapi_x") == 1
        assert get_config_or_model_meta("graph_x") is None


@pytest.mark.contract("core 1, precedence")
def test_model_beats_output_schema_beats_input_schema_beats_configuration(app: Flask) -> None:
    model, output, body = a_class("M", rate_limit=1), a_class("O", rate_limit=2), a_class("I", rate_limit=3)
    with app.app_context():
        assert get_config_or_model_meta("RATE_LIMIT", model, output, body) == 1
        assert get_config_or_model_meta("RATE_LIMIT", Plain, output(), body()) == 2
        assert get_config_or_model_meta("RATE_LIMIT", None, None, body) == 3


@pytest.mark.contract("core 1, allow_join")
def test_lists_of_several_metas_are_joined_when_asked(app: Flask) -> None:
    app.config["API_HIDDEN"] = ["config"]
    model, output, empty = a_class("M", hidden=["a"]), a_class("O", hidden=["b", "c"]), a_class("E", hidden=[])
    with app.app_context():
        assert get_config_or_model_meta("HIDDEN", model, output) == ["a"]
        assert get_config_or_model_meta("HIDDEN", model, output, allow_join=True) == ["a", "b", "c"]
        assert get_config_or_model_meta("HIDDEN", empty, empty, allow_join=True) == ["config"]


@pytest.mark.contract("core 1")
def test_outside_of_an_application_the_meta_still_works() -> None:
    assert get_config_or_model_meta("RATE_LIMIT", Metered) == "5 per minute"
    assert get_config_or_model_meta("API_TITLE", default="none") == "none"


@pytest.mark.contract("core 1, per-request cache")
def test_a_value_is_looked_up_once_in_a_request_and_anew_in_the_next(app: Flask) -> None:
    with app.test_request_context():
        assert get_config_or_model_meta("RATE_LIMIT") == "9 per hour"
        app.config["API_RATE_LIMIT"] = "changed"
        assert get_config_or_model_meta("RATE_LIMIT") == "9 per hour"
    with app.test_request_context():
        assert get_config_or_model_meta("RATE_LIMIT") == "changed"


@pytest.mark.contract("core 1, per-request cache")
def test_a_default_is_not_kept(app: Flask) -> None:
    with app.test_request_context():
        assert get_config_or_model_meta("LATE", default=1) == 1
        app.config["API_LATE"] = 2
        assert get_config_or_model_meta("LATE", default=1) == 2
        assert len(g._flarch_cfg_cache) == 1


@pytest.mark.contract("core 12 2")
@pytest.mark.contract("core 12 2")
def test_two_classes_of_one_name_do_not_share_a_value(app: Flask) -> None:
    with app.test_request_context():
        values = [get_config_or_model_meta("RATE_LIMIT", a_class("Same", rate_limit=number)) for number in range(50)]
    assert values == list(range(50))


@pytest.mark.contract("core 1, per-request cache")
def test_requests_within_one_application_context_do_not_share_values(app: Flask) -> None:
    Architect(app, parts=[])
    app.add_url_rule("/limit", view_func=lambda: get_config_or_model_meta("API_TITLE", default=""))
    client = app.test_client()
    with app.app_context():
        app.config["API_TITLE"] = "first"
        assert client.get("/limit").text == "first"
        app.config["API_TITLE"] = "second"
        assert client.get("/limit").text == "second"


@pytest.mark.contract("core 1")
def test_a_changed_meta_is_seen_after_the_cache_is_cleared(app: Flask) -> None:
    model = a_class("Changing", read_only=True)
    Architect(app, parts=[])
    with app.test_request_context():
        assert get_config_or_model_meta("API_READ_ONLY", model) is True
        model.Meta.read_only = False  # type: ignore[attr-defined]
        assert get_config_or_model_meta("API_READ_ONLY", model) is True
        clear_config_cache()
        assert get_config_or_model_meta("API_READ_ONLY", model) is False


@pytest.mark.contract("decisions 13")
def test_a_keyword_argument_beats_the_configuration() -> None:
    app = Flask("keyword")
    app.config["API_TITLE"] = "configured"
    Architect(app, parts=[], title="given")
    with app.app_context():
        assert get_config_or_model_meta("API_TITLE", return_from_config=True) == ("given", "config")
        assert get_config_or_model_meta("API_TITLE", SimpleNamespace(Meta=SimpleNamespace(title="own"))) == "own"


@pytest.mark.contract("core 7")
def test_other_spellings_of_a_declared_option_count() -> None:
    app = Flask("spellings")
    app.config["API_SERIALISATION_DEPTH"] = 3
    Architect(app, parts=[])
    blocking = a_class("Blocking", blocked_methods=["POST"])
    with app.app_context():
        assert get_config_or_model_meta("API_SERIALIZATION_DEPTH") == 3
        assert get_config_or_model_meta("API_BLOCK_METHODS", blocking) == ["POST"]
