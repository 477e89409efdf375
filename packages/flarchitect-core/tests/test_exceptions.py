"""`CustomHTTPException`: its documented attributes, and the answer it becomes."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, abort
from werkzeug.exceptions import HTTPException, NotFound

from flarchitect_core.architect import Architect
from flarchitect_core.errors import FlarchitectError
from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.http.hooks import handle_http_exception
from flarchitect_core.part import Part
from flarchitect_core.state import ApplicationState
from flarchitect_core.testing import error_of


class PrefixPart(Part):
    """Owns `/api`, as a transport does."""

    name = "prefix"
    distribution = "flarchitect-core"

    def register(self, state: ApplicationState) -> None:
        """Own the prefix."""
        state.owned_paths.append("/api")


def serving(error: Exception) -> Any:
    """Make a client of an application whose views raise an error, below the API and elsewhere."""
    app = Flask("raising")
    app.config["API_LOG_REQUESTS"] = False

    def view() -> str:
        raise error

    app.add_url_rule("/api/raise", "below", view)
    app.add_url_rule("/raise", "elsewhere", view)
    Architect(app, parts=[PrefixPart()])
    return app.test_client()


@pytest.mark.contract("rest 9.4")
@pytest.mark.contract("core 4")
def test_the_documented_attributes() -> None:
    error = CustomHTTPException(404, "No such film.")
    assert (error.status_code, error.code) == (404, 404)
    assert (error.error, error.name) == ("Not Found", "Not Found")
    assert (error.reason, error.description) == ("No such film.", "No such film.")
    assert error.to_dict() == {"status_code": 404, "status_text": "Not Found", "reason": "No such film."}
    assert isinstance(error, HTTPException)
    assert isinstance(error, FlarchitectError)


@pytest.mark.contract("core 4")
@pytest.mark.parametrize("status,phrase", [(404, "Not Found"), (418, "I'm a Teapot"), (499, "Unknown Error")])
def test_the_reason_is_the_phrase_when_none_is_given(status: int, phrase: str) -> None:
    error = CustomHTTPException(status)
    assert str(error.reason).lower() == error.name.lower() == phrase.lower()


@pytest.mark.contract("core 4")
@pytest.mark.parametrize("status", [200, 302, 399, 600, 0, -1])
def test_a_status_that_is_no_error_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match=str(status)):
        CustomHTTPException(status)


@pytest.mark.contract("core 12 26")
@pytest.mark.contract("core 4")
@pytest.mark.parametrize("status,code", [(400, "bad_request"), (404, "not_found"), (499, "client_error")])
def test_below_the_api_it_is_answered_in_the_one_shape(status: int, code: str) -> None:
    errors = error_of(serving(CustomHTTPException(status, "Because.")).get("/api/raise"), status, code)
    assert (errors["error"], errors["message"]) == (code, "Because.")


@pytest.mark.contract("rest 9.4")
@pytest.mark.contract("core 4")
def test_a_field_map_becomes_the_fields() -> None:
    fields = {"title": ["Too long."], "year": ["Too early."]}
    errors = error_of(serving(CustomHTTPException(422, fields)).get("/api/raise"), 422)
    assert errors["fields"] == fields
    assert errors["message"].endswith("See `fields` for: title, year.")


@pytest.mark.contract("core 4")
def test_headers_code_name_and_details_reach_the_answer() -> None:
    error = CustomHTTPException(
        429, "Slower.", headers={"Retry-After": "7"}, code_name="quota_used_up", details={"quota": 100}
    )
    response = serving(error).get("/api/raise")
    errors = error_of(response, 429, "quota_used_up")
    assert errors["quota"] == 100
    assert response.headers["Retry-After"] == "7"


@pytest.mark.contract("core 4")
def test_elsewhere_it_is_flasks_page_with_the_headers_of_the_exception() -> None:
    client = serving(CustomHTTPException(503, "Back <soon>.", headers={"Retry-After": "7"}))
    response = client.get("/raise")
    assert (response.status_code, response.mimetype) == (503, "text/html")
    assert response.headers["Retry-After"] == "7"
    assert "Back &lt;soon&gt;." in response.text


@pytest.mark.contract("core 4")
def test_elsewhere_a_client_that_prefers_json_gets_the_one_shape() -> None:
    client = serving(CustomHTTPException(404))
    error_of(client.get("/raise", headers={"Accept": "application/json"}), 404, "not_found")


@pytest.mark.contract("decisions 8")
@pytest.mark.parametrize(
    "status,code",
    [(413, "content_too_large"), (418, "client_error"), (422, "unprocessable_content"), (451, "client_error")],
)
def test_an_aborted_view_has_a_reason_that_is_the_same_with_every_python(status: int, code: str) -> None:
    app = Flask("aborting")
    app.config["API_LOG_REQUESTS"] = False
    app.add_url_rule("/api/abort", view_func=lambda: abort(status))
    Architect(app, parts=[PrefixPart()])
    errors = error_of(app.test_client().get("/api/abort"), status, code)
    assert errors["error"] == code


@pytest.mark.contract("core 4, handle_http_exception")
def test_the_handler_answers_below_the_api_and_leaves_other_paths_to_flask() -> None:
    app = serving(NotFound()).application
    failure = CustomHTTPException(404, "Gone fishing.")
    with app.test_request_context("/elsewhere"):
        assert handle_http_exception(failure) is failure
    with app.test_request_context("/api/films"):
        assert handle_http_exception(failure).get_json()["errors"]["message"] == "Gone fishing."
    with app.test_request_context("/apiary"):
        assert handle_http_exception(failure) is failure
