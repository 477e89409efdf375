"""A key of a hidden row and a key that nobody has are answered alike, whatever is asked about them and however."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import request
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.access.identity import set_current_user
from flarchitect_core.access.rules import Policy, owner
from flarchitect_core.testing import count_statements

pytestmark = pytest.mark.contract("bar F80", "auth 11.2, S-21")

USERS = {"ada": SimpleNamespace(id=1, tenant_id=1, roles=[]), "bob": SimpleNamespace(id=2, tenant_id=2, roles=[])}
ADA = {"X-User": "ada"}
# Of one length, so that answers which name them are, too.
SEEN, HIDDEN, ABSENT = 5555, 7777, 8888


def owned(query: Any, model: Any, **_: Any) -> Any:
    user = USERS.get(request.headers.get("X-User", ""))
    return query.where(sa.false() if user is None else model.owner_id == user.id)


WAYS: dict[str, dict[str, Any]] = {
    "policy": {"access_policy": Policy({"*": owner("owner_id")})},
    "hooks": {"access_policy": {"scope_query": owned}},
    "tenant": {"tenant_field": "owner_id"},
    "filter": {"filter_callback": staticmethod(lambda query, model, params: owned(query, model))},
    "marked": {"soft_delete": True, "soft_delete_attribute": "gone", "soft_delete_values": (False, True)},
    "marked of a tenant": {
        "soft_delete": True,
        "soft_delete_attribute": "gone",
        "soft_delete_values": (False, True),
        "tenant_field": "owner_id",
    },
}
OPEN = dict.fromkeys(
    ("allow_nested_writes", "allow_bulk", "allow_cascade_delete", "allow_export", "allow_groupby"), True
)


def models(way: dict[str, Any], **meta: Any) -> SimpleNamespace:
    """Folders and their pages, which refer to folders and share tags; folders and tags may be hidden."""

    class Base(DeclarativeBase):
        pass

    tagged = sa.Table(
        "key_tagged",
        Base.metadata,
        sa.Column("page_id", sa.ForeignKey("key_pages.id"), primary_key=True),
        sa.Column("tag_id", sa.ForeignKey("key_tags.id"), primary_key=True),
    )

    class Folder(Base):
        __tablename__ = "key_folders"
        Meta = type("Meta", (), {**OPEN, **way, **meta})

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20), default="")
        owner_id: Mapped[int] = mapped_column(default=1)
        gone: Mapped[bool] = mapped_column(default=False)
        home_id: Mapped[int | None] = mapped_column(sa.ForeignKey("key_folders.id"))
        home: Mapped[Folder | None] = relationship(remote_side=[id])
        pages: Mapped[list[Page]] = relationship(back_populates="folder")

    class Page(Base):
        __tablename__ = "key_pages"
        Meta = type("Meta", (), OPEN)

        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str] = mapped_column(sa.String(20), default="")
        folder_id: Mapped[int | None] = mapped_column(sa.ForeignKey("key_folders.id"))
        folder: Mapped[Folder | None] = relationship(back_populates="pages")
        tags: Mapped[list[Tag]] = relationship(secondary=tagged)

    class Tag(Base):
        __tablename__ = "key_tags"
        Meta = type("Meta", (), {**OPEN, **way, **meta})

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20), default="")
        owner_id: Mapped[int] = mapped_column(default=1)
        gone: Mapped[bool] = mapped_column(default=False)

    for model in (Folder, Page, Tag):
        model.__module__ = __name__
    return SimpleNamespace(Base=Base, Folder=Folder, Page=Page, Tag=Tag, tagged=tagged)


def served_by(serve: Any, way: dict[str, Any], **meta: Any) -> Any:
    kinds = models(way, **meta)
    api = serve(
        kinds.Base,
        API_TENANT_RESOLVER=lambda user: user.tenant_id,
        API_IDEMPOTENCY=True,
        API_ETAGS=True,
        API_ALLOW_AGGREGATION=True,
    )
    api.app.before_request(lambda: set_current_user(USERS.get(request.headers.get("X-User", ""))))
    hidden = {"id": HIDDEN, "owner_id": 1 if way is WAYS["marked"] else 2, "gone": "soft_delete" in way}
    tables = kinds.Base.metadata.sorted_tables

    def fill() -> None:
        """Put the rows back as they were."""
        api.execute(sa.update(kinds.Folder).values(home_id=None))  # MariaDB looks at each row that goes
        for table in reversed(tables):
            api.execute(sa.delete(table))
        for model in (kinds.Folder, kinds.Tag):
            api.execute(sa.insert(model), [{"id": SEEN, "owner_id": 1, "gone": False}, hidden])
        api.execute(sa.insert(kinds.Page), [{"id": key, "folder_id": key} for key in (SEEN, HIDDEN)])
        api.execute(sa.insert(kinds.tagged), [{"page_id": SEEN, "tag_id": key} for key in (SEEN, HIDDEN)])

    api.fill = fill
    return api


def answer_to(api: Any, asked: Any, key: int) -> Any:
    """Give everything that a client can tell of an answer, with another word for the key; rows are as at first."""
    api.fill()
    method, url, *more = asked(key)
    arguments = more[0] if more else {}
    headers = {**ADA, **arguments.pop("headers", {})}
    with count_statements(api.engine) as log:
        response = api.open(url, method=method, headers=headers, **arguments)
    told = response.get_data(as_text=True)
    told = re.sub(r'"(request_id|datetime)":"[^"]*"', r'"\1":""', told)
    told = re.sub(r'"response_ms":\d+', '"response_ms":0', told)
    told = re.sub(r"<(request_id|datetime|response_ms)>[^<]*<", r"<\1><", told)
    statements = [re.sub(r"sa_savepoint_\d+", "sa_savepoint", each) for each in log.statements]
    kept = {
        name: value for name, value in response.headers.items() if name not in ("Date", "X-Request-ID", "Server-Timing")
    }
    kept.pop("Content-Length", None)  # the time that it took has more or fewer digits
    return json.loads(
        json.dumps([response.status_code, told, kept, statements]).replace(str(key), "KEY"),
    )


def reading() -> dict[str, Any]:
    parameters = (
        "",
        "?fields=name",
        "?fields=id,pages",
        "?dump=json",
        "?dump=dynamic&join=pages",
        "?dump=hybrid",
        "?join=pages&fields=pages.text",
        "?include_deleted=true",
        "?fields=nothing",
    )
    found = {f"item{each}": lambda key, each=each: ("GET", f"/api/folders/{key}{each}") for each in parameters}
    found |= {
        f"pages{each}": lambda key, each=each: ("GET", f"/api/folders/{key}/pages{each}")
        for each in (
            "",
            "?cursor=",
            "?count=none",
            "?limit=1&page=2",
            "?text__eq=x",
            "?groupby=text&id__count=1",
            "?include_deleted=true",
            "?dump=json",
        )
    }
    headers = ({"If-None-Match": "*"}, {"If-Match": "*"}, {"If-Match": '"abc"'}, {"If-None-Match": '"abc"'})
    for each in headers:
        words = " ".join(*each.items())
        found[f"item {words}"] = lambda key, each=each: ("GET", f"/api/folders/{key}", {"headers": each})
        found[f"pages {words}"] = lambda key, each=each: ("GET", f"/api/folders/{key}/pages", {"headers": each})
    for kind in ("text/csv", "application/x-ndjson", "application/xml"):
        accepts = {"headers": {"Accept": kind}}
        found[f"item {kind}"] = lambda key, accepts=accepts: ("GET", f"/api/folders/{key}", {**accepts})
        found[f"pages {kind}"] = lambda key, accepts=accepts: ("GET", f"/api/folders/{key}/pages", {**accepts})
    found["HEAD"] = lambda key: ("HEAD", f"/api/folders/{key}")
    found["OPTIONS"] = lambda key: ("OPTIONS", f"/api/folders/{key}")
    found["folder"] = lambda key: ("GET", f"/api/folders/{key}/folders")
    found["filter"] = lambda key: ("GET", f"/api/folders?id__in={SEEN},{key}")
    found["filter of another"] = lambda key: ("GET", f"/api/pages?folder.id__eq={key}")
    return found


def writing() -> dict[str, Any]:
    found: dict[str, Any] = {}
    bodies = {"PATCH": {"name": "x"}, "PUT": {"name": "x"}, "DELETE": None}
    headers = {
        "": {},
        "If-None-Match *": {"If-None-Match": "*"},
        "If-Match *": {"If-Match": "*"},
        "If-Match": {"If-Match": '"abc"'},
        "If-None-Match": {"If-None-Match": '"abc"'},
        "Idempotency-Key": {"Idempotency-Key": "one"},
        "Prefer": {"Prefer": "return=minimal"},
    }
    for method, body in bodies.items():
        sent = {} if body is None else {"json": body}
        for name, each in headers.items():
            found[f"{method} {name}"] = lambda key, method=method, sent=sent, each=each: (
                method,
                f"/api/folders/{key}",
                {**sent, "headers": each},
            )
        for each in ("?fields=name", "?dump=json", "?include_deleted=true", "?cascade_delete=1"):
            if (method == "DELETE") is (each == "?cascade_delete=1"):
                found[f"{method}{each}"] = lambda key, method=method, sent=sent, each=each: (
                    method,
                    f"/api/folders/{key}{each}",
                    {**sent},
                )
    sent_bodies: dict[str, Any] = {
        "nothing": {},
        "the key": lambda key: {"id": key, "name": "x"},
        "another key": {"id": SEEN, "name": "x"},
        "something wrong": {"name": 5, "nothing": 1},
        "another owner": {"name": "x", "owner_id": 2},
        "a mark": {"gone": False},
        "pages": {"pages": [{"id": SEEN}]},
        "a home": {"home_id": SEEN},
    }
    for name, body in sent_bodies.items():
        for method in ("PATCH", "PUT"):
            found[f"{method} with {name}"] = lambda key, method=method, body=body: (
                method,
                f"/api/folders/{key}",
                {"json": body(key) if callable(body) else body},
            )
    found["merge patch"] = lambda key: (
        "PATCH",
        f"/api/folders/{key}",
        {"data": '{"name": "x"}', "content_type": "application/merge-patch+json"},
    )
    many = "/api/folders"
    items = lambda key: [{"id": SEEN, "name": "x"}, {"id": key, "name": "y"}]  # noqa: E731
    found["PATCH of a list"] = lambda key: ("PATCH", many, {"json": items(key)})
    found["PATCH of a list, each for itself"] = lambda key: ("PATCH", f"{many}?atomic=false", {"json": items(key)})
    where = f"{many}?id__in={SEEN},{{}}&max_affected=5"
    found["PATCH of what is found"] = lambda key: ("PATCH", where.format(key), {"json": {"name": "x"}})
    found["DELETE of what is found"] = lambda key: ("DELETE", f"{many}?id__eq={key}&max_affected=5")
    found["restore"] = lambda key: ("PATCH", f"{many}/{key}?include_deleted=true", {"json": {"gone": False}})
    nested: dict[str, Any] = {
        "folder": lambda key: {"folder": {"id": key}},
        "folder changed": lambda key: {"folder": {"id": key, "name": "x"}},
        "folder_id": lambda key: {"folder_id": key},
        "tags": lambda key: {"tags": [{"id": key}]},
        "tags changed": lambda key: {"tags": [{"id": key, "name": "x"}]},
        "new folder": lambda key: {"folder": {"name": "n", "home_id": key}},
        "new folder below": lambda key: {"folder": {"name": "n", "home": {"id": key}}},
    }
    for name, body in nested.items():
        found[f"POST {name}"] = lambda key, body=body: ("POST", "/api/pages", {"json": body(key)})
        found[f"PATCH {name}"] = lambda key, body=body: ("PATCH", f"/api/pages/{SEEN}", {"json": body(key)})
        found[f"PUT {name}"] = lambda key, body=body: ("PUT", f"/api/pages/{SEEN}", {"json": body(key)})
    found["POST once"] = lambda key: (
        "POST",
        "/api/pages",
        {"json": {"folder_id": key}, "headers": {"Idempotency-Key": "k"}},
    )
    found["POST of a list"] = lambda key: ("POST", "/api/pages", {"json": [{"folder_id": SEEN}, {"folder_id": key}]})
    return found


# What asks for rows that are marked, and so for the one that is nothing but marked.
FOR_MARKED = re.compile(r"include_deleted|cascade_delete")


def differences(api: Any, requests: Any) -> dict[str, Any]:
    """Give what is answered to requests that tell the two keys apart."""
    found = {}
    for name, asked in requests.items():
        absent, hidden = (answer_to(api, asked, key) for key in (ABSENT, HIDDEN))
        assert absent[0] < 500, (name, absent)
        if absent != hidden:
            found[name] = (absent, hidden)
    return found


REQUESTS = [reading(), writing()]
BOTH = pytest.mark.parametrize("requests", REQUESTS, ids=["reading", "writing"])


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@BOTH
def test_a_hidden_key_and_one_that_nobody_has_are_answered_alike(serve, way, requests):
    if way is WAYS["marked"]:
        requests = {name: asked for name, asked in requests.items() if not FOR_MARKED.search(asked(ABSENT)[1])}
    assert differences(served_by(serve, way), requests) == {}


@BOTH
def test_a_marked_row_that_nobody_may_ask_for_is_not_there_at_all(serve, requests):
    assert differences(served_by(serve, WAYS["marked"], allow_include_deleted=False), requests) == {}


def test_the_requests_tell_a_row_that_is_there(serve):
    """Otherwise the tests above would compare refusals of something else."""
    api = served_by(serve, WAYS["policy"])
    alike = {
        name
        for name, asked in (REQUESTS[0] | REQUESTS[1]).items()
        if answer_to(api, asked, SEEN)[:2] == answer_to(api, asked, ABSENT)[:2]
    }
    refused = {"item?join=pages&fields=pages.text", "item?fields=nothing", "item text/csv", "item application/x-ndjson"}
    assert alike == {*refused, "OPTIONS", "PATCH with something wrong", "PUT with something wrong"}


@pytest.mark.parametrize("way", ["policy", "tenant", "marked of a tenant"])
@BOTH
def test_where_clients_choose_keys_nothing_is_told_but_that_a_key_is_taken(serve, way, requests):
    """A new row cannot have the key of a hidden one, and no answer can keep that a secret."""
    found = differences(served_by(serve, WAYS[way], allow_client_pk=True), requests)
    would_be_new = {name for name in requests if re.match(r"PUT|.*(folder|tags)( changed| below)?$", name)}
    assert found.keys() <= would_be_new - {"PUT If-Match", "PUT If-Match *", "PUT with something wrong"}
    for name, (absent, hidden) in found.items():
        assert absent[0] in (200, 201) or (name, absent[0]) == ("PUT with another owner", 403)
        assert hidden[0] == 409
        assert json.loads(hidden[1])["errors"]["reason"] == "unique_violation"
