"""Fields that are not accepted, or never returned: by column, by `Meta`, by configuration, and by their names."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.testing import error_of


class Base(DeclarativeBase):
    pass


class Account(Base):
    """Columns whose names look like secrets, and some that only seem to."""

    __tablename__ = "accounts"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    password: Mapped[str | None] = mapped_column(sa.String(10), unique=True)
    pin_hash: Mapped[str | None] = mapped_column(sa.String(40))
    client_secret: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    access_token: Mapped[str | None] = mapped_column(sa.String(40))
    api_key: Mapped[str | None] = mapped_column(sa.String(40))
    old_password: Mapped[str | None] = mapped_column(sa.String(40))
    private_key: Mapped[str | None] = mapped_column(sa.Text)
    plain_token: Mapped[str | None] = mapped_column(sa.String(40), info={"secret": False})
    ssn: Mapped[str | None] = mapped_column(sa.String(40), info={"secret": True})
    password_changed_at: Mapped[bool | None]
    token_id: Mapped[int | None] = mapped_column(sa.ForeignKey("tokens.id"))
    memo: Mapped[str | None] = mapped_column(sa.String(40), info={"write_only": True})
    serial: Mapped[str | None] = mapped_column(sa.String(40), info={"read_only": True})
    token: Mapped[Token | None] = relationship(back_populates="accounts")


class Token(Base):
    __tablename__ = "tokens"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str | None] = mapped_column(sa.String(40))
    accounts: Mapped[list[Account]] = relationship(back_populates="token")


class Parcel(Base):
    __tablename__ = "parcels"

    class Meta:
        ignore_fields = ["inner"]
        ignore_output_fields = ["draft"]
        ignore_input_fields = ["weight"]
        patch_ignore_input_fields = ["weight", "once"]

    id: Mapped[int] = mapped_column(primary_key=True)
    inner: Mapped[str | None] = mapped_column(sa.String(40), default="kept")
    draft: Mapped[str | None] = mapped_column(sa.String(40))
    weight: Mapped[int] = mapped_column(default=1)
    once: Mapped[str | None] = mapped_column(sa.String(40))


SECRET = ("password", "pin_hash", "client_secret", "access_token", "api_key", "old_password", "private_key", "ssn")
HIDDEN = (*SECRET, "memo")
BODY = {**dict.fromkeys(HIDDEN, "c2VjcmV0"), "name": "Ida", "plain_token": "shown", "serial": "x"}


@pytest.fixture
def app(serve):
    served = serve(Base)
    served.execute(sa.insert(Token), [{"label": "a"}])
    return served


def stored(served: Any, table: Any = Account) -> dict[str, Any]:
    with served.engine.connect() as connection:
        return dict(connection.execute(sa.select(table.__table__)).mappings().one())


@pytest.mark.contract("decisions 18")
def test_secrets_are_written_and_never_in_an_answer(app):
    created = app.post("/api/accounts", json={**BODY, "token_id": 1})
    assert created.status_code == 201
    row = stored(app)
    assert {name: row[name] for name in HIDDEN} == {**dict.fromkeys(HIDDEN, "c2VjcmV0"), "client_secret": b"secret"}
    answers = [
        created,
        app.get("/api/accounts"),
        app.get("/api/accounts/1"),
        app.get("/api/accounts?dump=json"),
        app.get("/api/tokens/1?dump=json"),
        app.get("/api/tokens/1/accounts"),
        app.get("/api/tokens/1?dump=dynamic&join=accounts"),
        app.patch("/api/accounts/1", json={"password": "c2VjcmV0"}),
        app.put("/api/accounts/1", json={"name": "Ida", "api_key": "c2VjcmV0"}),
        app.put("/api/accounts/1?dump=json", json={"name": "Ida"}),
    ]
    for answer in answers:
        text = answer.get_data(as_text=True)
        assert answer.status_code < 300, text
        assert "c2VjcmV0" not in text
        assert not [name for name in HIDDEN if f'"{name}"' in text]
    assert stored(app)["pin_hash"] == "c2VjcmV0"


@pytest.mark.contract("decisions 18")
def test_what_only_seems_to_be_a_secret_is_shown(app):
    value = app.post("/api/accounts", json={**BODY, "token_id": 1, "password_changed_at": True}).get_json()["value"]
    assert value == {
        "id": 1,
        "name": "Ida",
        "plain_token": "shown",
        "password_changed_at": True,
        "token_id": 1,
        "serial": None,
        "token": "/api/tokens/1",
    }


@pytest.mark.contract("rest 5.6, D20, D21")
@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize(
    "query",
    [
        "{name}=x",
        "{name}__eq=x",
        "{name}__like=c%25",
        "or[{name}__like=c%25,name__eq=x]",
        "order_by={name}",
        "order_by=-{name}",
        "fields={name}",
        "fields=id,{name}",
        "Account.{name}__eq=x",
        "join=accounts.{name}",
    ],
)
def test_hidden_fields_cannot_be_asked_for(app, name, query):
    app.post("/api/accounts", json=BODY)
    response = app.get(f"/api/accounts?{query.format(name=name)}")
    errors = error_of(response, 400)
    others = set(HIDDEN) - {name}
    assert not others & set(errors.get("suggestions", ()))
    assert "c2VjcmV0" not in response.get_data(as_text=True)


@pytest.mark.contract("decisions 18")
def test_hidden_fields_are_no_suggestion_for_a_misspelt_parameter(app):
    for query in ("passwort=x", "order_by=passwort", "fields=passwort", "passwort__eq=x"):
        errors = error_of(app.get(f"/api/accounts?{query}"), 400)
        assert not set(HIDDEN) & set(errors.get("suggestions", ()))
        assert "password'" not in errors["message"]


@pytest.mark.contract("decisions 18, rest 4.2")
def test_errors_do_not_repeat_secrets(app):
    app.post("/api/accounts", json={**BODY, "password": "hunter2"})
    long = app.post("/api/accounts", json={**BODY, "password": "hunter2hunter2"})
    assert error_of(long, 400)["fields"] == {"password": ["Longer than maximum length 10."]}
    taken = app.post("/api/accounts", json={**BODY, "password": "hunter2"})
    assert "fields" not in error_of(taken, 409, "unique_violation")
    for response in (long, taken):
        assert "hunter2" not in response.get_data(as_text=True)


@pytest.mark.contract("rest 5.6")
def test_read_only_columns_are_dropped_from_bodies(app):
    value = app.post("/api/accounts", json={"name": "Ida", "serial": "mine"}).get_json()["value"]
    assert value["serial"] is None
    assert app.patch("/api/accounts/1", json={"serial": "mine"}).get_json()["value"]["serial"] is None


@pytest.mark.contract("rest 12, D64")
@pytest.mark.contract("rest 5.6")
def test_meta_says_what_is_neither_accepted_nor_returned(app):
    body = {"draft": "d", "weight": 9, "once": "first"}
    value = app.post("/api/parcels", json=body).get_json()["value"]
    assert value == {"id": 1, "weight": 1, "once": "first"}
    assert stored(app, Parcel) == {"id": 1, "inner": "kept", "draft": "d", "weight": 1, "once": "first"}
    value = app.patch("/api/parcels/1", json={"weight": 9, "once": "second", "draft": "e"}).get_json()["value"]
    assert value == {"id": 1, "weight": 1, "once": "first"}
    assert stored(app, Parcel)["draft"] == "e"
    value = app.put("/api/parcels/1", json={"weight": 9, "once": "third"}).get_json()["value"]
    assert value == {"id": 1, "weight": 1, "once": "third"}
    assert stored(app, Parcel) == {"id": 1, "inner": "kept", "draft": "e", "weight": 1, "once": "third"}


@pytest.mark.contract("rest 5.6, decisions 15")
def test_an_ignored_field_is_an_unknown_key(app):
    errors = error_of(app.post("/api/parcels", json={"inner": "x"}), 400, "validation_failed")
    assert errors["fields"] == {"inner": ["Unknown field."]}


@pytest.mark.contract("rest 5.6")
@pytest.mark.parametrize("query", ["inner=x", "draft__eq=x", "order_by=draft", "fields=inner"])
def test_ignored_fields_cannot_be_asked_for(app, query):
    error_of(app.get(f"/api/parcels?{query}"), 400)


@pytest.mark.contract("rest 5.6, 1.4")
def test_configuration_says_it_for_all_models(serve, cinema):
    served = serve(
        cinema.Base,
        API_IGNORE_FIELDS=["city"],
        API_IGNORE_OUTPUT_FIELDS=["email"],
        API_POST_IGNORE_INPUT_FIELDS=["year"],
    )
    assert served.post("/api/studios", json={"name": "x"}).get_json()["value"] == {
        "id": 1,
        "name": "x",
        "films": "/api/studios/1/films",
    }
    value = served.post("/api/actors", json={"full_name": "x", "email": "e@example.org"}).get_json()["value"]
    assert "email" not in value
    assert served.scalar("SELECT email FROM actors") == "e@example.org"
    assert served.post("/api/films", json={"title": "x", "year": 2000}).get_json()["value"]["year"] is None
    assert served.patch("/api/films/1", json={"year": 2000}).get_json()["value"]["year"] == 2000


@pytest.mark.contract("decisions 18")
def test_the_name_patterns_can_be_changed(serve):
    served = serve(Base, API_SECRET_FIELDS=["name"])
    value = served.post("/api/accounts", json={"name": "Ida", "password": "x"}).get_json()["value"]
    assert "name" not in value
    assert value["password"] == "x"
    assert "ssn" not in value
    error_of(served.get("/api/accounts?order_by=name"), 400)


@pytest.mark.contract("decisions 18")
def test_secrets_are_told_at_start_up(serve, caplog):
    serve(Base)
    told = [record.message for record in caplog.records if "API_SECRET_FIELDS" in record.message]
    assert len(told) == 1
    assert "Account.password" in told[0]
    assert "plain_token" not in told[0]
    assert json.dumps(told).count("Account.token_id") == 0
