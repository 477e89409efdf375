"""Changes are told after the commit, all of them, in their order, and never otherwise (decisions 21)."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from flarchitect_core.state import state_of
from flarchitect_core.testing import error_of


@pytest.fixture
def watched(serve, cinema, fill, sessions):
    def start(**config):
        served = serve(cinema.Base, sessions=sessions, **config)
        fill(served, cinema, films=2)
        told = []
        state_of(served.app).listeners.append(
            lambda changes: told.append(
                [(each.action, each.resource.name, *each.key, rows(served)) for each in changes]
            )
        )
        return served, told

    return start


def rows(served):
    """Count what another connection sees."""
    return served.scalar("SELECT count(*) FROM films")


@pytest.mark.contract("decisions 21")
def test_changes_are_told_after_the_commit(watched):
    served, told = watched()
    created = served.post("/api/films", json={"title": "New"}).get_json()["value"]["id"]
    served.patch(f"/api/films/{created}", json={"title": "Newer"})
    served.put(f"/api/films/{created}", json={"title": "Newest"})
    served.delete(f"/api/films/{created}")
    assert told == [
        [("created", "Film", created, 3)],
        [("updated", "Film", created, 3)],
        [("updated", "Film", created, 3)],
        [("deleted", "Film", created, 2)],
    ]


@pytest.mark.contract("decisions 21")
def test_a_cascade_tells_of_every_row(watched):
    served, told = watched(API_ALLOW_CASCADE_DELETE=True)
    assert served.delete("/api/films/1?cascade_delete=1").status_code == 200
    assert told == [[("deleted", "Award", 1, 1), ("deleted", "Film", 1, 1)]]


@pytest.mark.contract("decisions 21")
def test_nothing_is_told_of_what_was_rolled_back(watched):
    served, told = watched(API_FINAL_CALLBACK=lambda envelope: 1 / 0)
    error_of(served.post("/api/films", json={"title": "New"}), 500)
    error_of(served.patch("/api/films/1", json={"title": "New"}), 500)
    error_of(served.patch("/api/films/77", json={"title": "New"}), 404)
    error_of(served.post("/api/films", json={"title": 1}), 400)
    served.get("/api/films")
    assert told == []


@pytest.mark.contract("decisions 21")
def test_a_listener_that_fails_does_not_undo_the_answer(watched, caplog):
    served, told = watched()
    state_of(served.app).listeners.insert(0, lambda changes: 1 / 0)
    assert served.post("/api/films", json={"title": "New"}).status_code == 201
    assert len(told) == 1
    assert "A listener failed after the commit" in caplog.text


@pytest.mark.contract("rest 9.2, D40")
def test_the_response_cache_follows(serve, cinema, fill):
    served = serve(cinema.Base, API_CACHE_TYPE="SimpleCache", API_CACHE_TIMEOUT=60)
    fill(served, cinema, films=1)
    assert served.value("/api/films/1")["title"] == "Film 1"
    served.execute(sa.update(cinema.Film).values(title="Behind its back"))
    assert served.value("/api/films/1")["title"] == "Film 1"
    error_of(served.patch("/api/films/77", json={"title": "x"}), 404)
    assert served.value("/api/films/1")["title"] == "Film 1"
    served.patch("/api/films/1", json={"year": 1})
    assert served.value("/api/films/1")["title"] == "Behind its back"
