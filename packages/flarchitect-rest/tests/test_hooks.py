"""Callbacks: their order, what they get, what their results do, and that none can be passed by (rest 7.1, 7.2)."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa
from flask import abort
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.errors import ConfigurationError
from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.plugins import PluginBase
from flarchitect_core.testing import count_statements, error_of, make_app
from flarchitect_rest.part import RestPart


class Recorder(PluginBase):
    """Writes down who is called, in that order."""

    def __init__(self):
        self.names = []
        self.seen = {}

    def request_started(self, request):
        self.names.append("request_started")

    def request_finished(self, request, response):
        self.names.append("request_finished")

    def before_model_op(self, context):
        self.names.append("before_model_op")
        self.seen["before_model_op"] = dict(context)

    def after_model_op(self, context, output):
        self.names.append("after_model_op")
        self.seen["after_model_op"] = output

    def config(self):
        def keep(name, result=lambda *args, **kwargs: None):
            def call(*args, **kwargs):
                self.names.append(name)
                self.seen[name] = (args, kwargs)
                return result(*args, **kwargs)

            return call

        return {
            "API_PLUGINS": self,
            "API_GLOBAL_PRE_DESERIALIZE_HOOK": keep("pre_deserialize", lambda data: data),
            "API_GLOBAL_SETUP_CALLBACK": keep("global_setup"),
            "API_SETUP_CALLBACK": keep("setup", lambda **kwargs: kwargs),
            "API_FILTER_CALLBACK": lambda query, model, params: (
                self.names.append(f"filter {model.__name__}"),
                self.seen.update(params=params),
                query,
            )[-1],
            "API_ADD_CALLBACK": keep("add", lambda obj, model: obj),
            "API_UPDATE_CALLBACK": keep("update", lambda obj, model: obj),
            "API_REMOVE_CALLBACK": keep("remove", lambda obj, model: obj),
            "API_RETURN_CALLBACK": keep("return", lambda **kwargs: {"output": kwargs["output"]}),
            "API_DUMP_CALLBACK": keep("dump", lambda data, **kwargs: data),
            "API_FINAL_CALLBACK": keep("final", lambda envelope: envelope),
            "API_ERROR_CALLBACK": keep("error"),
        }


SETUP = ["before_model_op", "global_setup", "setup"]
BODY = ["request_started", "pre_deserialize", *SETUP]
END = ["return", "after_model_op", "dump", "final", "request_finished"]


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def recorded(serve, cinema, fill, recorder):
    served = serve(cinema.Base, **recorder.config())
    fill(served, cinema, films=1)
    return served


@pytest.mark.contract("rest 7.1")
@pytest.mark.contract("rest 13 group 13")
@pytest.mark.parametrize(
    "method, url, body, order",
    [
        ("GET", "/api/films", None, ["request_started", *SETUP, "filter Film", "filter Studio", *END]),
        ("GET", "/api/films/1", None, ["request_started", *SETUP, "filter Film", "filter Studio", *END]),
        ("GET", "/api/studios/1/films", None, ["request_started", *SETUP, "filter Film", "filter Studio", *END]),
        ("GET", "/api/films/1/studios", None, ["request_started", *SETUP, "filter Studio", "filter Film", *END]),
        ("POST", "/api/films", {"title": "New"}, [*BODY, "add", "filter Film", "filter Studio", *END]),
        ("PUT", "/api/films/1", {"title": "New"}, [*BODY, "filter Film", "update", "filter Studio", *END]),
        ("PATCH", "/api/films/1", {"title": "New"}, [*BODY, "filter Film", "update", "filter Studio", *END]),
        (
            "DELETE",
            "/api/studios/2",
            None,
            [
                "request_started",
                *SETUP,
                "filter Studio",
                "remove",
                "return",
                "after_model_op",
                "final",
                "request_finished",
            ],
        ),
    ],
)
def test_the_order_is_fixed(recorded, recorder, method, url, body, order):
    response = recorded.open(url, method=method, json=body)
    assert response.status_code in (200, 201), response.get_data(as_text=True)
    assert recorder.names == order


@pytest.mark.contract("rest 7.1")
def test_a_body_that_is_refused_stops_before_the_setup(recorded, recorder):
    error_of(recorded.post("/api/films", json={"title": 1}), 400, "validation_failed")
    assert recorder.names == ["request_started", "pre_deserialize", "final", "error", "request_finished"]


@pytest.mark.contract("rest 7.1")
def test_nested_records_are_dumped_by_the_callback_too(recorded, recorder):
    recorded.value("/api/studios/1?dump=json")
    # The film of the studio, and the studio.
    assert recorder.names.count("dump") > 1


@pytest.mark.contract("rest 7.2, D55")
def test_setup_callbacks_get_all_arguments(recorded, recorder, cinema):
    common = {"field": None, "output_schema": None}
    recorded.get("/api/films/1")
    expected = {**common, "model": cinema.Film, "id": 1, "join_model": None, "relation_name": None}
    assert recorder.seen["setup"][1] == {**expected, "method": "GET", "many": False}
    assert recorder.seen["before_model_op"] == recorder.seen["setup"][1]
    recorded.get("/api/studios/1/films?year__ge=1990&year__ge=1991")
    expected = {**common, "model": cinema.Film, "id": 1, "join_model": cinema.Studio, "relation_name": "films"}
    assert recorder.seen["setup"][1] == {**expected, "method": "GET", "many": True}
    assert recorder.seen["params"] == {"year__ge": ["1990", "1991"]}
    recorded.post("/api/films", json={"title": "New"})
    arguments = recorder.seen["setup"][1]
    assert (arguments["id"], arguments["method"], arguments["many"]) == (None, "POST", False)
    assert arguments["deserialized_data"] == {"title": "New"}


@pytest.mark.contract("rest 7.2")
def test_output_shapes(recorded, recorder, cinema):
    def output(url=None, **request):
        recorded.open(url, **request)
        given = recorder.seen["return"][1]["output"]
        assert recorder.seen["after_model_op"] == given
        return given

    recorded.post("/api/films", json={"title": "Second"})
    page = output("/api/films?limit=1&page=1")
    assert [type(item) for item in page.pop("query")] == [cinema.Film]
    assert page.pop("next_url").endswith("/api/films?limit=1&page=2")
    assert page == {
        "limit": 1,
        "page": 1,
        "total_count": 2,
        "previous_url": None,
        "current_page": 1,
        "total_pages": 2,
    }
    item = output("/api/films/1")
    assert isinstance(item.pop("query"), cinema.Film)
    assert set(item) == {*page, "next_url"}
    assert set(item.values()) == {None}
    assert isinstance(output("/api/films/1/studios")["query"], cinema.Studio)
    assert isinstance(output("/api/films", method="POST", json={"title": "x"}), cinema.Film)
    assert isinstance(output("/api/films/1", method="PATCH", json={"title": "x"}), cinema.Film)
    assert output("/api/studios/2", method="DELETE") == (None, 200)


def forms():
    class Base(DeclarativeBase):
        pass

    def add(obj, model):
        obj.label += f" added to {model.__name__}"
        return obj

    class Thing(Base):
        __tablename__ = "things"

        id: Mapped[int] = mapped_column(primary_key=True)
        label: Mapped[str] = mapped_column(sa.String(80))
        owner: Mapped[str | None] = mapped_column(sa.String(80))

        class Meta:
            add_callback = add
            update_callback = staticmethod(lambda obj, model: obj)
            dump_callback = lambda data, **kwargs: {**data, "many": kwargs["many"]}  # noqa: E731
            get_dump_callback = lambda data, **kwargs: {**data, "got": True}  # noqa: E731

            def post_setup_callback(model, **kwargs):
                kwargs["deserialized_data"]["owner"] = "ida"

            @staticmethod
            def patch_setup_callback(id, deserialized_data, **kwargs):
                return {"id": 2, "deserialized_data": {**deserialized_data, "owner": f"not {id}"}}

            def filter_callback(query, model, params):
                return query.filter(model.label != "hidden")

    return Base, Thing


@pytest.mark.contract("rest 7.2")
def test_forms_on_meta_and_changed_arguments(serve):
    models = forms()
    served = serve(models[0])
    created = served.post("/api/things", json={"label": "A"}).get_json()["value"]
    assert created == {"id": 1, "label": "A added to Thing", "owner": "ida", "many": False}
    served.post("/api/things", json={"label": "B"})
    changed = served.patch("/api/things/1", json={"label": "C"}).get_json()["value"]
    assert changed == {"id": 2, "label": "C", "owner": "not 1", "many": False}
    assert served.value("/api/things/1") == {"id": 1, "label": "A added to Thing", "owner": "ida", "got": True}


@pytest.mark.contract("rest 7.2")
def test_a_new_row_that_the_filter_hides_is_answered_and_kept(serve):
    base, thing = forms()
    del thing.Meta.add_callback
    served = serve(base)
    response = served.post("/api/things", json={"label": "hidden"})
    assert response.status_code == 201
    assert response.get_json()["value"]["label"] == "hidden"
    assert error_of(served.get(response.headers["Location"]), 404)
    assert served.scalar("SELECT count(*) FROM things") == 1


@pytest.mark.contract("rest 7.2")
def test_the_body_hook_gives_the_body(serve, cinema):
    served = serve(cinema.Base, API_GLOBAL_PRE_DESERIALIZE_HOOK=lambda data: data.get("data"))
    assert served.post("/api/studios", json={"data": {"name": "Pier"}}).status_code == 201
    for wrong in ({"name": "Pier"}, {"data": 3}, {"data": ["x"]}):
        error_of(served.post("/api/studios", json=wrong), 400, "not_an_object")


@pytest.mark.contract("rest 7.2")
def test_return_callbacks_replace_the_output(serve, cinema, fill, caplog):
    def change(model, output, **kwargs):
        if kwargs["many"]:
            output["query"] = [item for item in output["query"] if item.id != 2]
            output["total_count"] = 99
        elif kwargs["method"] == "DELETE":
            return {"output": ({"gone": kwargs["id"]}, 200)}
        elif kwargs["method"] == "PATCH":
            return "nothing"
        else:
            output = {"any": "thing"}
        return {"output": output}

    served = serve(cinema.Base, API_RETURN_CALLBACK=change)
    fill(served, cinema, films=3)
    page = served.get("/api/films?fields=id").get_json()
    assert page["value"] == [{"id": 1}, {"id": 3}]
    assert page["total_count"] == 99
    assert served.value("/api/films/1") == {"any": "thing"}
    assert served.patch("/api/films/1", json={"year": 1}).get_json()["value"]["year"] == 1
    assert "instead of {'output': ...}" in caplog.text
    assert served.delete("/api/studios/2").get_json()["value"] == {"gone": 2}


@pytest.mark.contract("rest 7.2")
@pytest.mark.contract("bar F14")
@pytest.mark.contract("bar R34")
@pytest.mark.parametrize("name", ["setup", "add", "update", "remove", "return", "dump", "final"])
@pytest.mark.parametrize("failure", [RuntimeError("secret"), CustomHTTPException(409, "No."), "abort"])
def test_raising_anywhere_rolls_back(serve, cinema, fill, sessions, name, failure):
    def fail(*args, **kwargs):
        if failure == "abort":
            abort(409)
        raise failure

    served = serve(cinema.Base, sessions=sessions)
    fill(served, cinema, films=1)
    served.app.config[f"API_{name.upper()}_CALLBACK"] = fail
    before = served.scalar("SELECT count(*) FROM studios"), served.scalar("SELECT name FROM studios WHERE id = 1")
    served = serve(cinema.Base, sessions=sessions, **{f"API_{name.upper()}_CALLBACK": fail})
    status = 500 if isinstance(failure, RuntimeError) else 409
    requests = {
        "add": [("POST", "/api/studios")],
        "update": [("PATCH", "/api/studios/1"), ("PUT", "/api/studios/1")],
        "remove": [("DELETE", "/api/studios/2")],
    }
    all_requests = [request for some in requests.values() for request in some]
    for method, url in requests.get(name, all_requests):
        if (name, method) == ("dump", "DELETE"):
            continue
        body = None if method == "DELETE" else {"name": "Changed"}
        response = served.open(url, method=method, json=body)
        assert "secret" not in error_of(response, status)["message"]
    after = served.scalar("SELECT count(*) FROM studios"), served.scalar("SELECT name FROM studios WHERE id = 1")
    assert after == before


@pytest.mark.contract("rest 7.2")
def test_a_value_error_of_a_callback_is_no_mistake_of_the_client(serve, cinema):
    def add(obj, model):
        raise ValueError("ours")

    served = serve(cinema.Base, API_ADD_CALLBACK=add)
    error_of(served.post("/api/studios", json={"name": "x"}), 500, "unexpected_error")


@pytest.mark.contract("core 12 27")
@pytest.mark.contract("rest 7.2, D56")
@pytest.mark.contract("core 11 C-8")
def test_error_and_final_callbacks(serve, cinema):
    calls = []

    def tell(error, status_code, value):
        calls.append((error, status_code, value))
        raise RuntimeError("in the callback")

    served = serve(cinema.Base, API_ERROR_CALLBACK=tell)
    error_of(served.get("/api/films/1"), 404, "row_not_found")
    assert calls == [("not_found", 404, {"error": "Not Found", "reason": "Resource not found."})]
    error_of(served.get("/api/nowhere"), 404, "unknown_path")
    assert len(calls) == 1
    served.app.config["API_FINAL_CALLBACK"] = lambda envelope: 1 / 0
    error_of(served.get("/api/films"), 500, "unexpected_error")
    assert calls[1:] == [("internal_server_error", 500, None)]
    served.app.config["API_FINAL_CALLBACK"] = lambda envelope: {**envelope, "more": 1}
    assert served.get("/api/films").get_json()["more"] == 1
    assert served.get("/api/films/1").get_json()["more"] == 1


@pytest.mark.contract("rest 7.2")
@pytest.mark.contract("bar F14")
@pytest.mark.contract("decisions 13")
def test_signature_mistakes_stop_the_start_with_all_of_them(cinema):
    async def later(obj, model): ...

    class Wrong(PluginBase):
        def before_model_op(self): ...

    with pytest.raises(ConfigurationError) as caught:
        make_app(
            cinema.Base,
            "sqlite://",
            parts=[RestPart()],
            API_SETUP_CALLBACK=lambda model, deserialized_data, **kwargs: kwargs,
            API_POST_RETURN_CALLBACK=lambda model, output: None,
            API_FILTER_CALLBACK=lambda query, model: query,
            API_ADD_CALLBACK=later,
            API_DUMP_CALLBACK=lambda data: data,
            API_FINAL_CALLBACK=lambda: None,
            API_ERROR_CALLBACK=lambda error: None,
            API_GLOBAL_PRE_DESERIALIZE_HOOK=lambda: None,
            API_PLUGINS=[Wrong, 3],
        )
    problems = "\n".join(caught.value.problems)
    for key in ("SETUP", "RETURN", "FILTER", "ADD", "DUMP", "FINAL", "ERROR"):
        assert f"API_{key}_CALLBACK" in problems, key
    for words in ("API_GLOBAL_PRE_DESERIALIZE_HOOK", "Wrong.before_model_op", "API_PLUGINS[1]", "coroutine function"):
        assert words in problems
    assert len(caught.value.problems) == 10


# --- the filter callback ----------------------------------------------------------------------------------------------


def _visible(query, model, params):
    """Hide film 2, studio 2 and award 3, by a plain condition, by a join and by EXISTS."""
    name = model.__name__
    if name == "Film":
        return query.filter(model.id != 2)
    if name == "Studio":
        return query.filter(~model.name.in_(["Quay"]))
    if name == "Award":
        return query.join(model.film).where(model.film.property.mapper.class_.year != 2003)
    return query


@pytest.fixture
def filtered(serve, cinema, fill):
    served = serve(cinema.Base, API_FILTER_CALLBACK=_visible, API_ALLOW_EXPORT=True, API_ALLOW_CASCADE_DELETE=True)
    fill(served, cinema, films=4)
    served.execute(sa.text("UPDATE films SET studio_id = 2 WHERE id = 4"))
    return served


@pytest.mark.contract("rest 7.2, D10")
@pytest.mark.contract("rest 13 group 13")
def test_hidden_rows_cannot_be_reached(filtered):
    for url in (
        "/api/films/2",
        "/api/studios/2",
        "/api/awards/3",
        "/api/films/2/studios",
        "/api/films/2/awards",
        "/api/films/4/studios",
        "/api/studios/2/films",
        "/api/awards/2/films",
    ):
        error_of(filtered.get(url), 404)
    for method, url in (
        ("PATCH", "/api/films/2"),
        ("DELETE", "/api/films/2"),
        ("DELETE", "/api/films/2?cascade_delete=1"),
    ):
        error_of(filtered.open(url, method=method, json={"title": "x"} if method == "PATCH" else None), 404)
    response = filtered.put("/api/films/2", json={"title": "x"})
    assert response.status_code == 404
    assert filtered.scalar("SELECT title FROM films WHERE id = 2") == "Film 2"


@pytest.mark.contract("rest 7.2, D10")
def test_hidden_rows_are_not_listed_counted_embedded_linked_or_exported(filtered):
    page = filtered.get("/api/films?limit=1").get_json()
    assert page["total_count"] == 3
    assert [item["id"] for item in filtered.value("/api/films")] == [1, 3, 4]
    assert [item["id"] for item in filtered.value("/api/awards")] == [1, 2, 4]
    assert [item["id"] for item in filtered.value("/api/actors/1/films")] == [1, 3, 4]
    assert [item["id"] for item in filtered.value("/api/studios/1/films")] == [1, 3]
    assert filtered.value("/api/films/4")["studio"] is None
    assert filtered.value("/api/films/4?dump=json")["studio"] is None
    assert filtered.value("/api/awards/2")["film"] is None
    assert [item["id"] for item in filtered.value("/api/actors/1?dump=json")["films"]] == [1, 3, 4]
    assert [item["id"] for item in filtered.value("/api/studios/1?dump=json")["films"]] == [1, 3]
    text = filtered.get("/api/films?fields=id", headers={"Accept": "text/csv"}).get_data(as_text=True)
    assert re.findall(r"\d+", text) == ["1", "3", "4"]


@pytest.mark.contract("rest 7.2, D10")
def test_filters_and_sorting_by_relation_do_not_tell_of_hidden_rows(filtered):
    assert filtered.value("/api/films?studio.name__eq=Quay") == []
    assert filtered.value("/api/awards?film.title__eq=Film 2") == []
    assert filtered.value("/api/actors?films.title__eq=Film 2") == []
    assert [item["id"] for item in filtered.value("/api/films?studio.name__eq=Harbour&fields=id")] == [1, 3]


@pytest.mark.contract("rest 7.2")
def test_the_filter_is_asked_once_per_model_and_request(filtered):
    calls = []

    def count(query, model, params):
        calls.append(model.__name__)
        return query

    filtered.app.config["API_FILTER_CALLBACK"] = count
    filtered.value("/api/films?dump=json")
    assert sorted(calls) == sorted(set(calls))
    calls.clear()
    filtered.patch("/api/films/1", json={"title": "y"})
    assert sorted(calls) == sorted(set(calls))


@pytest.mark.contract("rest 1.4")
@pytest.mark.contract("rest 7.2, D10")
def test_a_filter_that_is_set_after_the_start_counts(cinema_app):
    cinema_app.app.config["API_FILTER_CALLBACK"] = _visible
    error_of(cinema_app.get("/api/films/2"), 404)
    for method in ("PATCH", "PUT"):
        error_of(cinema_app.open("/api/films/2", method=method, json={"title": "x"}), 404)
    error_of(cinema_app.delete("/api/films/2"), 404)
    assert cinema_app.scalar("SELECT title FROM films WHERE id = 2") == "Film 2"


@pytest.mark.contract("rest 7.2")
def test_a_filter_that_gives_no_query_shows_nothing(filtered):
    filtered.app.config["API_FILTER_CALLBACK"] = lambda query, model, params: None
    error_of(filtered.get("/api/films"), 500, "unexpected_error")


@pytest.mark.contract("rest 13 group 15")
def test_hooks_add_no_statement_for_each_row(serve, cinema, fill):
    config = Recorder().config()
    counts = []
    served = serve(cinema.Base, **config)
    fill(served, cinema, films=2)
    for films in (2, 15):
        if films > 2:
            rows = [{"id": n, "title": "x", "studio_id": 1} for n in range(3, films + 1)]
            served.execute(sa.insert(cinema.Film), rows)
        with count_statements(served.engine) as log:
            served.value("/api/films?limit=20")
        counts.append(len(log))
    assert counts[0] == counts[1]


def tree():
    class Base(DeclarativeBase):
        pass

    class Node(Base):
        __tablename__ = "nodes"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20))
        parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("nodes.id"))
        parent: Mapped[Node | None] = relationship(remote_side=id, back_populates="children")
        children: Mapped[list[Node]] = relationship(back_populates="parent")

        class Meta:
            filter_callback = lambda query, model, params: query.where(  # noqa: E731
                sa.or_(model.parent_id.is_(None), model.parent.has(model.name != "closed"))
            )

    Base.registry.configure()
    return Base, Node


@pytest.mark.contract("rest 7.2, D10")
def test_a_filter_over_the_model_itself(serve):
    base, node = tree()
    served = serve(base)
    rows = [("root", None), ("closed", 1), ("open", 1), ("under closed", 2), ("under open", 3)]
    for number, (name, parent) in enumerate(rows, 1):
        served.execute(sa.insert(node), {"id": number, "name": name, "parent_id": parent})
    assert [item["id"] for item in served.value("/api/nodes")] == [1, 2, 3, 5]
    assert served.value("/api/nodes/2?dump=json")["children"] == []
    error_of(served.get("/api/nodes/4"), 404)


@pytest.mark.contract("rest 3.6, 7.2")
@pytest.mark.parametrize("turned", [False, True])
def test_joined_columns_stay_with_their_record_when_a_callback_saw_the_rows(serve, cinema, fill, turned):
    def turn(model, output, **kwargs):
        return {"output": {**output, "query": output["query"][::-1]} if turned else output}

    served = serve(cinema.Base, API_RETURN_CALLBACK=turn)
    fill(served, cinema, films=3)
    records = served.value("/api/studios?join=films&fields=name,films.title&order_by=films.title")
    assert [(record["name"], record["title"]) for record in records] == [("Harbour", f"Film {n}") for n in (1, 2, 3)]
