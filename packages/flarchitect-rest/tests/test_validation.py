"""Checks of columns by name, over HTTP: declared in `info`, chosen by format or name, switched off."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flarchitect_core.errors import ConfigurationError
from flarchitect_core.testing import error_of

EMAIL = "Email address is not valid."
URL = "URL is not valid."
SLUG = "Slug is not valid."


def base_with(meta: dict[str, Any] | None = None, **columns: Any) -> Any:
    """Make a base with one model of these columns."""

    class Base(DeclarativeBase):
        pass

    key = mapped_column(sa.Integer, primary_key=True)
    members = {"__tablename__": "contacts", "Meta": type("Meta", (), meta or {}), "id": key, **columns}
    # Kept, because a base knows its models weakly.
    Base.contact = type("Contact", (Base,), members)
    return Base


def text(length: int = 60, *arguments: Any, **info: Any) -> Any:
    return mapped_column(sa.String(length), *arguments, nullable=True, info=info)


def messages(served: Any, body: dict[str, Any]) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = error_of(served.post("/api/contacts", json=body), 400, "validation_failed")["fields"]
    return fields


def accepts(served: Any, **body: Any) -> None:
    response = served.post("/api/contacts", json=body)
    assert response.status_code == 201, response.get_data(as_text=True)
    value = response.get_json()["value"]
    assert {name: value[name] for name in body} == body


@pytest.mark.contract("rest 5.5, F57, rest-D49")
def test_every_form_of_info_is_understood(serve):
    served = serve(
        base_with(
            one=text(validate="email"),
            custom=text(validate={"slug": "Use letters and dashes only"}),
            many=text(validate=["email", "slug"]),
            mixed=text(validate={"email": None, "slug": "Use letters and dashes only"}),
            single=text(validator="email", validator_message="Give an address"),
            plain=text(validator="email"),
        )
    )
    assert messages(served, dict.fromkeys(["one", "custom", "many", "mixed", "single", "plain"], "No!")) == {
        "one": [EMAIL],
        "custom": ["Use letters and dashes only"],
        "many": [EMAIL, SLUG],
        "mixed": [EMAIL, "Use letters and dashes only"],
        "single": ["Give an address"],
        "plain": [EMAIL],
    }
    accepts(served, one="ida@example.org", custom="a-b", single="ida@example.org", plain=None)
    assert served.scalar("SELECT count(*) FROM contacts") == 1


@pytest.mark.contract("rest 5.5")
@pytest.mark.parametrize("method", ["patch", "put"])
def test_changes_are_checked_too(serve, method):
    served = serve(base_with(one=text(validate="email"), website_url=text()))
    accepts(served, one="ida@example.org", website_url="https://example.org")
    response = getattr(served, method)("/api/contacts/1", json={"one": "ida", "website_url": "example.org"})
    assert error_of(response, 400, "validation_failed")["fields"] == {"one": [EMAIL], "website_url": [URL]}
    assert served.value("/api/contacts/1")["one"] == "ida@example.org"


@pytest.mark.contract("rest 5.5")
def test_length_and_range_stay(serve):
    served = serve(
        base_with(one=text(12, validate="email"), count=mapped_column(sa.SmallInteger, info={"validate": "decimal"}))
    )
    assert messages(served, {"one": "not an address", "count": 40_000}) == {
        "one": ["Longer than maximum length 12.", EMAIL],
        "count": ["Must be greater than or equal to -32768 and less than or equal to 32767."],
    }


@pytest.mark.contract("rest 5.5, rest-D49")
@pytest.mark.parametrize(
    "attribute, message",
    [
        ("email", EMAIL),
        ("email_address", EMAIL),
        ("email2", EMAIL),
        ("homepage_url", URL),
        ("birth_date", "Invalid date format. Acceptable formats are: %Y-%m-%d, %d-%m-%Y, %m/%d/%Y"),
        ("mail_domain", "Domain is not valid."),
        ("mobile_phone", "Phone number is not valid."),
        ("postal_code", "Postal code is not valid."),
        ("zip", "Postal code is not valid."),
    ],
)
def test_string_columns_are_checked_by_the_words_of_their_names(serve, attribute, message):
    served = serve(base_with(**{attribute: text()}))
    assert list(messages(served, {attribute: "?!"}).values()) == [[message]]


@pytest.mark.contract("rest 13 group 10")
@pytest.mark.contract("rest 5.5, rest-D49")
def test_a_name_counts_by_whole_words_and_for_text_only(serve):
    free = ["updated_by", "candidate", "zipper", "emailed", "curl", "megaphone", "update", "predomain"]
    served = serve(
        base_with(
            **{name: text() for name in free},
            date=mapped_column(sa.Date, nullable=True),
            email_count=mapped_column(sa.Integer, nullable=True),
            phone=mapped_column(sa.JSON, nullable=True),
            url_kind=mapped_column(sa.Enum("short", "long", name="url_kind"), nullable=True),
        )
    )
    accepts(served, **dict.fromkeys(free, "any text at all!"))
    accepts(served, date="2024-02-29", email_count=3, phone={"home": 1}, url_kind="short")


@pytest.mark.contract("rest 5.5, rest-D49")
def test_a_column_with_another_name_than_its_attribute_is_checked(serve):
    served = serve(
        base_with(
            email=mapped_column("contact", sa.String(40), nullable=True),
            contact_way=mapped_column("phone", sa.String(40), nullable=True),
            code=mapped_column("kode", sa.String(40), nullable=True, info={"validate": "slug"}),
        )
    )
    assert messages(served, {"email": "ida", "contact_way": "none", "code": "A B"}) == {
        "email": [EMAIL],
        "contact_way": ["Phone number is not valid."],
        "code": [SLUG],
    }


@pytest.mark.contract("rest 5.5")
def test_a_foreign_key_holds_what_the_other_key_is(serve):
    class Base(DeclarativeBase):
        pass

    class Domain(Base):
        __tablename__ = "domains"

        class Meta:
            pass

        code: Mapped[str] = mapped_column(sa.String(20), primary_key=True)

    class Contact(Base):
        __tablename__ = "contacts"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        domain_code: Mapped[str] = mapped_column(sa.ForeignKey("domains.code"))

    served = serve(Base)
    assert served.post("/api/domains", json={"code": "d1"}).status_code == 201
    accepts(served, domain_code="d1")


@pytest.mark.contract("rest 5.5")
def test_a_declared_format_is_checked_and_comes_before_the_name(serve):
    served = serve(
        base_with(
            server=text(format="ipv4"),
            link=text(format="uri"),
            email=text(format="slug"),
            note=text(format="markdown"),
            big=mapped_column(sa.BigInteger, nullable=True, info={"format": "int64"}),
            day=mapped_column(sa.Date, nullable=True, info={"format": "date"}),
        )
    )
    assert messages(served, {"server": "x", "link": "x", "email": "X Y"}) == {
        "server": ["IPv4 address is not valid."],
        "link": [URL],
        "email": [SLUG],
    }
    accepts(served, server="10.0.0.1", link="https://example.org", email="a-b", note="*", big=2**40, day="2024-05-06")


@pytest.mark.contract("rest 5.5")
@pytest.mark.parametrize("off", [None, [], {}, False], ids=str)
def test_info_replaces_the_automatic_check_also_by_nothing(serve, off):
    served = serve(base_with(email=text(validate="slug"), url=text(validate=off)))
    accepts(served, email="no-address", url="posters/1.png")


@pytest.mark.contract("rest 5.5")
@pytest.mark.parametrize(
    "meta, config, checked",
    [
        ({}, {"API_AUTO_VALIDATE": False}, []),
        ({"auto_validate": False}, {}, []),
        ({"auto_validate": True}, {"API_AUTO_VALIDATE": False}, ["POST", "PATCH", "PUT"]),
        ({"patch_auto_validate": False}, {}, ["POST", "PUT"]),
        ({}, {"API_POST_AUTO_VALIDATE": False}, ["PATCH", "PUT"]),
    ],
)
def test_the_automatic_checks_have_a_switch(serve, meta, config, checked):
    served = serve(base_with(meta=meta, email=text(), one=text(validate="slug")), **config)
    accepts(served, one="a")
    statuses = {
        "POST": served.post("/api/contacts", json={"email": "ida"}).status_code,
        "PATCH": served.patch("/api/contacts/1", json={"email": "ida"}).status_code,
        "PUT": served.put("/api/contacts/1", json={"email": "ida"}).status_code,
    }
    assert [method for method, status in statuses.items() if status == 400] == checked
    # What is declared is checked all the same.
    assert messages(served, {"one": "A B"})["one"] == [SLUG]


@pytest.mark.contract("rest 5.5")
def test_errors_have_the_names_that_clients_use(serve):
    served = serve(base_with(contact_email=text(), home_page=text(validate="url")), API_FIELD_CASE="camel")
    assert messages(served, {"contactEmail": "ida", "homePage": "x"}) == {"contactEmail": [EMAIL], "homePage": [URL]}


@pytest.mark.contract("rest 5.5")
def test_filters_are_not_checked(serve):
    served = serve(base_with(email=text()))
    assert served.value("/api/contacts?email__eq=ida") == []


@pytest.mark.contract("rest 5.5")
@pytest.mark.parametrize("value", [1, 1.5, True, [], {}, ["ida@example.org"]], ids=str)
def test_a_value_of_another_type_gets_the_message_of_the_column(serve, value):
    served = serve(base_with(email=text()))
    assert messages(served, {"email": value}) == {"email": ["Not a valid string."]}


@pytest.mark.contract("rest 5.5, decisions 13")
def test_mistakes_stop_the_start_and_are_told_together(serve):
    base = base_with(
        a=text(validate="emial"),
        b=text(validate=["email", 5]),
        c=text(validate={"slug": 7}),
        d=text(validator="nothing-like-it"),
        e=text(validator_message="Alone"),
        f=mapped_column(sa.Integer, info={"validate": "email"}),
    )
    with pytest.raises(ConfigurationError) as refused:
        serve(base)
    problems = refused.value.problems
    assert [problem.partition("Contact.")[2][0] for problem in problems] == list("abcdef")
    assert problems[0].endswith("Contact.a names 'emial', which is no validator. Did you mean 'email'?")
    assert problems[1].partition(" names ")[2].startswith("5, which is no validator. Validators are: email, url, ")
    assert "gives 'slug' the message 7, which is no text." in problems[2]
    assert "Validators are: email, url, " in problems[3]
    assert "has a validator_message and no validator." in problems[4]
    assert "refuses every value of the type Integer(). Remove it. Validators for this type: boolean" in problems[5]


@pytest.mark.contract("rest 5.5")
def test_each_value_of_a_list_is_checked(serve, database_kind):
    if database_kind != "postgresql":
        pytest.skip("Only PostgreSQL has arrays.")
    served = serve(
        base_with(
            addresses=mapped_column(postgresql.ARRAY(sa.String), info={"validate": "email"}, nullable=True),
            servers=mapped_column(postgresql.ARRAY(sa.String), info={"format": "ipv4"}, nullable=True),
        )
    )
    assert messages(served, {"addresses": ["ida@example.org", "ida"], "servers": ["x"]}) == {
        "addresses": {"1": [EMAIL]},
        "servers": {"0": ["IPv4 address is not valid."]},
    }
    accepts(served, addresses=["ida@example.org", None], servers=["10.0.0.1"])
