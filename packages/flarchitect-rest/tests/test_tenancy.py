"""Tenants: two of them on one database never meet, and what one holds changes no answer to the other."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship

from flarchitect_core.access.identity import set_current_user
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.testing import count_statements, make_app
from flarchitect_rest.part import RestPart

USERS = {
    "a": SimpleNamespace(id=1, tenant_id=1, roles=[]),
    "b": SimpleNamespace(id=2, tenant_id=2, roles=[]),
    "none": SimpleNamespace(id=3, tenant_id=None, roles=[]),
}


def models() -> Any:
    class Base(DeclarativeBase):
        pass

    class Project(Base):
        __tablename__ = "projects"

        class Meta:
            allow_nested_writes = True
            allow_bulk = True
            allow_groupby = True
            allow_aggregation = True

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20))
        size: Mapped[int] = mapped_column(default=0)
        tenant_id: Mapped[int]
        tasks: Mapped[list["Task"]] = relationship(back_populates="project")

    class Task(Base):
        __tablename__ = "tasks"

        class Meta:
            allow_nested_writes = True
            allow_bulk = True

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20))
        tenant_id: Mapped[int]
        project_id: Mapped[int | None] = mapped_column(sa.ForeignKey("projects.id"))
        project: Mapped[Project | None] = relationship(back_populates="tasks")

    class Country(Base):
        __tablename__ = "countries"

        class Meta:
            tenant_field = False

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20))

    return SimpleNamespace(Base=Base, Project=Project, Task=Task, Country=Country)


@dataclass(slots=True)
class Slotted:
    tenant_id: int


def as_user(name: str) -> dict[str, str]:
    return {"X-User": name}


def with_users(app: Any) -> Any:
    app.before_request(lambda: set_current_user(USERS.get(request.headers.get("X-User", ""))))
    return app


@pytest.fixture
def api(serve):
    kinds = models()
    api = serve(kinds.Base, API_TENANT_FIELD="tenant_id")
    with_users(api.app)
    projects = [{"id": n, "name": f"p{n}", "size": n, "tenant_id": 1 + n % 2} for n in range(1, 5)]
    api.execute(sa.insert(kinds.Project), projects)
    api.execute(
        sa.insert(kinds.Task), [{"id": n, "name": f"t{n}", "tenant_id": 1 + n % 2, "project_id": n} for n in (1, 2)]
    )
    api.execute(sa.insert(kinds.Country), [{"id": 1, "name": "Norway"}])
    api.advance_sequences("projects", "tasks")
    return api


@pytest.mark.contract("S-21")
def test_rows_of_another_tenant_are_not_there(api):
    assert api.get("/api/projects", headers=as_user("a")).get_json()["total_count"] == 2
    assert [row["id"] for row in api.value("/api/projects", headers=as_user("b"))] == [1, 3]
    assert api.get("/api/projects/1", headers=as_user("a")).status_code == 404
    assert api.get("/api/projects/1/tasks", headers=as_user("a")).status_code == 404
    assert api.patch("/api/tasks/1", json={"name": "x"}, headers=as_user("a")).status_code == 404


@pytest.mark.contract("S-21")
@pytest.mark.parametrize("user", ["none", "nobody"])
def test_without_a_tenant_there_is_nothing(api, user):
    assert api.get("/api/projects", headers=as_user(user)).get_json()["total_count"] == 0
    answer = api.post("/api/projects", json={"name": "n"}, headers=as_user(user))
    assert (answer.status_code, answer.get_json()["errors"]["reason"]) == (403, "tenant_mismatch")


@pytest.mark.contract("S-21")
def test_a_new_row_gets_the_tenant_of_its_author(api):
    body = {"name": "n", "tasks": [{"name": "first"}]}
    answer = api.post("/api/projects", json=body, headers=as_user("a"))
    assert (answer.status_code, answer.get_json()["value"]["tenant_id"]) == (201, 1)
    assert api.scalar("SELECT tenant_id FROM tasks WHERE name = 'first'") == 1


@pytest.mark.contract("S-21")
def test_another_tenant_is_refused(api):
    for answer in (
        api.post("/api/projects", json={"name": "n", "tenant_id": 2}, headers=as_user("a")),
        api.patch("/api/projects/2", json={"tenant_id": 2}, headers=as_user("a")),
        api.put("/api/projects/2", json={"name": "n", "tenant_id": 2}, headers=as_user("a")),
        api.post("/api/projects", json={"name": "n", "tasks": [{"name": "x", "tenant_id": 2}]}, headers=as_user("a")),
    ):
        assert answer.status_code == 403
    assert api.put("/api/projects/2", json={"name": "n"}, headers=as_user("a")).get_json()["value"]["tenant_id"] == 1
    assert api.scalar("SELECT count(*) FROM projects WHERE tenant_id = 2") == 2


@pytest.mark.contract("S-21")
def test_a_model_without_the_column_is_shared(api):
    for user in ("a", "b", "none"):
        assert api.value("/api/countries/1", headers=as_user(user))["name"] == "Norway"


@pytest.mark.contract("S-21")
def test_shared_models_that_nobody_called_shared_are_told(tmp_path, caplog):
    kinds = models()
    kinds.Country.Meta.tenant_field = None
    make_app(kinds.Base, f"sqlite:///{tmp_path / 'x.db'}", parts=[RestPart()], API_TENANT_FIELD="tenant_id")
    assert any("All tenants share the rows of Country" in record.message for record in caplog.records)


@pytest.mark.contract("S-21")
def test_a_field_that_no_model_has_stops_the_start(tmp_path):
    kinds = models()
    with pytest.raises(ConfigurationError, match="would hide nothing"):
        make_app(kinds.Base, f"sqlite:///{tmp_path / 'x.db'}", parts=[RestPart()], API_TENANT_FIELD="tenant")


def ledger(is_published: bool) -> Any:
    """Projects of tenants, and all that may be known of entries: of both tenants, and both lie in project 1."""

    class Base(DeclarativeBase):
        pass

    closed = type("Meta", (), {"block_methods": ["GET", "POST", "PUT", "PATCH", "DELETE"]})

    class Entry(Base):
        __tablename__ = "entries"
        if is_published:
            Meta = closed

        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[int]
        size: Mapped[int]
        project_id: Mapped[int | None] = mapped_column(sa.ForeignKey("projects.id"))
        box_id: Mapped[int | None] = mapped_column(sa.ForeignKey("boxes.id"))

    class Box(Base):
        __tablename__ = "boxes"

        id: Mapped[int] = mapped_column(primary_key=True)
        entries: Mapped[list[Any]] = relationship(Entry)

    class Link(Base):
        __tablename__ = "links"
        if is_published:
            Meta = closed

        project_id: Mapped[int] = mapped_column(sa.ForeignKey("projects.id"), primary_key=True)
        word_id: Mapped[int] = mapped_column(sa.ForeignKey("words.id"), primary_key=True)
        tenant_id: Mapped[int]

    class Word(Base):
        __tablename__ = "words"

        class Meta:
            tenant_field = False

        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str] = mapped_column(sa.String(20))

    class Project(Base):
        __tablename__ = "projects"

        class Meta:
            allow_aggregation = True
            allow_groupby = True
            allow_export = True

        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[int]
        box_id: Mapped[int | None] = mapped_column(sa.ForeignKey("boxes.id"))
        main_id: Mapped[int | None] = mapped_column(sa.ForeignKey(Entry.id, use_alter=True, name="main_entry"))
        entries: Mapped[list[Any]] = relationship(
            Entry, primaryjoin=lambda: Project.id == Entry.project_id, cascade="all, delete-orphan"
        )
        box: Mapped[Any] = relationship(Box)
        words: Mapped[list[Any]] = relationship(Word, secondary="links", viewonly=True, order_by=Word.id)
        largest: Mapped[int] = column_property(sa.select(sa.func.max(Entry.size)).scalar_subquery())

        @hybrid_property
        def count(self) -> int:
            return len(self.entries)

        @count.inplace.expression
        @classmethod
        def _count(cls):
            return sa.select(sa.func.count(Entry.id)).where(Entry.project_id == cls.id).scalar_subquery()

        @hybrid_property
        def sizes(self) -> str:
            return ",".join(str(entry.size) for entry in self.entries)

        @hybrid_property
        def boxed(self) -> str:
            return ",".join(str(entry.size) for entry in self.box.entries)

    return SimpleNamespace(Base=Base, Entry=Entry, Box=Box, Link=Link, Word=Word, Project=Project)


@pytest.fixture(params=[False, True], ids=["unpublished", "published"])
def books(serve, request):
    kinds = ledger(request.param)
    api = serve(kinds.Base, API_TENANT_FIELD="tenant_id", API_RELATION_ROUTE_NAMING="relationship")
    with_users(api.app)
    api.execute(sa.insert(kinds.Box), [{"id": 1}])
    api.execute(sa.insert(kinds.Project), [{"id": n, "tenant_id": n, "box_id": 1} for n in (1, 2)])
    api.execute(
        sa.insert(kinds.Entry),
        [{"id": n, "tenant_id": n, "size": 10**n, "project_id": 1, "box_id": 1} for n in (1, 2)],
    )
    api.execute(sa.insert(kinds.Word), [{"id": n, "text": f"w{n}"} for n in (1, 2)])
    api.execute(sa.insert(kinds.Link), [{"project_id": 1, "word_id": n, "tenant_id": n} for n in (1, 2)])
    api.advance_sequences("boxes", "projects", "entries", "words")
    return api


@pytest.mark.contract("S-18", "S-21")
def test_what_is_read_of_a_model_of_tenants_is_of_the_own_tenant_whether_it_is_published_or_not(books):
    (project,) = books.value("/api/projects", headers=as_user("a"))
    shown = {name: project[name] for name in ("largest", "count", "sizes", "boxed")}
    assert shown == {"largest": 10, "count": 1, "sizes": "10", "boxed": "10"}
    assert books.value("/api/projects/1", headers=as_user("a")) == project
    for name, value in shown.items():
        (only,) = books.value(f"/api/projects?fields={name}", headers=as_user("a"))
        assert only[name] == value
    (answer,) = books.value("/api/projects?largest__max=1&count__sum=1", headers=as_user("a"))
    assert sorted(map(int, answer.values())) == [1, 10]
    with count_statements(books.engine) as few:
        books.value("/api/projects", headers=as_user("a"))
    books.execute(sa.text("INSERT INTO projects (id, tenant_id, box_id) SELECT id + 10, 1, 1 FROM entries"))
    with count_statements(books.engine) as many:
        assert len(books.value("/api/projects", headers=as_user("a"))) == 3
    assert len(many) == len(few)


@pytest.mark.contract("S-18", "S-21")
def test_an_export_reads_no_rows_of_another_tenant(books):
    exported = books.get("/api/projects", headers={**as_user("a"), "Accept": "application/x-ndjson"})
    assert exported.get_json(force=True)["largest"] == 10


@pytest.mark.contract("S-18", "S-21")
@pytest.mark.parametrize(
    "query, found",
    [
        ("largest__eq=10", 1),
        ("largest__gt=10", 0),
        ("count__ge=2", 0),
        ("count__eq=1&order_by=-count,largest", 1),
        ("words.text__eq=w2", 0),
        ("words.text__eq=w1", 1),
        ("groupby=largest&id__count=1", 1),
    ],
)
def test_no_filter_tells_of_the_rows_of_another_tenant(books, query, found):
    assert len(books.value(f"/api/projects?{query}", headers=as_user("a"))) == found


@pytest.mark.contract("S-18", "S-21")
def test_the_classes_of_another_base_are_of_tenants_too(serve):
    class Base(DeclarativeBase):
        pass

    class Other(DeclarativeBase):
        metadata = Base.metadata

    class Entry(Other):
        __tablename__ = "entries"

        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[int]

    class Project(Base):
        __tablename__ = "projects"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[int]
        entries: Mapped[int] = column_property(sa.select(sa.func.count(Entry.id)).scalar_subquery())

    api = serve(Base, API_BASE_MODEL=[Base, Other], API_TENANT_FIELD="tenant_id")
    with_users(api.app)
    api.execute(sa.insert(Entry), [{"id": n, "tenant_id": n} for n in (1, 2)])
    api.execute(sa.insert(Project), [{"id": 1, "tenant_id": 1}])
    assert [each["entries"] for each in api.value("/api/projects", headers=as_user("a"))] == [1]
    assert api.value("/api/projects", headers=as_user("none")) == []


@pytest.mark.contract("S-18", "S-21")
def test_a_relation_leads_over_the_links_of_the_own_tenant(books):
    assert [word["id"] for word in books.value("/api/projects/1/words", headers=as_user("a"))] == [1]
    assert [word["id"] for word in books.value("/api/projects/1?dump=json", headers=as_user("a"))["words"]] == [1]


@pytest.mark.contract("S-21")
def test_nothing_refers_to_the_row_of_another_tenant(books):
    answers = [books.patch("/api/projects/1", json={"main_id": key}, headers=as_user("a")) for key in (2, 99)]
    assert [answer.status_code for answer in answers] == [409, 409]
    told = [answer.get_json()["errors"] for answer in answers]
    assert told[0]["message"] == told[1]["message"]
    assert books.patch("/api/projects/1", json={"main_id": 1}, headers=as_user("a")).status_code == 200


@pytest.mark.contract("S-21")
def test_no_row_of_another_tenant_goes_with_a_deletion(books):
    answer = books.delete("/api/projects/1", headers=as_user("a"))
    assert (answer.status_code, answer.get_json()["errors"]["reason"]) == (409, "cascade_not_permitted")
    assert books.scalar("SELECT count(*) FROM entries") == 2
    books.execute(sa.text("DELETE FROM entries WHERE tenant_id = 2"))
    books.execute(sa.text("DELETE FROM links"))
    assert books.delete("/api/projects/1", headers=as_user("a")).status_code == 200
    assert books.scalar("SELECT count(*) FROM entries") == 0


@pytest.mark.contract("S-21")
@pytest.mark.parametrize("is_mapped", [True, False])
def test_an_expression_over_a_bare_table_of_tenants_is_told(serve, caplog, is_mapped):
    class Base(DeclarativeBase):
        pass

    table = sa.Table(
        "entries",
        Base.metadata,
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("tenant_id", sa.Integer()),
    )
    # The registry of SQLAlchemy alone would not keep the class.
    kept = type("Entry", (Base,), {"__table__": table}) if is_mapped else None

    class Project(Base):
        __tablename__ = "projects"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[int]
        entries: Mapped[int] = column_property(sa.select(sa.func.count(table.c.id)).scalar_subquery())

    serve(Base, API_TENANT_FIELD="tenant_id")
    said = "selects from a table of Entry itself" if kept else "reads the table entries of all tenants"
    assert any(f"Project.entries {said}" in record.message for record in caplog.records)


@pytest.mark.contract("S-21")
def test_a_field_that_only_models_without_routes_have_stops_the_start(tmp_path):
    class Base(DeclarativeBase):
        pass

    class Entry(Base):
        __tablename__ = "entries"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[int]

    class Project(Base):
        __tablename__ = "projects"
        Meta = type("Meta", (), {})
        id: Mapped[int] = mapped_column(primary_key=True)

    with pytest.raises(ConfigurationError, match="would hide nothing"):
        make_app(Base, f"sqlite:///{tmp_path / 'x.db'}", parts=[RestPart()], API_TENANT_FIELD="tenant_id")


rows = st.lists(st.tuples(st.sampled_from(["p", "q", "r"]), st.integers(0, 5)), max_size=6)
QUERIES = [
    "/api/projects",
    "/api/projects?limit=1",
    "/api/projects?order_by=-name,size",
    "/api/projects?size__gt=2",
    "/api/projects?tasks.name__eq=p",
    "/api/projects?dump=json",
    "/api/projects?groupby=name&size__sum=1",
    "/api/projects?size__max=1&size__count=1",
    "/api/projects?count=capped&limit=2",
    "/api/projects?cursor=&limit=2",
    "/api/projects?or[name__eq=p,size__eq=3]",
    "/api/tasks?project.size__ge=1&dump=json",
    "/api/projects/2",
    "/api/projects/2/tasks",
]


class World:
    """An application with rows of this tenant (even keys) and of another one (odd keys)."""

    def __init__(self, folder: Any) -> None:
        self._kinds = models()
        url = f"sqlite:///{folder / 'x.db'}"
        parts = [RestPart()]
        app = with_users(make_app(self._kinds.Base, url, parts=parts, API_TENANT_FIELD="tenant_id", SECRET_KEY="k"))
        self.client = app.test_client()
        self.engine = sa.create_engine(url)
        self._kinds.Base.metadata.create_all(self.engine)

    def fill(self, own: Any, foreign: Any, *, is_tied: bool) -> None:
        """Put rows in place of all that there are.

        Args:
            is_tied: Whether some foreign tasks point at rows of this tenant, as their owner could never have written.
        """
        # The next key follows the last one, whosever it is; here that is the same in all worlds.
        projects, tasks = [(1001, "last", 0, 2)], [(1001, "last", 2, 1001)]
        for position, (name, size) in enumerate(own):
            key = 2 * position + 2
            projects.append((key, name, size, 1))
            tasks.append((key, name, 1, key))
        for position, (name, size) in enumerate(foreign):
            key = 2 * position + 1
            projects.append((key, name, size, 2))
            tasks.append((key, name, 2, key + (size % 2 if is_tied else 0)))
        with self.engine.begin() as connection:
            for kind, names, found in (
                (self._kinds.Task, ("id", "name", "tenant_id", "project_id"), tasks),
                (self._kinds.Project, ("id", "name", "size", "tenant_id"), projects),
            ):
                connection.execute(sa.delete(kind))
                connection.execute(sa.insert(kind), [dict(zip(names, row, strict=True)) for row in found])

    def rows_of(self, tenant: int) -> Any:
        """Give what a tenant has."""
        with self.engine.connect() as connection:
            return [
                sorted(map(tuple, connection.exec_driver_sql(f"SELECT * FROM {table} WHERE tenant_id = {tenant}")))
                for table in ("projects", "tasks")
            ]


@pytest.fixture
def worlds(tmp_path_factory):
    made = [World(tmp_path_factory.mktemp("world")) for _ in range(2)]
    yield made
    for world in made:
        world.engine.dispose()


@pytest.mark.contract("S-18")
@given(own=rows, first=rows, second=rows)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_another_tenant_holds_changes_no_answer(worlds, own, first, second):
    """Two worlds that differ only in what belongs to somebody else look the same."""
    seen = []
    for world, foreign in zip(worlds, (first, second), strict=True):
        world.fill(own, foreign, is_tied=True)
        seen.append([told(world.client.get(query, headers=as_user("a"))) for query in QUERIES])
    assert seen[0] == seen[1]


# Keys of this tenant, of the other one, and of nobody: which of them are there is what differs.
keys = st.sampled_from([2, 4, 1, 3, 5, 99])
bodies = st.fixed_dictionaries(
    {"name": st.sampled_from(["w", "p"])},
    optional={
        "size": st.integers(0, 5),
        "tenant_id": st.sampled_from([1, 2, None]),
        "tasks": st.lists(
            st.one_of(
                st.fixed_dictionaries({"id": keys}, optional={"name": st.just("moved")}),
                st.fixed_dictionaries({"name": st.just("made")}, optional={"tenant_id": st.just(2)}),
            ),
            max_size=2,
        ),
    },
)
tasks = st.fixed_dictionaries(
    {"name": st.just("w"), "project_id": st.one_of(st.none(), keys)}, optional={"tenant_id": st.sampled_from([1, 2])}
)
modes = st.sampled_from(["?atomic=false", "?atomic=true"])


def sent(method: str, url: Any, body: Any) -> Any:
    return st.tuples(st.just(method), url, body)


def item(path: str) -> Any:
    return keys.map(f"/api/{path}/{{}}".format)


def keyed(body: Any) -> Any:
    return st.lists(st.builds(lambda key, values: {**values, "id": key}, keys, body), min_size=1, max_size=3)


flat = st.fixed_dictionaries({}, optional={"name": st.just("w"), "tenant_id": st.sampled_from([1, 2])})
writes = st.lists(
    st.one_of(
        sent("post", st.just("/api/projects"), bodies),
        sent("post", modes.map("/api/tasks{}".format), st.lists(tasks, min_size=1, max_size=3)),
        sent("post", st.just("/api/tasks"), tasks),
        sent("put", item("projects"), bodies),
        sent("put", item("tasks"), tasks),
        sent("patch", item("projects"), bodies),
        sent("patch", item("tasks"), tasks),
        sent("patch", modes.map("/api/projects{}".format), keyed(flat)),
        sent("patch", st.just("/api/projects?size__ge=0&max_affected=50"), flat),
        sent("delete", item("projects"), st.none()),
        sent("delete", item("tasks"), st.none()),
        sent("delete", st.just("/api/tasks?name__in=p,w&max_affected=50"), st.none()),
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.contract("S-18", "S-21")
@given(own=rows, first=rows, second=rows, asked=writes)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_another_tenant_holds_changes_no_write(worlds, own, first, second, asked):
    """Answers to writes, and what the caller has afterwards, are the same; and the other tenant keeps what it had."""
    seen = []
    for world, foreign in zip(worlds, (first, second), strict=True):
        world.fill(own, foreign, is_tied=False)
        held = world.rows_of(2)
        answers = [
            told(world.client.open(url, method=method.upper(), json=body, headers=as_user("a")))
            for method, url, body in asked
        ]
        assert world.rows_of(2) == held
        seen.append((answers, world.rows_of(1)))
    assert seen[0] == seen[1]


def told(answer: Any) -> Any:
    body = answer.get_json()
    members = ("value", "total_count", "next_url", "previous_url", "status_code")
    errors = {name: value for name, value in body.get("errors", {}).items() if name != "request_id"}
    headers = [answer.headers.get(name) for name in ("Link", "Location", "ETag")]
    return answer.status_code, {name: body[name] for name in members}, errors, headers


@pytest.mark.contract("S-21")
def test_a_key_with_the_tenant_of_somebody_else_tells_nothing(serve):
    class Base(DeclarativeBase):
        pass

    class Thing(Base):
        __tablename__ = "things"

        class Meta:
            allow_client_pk = True

        tenant_id: Mapped[int] = mapped_column(primary_key=True)
        number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        name: Mapped[str] = mapped_column(sa.String(20))

    api = serve(Base, API_TENANT_FIELD="tenant_id")
    with_users(api.app)
    api.execute(sa.insert(Thing), [{"tenant_id": 2, "number": 5, "name": "theirs"}])
    answers = [api.put(f"/api/things/2/{n}", json={"name": "n"}, headers=as_user("a")) for n in (5, 6)]
    assert {(answer.status_code, answer.get_json()["errors"]["reason"]) for answer in answers} == {
        (403, "tenant_mismatch")
    }
    assert api.put("/api/things/1/5", json={"name": "n"}, headers=as_user("a")).status_code == 201


@pytest.mark.contract("S-25")
@pytest.mark.parametrize("make_user", [SimpleNamespace, Slotted], ids=["attributes", "slots"])
def test_users_without_a_key_share_no_answer(serve, make_user):
    kinds = models()
    api = serve(
        kinds.Base,
        API_TENANT_FIELD="tenant_id",
        API_IDEMPOTENCY=True,
        API_CACHE_TYPE="SimpleCache",
        API_CACHE_TIMEOUT=9,
    )
    api.app.before_request(lambda: set_current_user(make_user(tenant_id=int(request.headers["X-User"]))))
    for _ in range(2):
        for tenant in ("1", "2"):
            answer = api.post("/api/projects", json={"name": "n"}, headers={"X-User": tenant, "Idempotency-Key": "k"})
            assert answer.get_json()["value"]["tenant_id"] == int(tenant)
            rows = api.value("/api/projects", headers={"X-User": tenant})
            assert {row["tenant_id"] for row in rows} <= {int(tenant)}
