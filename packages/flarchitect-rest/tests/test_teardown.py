"""The end of a request: what was opened for it is given back, whatever the functions of the application do."""

from __future__ import annotations

import gc
import weakref
from contextlib import nullcontext

import pytest

from flarchitect_core.http.request_id import current_request_id
from flarchitect_core.state import state_of
from flarchitect_core.testing import make_app
from flarchitect_rest.part import RestPart


def fail(error: BaseException | None) -> None:
    raise LookupError("the application's own teardown")


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("register", ["teardown_request", "teardown_appcontext"])
def test_a_teardown_function_that_fails_keeps_no_connection(serve, cinema, sessions, method, register):
    api = serve(cinema.Base, sessions=sessions)
    if sessions == "flask_sqlalchemy" and register == "teardown_appcontext":
        pytest.skip("Flask-SQLAlchemy closes its session in a function that Flask skips then")
    getattr(api.app, register)(fail)
    for _ in range(3):
        with pytest.raises(LookupError, match="own teardown"):
            api.open("/api/studios", method=method.upper(), json={"name": "Pathé"} if method == "post" else None)
        assert api.engine.pool.checkedout() == 0
        assert current_request_id() is None


def test_a_teardown_function_that_fails_after_an_error_keeps_no_connection(serve, cinema):
    api = serve(cinema.Base)
    api.app.teardown_request(fail)
    with pytest.raises(LookupError, match="own teardown"):
        api.get("/api/studios/7")
    assert api.engine.pool.checkedout() == 0


def test_requests_that_share_an_application_context_end_with_it(serve, cinema, sessions):
    api = serve(cinema.Base, sessions=sessions)
    api.app.teardown_request(fail)
    with api.app.app_context():
        for _ in range(2):
            with pytest.raises(LookupError, match="own teardown"):
                api.get("/api/studios")
    assert api.engine.pool.checkedout() == 0
    assert current_request_id() is None


@pytest.mark.parametrize("shares_context", [True, False])
def test_a_request_within_a_request_leaves_the_outer_one_open(serve, cinema, shares_context):
    api = serve(cinema.Base)
    seen: list[str | None] = []

    @api.app.get("/outer")
    def outer() -> str:
        seen.append(current_request_id())
        with nullcontext() if shares_context else api.app.app_context():
            api.get("/api/studios", headers={"X-Request-ID": "inner"})
        seen.append(current_request_id())
        return ""

    assert api.get("/outer", headers={"X-Request-ID": "outer"}).headers["X-Request-ID"] == "outer"
    assert seen == ["outer", "outer"]
    assert current_request_id() is None


def test_a_teardown_function_may_still_read(serve, cinema):
    api = serve(cinema.Base)
    seen: list[str | None] = []
    api.app.teardown_request(lambda error: seen.append(current_request_id()))
    api.get("/api/studios", headers={"X-Request-ID": "mine"})
    assert seen == ["mine"]


def test_an_application_that_nobody_uses_any_more_is_freed(tmp_path, cinema):
    app = make_app(cinema.Base, f"sqlite:///{tmp_path / 'cinema.db'}", parts=[RestPart()])
    engine = state_of(app).database.engine
    cinema.Base.metadata.create_all(engine)
    assert app.test_client().get("/api/films").status_code == 200
    engine.dispose()
    known = weakref.ref(app)
    del app
    gc.collect()
    assert known() is None
