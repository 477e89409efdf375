"""The matrix of policies: users x models x operations x routes, decided by one table and checked over HTTP.

The routes are those of the application's `url_map`: one that nobody has decided about fails the test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from flask import request
from sqlalchemy.orm import DeclarativeBase, mapped_column, relationship

from flarchitect_core.access.identity import set_current_user
from flarchitect_core.access.rules import ANONYMOUS, Policy, owner

USERS = {
    "nobody": None,
    "ada": SimpleNamespace(id=1, roles=[]),
    "bob": SimpleNamespace(id=2, roles=[]),
    "root": SimpleNamespace(id=9, roles=["admin"]),
}
PEOPLE = {ANONYMOUS: True, "*": True}
POLICIES = {
    "Diary": Policy({"admin": True, "*": owner("owner_id")}),
    "Notice": Policy(read=True, write={"admin": True}),
    "Letter": Policy({"admin": True}, create=PEOPLE),
    "Ticket": Policy({"admin": True, "*": owner("owner_id")}, read={"*": True}, delete=False),
    "Folder": Policy({"admin": True, "*": owner("owner_id")}),
}


class Rights(NamedTuple):
    """Whose rows a user may read, create, update and delete: those of ada (1), of bob (2), of both, of nobody."""

    read: str
    create: str
    update: str
    delete: str


NONE, ALL = Rights("", "", "", ""), Rights("12", "12", "12", "12")
TABLE: dict[str, dict[str, Rights]] = {
    "Diary": {"nobody": NONE, "ada": Rights(*"1111"), "bob": Rights(*"2222"), "root": ALL},
    "Notice": {**dict.fromkeys(("nobody", "ada", "bob"), Rights("12", "", "", "")), "root": ALL},
    "Letter": {**dict.fromkeys(("nobody", "ada", "bob"), Rights("", "12", "", "")), "root": ALL},
    "Ticket": {
        "nobody": NONE,
        "ada": Rights("12", "1", "1", ""),
        "bob": Rights("12", "2", "2", ""),
        "root": ALL._replace(delete=""),
    },
    "Folder": {"nobody": NONE, "ada": Rights(*"1111"), "bob": Rights(*"2222"), "root": ALL},
}
# The first row of each model is ada's, the second bob's, the last is not there.
ROWS, ABSENT = (1, 2), 99
KEYS = (*ROWS, ABSENT)


def models() -> Any:
    class Base(DeclarativeBase):
        pass

    def meta(name: str) -> type:
        return type("Meta", (), {"access_policy": POLICIES[name], "allow_bulk": True, "allow_export": True})

    kinds: dict[str, Any] = {}
    for name in TABLE:
        table = f"{name.lower()}_rows"
        members: dict[str, Any] = {
            "__tablename__": table,
            "Meta": meta(name),
            "id": mapped_column(sa.Integer, primary_key=True),
            "text": mapped_column(sa.String(20)),
            "owner_id": mapped_column(sa.Integer),
        }
        if name != "Folder":
            members["folder_id"] = mapped_column(sa.ForeignKey("folder_rows.id"), nullable=True)
            members["folder"] = relationship("Folder", back_populates=name.lower())
        else:
            members |= {
                other.lower(): relationship(other, back_populates="folder", passive_deletes="all")
                for other in TABLE
                if other != "Folder"
            }
        kinds[name] = type(name, (Base,), members)
    return SimpleNamespace(Base=Base, **kinds)


@dataclass(frozen=True)
class Case:
    """One model as one user sees it."""

    api: Any
    model: str
    user: str
    rights: Rights

    def call(self, method: str, url: str, **arguments: Any) -> Any:
        headers = {"X-User": self.user, **arguments.pop("headers", {})}
        return self.api.open(url, method=method.upper(), headers=headers, **arguments)

    def readable(self) -> list[int]:
        return [key for key in ROWS if str(key) in self.rights.read]

    def may(self, action: str, key: int) -> int:
        """Status of an operation on a row: what may not be read is not there."""
        if key not in self.readable():
            return 404
        return 200 if str(key) in getattr(self.rights, action) else 403

    def answered(self, action: str, status: int) -> list[int]:
        return [key for key in KEYS if self.may(action, key) == status]


Changed = set[int]
Check = Callable[[Case, str], Iterator[Changed]]


# --- what each kind of route must do; each gives which rows are other ones afterwards --------------------------------


def lists(case: Case, url: str) -> Iterator[Changed]:
    readable = case.readable()
    for query in ("", "?id__in=1,2", "?order_by=-text", "?dump=json", "?count=capped"):
        body = case.call("get", url + query).get_json()
        assert sorted(row["id"] for row in body["value"]) == readable, query
        assert body["total_count"] == len(readable), query
    hidden = [key for key in ROWS if key not in readable]
    for accepts in ("text/csv", "application/x-ndjson"):
        text = case.call("get", url, headers={"Accept": accepts}).get_data(as_text=True)
        assert all(f"text{key}" in text for key in readable)
        assert not any(f"text{key}" in text for key in hidden)
    yield set()


def heads(case: Case, url: str) -> Iterator[Changed]:
    answer = case.call("head", url)
    assert (answer.status_code, answer.get_data()) == (200, b"")
    yield set()


def creates(case: Case, url: str) -> Iterator[Changed]:
    bodies = [{"text": "new", "owner_id": owned} for owned in ROWS]
    expected = [201 if str(owned) in case.rights.create else 403 for owned in ROWS]
    for body, status in zip(bodies, expected, strict=True):
        assert case.call("post", url, json=body).status_code == status, body
        yield {0} if status == 201 else set()
    items = case.call("post", f"{url}?atomic=false", json=bodies).get_json()["value"]
    assert [item["status"] for item in items] == expected
    yield {0} if 201 in expected else set()
    answer = case.call("post", url, json=bodies)
    assert answer.status_code == (201 if expected == [201, 201] else 400)
    yield {0} if expected == [201, 201] else set()


def changes_lists(case: Case, url: str) -> Iterator[Changed]:
    items = case.call("patch", f"{url}?atomic=false", json=[{"id": key, "text": "new"} for key in KEYS])
    assert [item["status"] for item in items.get_json()["value"]] == [case.may("update", key) for key in KEYS]
    yield set(case.answered("update", 200))
    answer = case.call("patch", f"{url}?id__in=1,2&max_affected=9", json={"text": "new"})
    refused = case.answered("update", 403)
    assert answer.status_code == (403 if refused else 200)
    yield set() if refused else set(case.answered("update", 200))


def deletes_lists(case: Case, url: str) -> Iterator[Changed]:
    answer = case.call("delete", f"{url}?id__in=1,2&max_affected=9")
    refused = case.answered("delete", 403)
    assert answer.status_code == (403 if refused else 200)
    yield set() if refused else set(case.answered("delete", 200))


def gets(case: Case, url: str) -> Iterator[Changed]:
    for key in KEYS:
        assert case.call("get", url.format(key)).status_code == case.may("read", key), key
    yield set()


def written(method: str, action: str, body: Callable[[int], Any]) -> Check:
    def check(case: Case, url: str) -> Iterator[Changed]:
        for key in KEYS:
            expected = case.may(action, key)
            for headers in ({"If-Match": '"other"'}, {}):
                answer = case.call(method, url.format(key), json=body(key), headers=headers)
                status = 412 if headers and key in case.readable() else expected
                assert answer.status_code == status, (key, headers, answer.get_data(as_text=True))
            yield {key} if expected == 200 else set()

    return check


def gives_away(case: Case, url: str) -> Iterator[Changed]:
    yield from written("patch", "update", lambda key: {"text": "new"})(case, url)
    for key in ROWS:
        status = case.may("update", key)
        if status == 200 and not ({"1", "2"} <= set(case.rights.update) & set(case.rights.read)):
            status = 403
        assert case.call("patch", url.format(key), json={"owner_id": 3 - key}).status_code == status, key
        yield {key} if status == 200 else set()


def related_lists(case: Case, url: str) -> Iterator[Changed]:
    """Folders lead to the rows of other models; `case` is about the folders."""
    other = TABLE[next(name for name in TABLE if SEGMENTS[name] == url.rpartition("/")[2])][case.user]
    for key in KEYS:
        answer = case.call("get", url.format(key))
        assert answer.status_code == case.may("read", key), key
        if answer.status_code == 200:
            inside = [row for row in ROWS if str(row) in other.read] if key == 1 else []
            body = answer.get_json()
            assert ([row["id"] for row in body["value"]], body["total_count"]) == (inside, len(inside))
    yield set()


def related_rows(case: Case, url: str) -> Iterator[Changed]:
    """Rows of the other models lead to the folder of ada."""
    is_seen = "1" in TABLE["Folder"][case.user].read
    for key in KEYS:
        assert case.call("get", url.format(key)).status_code == (case.may("read", key) if is_seen else 404), key
    yield set()


def heads_as_gets(case: Case, url: str) -> Iterator[Changed]:
    for key in KEYS:
        statuses = [case.call(method, url.format(key)).status_code for method in ("get", "head")]
        assert statuses[0] == statuses[1], key
    yield set()


CELLS: dict[tuple[str, str], tuple[Check, ...]] = {
    ("list", "GET"): (lists,),
    ("list", "HEAD"): (heads,),
    ("list", "POST"): (creates,),
    ("list", "PATCH"): (changes_lists,),
    ("list", "DELETE"): (deletes_lists,),
    ("item", "GET"): (gets,),
    ("item", "HEAD"): (heads_as_gets,),
    ("item", "PUT"): (written("put", "update", lambda key: {"text": "new", "owner_id": min(key, 2)}),),
    ("item", "PATCH"): (gives_away,),
    ("item", "DELETE"): (written("delete", "delete", lambda key: None),),
    ("children", "GET"): (related_lists,),
    ("children", "HEAD"): (heads_as_gets,),
    ("parent", "GET"): (related_rows,),
    ("parent", "HEAD"): (heads_as_gets,),
}
SEGMENTS = {"Diary": "diaries", "Notice": "notices", "Letter": "letters", "Ticket": "tickets", "Folder": "folders"}


def routes_of(api: Any, model: str) -> Iterator[tuple[str, str, str]]:
    """Give kind, method and URL of every route below the collection of a model."""
    for rule in api.app.url_map.iter_rules():
        url = re.sub(r"<[^>]*>", "{}", rule.rule)
        _, prefix, segment, *others = url.split("/")
        if (prefix, segment) == ("api", SEGMENTS[model]):
            kind = ("list", "item", "children" if model == "Folder" else "parent")[len(others)]
            yield from ((kind, method, url) for method in sorted(rule.methods or ()) if method != "OPTIONS")


def fill(api: Any, kinds: Any, *, filed: bool) -> None:
    """Store the rows as they are at first, `filed` in the folder of ada."""
    tables = kinds.Base.metadata.sorted_tables
    for table in reversed(tables):
        api.execute(sa.delete(table))
    for table in tables:
        more = {"folder_id": 1} if filed and "folder_id" in table.columns else {}
        api.execute(sa.insert(table), [{"id": key, "text": f"text{key}", "owner_id": key, **more} for key in ROWS])
    api.advance_sequences(*(table.name for table in tables))


def rows_of(api: Any, kind: Any) -> dict[int, Any]:
    with api.engine.connect() as connection:
        return {row.id: tuple(row) for row in connection.execute(sa.select(kind.__table__))}


@pytest.fixture
def start(serve):
    def started() -> tuple[Any, Any]:
        kinds = models()
        api = serve(kinds.Base)
        api.app.before_request(lambda: set_current_user(USERS[request.headers["X-User"]]))
        return api, kinds

    return started


@pytest.mark.contract("S-18")
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("model", TABLE)
def test_every_route_does_what_the_table_says(start, model, user):
    api, kinds = start()
    case = Case(api, model, user, TABLE[model][user])
    kind = getattr(kinds, model)
    routes = list(routes_of(api, model))
    assert {("list", "GET"), ("item", "DELETE")} <= {route[:2] for route in routes}
    for kind_of_route, method, url in routes:
        filed = kind_of_route in ("children", "parent")
        for check in CELLS[kind_of_route, method]:
            fill(api, kinds, filed=filed)
            before = rows_of(api, kind)
            for changed in check(case, url):
                after = rows_of(api, kind)
                new = after.keys() - before.keys()
                other = {key for key in before if after.get(key) != before[key]}
                assert other | ({0} if new else set()) == changed, (method, url)
                fill(api, kinds, filed=filed)
                before = rows_of(api, kind)


@pytest.mark.contract("S-18")
def test_the_table_is_about_every_route_there_is(start):
    api, _ = start()
    decided = {url for model in TABLE for _, _, url in routes_of(api, model)}
    served = {re.sub(r"<[^>]*>", "{}", rule.rule) for rule in api.app.url_map.iter_rules() if rule.endpoint != "static"}
    assert served == decided
    assert TABLE.keys() == POLICIES.keys() == SEGMENTS.keys()
    assert all(rights.keys() == USERS.keys() for rights in TABLE.values())
