"""What `flask flarchitect routes` and `doctor` tell of generated routes and their services."""

from __future__ import annotations

import json
from typing import Any

import pytest


def findings(served: Any) -> dict[str, str]:
    """Run the doctor; check to severity."""
    result = served.app.test_cli_runner().invoke(args=["flarchitect", "doctor", "--json"])
    assert result.exit_code == 0, result.output
    return {finding["check"]: finding["severity"] for finding in json.loads(result.output)}


@pytest.mark.contract("F137")
def test_generated_routes_are_listed_with_their_models(cinema_app):
    result = cinema_app.app.test_cli_runner().invoke(args=["flarchitect", "routes", "--json"])
    listed = {(route["method"], route["rule"]): route["resource"] for route in json.loads(result.output)}
    assert listed["POST", "/api/films"] == "Film"
    assert listed["PATCH", "/api/films/<int(signed=True):id>"] == "Film"
    assert listed["GET", "/api/studios/<int(signed=True):id>/films"] == "Studio"


@pytest.mark.contract("R47")
@pytest.mark.parametrize(
    "environment,severity",
    [
        ({}, "info"),
        ({"WEB_CONCURRENCY": "1"}, "info"),
        ({"WEB_CONCURRENCY": "4"}, "warning"),
        ({"GUNICORN_CMD_ARGS": "--bind=:80 --workers=2"}, "warning"),
        ({"GUNICORN_CMD_ARGS": "-w 3"}, "warning"),
    ],
)
def test_limits_that_each_process_counts_are_told(serve, cinema, monkeypatch, environment, severity):
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert findings(serve(cinema.Base, API_RATE_LIMIT="5 per minute"))["rate-limits-in-memory"] == severity


@pytest.mark.contract("R47")
def test_origins_without_a_name_are_told(serve, cinema):
    assert findings(serve(cinema.Base, API_ENABLE_CORS=True, CORS_RESOURCES={r"/api/*": {"origins": "*"}}))[
        "open-origins"
    ] == ("warning")


@pytest.mark.contract("R47")
def test_without_services_nothing_is_told_of_them(cinema_app):
    assert not {"rate-limits-in-memory", "open-origins"} & findings(cinema_app).keys()


@pytest.mark.contract("F134")
def test_tables_that_agree_with_the_database_are_no_errors(cinema_app):
    assert "error" not in findings(cinema_app).values()
