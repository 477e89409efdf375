"""Which format an `Accept` header asks for (rest 4.4, RFC 9110 12.5.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flarchitect_core.errors import ApiError
from flarchitect_core.http.negotiation import CSV, JSON, NDJSON, XML, best_format, quality_of, require_format

OFFERED = (JSON, XML, CSV, NDJSON)


@pytest.mark.contract("rest 4.4, bar F60")
@pytest.mark.parametrize(
    "accept, expected",
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("application/json; charset=utf-8", JSON),
        ("application/*", JSON),
        ("application/problem+json", JSON),
        ("application/xml", XML),
        ("text/xml", XML),
        ("Application/XML", XML),
        ("application/xml;q=0.9, */*;q=0.1", XML),
        ("application/xml, application/json", JSON),
        ("application/xml, application/json;q=0.9", XML),
        ("application/xml;q=0.5, application/json;q=0.9", JSON),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", XML),
        ("text/html, */*;q=0.8", JSON),
        ("text/*", CSV),
        ("text/csv", CSV),
        ("text/csv;header=present;q=0.7,application/json;q=0.6", CSV),
        ("application/x-ndjson", NDJSON),
        ("*/*, application/json;q=0", XML),
        ("application/json;q=0, application/*;q=0.4, text/csv;q=0.3", XML),
        ("text/html", None),
        ("application/json;q=0", None),
        ("application/xml;q=0, text/xml;q=0, text/html", None),
        ("*/*;q=0", None),
        ("application/xml;q=abc", JSON),
        ("application/xml;q=2", JSON),
        ("application/xml;q=nan", JSON),
        ("garbage", JSON),
        (",;,;q=,", JSON),
        ("garbage, text/html", None),
        ("image/png;q=0.001", None),
    ],
)
def test_the_best_format_is_chosen(accept, expected):
    assert best_format(accept, OFFERED) is expected


def test_what_suits_nobody_is_406_and_names_what_there_is():
    with pytest.raises(ApiError) as caught:
        require_format("text/html", (JSON, XML))
    assert (caught.value.status, caught.value.reason) == (406, "not_acceptable")
    assert caught.value.to_dict()["available"] == ["application/json", "application/xml"]


def test_a_header_without_end_is_read_to_a_bound():
    assert best_format("a/b," * 100_000 + "application/xml", OFFERED) is None


@given(st.text(max_size=200))
def test_any_header_gives_an_offered_format_or_none(accept):
    assert best_format(accept, OFFERED) in (*OFFERED, None)


def test_the_quality_of_a_media_type_is_that_of_its_most_specific_range():
    accept = "text/*;q=0.3, text/xml;q=0.8, */*;q=0.1"
    assert [quality_of(accept, name) for name in ("text/xml", "text/csv", "image/png")] == [0.8, 0.3, 0.1]
    assert quality_of(None, "text/xml") == quality_of(" ", "text/xml") == 1
