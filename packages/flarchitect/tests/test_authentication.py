"""Who may call generated routes: methods, requirements and roles by model and operation (auth 3, 9, 10, 13)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from flarchitect_auth.part import AuthPart
from flarchitect_core.access.rules import Policy
from flarchitect_core.architect import Architect
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.plugins import PluginBase
from flarchitect_core.state import state_of
from flarchitect_core.testing import count_statements, error_of
from flarchitect_rest.part import RestPart

PASSWORD = "correct horse battery"
CONFIG = {
    "SECRET_KEY": "u7Jd-flask-0pLw3xTz9qRs5vYb1nMc8kGh2",
    "ACCESS_SECRET_KEY": "kX8-access-2fQz7Lr0vB5nT1yW9mC4hJ6d",
    "REFRESH_SECRET_KEY": "pR3-refresh-8sGu2Ea6oK0iD5xN7bV1wQ4",
    "API_AUTHENTICATE_METHOD": "jwt",
    "API_USER_LOOKUP_FIELD": "name",
    "API_CREDENTIAL_CHECK_METHOD": "checks",
    "API_LOG_REQUESTS": False,
    "API_TITLE": "Test",
    "API_VERSION": "1.0",
}


def hashed(password: str) -> str:
    return hashlib.sha256(f"salt:{password}".encode()).hexdigest()


def models(book_meta: dict[str, Any], author_meta: dict[str, Any]) -> Any:
    """Make the models anew, as their `Meta` differs."""

    class Base(DeclarativeBase):
        type_annotation_map = {str: sa.String(80)}

    class Author(Base):
        __tablename__ = "authors"
        Meta = type("Meta", (), author_meta)
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        books: Mapped[list["Book"]] = relationship(back_populates="author")  # noqa: UP037

    class Book(Base):
        __tablename__ = "books"
        Meta = type("Meta", (), book_meta)
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]
        author_id: Mapped[int] = mapped_column(sa.ForeignKey("authors.id"))
        author: Mapped[Author] = relationship(back_populates="books")

    class User(Base):
        __tablename__ = "users"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        password_hash: Mapped[str]
        api_key_hash: Mapped[str | None]
        role_names: Mapped[str]

        @property
        def roles(self) -> list[str]:
            return self.role_names.split()

        def checks(self, password: str) -> bool:
            return hmac.compare_digest(self.password_hash, hashed(password))

    return Base, Author, Book, User


class Library:
    """Authors and books behind authentication; `mira` is a reader, `noor` an editor."""

    def __init__(self, uri: str, book: dict[str, Any], author: dict[str, Any], config: dict[str, Any]) -> None:
        base, author_model, book_model, user = models(book, author)
        self.app = Flask("library")
        self.app.config.update(CONFIG, API_BASE_MODEL=base, API_USER_MODEL=user, API_DATABASE_URI=uri)
        self.app.config.update(config)
        Architect(self.app, parts=[RestPart(), AuthPart()])
        engine = state_of(self.app).database.engine
        assert engine is not None
        self.engine = engine
        base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(author_model(name="Ann", books=[book_model(title="One"), book_model(title="Two")]))
            for name, roles in (("mira", "reader"), ("noor", "editor reader")):
                session.add(user(name=name, password_hash=hashed(PASSWORD), api_key_hash="canary", role_names=roles))
            session.commit()
        self.client = self.app.test_client()

    def headers(self, name: str | None) -> dict[str, str]:
        if name is None:
            return {}
        body = {"username": name, "password": PASSWORD}
        value = self.client.post("/auth/login", json=body).get_json()["value"]
        return {"Authorization": f"Bearer {value['access_token']}"}

    def outcomes(self, name: str | None, *asked: str) -> list[int]:
        """Send requests such as `GET /books/1` and give their statuses."""
        bodies = {"POST": {"title": "New", "author_id": 1}, "PATCH": {"title": "Changed"}}
        statuses = []
        for each in asked or ALL:
            method, path = each.split()
            body = {"json": bodies[method]} if method in bodies else {}
            response = self.client.open(f"/api{path}", method=method, headers=self.headers(name), **body)
            statuses.append(response.status_code)
        return statuses


ALL = ("GET /books", "GET /books/1", "GET /authors/1/books", "POST /books", "PATCH /books/1", "DELETE /books/2")
OPEN = [200, 200, 200, 201, 200, 200]


@pytest.fixture
def library(tmp_path):
    opened: list[Library] = []

    def make(book: dict[str, Any] | None = None, author: dict[str, Any] | None = None, **config: Any) -> Library:
        uri = f"sqlite:///{tmp_path / f'library{len(opened)}.db'}"
        opened.append(Library(uri, book or {}, author or {}, config))
        return opened[-1]

    yield make
    for each in opened:
        each.engine.dispose()


@pytest.mark.contract("auth 3")
def test_generated_routes_ask_for_a_token(library):
    served = library()
    assert served.outcomes(None) == [401] * 6
    assert served.outcomes("mira") == OPEN
    response = served.client.get("/api/books")
    assert error_of(response, 401, "credentials_missing")["message"] == "Authorization credentials missing"
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert served.client.get("/api/nothing").status_code == 404


@pytest.mark.contract("auth 13")
def test_a_model_may_be_open_and_single_methods_too(library):
    assert library({"authenticate": False}).outcomes(None) == OPEN
    assert library({"authenticate_method": False}).outcomes(None) == OPEN
    assert library({"get_authenticate": False}).outcomes(None) == [200, 200, 200, 401, 401, 401]
    assert library({"post_authenticate_method": False}).outcomes(None) == [401, 401, 401, 201, 401, 401]


@pytest.mark.contract("auth 13")
def test_a_model_may_have_methods_of_its_own(library):
    served = library({"authenticate_method": ["basic"], "post_authenticate_method": ["jwt"]})
    basic = {"Authorization": f"Basic {base64.b64encode(f'mira:{PASSWORD}'.encode()).decode()}"}
    response = served.client.get("/api/books", headers=served.headers("mira"))
    error_of(response, 401, "credentials_missing")
    assert response.headers["WWW-Authenticate"] == 'Basic realm="api", charset="UTF-8"'
    assert served.client.get("/api/books", headers=basic).status_code == 200
    assert served.client.get("/api/authors", headers=basic).status_code == 401
    body = {"title": "New", "author_id": 1}
    assert served.client.post("/api/books", json=body, headers=basic).status_code == 401
    assert served.client.post("/api/books", json=body, headers=served.headers("mira")).status_code == 201


@pytest.mark.contract("auth 10")
@pytest.mark.parametrize(
    "requirements, statuses",
    [
        ({"GET": False}, [200, 200, 200, 401, 401, 401]),
        ({"GET_ONE": "no"}, [401, 200, 401, 401, 401, 401]),
        ({"GET_MANY": "no"}, [200, 401, 200, 401, 401, 401]),
        ("off", OPEN),
        ({"RELATION_GET_MANY": False}, [401, 401, 200, 401, 401, 401]),
        ({"RELATION_GET": False}, [401, 401, 200, 401, 401, 401]),
        ({"RELATION": False, "RELATION_GET": "auto"}, [401, 401, 200, 401, 401, 401]),
        ({"RELATION_GET_MANY": True, "RELATION": False, "GET": False}, [200, 200, 401, 401, 401, 401]),
        ({"POST": 0, "DEFAULT": "inherit"}, [401, 401, 401, 201, 401, 401]),
        (lambda is_relation, **_: not is_relation, [401, 401, 200, 401, 401, 401]),
        (lambda model, many, **_: {"GET": many or model is None}, [401, 200, 401, 401, 401, 401]),
    ],
)
def test_requirements_decide_by_operation(library, requirements, statuses):
    assert library(API_AUTH_REQUIREMENTS=requirements).outcomes(None) == statuses
    assert library({"auth_requirements": requirements}).outcomes(None) == statuses


@pytest.mark.contract("auth 10")
@pytest.mark.contract("auth 17.30")
@pytest.mark.parametrize("meta", [{"auth_requirements": True}, {"auth_requirements": {"POST": "on"}}])
def test_a_requirement_that_nobody_could_fulfil_stops_the_start(library, meta):
    with pytest.raises(ConfigurationError, match="API_AUTH_REQUIREMENTS demands"):
        library(meta, API_AUTHENTICATE_METHOD=None)


@pytest.mark.contract("auth 9.3")
@pytest.mark.parametrize(
    "role_map, mira",
    [
        ({"GET": "reader", "*": "editor"}, [200, 200, 200, 403, 403, 403]),
        ({"GET_MANY": "editor", "GET": "reader"}, [403, 200, 403, 201, 200, 200]),
        ({"GET_ONE": "editor"}, [200, 403, 200, 201, 200, 200]),
        ({"RELATION_GET": "editor"}, [200, 200, 403, 201, 200, 200]),
        ({"RELATION_GET_MANY": "reader", "RELATION_GET": "editor", "GET": "editor"}, [403, 403, 200, 201, 200, 200]),
        ({"RELATION": "editor", "ALL": "reader"}, [200, 200, 403, 201, 200, 200]),
        ({"DELETE": {"roles": ["editor", "reader"], "any_of": True}, "PATCH": ["editor", "reader"]},
         [200, 200, 200, 201, 403, 200]),
        ("editor", [403] * 6),
        (["reader"], OPEN),
    ],
)  # fmt: skip
def test_a_role_map_decides_by_operation(library, role_map, mira):
    served = library(API_ROLE_MAP=role_map)
    assert served.outcomes("mira") == mira
    assert served.outcomes(None) == [401] * 6
    assert library({"role_map": role_map}).outcomes("mira") == mira


@pytest.mark.contract("auth 9.3")
@pytest.mark.contract("auth 16.10")
@pytest.mark.contract("auth 17.13")
def test_the_map_of_a_model_replaces_that_of_the_application_and_is_what_a_refusal_tells(library):
    served = library({"role_map": {"GET": ["reader"], "*": ["editor", "lead"]}}, API_ROLE_MAP={"ALL": "boss"})
    response = served.client.delete("/api/books/1", headers=served.headers("mira"))
    errors = error_of(response, 403, "missing_roles")
    told = {name: errors[name] for name in ("required_roles", "any_of", "method", "path", "resource", "resolved_from")}
    assert told == {
        "required_roles": ["editor", "lead"],
        "any_of": False,
        "method": "DELETE",
        "path": "/api/books/1",
        "resource": "books",
        "resolved_from": "*",
    }
    assert errors["user"] == {"id": 1, "username": "mira", "roles": ["reader"]}
    assert error_of(served.client.get("/api/authors", headers=served.headers("noor")), 403)["resolved_from"] == "ALL"


@pytest.mark.contract("auth 9.3")
@pytest.mark.contract("auth 16.9")
@pytest.mark.contract("auth 17.12")
def test_without_a_map_the_fallbacks_decide(library):
    assert library(API_ROLES_REQUIRED=["reader", "editor"]).outcomes("mira") == [403] * 6
    assert library(API_ROLES_ACCEPTED=["reader", "editor"]).outcomes("mira") == OPEN
    assert library({"roles_required": "editor"}).outcomes("mira", "GET /books", "GET /authors") == [403, 200]


@pytest.mark.contract("auth 9.3")
def test_a_role_without_any_method_closes_the_route(library):
    served = library(API_AUTHENTICATE_METHOD=None, API_ROLE_MAP={"POST": "editor"})
    assert served.outcomes(None, "GET /books") == [200]
    response = served.client.post("/api/books", json={"title": "New", "author_id": 1})
    assert error_of(response, 401)["message"] == "Authentication required"


@pytest.mark.contract("auth 9.3")
def test_relation_routes_are_judged_by_the_model_they_lead_to(library):
    served = library({"role_map": "editor"}, {"role_map": "reader"})
    assert served.outcomes("mira", "GET /authors/1", "GET /authors/1/books", "GET /books/1/authors") == [200, 403, 200]
    assert library(author={"authenticate": False}).outcomes(None, "GET /authors/1", "GET /authors/1/books") == [
        200,
        401,
    ]


@pytest.mark.contract("auth 13")
@pytest.mark.contract("auth 17.32")
def test_plugins_see_each_authentication_once_with_its_model(library):
    calls: list[tuple[Any, ...]] = []

    class Recorder(PluginBase):
        def before_authenticate(self, context: dict[str, Any]) -> None:
            calls.append(("before", context["model"].__name__, context["method"]))

        def after_authenticate(self, context: dict[str, Any], success: bool, user: Any) -> None:
            calls.append(("after", success, getattr(user, "name", None)))

    served = library(API_PLUGINS=[Recorder()])
    headers = served.headers("mira")
    served.client.get("/api/books", headers=headers)
    served.client.get("/api/books")
    served.client.head("/api/books/1", headers=headers)
    assert calls == [
        *(("before", "Book", "GET"), ("after", True, "mira")),
        *(("before", "Book", "GET"), ("after", False, None)),
        *(("before", "Book", "GET"), ("after", True, "mira")),
    ]


@pytest.mark.contract("auth S-25")
def test_kept_answers_belong_to_one_caller(library):
    pytest.importorskip("flask_caching")
    served = library({"role_map": "editor"}, API_CACHE_TYPE="SimpleCache", API_CACHE_TIMEOUT=60)
    noor, mira = served.headers("noor"), served.headers("mira")
    for _ in range(2):
        response = served.client.get("/api/books", headers=noor)
        assert response.status_code == 200
        assert response.cache_control.private
        assert {"Authorization", "Cookie"} <= set(response.vary)
        error_of(served.client.get("/api/books", headers=mira), 403, "missing_roles")
        error_of(served.client.get("/api/books"), 401)


@pytest.mark.contract("auth S-20")
@pytest.mark.contract("auth 17.27")
def test_no_route_tells_a_hash(library):
    served = library()
    headers = served.headers("mira")
    paths = (
        "/api/users",
        "/api/users/1",
        "/auth/me",
        "/api/users?api_key_hash=canary",
        "/api/users?sort=password_hash",
    )
    answers = [served.client.get(path, headers=headers).get_data(as_text=True) for path in paths]
    answers.append(served.client.patch("/api/users/1", json={"name": "Mira"}, headers=headers).get_data(as_text=True))
    for answer in answers:
        assert "canary" not in answer.replace("api_key_hash=canary", "")
        assert hashed(PASSWORD) not in answer


def test_a_token_costs_one_statement_more(library):
    served, bare = library(), library(API_AUTHENTICATE_METHOD=None)
    headers = served.headers("mira")
    counts = []
    for each, given in ((served, headers), (bare, {})):
        each.client.get("/api/books", headers=given)
        with count_statements(each.engine) as log:
            assert each.client.get("/api/books", headers=given).status_code == 200
        counts.append(len(log))
    assert counts[0] == counts[1] + 1


# --- PUT: what changes and creates, for rules that do not name it -----------------------------------------------------

READERS = {"GET": "reader", "POST": "editor", "PATCH": "editor", "DELETE": "editor"}


def replaced(library: Library, name: str | None) -> int:
    book = {"title": "Replaced", "author_id": 1}
    return library.client.put("/api/books/1", json=book, headers=library.headers(name)).status_code


@pytest.mark.contract("auth 9.3")
@pytest.mark.parametrize(
    "role_map, mira, noor",
    [
        (READERS, 403, 200),
        ({"PATCH": "editor"}, 403, 200),
        ({"POST": "editor"}, 403, 200),
        ({"PATCH": "editor", "POST": "boss"}, 403, 403),
        ({"PATCH": "editor", "*": True}, 403, 200),
        ({"ALL": "editor"}, 403, 200),
        ("editor", 403, 200),
        ({**READERS, "PUT": "reader"}, 200, 200),
        ({**READERS, "PUT": True}, 200, 200),
        ({"GET": "boss"}, 200, 200),
    ],
)
def test_a_put_needs_the_roles_of_what_it_does(library, role_map, mira, noor):
    served = library(API_ROLE_MAP=role_map)
    assert (replaced(served, "mira"), replaced(served, "noor"), replaced(served, None)) == (mira, noor, 401)


@pytest.mark.contract("auth 9.4")
def test_a_refused_put_tells_the_rule_that_refused(library):
    served = library(API_ROLE_MAP={"PATCH": "reader", "POST": "editor"})
    book = {"title": "Replaced", "author_id": 1}
    errors = error_of(served.client.put("/api/books/1", json=book, headers=served.headers("mira")), 403)
    assert (errors["required_roles"], errors["resolved_from"]) == (["editor"], "POST")


@pytest.mark.contract("auth 10")
@pytest.mark.contract("auth 13")
@pytest.mark.parametrize(
    "meta, config, anonymous",
    [
        ({}, {"API_AUTH_REQUIREMENTS": {"POST": True, "PATCH": True, "DELETE": True, "*": False}}, 401),
        ({}, {"API_AUTH_REQUIREMENTS": {"POST": True, "DEFAULT": False}}, 401),
        ({}, {"API_AUTH_REQUIREMENTS": {"POST": False, "PATCH": False}}, 200),
        ({}, {"API_AUTH_REQUIREMENTS": {"POST": True, "PATCH": True, "PUT": False}}, 200),
        ({}, {"API_AUTH_REQUIREMENTS": {"GET": False}}, 401),
        ({"patch_authenticate_method": "jwt"}, {"API_AUTHENTICATE_METHOD": None}, 401),
        ({"post_authenticate_method": "jwt"}, {"API_AUTHENTICATE_METHOD": None}, 401),
        ({"get_authenticate_method": "jwt"}, {"API_AUTHENTICATE_METHOD": None}, 200),
        ({"authenticate": False, "patch_authenticate": True}, {}, 401),
        ({"authenticate": False, "post_authenticate": True}, {}, 401),
        ({"authenticate": False}, {}, 200),
        ({"patch_authenticate": False}, {}, 401),
        ({"put_authenticate": False}, {}, 200),
    ],
)
def test_a_put_is_open_only_where_what_it_does_is(library, meta, config, anonymous):
    assert replaced(library(book=meta, **config), None) == anonymous


@pytest.mark.contract("auth 13")
def test_a_put_is_recognised_like_a_patch(library):
    served = library(book={"patch_authenticate_method": "basic"})
    basic = base64.b64encode(f"mira:{PASSWORD}".encode()).decode()
    book = {"title": "Replaced", "author_id": 1}
    assert replaced(served, "mira") == 401
    answer = served.client.put("/api/books/1", json=book, headers={"Authorization": f"Basic {basic}"})
    assert answer.status_code == 200


# --- what decides about rows ------------------------------------------------------------------------------------------


def explained(library: Library, *words: str) -> tuple[int, str]:
    result = library.app.test_cli_runner().invoke(args=["flarchitect", "policy", "explain", *words])
    return result.exit_code, result.output.strip()


def by_title(Book: Any, user: Any) -> Any:
    return Book.title == user.name


class Hooks:
    def scope_query(self, query: Any, user: Any, **_: Any) -> Any:
        return query.where(sa.column("title") == user.name)

    def can_delete(self, **_: Any) -> bool:
        return False


@pytest.mark.contract("auth 11")
@pytest.mark.parametrize(
    "meta, words, rule, condition",
    [
        ({}, ["mira", "Book", "read"], "no policy: every row", ""),
        ({"access_policy": Policy(read=True)}, ["mira", "Book", "read"], "every row", ""),
        ({"access_policy": Policy(read=True)}, ["mira", "Book", "delete"], "no row", "WHERE false"),
        ({"access_policy": Policy(by_title)}, ["2", "Book", "update"], "by_title", "WHERE books.title = 'noor'"),
        (
            {"access_policy": Policy(by_title)},
            ["-", "Book", "read"],
            "no row: by_title says nothing about nobody",
            "WHERE false",
        ),
        ({"access_policy": Policy(read={"editor": True, "*": by_title})}, ["mira", "Book", "read"], "*", "= 'mira'"),
        ({"access_policy": Policy(read={"editor": True, "*": by_title})}, ["noor", "Book", "read"], "editor", ""),
        ({"tenant_field": "author_id"}, ["mira", "Book", "read"], "tenant author_id = None", "WHERE false"),
        ({"access_policy": Hooks}, ["mira", "Book", "read"], "hooks can_delete, scope_query", "title = 'mira'"),
    ],
)
def test_the_command_tells_which_rule_decides_and_its_sql(library, meta, words, rule, condition):
    code, output = explained(library(book=meta), *words)
    assert code == 0
    told, _, sql = output.partition("\n")
    assert told.startswith(f"{words[2]} Book: ")
    assert rule in told
    assert sql.startswith("SELECT books.id")
    assert (condition in sql) if condition else ("WHERE" not in sql)
    code, output = explained(library(book=meta), *words, "--json")
    assert json.loads(output) == {"model": "Book", "action": words[2], "rule": told.partition(": ")[2], "sql": sql}


@pytest.mark.contract("auth 11")
def test_the_command_says_what_it_cannot_tell(library):
    def scope_query(query: Any, request: Any, **_: Any) -> Any:
        return query.where(sa.column("title") == request.headers["X-Title"])

    served = library(book={"access_policy": {"scope_query": scope_query}})
    code, output = explained(served, "mira", "Book", "read")
    assert (code, "outside of a request" in output, "Traceback" in output) == (1, True, False)
    assert "Did you mean Book?" in explained(served, "mira", "Bok", "read")[1]
    assert "No user is called 'lena'" in explained(served, "lena", "Book", "read")[1]
    assert explained(served, "mira", "Book", "burn")[0] == 2


# --- rows that are reached through others -----------------------------------------------------------------------------

EDITORS = {"role_map": {"GET": "editor"}}
THROUGH_AUTHORS = ("join=author", "author.name__eq=Ann", "order_by=author.name", "or[author.name__eq=Ann,title__eq=x]")
JOINING = {"API_ALLOW_JOIN": True, "API_LOG_REQUESTS": False}


@pytest.mark.contract("auth 9.3")
@pytest.mark.parametrize("dump", ["url", "json", "hybrid", "dynamic"])
def test_a_relation_shows_no_rows_that_the_caller_may_not_ask_for(library: Any, dump: str) -> None:
    served = library(author=EDITORS, **JOINING)
    path = f"/api/books/1?dump={dump}"
    reader, editor = (served.client.get(path, headers=served.headers(name)) for name in ("mira", "noor"))
    assert (reader.status_code, editor.status_code) == (200, 200)
    assert b"Ann" not in reader.data
    assert (b"Ann" in editor.data) is (dump in ("json", "hybrid"))
    changed = served.client.patch(path, json={"title": "Uno"}, headers=served.headers("mira"))
    assert changed.status_code == 200
    assert b"Ann" not in changed.data
    listed = served.client.get(f"/api/books?dump={dump}", headers=served.headers("mira"))
    assert b"Ann" not in listed.data


@pytest.mark.contract("auth 9.3")
@pytest.mark.parametrize("query", THROUGH_AUTHORS)
def test_no_query_leads_to_rows_that_the_caller_may_not_ask_for(library: Any, query: str) -> None:
    served = library(author=EDITORS, **JOINING)
    path = f"/api/books?{query}"
    assert served.client.get(path, headers=served.headers("noor")).status_code == 200
    refused = served.client.get(path, headers=served.headers("mira"))
    # As for a relation that is not there.
    absent = served.client.get(path.replace("author", "writer"), headers=served.headers("mira"))
    assert error_of(refused, 400)["reason"] == error_of(absent, 400)["reason"]


@pytest.mark.contract("auth 9.3")
def test_callers_who_are_not_known_reach_no_rows_for_which_they_must_be(library: Any) -> None:
    open_books = {"auth_requirements": {"GET": False}}
    served = library(open_books, **JOINING)
    assert b"Ann" not in served.client.get("/api/books?dump=json").data
    assert error_of(served.client.get("/api/books?join=author"), 400)["reason"] == "invalid_join"
    assert served.client.get("/api/books/1/authors").status_code == 401


@pytest.mark.contract("auth 9.3")
def test_a_relation_that_has_its_own_key_in_the_map_is_judged_by_it(library: Any) -> None:
    served = library(author={"role_map": {"RELATION_GET_ONE": "reader", "GET": "editor"}}, **JOINING)
    headers = served.headers("mira")
    assert served.client.get("/api/authors/1", headers=headers).status_code == 403
    assert served.client.get("/api/books/1/authors", headers=headers).status_code == 200
    assert b"Ann" in served.client.get("/api/books?dump=json", headers=headers).data


@pytest.mark.contract("auth 9.3")
def test_no_second_step_leads_further_than_the_first_lets(library: Any) -> None:
    book = {"role_map": {"ALL": "editor", "RELATION_GET_MANY": "reader"}}
    served = library(book, EDITORS, **JOINING)
    reader = served.client.get("/api/authors/1/books?dump=json", headers=served.headers("mira"))
    assert reader.status_code == 200
    assert b"Ann" not in reader.data
    through = "/api/authors/1/books?author.name__eq=Ann"
    assert served.client.get(through, headers=served.headers("mira")).status_code == 400
    assert served.client.get(through, headers=served.headers("noor")).status_code == 200


@pytest.mark.contract("auth 9.3")
def test_where_all_ask_for_the_same_every_caller_is_served_alike(library: Any) -> None:
    served = library(API_ROLE_MAP={"ALL": "reader"}, **JOINING)
    assert state_of(served.app).faces.vary is False
    assert b"Ann" in served.client.get("/api/books?join=author&dump=dynamic", headers=served.headers("mira")).data


@pytest.mark.contract("auth 9.3")
def test_nested_rows_are_written_by_the_roles_of_their_model(library: Any) -> None:
    author = {"role_map": {"POST": "editor", "PATCH": "editor", "GET": "reader"}}
    served = library(author=author, API_ALLOW_NESTED_WRITES=True)
    bodies = {
        "made": {"title": "Three", "author": {"name": "Bea"}},
        "changed": {"title": "Three", "author": {"id": 1, "name": "Anna"}},
    }
    for body in bodies.values():
        refused = served.client.post("/api/books", json=body, headers=served.headers("mira"))
        assert list(error_of(refused, 400)["fields"]) == ["author"]
    kept = served.client.post(
        "/api/books", json={"title": "Three", "author": {"id": 1}}, headers=served.headers("mira")
    )
    assert kept.status_code == 201
    for body in bodies.values():
        assert served.client.post("/api/books", json=body, headers=served.headers("noor")).status_code == 201
    names = served.client.get("/api/authors?order_by=id", headers=served.headers("mira")).get_json()["value"]
    assert [each["name"] for each in names] == ["Anna", "Bea"]
