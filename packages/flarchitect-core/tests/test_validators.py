"""The checks by name: what each accepts and refuses, and that a value of any type only ever gets the message."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import Any

import marshmallow as ma
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flarchitect_core.model.iso_codes import COUNTRY_CODES, CURRENCY_CODES
from flarchitect_core.model.validators import EXAMPLES, VALIDATORS, validate_by_type, wrap_validator

DATES = "Invalid date format. Acceptable formats are: %Y-%m-%d, %d-%m-%Y, %m/%d/%Y"
DATETIMES = "Invalid datetime format. Acceptable formats are: %Y-%m-%d %H:%M:%S, %d-%m-%Y %H:%M:%S, %Y-%m-%dT%H:%M:%S"
TIMES = "Invalid time format. Acceptable formats are: %H:%M:%S, %H:%M:%S.%f, %H:%M:%S%z, %H:%M:%S.%f%z"
BOOLEANS = "Invalid boolean value. Accepted values are: True, False, 1, 0, 'true', 'false', 'yes', 'no'."

# Name, message, what it accepts, what it refuses. Nobody accepts a final line feed, a space around, or an empty text.
TABLE: list[tuple[str, str, list[Any], list[Any]]] = [
    (
        "email",
        "Email address is not valid.",
        ["ida@example.org", "ida+news@mail.example.co.uk", "jörg@exämple.de", "ida@example.test"],
        ["ida", "ida@", "@example.org", "ida@localhost", "a@@b.co", "Ida <ida@example.org>", "a b@c.de", "a@b..de"],
    ),
    (
        "url",
        "URL is not valid.",
        [
            "https://example.org",
            "http://localhost:3000/x?flag#top",
            "http://[::1]:80/",
            "https://exämple.de/ä?q=1",
            "ftp://files.example.org/a",
        ],
        [
            "example.org",
            "/posters/1",
            "//example.org",
            "http://",
            "javascript:alert(1)",
            "http://a b.org",
            "https://x:99999",
        ],
    ),
    (
        "ipv4",
        "IPv4 address is not valid.",
        ["10.0.0.1", "255.255.255.255"],
        ["10.0.0", "10.0.0.256", "10.0.0.0/8", "::1"],
    ),
    (
        "ipv6",
        "IPv6 address is not valid.",
        ["::1", "2001:db8::8a2e:370:7334"],
        ["10.0.0.1", ":::", "fe80::1%eth0", "g::"],
    ),
    (
        "mac",
        "MAC address is not valid.",
        ["01:23:45:67:89:ab", "01-23-45-67-89-AB"],
        ["01:23:45:67:89", "01:23-45:67:89:ab", "01:23:45:67:89:ag"],
    ),
    (
        "hostname",
        "Hostname is not valid.",
        ["localhost", "db.node2", "exämple.de", "10.0.0.1"],
        ["-a", "a_b", "a..b", "a.b:80", "10.0.0.999", "x" * 64, "a." * 127 + "b"],
    ),
    (
        "domain",
        "Domain is not valid.",
        ["example.org", "a-b.example.co.uk", "exämple.de"],
        ["localhost", "a..org", "-a.org", "10.0.0.1", "example.org/x", "a." * 127 + "org"],
    ),
    (
        "iban",
        "IBAN is not valid.",
        ["DE89370400440532013000", "GB82WEST12345698765432"],
        ["DE89370400440532013001", "DE89 3704 0044 0532 0130 00", "89370400440532013000"],
    ),
    (
        "cron",
        "Cron expression is not valid.",
        ["* * * * *", "*/5 0-23/2 1,15 * 0", "0  12 * * 7"],
        [
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "*/0 * * * *",
            "5/10 * * * *",
            "30-20 * * * *",
            "a * * * *",
            "1, * * * *",
        ],
    ),
    (
        "base64",
        "Base64 string is not valid.",
        ["YQ==", "YWI=", "YWJj", "+/+/"],
        ["YQ", "YQ=", "Y Q=", "_-__", "YQ==YQ=="],
    ),
    ("slug", "Slug is not valid.", ["my-film-2", "a"], ["-a", "a--b", "a_b", "A b", "é"]),
    (
        "uuid",
        "UUID is not valid.",
        ["12345678-1234-5678-1234-567812345678", "12345678123456781234567812345678", uuid.UUID(int=7)],
        ["1234", "12345678-1234-5678-1234-56781234567g", "12345678-123456781234567812345678"],
    ),
    (
        "card",
        "Card number is not valid.",
        ["4242424242424242", "378282246310005"],
        ["4242424242424241", "0", "4242 4242 4242 4242", "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢"],
    ),
    ("country_code", "Country code is not valid.", ["NO", "NOR", "578"], ["no", "XX", "NOX", "ANT", "XK"]),
    ("currency", "Currency code is not valid.", ["NOK", "EUR", "SLE"], ["nok", "XXX", "XTS", "HRK", "N", "NOKK"]),
    ("md5", "MD5 hash is not valid.", ["d41d8cd98f00b204e9800998ecf8427e", "A" * 32], ["a" * 31, "a" * 33, "g" * 32]),
    ("sha1", "SHA1 hash is not valid.", ["a" * 40], ["a" * 39, "g" * 40]),
    ("sha224", "SHA224 hash is not valid.", ["a" * 56], ["a" * 55, "g" * 56]),
    ("sha256", "SHA256 hash is not valid.", ["a" * 64], ["a" * 63, "g" * 64]),
    ("sha384", "SHA384 hash is not valid.", ["a" * 96], ["a" * 95, "g" * 96]),
    ("sha512", "SHA512 hash is not valid.", ["a" * 128], ["a" * 127, "g" * 128]),
    (
        "phone",
        "Phone number is not valid.",
        ["+47 22 33 44 55", "(555) 123-4567", "0223.344.55"],
        ["123456", "1" * 21, "call me", "++4722334455", "-------"],
    ),
    ("postal_code", "Postal code is not valid.", ["0150", "SW1A 1AA", "12227-000"], ["12", "-123", "1" * 12, "AB_12"]),
    (
        "date",
        DATES,
        ["2024-02-29", "29-02-2024", "02/29/2024", dt.date(2024, 2, 29)],
        ["2023-02-29", "today", "2024-02-29T00:00:00", "29.02.2024", "٢٠٢٤-05-06"],
    ),
    (
        "datetime",
        DATETIMES,
        ["2024-05-06 07:08:09", "06-05-2024 07:08:09", "2024-05-06T07:08:09", dt.datetime(2024, 5, 6)],
        ["2024-05-06", "2024-05-06 25:00:00", dt.date(2024, 5, 6)],
    ),
    (
        "time",
        TIMES,
        ["07:08:09", "07:08:09.5", "07:08:09Z", "07:08:09.5+02:00", dt.time(7, 8)],
        ["07:08", "24:00:00", "7 o'clock"],
    ),
    ("boolean", BOOLEANS, [True, False, 1, 0, "true", "No", "1"], [2, -1, "maybe", 1.0]),
    (
        "decimal",
        "Invalid decimal number.",
        ["1.50", "-1e3", 1, 1.5, decimal.Decimal("1.5")],
        ["NaN", "Infinity", float("nan"), "1_000", " 1", "one", "٣", True, "1,5"],
    ),
]


def cases(column: int) -> list[Any]:
    return [
        pytest.param(name, message, value, id=f"{name}-{str(value)[:30]!a}")
        for name, message, *values in TABLE
        for value in values[column]
    ]


def test_every_check_has_an_example_that_it_takes():
    assert EXAMPLES.keys() == VALIDATORS.keys()
    for name, example in EXAMPLES.items():
        VALIDATORS[name](example)


@pytest.mark.contract("rest 5.5")
def test_every_name_of_the_contract_is_tried_here():
    assert {name for name, *_ in TABLE} == set(VALIDATORS)


@pytest.mark.contract("rest 13 group 10")
@pytest.mark.contract("rest 5.5")
@pytest.mark.parametrize("name, message, value", cases(0))
def test_a_right_value_is_accepted(name, message, value):
    validate_by_type(name)(value)


@pytest.mark.contract("rest 13 group 10")
@pytest.mark.contract("rest 5.5")
@pytest.mark.parametrize("name, message, value", cases(1))
def test_a_wrong_value_is_refused_with_the_message_of_the_contract(name, message, value):
    with pytest.raises(ma.ValidationError) as refused:
        validate_by_type(name)(value)
    assert refused.value.messages == [message]


@pytest.mark.contract("rest 5.5")
@pytest.mark.parametrize("name, message, value", [case for case in cases(0) if isinstance(case.values[2], str)])
@pytest.mark.parametrize("around", ["{}\n", "\n{}", " {}", "{}\x00", "{}\ud800"], ids=ascii)
def test_nothing_slips_in_before_or_after_a_right_value(name, message, value, around):
    if name == "phone" and around == " {}":
        pytest.skip("A space may stand anywhere in a phone number.")
    with pytest.raises(ma.ValidationError):
        validate_by_type(name)(around.format(value))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
LOOKALIKES = st.text("aA0129.-:@/%[]()+é٣ xn\n#?&=", max_size=60)


@pytest.mark.contract("rest 5.5")
@pytest.mark.parametrize("name", VALIDATORS)
@given(value=JSON | LOOKALIKES | LOOKALIKES.map("http://{}".format) | LOOKALIKES.map("a@{}".format))
def test_any_value_is_accepted_or_gets_the_message(name, value):
    refused = []
    try:
        validate_by_type(name)(value)
    except ma.ValidationError as error:
        refused = error.messages
    assert refused in ([], [VALIDATORS[name].message])


@pytest.mark.contract("rest 5.5")
def test_the_environment_of_the_validators_library_changes_nothing(monkeypatch):
    monkeypatch.setenv("RAISE_VALIDATION_ERROR", "True")
    validate_by_type("url")("https://example.org")
    with pytest.raises(ma.ValidationError):
        validate_by_type("url")("nothing")


@pytest.mark.contract("rest 5.5")
@pytest.mark.parametrize(
    "other, name",
    [
        ("uri", "url"),
        ("url_path", "url"),
        ("phone_number", "phone"),
        ("zip", "postal_code"),
        ("zipcode", "postal_code"),
    ],
)
def test_a_check_has_the_other_names_that_formats_use(other, name):
    assert validate_by_type(other) is VALIDATORS[name]


@pytest.mark.contract("rest 5.5")
def test_there_is_no_check_of_an_unknown_name():
    assert validate_by_type("emial") is None


def test_a_function_is_wrapped_with_a_message():
    even = wrap_validator(lambda value: value % 2 == 0, "Not even.")
    even(2)
    for wrong in (3, "x", None, [], {}):
        with pytest.raises(ma.ValidationError, match=r"Not even\."):
            even(wrong)


@pytest.mark.contract("rest 5.5")
def test_the_codes_are_complete():
    assert [sum(len(code) == 2 for code in COUNTRY_CODES), len(COUNTRY_CODES)] == [249, 3 * 249]
    assert {"USD", "XAU", "XDR", "SLE", "ZWG"} < CURRENCY_CODES
    assert not {"XXX", "XTS"} & CURRENCY_CODES
