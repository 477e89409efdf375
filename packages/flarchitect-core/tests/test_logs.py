"""Logs: one record is one line, per application, in harmony with what the host configured."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import flask
import pytest

from flarchitect_core.http.logs import AppLog, JsonFormatter, TextFormatter, configure, one_line
from flarchitect_core.http.request_id import RequestIdentity, activate, deactivate

FORGED = "/a\n2026-01-01 INFO forged\r\x1b[31m\x85\u2028\u2029\udcff"


@pytest.fixture(autouse=True)
def root() -> Iterator[logging.Logger]:
    """Put another root logger above ours, without the handlers of pytest: a process that configured nothing."""
    root, namespace = logging.RootLogger(logging.WARNING), logging.getLogger("flarchitect")
    kept = namespace.parent, namespace.level
    namespace.parent = root
    namespace.setLevel(logging.NOTSET)
    yield root
    namespace.handlers.clear()
    namespace.parent = kept[0]
    namespace.setLevel(kept[1])


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def log_one(log: AppLog, **changes: object) -> None:
    arguments = {"method": "GET", "path": "/api/books/1", "status": 200, "duration_ms": 9.12345, **changes}
    log.log_request(**arguments)  # type: ignore[arg-type]


def json_lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.contract("rest 9.5")
@pytest.mark.contract("core 5.2")
def test_a_request_is_one_json_line(stream):
    log = configure("shop", json_logs=True, stream=stream)
    identity = RequestIdentity("checkout-42", "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    log_one(log, route="/api/books/<int:id>", identity=identity, remote_addr="127.0.0.1", sql_count=2)
    (line,) = json_lines(stream)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "event": "log",
        "lvl": 1,
        "message": "Completed GET /api/books/1 -> 200",
        "method": "GET",
        "path": "/api/books/1",
        "route": "/api/books/<int:id>",
        "status": 200,
        "request_id": "checkout-42",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span_id": "00f067aa0ba902b7",
        "duration_ms": 9.123,
        "latency_ms": 9,
        "sql_count": 2,
        "remote_addr": "127.0.0.1",
        "level": "INFO",
        "logger": log.logger.name,
    }


@pytest.mark.contract("core 5.2")
def test_a_request_is_one_text_line(stream):
    log_one(configure("shop", stream=stream), identity=RequestIdentity("checkout-42"))
    line = stream.getvalue()
    assert line.endswith("Z INFO    Completed GET /api/books/1 -> 200 in 9.123 ms [checkout-42]\n"), line


@pytest.mark.contract("core 5.2, R27")
@pytest.mark.parametrize("json_logs", [True, False])
def test_a_forged_path_id_or_method_stays_within_its_line(stream, json_logs):
    log = configure("shop", json_logs=json_logs, stream=stream)
    log_one(log, path=FORGED, method="GE\nT", remote_addr="1\n2", identity=RequestIdentity(FORGED))
    log.logger.warning("from a client: %s", FORGED)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert all(line.isascii() and line.isprintable() for line in lines)


@pytest.mark.contract("core 5.2, R27")
def test_a_handler_of_the_host_sees_escaped_values(stream):
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s %(method)s %(path)s %(remote_addr)s"))
    logging.getLogger("flarchitect").addHandler(handler)
    log_one(configure("shop"), path=FORGED, method="GE\nT", remote_addr="1\n2")
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.contract("core 5.2")
def test_a_long_path_is_cut(stream):
    log_one(configure("shop", json_logs=True, stream=stream), path="/" + "x" * 10_000)
    assert len(str(json_lines(stream)[0]["path"])) == 2048


@pytest.mark.contract("core 5.2")
@pytest.mark.parametrize("text,escaped", [("plain é 数", "plain é 数"), ("a\nb", "a\\nb"), ("\u202e", "\\u202e")])
def test_only_what_does_not_print_is_escaped(text, escaped):
    assert one_line(text) == escaped


@pytest.mark.contract("core C-5")
def test_two_applications_log_in_opposite_ways():
    first, second = io.StringIO(), io.StringIO()
    as_json = configure("shop", json_logs=True, requests=False, stream=first)
    as_text = configure("shop", exclude=["/api"], slow_ms=1, stream=second)
    for log in (as_json, as_text):
        log_one(log, path="/healthz")
        log_one(log, path="/api/books")
        log.logger.warning("said")
    assert [line["message"] for line in json_lines(first)] == ["said"]
    assert [line.split("Z ")[1].rstrip() for line in second.getvalue().splitlines()] == [
        "WARNING Completed GET /healthz -> 200 in 9.123 ms",
        "WARNING said",
    ]


@pytest.mark.contract("core C-5")
def test_no_application_is_the_parent_of_another():
    for name in ("shop", "shop", "shop.admin", "__main__"):
        configure(name)
    loggers = [configure(name).logger for name in ("shop", "shop", "shop.1", "shop.admin")]
    parents = {logger.parent for logger in loggers}
    assert not parents & set(loggers)


@pytest.mark.contract("core 5.2")
def test_the_root_logger_is_left_alone(stream, root):
    log_one(configure("shop", json_logs=True, stream=stream))
    log_one(configure("shop", stream=stream))
    assert root.handlers == []
    assert root.level == logging.WARNING


@pytest.mark.contract("core 5.2")
def test_handlers_of_the_host_replace_our_text_also_when_added_later(stream, root):
    log = configure("shop", stream=stream)
    log_one(log)
    theirs = io.StringIO()
    root.addHandler(logging.StreamHandler(theirs))
    log_one(log)
    assert len(stream.getvalue().splitlines()) == 1
    assert theirs.getvalue() == "Completed GET /api/books/1 -> 200\n"


@pytest.mark.contract("core 5.2")
def test_json_lines_are_not_printed_again_by_the_host(stream, root):
    theirs = io.StringIO()
    root.addHandler(logging.StreamHandler(theirs))
    log_one(configure("shop", json_logs=True, stream=stream))
    assert len(json_lines(stream)) == 1
    assert theirs.getvalue() == ""


@pytest.mark.contract("core 5.2")
def test_the_host_sets_the_level_for_all_applications(stream):
    logging.getLogger("flarchitect").setLevel(logging.WARNING)
    log = configure("shop", json_logs=True, stream=stream)
    log_one(log)
    log.logger.warning("said")
    assert [line["message"] for line in json_lines(stream)] == ["said"]


@pytest.mark.contract("core 12 15")
def test_request_lines_show_with_nothing_configured(capsys):
    log_one(configure("shop"))
    assert "Completed GET /api/books/1 -> 200" in capsys.readouterr().err


@pytest.mark.contract("rest 9.5")
@pytest.mark.contract("core 5.2, API_LOG_REQUESTS")
def test_request_lines_can_be_switched_off(stream):
    log_one(configure("shop", requests=False, stream=stream))
    assert stream.getvalue() == ""


@pytest.mark.contract("core 5.2, API_LOG_EXCLUDE")
@pytest.mark.parametrize(
    "entry,path,shown",
    [
        ("/healthz", "/healthz", False),
        ("/healthz", "/healthz/db", False),
        ("/healthz/", "/healthz", False),
        ("/healthz", "/healthzz", True),
        ("/", "/", False),
        ("/", "/api", True),
    ],
)
def test_excluded_paths_have_no_line(stream, entry, path, shown):
    log_one(configure("shop", exclude=[entry], stream=stream), path=path)
    assert bool(stream.getvalue()) is shown


@pytest.mark.contract("core 5.2, API_LOG_SLOW_MS")
@pytest.mark.parametrize("duration_ms,levels", [(99.9, []), (100.0, ["WARNING"])])
def test_slow_requests_are_warnings_also_when_lines_are_off(stream, duration_ms, levels):
    log = configure("shop", json_logs=True, requests=False, slow_ms=100, stream=stream)
    log_one(log, duration_ms=duration_ms)
    lines = json_lines(stream)
    assert [line["level"] for line in lines] == levels
    assert all(line["slow"] is True for line in lines)


@pytest.mark.contract("core 5.2, C-6")
def test_every_record_of_a_request_carries_its_id_method_and_path(stream):
    log = configure("shop", json_logs=True, stream=stream)
    token = activate(RequestIdentity("checkout-42"))
    with flask.Flask("shop").test_request_context("/api/books?token=secret", method="POST"):
        log.logger.info("working")
    deactivate(token)
    log.logger.info("idle")
    inside, outside = json_lines(stream)
    assert {key: inside[key] for key in ("method", "path", "request_id")} == {
        "method": "POST",
        "path": "/api/books",
        "request_id": "checkout-42",
    }
    assert not outside.keys() & {"method", "path", "request_id"}


@pytest.mark.contract("core 5.2")
def test_a_traceback_is_a_member_in_json_and_marked_lines_in_text():
    outputs = {}
    for json_logs in (True, False):
        stream = io.StringIO()
        log = configure("shop", json_logs=json_logs, stream=stream)
        try:
            raise RuntimeError("line one\n2026-01-01T00:00:00.000Z INFO    forged")
        except RuntimeError:
            log.logger.exception("failed")
        outputs[json_logs] = stream
    (line,) = json_lines(outputs[True])
    assert line["event"] == "error"
    assert "RuntimeError: line one" in str(line["exception"])
    first, *rest = outputs[False].getvalue().splitlines()
    assert first.endswith("ERROR   failed")
    assert rest
    assert all(line.startswith("  | ") for line in rest)


@pytest.mark.contract("core 5.2")
def test_the_formatters_serve_handlers_of_the_host():
    record = logging.makeLogRecord({"name": "host", "levelno": 10, "levelname": "DEBUG", "msg": "m", "lvl": 4})
    line = json.loads(JsonFormatter().format(record))
    assert (line["event"], line["lvl"], line["logger"]) == ("debug", 4, "host")
    assert TextFormatter().format(record).endswith("DEBUG   m")


def test_values_that_json_does_not_know_become_text(stream):
    log_one(configure("shop", json_logs=True, stream=stream), user_pk={1, 2}, sql_ms=1.5)
    (line,) = json_lines(stream)
    assert line["user_pk"] == "{1, 2}"
    assert line["sql_ms"] == 1.5
