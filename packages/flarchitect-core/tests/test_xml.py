"""XML documents, written and read (rest 4.4, core 6)."""

from __future__ import annotations

import datetime as dt
import decimal
import time
import tracemalloc
from xml.etree import ElementTree as Standard

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flarchitect_core.http.xml import dict_to_xml, xml_to_dict

HEAD = '<?xml version="1.0" encoding="UTF-8" ?>'


@pytest.mark.contract("rest 4.4")
def test_a_document_is_written_as_the_contract_shows():
    value = {"value": [{"id": 1, "name": "Harbour"}], "total_count": 1, "next_url": None}
    assert dict_to_xml(value) == (
        f"{HEAD}<root><value><item><id>1</id><name>Harbour</name></item></value>"
        "<total_count>1</total_count><next_url></next_url></root>"
    )


@pytest.mark.parametrize(
    "value, text",
    [
        (True, "true"),
        (1.5, "1.5"),
        (10**30, str(10**30)),
        (decimal.Decimal("1.50"), "1.50"),
        (dt.date(2020, 1, 2), "2020-01-02"),
        (float("nan"), ""),
        ("", ""),
        ([], ""),
        ({}, ""),
        ("<a href='x'>&\"", "&lt;a href='x'&gt;&amp;\""),
        ("a\r\nb\tc", "a&#13;\nb\tc"),
        ("\x00\x1b\ud800\uffff", "\ufffd" * 4),
        ([1, [2, None]], "<item>1</item><item><item>2</item><item></item></item>"),
    ],
)
def test_a_value_is_written_as_json_writes_it(value, text):
    assert dict_to_xml({"v": value}) == f"{HEAD}<root><v>{text}</v></root>"


@pytest.mark.parametrize(
    "name, element",
    [
        ("first-name", "first-name"),
        ("naïve", "naïve"),
        ("a b", "a_b"),
        ("1st", "_1st"),
        ("-x", "_-x"),
        ("", "_"),
        ("a:b", "a_b"),
        ("<script>", "_script_"),
        ("a\x00", "a_"),
    ],
)
def test_a_name_that_xml_does_not_take_is_made_one(name, element):
    assert dict_to_xml({name: 1}) == f"{HEAD}<root><{element}>1</{element}></root>"


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(_json)
def test_whatever_is_written_is_xml(value):
    Standard.fromstring(dict_to_xml({"value": value}).encode())  # noqa: S314 - our own document


_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff"), min_size=1).filter(
    lambda text: text.replace("\t", "").replace("\n", "").replace("\r", "").isprintable()
)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), _text, min_size=1, max_size=5))
def test_text_comes_back_as_it_was(values):
    assert xml_to_dict(dict_to_xml(values)) == {"root": values}


@pytest.mark.contract("core 6, xml_to_dict")
@pytest.mark.parametrize(
    "document, expected",
    [
        ("<r/>", {"r": None}),
        ("<r>text</r>", {"r": "text"}),
        ("<r><a>1</a><a>2</a><b/></r>", {"r": {"a": ["1", "2"], "b": None}}),
        ("<r>\n  <a>\n <b> x </b></a></r>", {"r": {"a": {"b": " x "}}}),
        ('<r k="v" xmlns="urn:u" xmlns:n="urn:n"><n:a>1</n:a></r>', {"r": {"a": "1"}}),
        ("<r><a><item>1</item></a></r>", {"r": {"a": {"item": "1"}}}),
        ("<r><!-- no --><?php no ?><a><![CDATA[<1>]]></a></r>", {"r": {"a": "<1>"}}),
        (b'<?xml version="1.0" encoding="iso-8859-1"?><r>\xe9</r>', {"r": "é"}),
        ("<r>é</r>".encode("utf-16"), {"r": "é"}),
    ],
)
def test_a_document_is_read(document, expected):
    assert xml_to_dict(document) == expected


BOMB = "".join(f'<!ENTITY x{n} "{f"&x{n - 1};" * 10}">' for n in range(1, 10))
UNSAFE = {
    "a DTD": "<!DOCTYPE r><r/>",
    "an external DTD": '<!DOCTYPE r SYSTEM "http://127.0.0.1:9/r.dtd"><r/>',
    "an entity": '<!DOCTYPE r [<!ENTITY e "x">]><r>&e;</r>',
    "a file": '<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]><r>&e;</r>',
    "a parameter entity": '<!DOCTYPE r [<!ENTITY % e SYSTEM "file:///etc/passwd"> %e;]><r/>',
    "a billion laughs": f'<!DOCTYPE r [<!ENTITY x0 "ha">{BOMB}]><r>&x9;</r>',
    "a quadratic blow-up": f'<!DOCTYPE r [<!ENTITY e "{"x" * 100_000}">]><r>{"&e;" * 10_000}</r>',
}


@pytest.mark.contract("rest 4.4, bar R25")
@pytest.mark.parametrize("document", UNSAFE.values(), ids=UNSAFE)
def test_a_document_with_a_dtd_or_entities_is_refused_at_no_cost(document):
    tracemalloc.start()
    begun = time.perf_counter()
    try:
        with pytest.raises(ValueError, match="DTD or entities"):
            xml_to_dict(document)
        assert time.perf_counter() - begun < 1
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "document",
    [
        "",
        "<r>",
        "<r/><r/>",
        "no xml",
        "<r>&unknown;</r>",
        "<r>\ufffe</r>",
        "<r>\x00</r>",
        "<r>text<a/></r>",
        '<r a="1" a="2"/>',
        b'<?xml version="1.0" encoding="no-such"?><r/>',
        b'<?xml version="1.0" encoding="utf-7"?><r/>',
        b"<r>\xff</r>",
        "<r>\ud800</r>",
        "<a>" * 300 + "</a>" * 300,
    ],
)
def test_what_cannot_be_read_is_a_value_error(document):
    with pytest.raises(ValueError):  # noqa: PT011 - each says something else
        xml_to_dict(document)


def test_a_million_levels_are_refused_at_the_first_too_deep_one():
    with pytest.raises(ValueError, match="deeper than 200"):
        xml_to_dict("<a>" * 1_000_000)
