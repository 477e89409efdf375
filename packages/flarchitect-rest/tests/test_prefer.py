"""`Prefer`: how much of a write its answer shows; and the media types of a PATCH."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flarchitect_core.http.preferences import preferred_return
from flarchitect_core.model.merge_patch import merge_patch
from flarchitect_core.testing import count_statements, error_of

MERGE = "application/merge-patch+json"


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(40))
    text: Mapped[str | None] = mapped_column(sa.String(40))
    options: Mapped[Any] = mapped_column(sa.JSON, nullable=True)


@pytest.fixture
def app(serve):
    return serve(Base, API_ALLOW_BULK=True)


@pytest.mark.contract("rest-F50")
@pytest.mark.parametrize(
    "header, wanted",
    [
        (None, None),
        ("", None),
        ("return=minimal", "minimal"),
        ("Return = Minimal", "minimal"),
        ('return="representation"; x=y, wait=5', "representation"),
        ("respond-async, return=minimal", "minimal"),
        ("return=minimal, return=representation", "minimal"),
        ("return=everything", None),
        ("handling=strict;return=minimal", None),
    ],
)
def test_the_header_is_read_as_the_rfc_has_it(header, wanted):
    assert preferred_return(header) == wanted


@pytest.mark.contract("rest-F50")
def test_minimal_answers_have_no_body(app):
    headers = {"Prefer": "return=minimal"}
    created = app.post("/api/notes", json={"title": "a"}, headers=headers)
    assert (created.status_code, created.data) == (201, b"")
    url = created.headers["Location"]
    for method, body in (("patch", {"title": "b"}), ("put", {"title": "c"}), ("delete", None)):
        response = getattr(app, method)(url, json=body, headers=headers)
        assert (response.status_code, response.data) == (204, b"")
        assert response.headers["Preference-Applied"] == "return=minimal"
        assert "Content-Type" not in response.headers
    error_of(app.get(url), 404)


@pytest.mark.contract("rest-F50")
def test_representation_is_what_is_given_anyway(app):
    response = app.post("/api/notes", json={"title": "a"}, headers={"Prefer": "return=representation"})
    assert response.get_json()["value"]["title"] == "a"
    assert response.headers["Preference-Applied"] == "return=representation"
    assert "Preference-Applied" not in app.post("/api/notes", json={"title": "a"}).headers


@pytest.mark.contract("rest-F50")
def test_errors_are_shown_whatever_is_preferred(app):
    error_of(app.post("/api/notes", json={}, headers={"Prefer": "return=minimal"}), 400, "validation_failed")


@pytest.mark.contract("rest-F50, F42")
def test_minimal_answers_to_many_rows(app):
    headers = {"Prefer": "return=minimal"}
    rows = [{"title": "a"}, {"title": "b"}]
    response = app.post("/api/notes", json=rows, headers=headers)
    assert (response.status_code, response.data) == (201, b"")
    response = app.patch("/api/notes?id__gt=0&max_affected=5", json={"title": "c"}, headers=headers)
    assert (response.status_code, response.data) == (204, b"")
    response = app.post("/api/notes?atomic=false", json=[*rows, {}], headers=headers)
    assert [set(item) for item in response.get_json()["value"]] == [{"index", "status"}] * 2 + [
        {"index", "status", "errors"}
    ]
    response = app.delete("/api/notes?id__gt=0&max_affected=5", headers=headers)
    assert (response.status_code, response.data) == (204, b"")


@pytest.mark.contract("rest-F50")
def test_nothing_is_read_for_an_answer_that_shows_nothing(serve):
    served = serve(Base)
    with count_statements(served.engine) as log:
        served.post("/api/notes", json={"title": "a"}, headers={"Prefer": "return=minimal"})
    assert [statement.split()[0] for statement in log.statements] == ["INSERT"]


# --- merge patch ------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest-F39")
@pytest.mark.parametrize(
    "target, patch, merged",
    [
        # The examples of RFC 7396, appendix A.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merging_is_that_of_the_rfc(target, patch, merged):
    assert merge_patch(target, patch) == merged


def merge(served: Any, url: str, body: str) -> Any:
    return served.patch(url, data=body, content_type=MERGE)


@pytest.mark.contract("rest-F39")
def test_null_removes_and_what_is_missing_stays(app):
    body = {"title": "a", "text": "t", "options": {"x": 1, "y": {"z": 2}}}
    url = app.post("/api/notes", json=body).headers["Location"]
    value = merge(app, url, '{"text": null, "options": {"x": null, "y": {"w": 3}}}').get_json()["value"]
    assert (value["title"], value["text"], value["options"]) == ("a", None, {"y": {"z": 2, "w": 3}})
    value = merge(app, url, '{"options": [1]}').get_json()["value"]
    assert value["options"] == [1]
    value = merge(app, url, '{"options": {"a": {"b": null}}}').get_json()["value"]
    assert value["options"] == {"a": {}}
    error_of(merge(app, url, '{"title": null}'), 400, "validation_failed")


@pytest.mark.contract("rest-F39")
def test_json_without_that_type_replaces_a_json_value(app):
    url = app.post("/api/notes", json={"title": "a", "options": {"x": 1}}).headers["Location"]
    assert app.patch(url, json={"options": {"y": None}}).get_json()["value"]["options"] == {"y": None}


@pytest.mark.contract("rest-F39, F44")
def test_a_merge_patch_of_a_set_merges_into_each_row(app):
    app.post("/api/notes", json=[{"title": "a", "options": {"x": 1}}, {"title": "b", "options": {"y": 2}}])
    response = merge(app, "/api/notes?id__gt=0&max_affected=2", '{"options": {"z": 3}}')
    assert [row["options"] for row in response.get_json()["value"]] == [{"x": 1, "z": 3}, {"y": 2, "z": 3}]


@pytest.mark.contract("rest-F39")
def test_the_types_of_a_patch_are_told(app):
    url = app.post("/api/notes", json={"title": "a"}).headers["Location"]
    types = "application/json, application/merge-patch+json, application/xml"
    assert app.open(url, method="OPTIONS").headers["Accept-Patch"] == types
    assert app.get(url).headers["Accept-Patch"] == types
    assert "PATCH" in app.open(url, method="OPTIONS").headers["Allow"]
    error_of(app.patch(url, data="{}", content_type="text/plain"), 415)
