"""Plugins: what they get, what their results do, and what their failures do (rest 7.4, core 5.3)."""

from __future__ import annotations

import pytest
from flask import Response, abort

from flarchitect_core.errors import ConfigurationError
from flarchitect_core.plugins import PluginBase, PluginManager
from flarchitect_core.testing import error_of, make_app
from flarchitect_rest.part import RestPart


class Audit(PluginBase):
    """The example of the contract."""

    def before_model_op(self, context):
        if context["method"] == "POST":
            return {"deserialized_data": {**context["deserialized_data"], "city": "Bergen"}}
        return None

    def request_finished(self, request, response):
        response.headers["X-Audited"] = "1"
        return response


class Replacing(PluginBase):
    def request_finished(self, request, response):
        return Response("replaced", status=299)


@pytest.mark.contract("rest 7.4")
@pytest.mark.parametrize("given", [Audit, Audit(), [Audit], (Audit(),), lambda: Audit(), [lambda: Audit()]])
def test_classes_instances_and_factories(serve, cinema, given):
    served = serve(cinema.Base, API_PLUGINS=given)
    response = served.post("/api/studios", json={"name": "Pier"})
    assert response.get_json()["value"]["city"] == "Bergen"
    assert response.headers["X-Audited"] == served.get("/nowhere").headers["X-Audited"] == "1"


@pytest.mark.contract("core 5.3")
def test_the_first_response_wins(serve, cinema):
    served = serve(cinema.Base, API_PLUGINS=[PluginBase(), Replacing, Audit])
    response = served.get("/api/films")
    assert (response.status_code, response.text) == (299, "replaced")
    assert "X-Request-ID" in response.headers
    assert "X-Audited" not in response.headers


@pytest.mark.contract("rest 7.4")
def test_context_and_output_are_passed_on(serve, cinema, fill):
    seen = {}

    class First(PluginBase):
        def before_model_op(self, context):
            return {"id": 2, "note": 1}

        def after_model_op(self, context, output):
            seen["first"] = context["note"]
            return {"query": {"first": output["query"].id}}

    class Second(PluginBase):
        def before_model_op(self, context):
            seen["second"] = context["note"]

        def after_model_op(self, context, output):
            return {"query": {**output["query"], "second": True}}

    def set_up(**kwargs):
        seen["setup"] = kwargs["note"]

    served = serve(cinema.Base, API_PLUGINS=[First, Second], API_SETUP_CALLBACK=set_up)
    fill(served, cinema)
    assert served.value("/api/films/1") == {"first": 2, "second": True}
    assert seen == {"first": 1, "second": 1, "setup": 1}


@pytest.mark.contract("core 12 23")
@pytest.mark.contract("rest 7.4, D55")
@pytest.mark.contract("core 5.3")
@pytest.mark.contract("core 11 C-8")
def test_failures_are_logged_and_passed_over(serve, cinema, caplog):
    class Failing(PluginBase):
        def request_started(self, request):
            raise RuntimeError("one")

        def before_model_op(self, context):
            raise RuntimeError("two")

        def after_model_op(self, context, output):
            raise RuntimeError("three")

        def request_finished(self, request, response):
            abort(409)

    served = serve(cinema.Base, API_PLUGINS=[Failing, Audit])
    response = served.post("/api/studios", json={"name": "Pier"})
    assert response.status_code == 201
    assert response.headers["X-Audited"] == "1"
    failures = [record for record in caplog.records if record.name == "flarchitect.plugins"]
    assert [record.args[0].rpartition(".")[2] for record in failures] == [
        "request_started",
        "before_model_op",
        "after_model_op",
        "request_finished",
    ]
    assert all(record.exc_info for record in failures)


@pytest.mark.contract("core 5.3")
@pytest.mark.parametrize("name", ["request_started", "before_model_op", "after_model_op"])
def test_a_plugin_can_refuse(serve, cinema, name):
    served = serve(cinema.Base, API_PLUGINS=type("Refusing", (PluginBase,), {name: lambda *args: abort(403)}))
    error_of(served.post("/api/studios", json={"name": "Pier"}), 403)
    assert served.scalar("SELECT count(*) FROM studios") == 0


def broken():
    raise RuntimeError("no")


@pytest.mark.contract("core 5.3")
@pytest.mark.contract("decisions 13")
def test_what_is_no_plugin_stops_the_start(cinema):
    with pytest.raises(ConfigurationError) as caught:
        make_app(cinema.Base, "sqlite://", parts=[RestPart()], API_PLUGINS=["audit", dict, broken, Audit])
    assert len(caught.value.problems) == 3
    for position, problem in enumerate(caught.value.problems):
        assert problem.startswith(f"API_PLUGINS[{position}]")


@pytest.mark.contract("core 5.3")
def test_or_is_left_out_with_a_warning(serve, cinema, caplog):
    served = serve(cinema.Base, API_PLUGINS=["audit", Audit], API_PLUGINS_IGNORE_ERRORS=True)
    assert served.get("/api/films").headers["X-Audited"] == "1"
    assert "API_PLUGINS[0]" in caplog.text


@pytest.mark.contract("core 5.3")
def test_the_manager_by_itself():
    class Spec(PluginBase):
        def __init__(self, name):
            self.name = name
            self.told = []

        def before_authenticate(self, context):
            return {self.name: True}

        def after_authenticate(self, context, success, user):
            self.told.append((success, user))

        def spec_build_started(self, spec):
            self.told.append(spec)

        def spec_build_completed(self, spec_dict):
            return {**spec_dict, self.name: True}

    plugins = [Spec("a"), Spec("b")]
    manager = PluginManager.from_config(plugins)
    assert manager.before_authenticate({"model": None}) == {"model": None, "a": True, "b": True}
    manager.after_authenticate({}, False, None)
    manager.spec_build_started("spec")
    assert [plugin.told for plugin in plugins] == [[(False, None), "spec"]] * 2
    assert manager.spec_build_completed({}) == {"a": True, "b": True}
    assert PluginManager().spec_build_completed({"c": 1}) == {"c": 1}
    assert PluginManager.from_config(None).plugins == ()
