"""`flarchitect.logging.logger`: verbosity levels and colours on standard logging."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from flask import Flask

from flarchitect_core.architect import Architect
from flarchitect_core.http.logs import TextFormatter, configure
from flarchitect_core.levelled_log import CustomLogger, get_logger, logger
from flarchitect_core.markup import color_text_with_multiple_patterns

MARKED = "`a` +b+ --c-- $d$ |e|"


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Take the handlers of pytest and of other tests away: a process that configured nothing."""
    namespace = logging.getLogger("flarchitect")
    parent, handlers = namespace.parent, namespace.handlers
    namespace.parent, namespace.handlers = logging.RootLogger(logging.WARNING), []
    yield
    namespace.parent, namespace.handlers = parent, handlers


@pytest.mark.contract("rest 9.5")
@pytest.mark.contract("core 5.2")
def test_only_levels_up_to_the_verbosity_are_written(capsys):
    quiet, loud = CustomLogger(), CustomLogger(2)
    for custom in (quiet, loud):
        custom.log(0, "zero")
        custom.log(2, "two")
        custom.debug(2, "details")
        custom.error(3, "three")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("Z ")[1] for line in lines] == [
        "INFO    LOG 0:    zero",
        "INFO    LOG 0:    zero",
        "INFO    LOG 2:    two",
        "DEBUG   DEBUG 2:  details",
    ]


@pytest.mark.contract("core 5.2, core 12 14")
def test_marks_are_not_in_json(capsys):
    custom = CustomLogger(4)
    custom.json_mode = True
    custom.error(4, MARKED)
    line = json.loads(capsys.readouterr().out)
    assert (line["event"], line["lvl"], line["message"]) == ("error", 4, "a b c d e")


@pytest.mark.contract("core 5.2")
def test_marks_are_colours():
    assert color_text_with_multiple_patterns(MARKED) == (
        "\x1b[33ma\x1b[0m \x1b[31mb\x1b[0m \x1b[36mc\x1b[0m \x1b[95md\x1b[0m \x1b[92me\x1b[0m"
    )
    assert color_text_with_multiple_patterns("1 + 1, a-b, `") == "1 + 1, a-b, `"


class Terminal(io.StringIO):
    """A stream that takes colours."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.contract("core 5.2")
@pytest.mark.parametrize("no_color,coloured", [("", True), ("1", False)])
def test_colours_are_for_terminals_and_no_color_is_respected(monkeypatch, no_color, coloured):
    monkeypatch.setenv("NO_COLOR", no_color)
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    CustomLogger(1).error(1, "`a`")
    assert ("\x1b[31mERROR 1:  \x1b[0m\x1b[33ma\x1b[0m" in stream.getvalue()) is coloured
    assert ("\x1b" in stream.getvalue()) is coloured


@pytest.mark.contract("core 5.2, R27")
def test_a_message_brings_no_colours_and_no_lines_of_its_own():
    record = logging.makeLogRecord({"msg": "x", "levelname": "INFO", "markup": "a\n\x1b[31mb `c`"})
    assert TextFormatter(is_coloured=True).format(record).endswith("a\\n\\x1b[31mb \x1b[33mc\x1b[0m")


@pytest.mark.contract("core 5.2, core C-5")
def test_each_application_has_a_verbosity_of_its_own(capsys):
    apps = []
    for level in (0, 1):
        app = Flask(f"verbose_{level}")
        app.config.update(FULL_AUTO=False, API_VERBOSITY_LEVEL=level, API_JSON_LOGS=True)
        Architect(app, parts=[])
        apps.append(app)
    for app in apps:
        with app.app_context():
            logger.log(1, f"from {app.name}")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["message"] for line in lines] == ["from verbose_1"]


@pytest.mark.contract("core 5.2")
def test_the_logger_is_one_and_hosts_can_capture_it(caplog):
    assert get_logger() is logger
    namespace = logging.getLogger("flarchitect")
    namespace.addHandler(caplog.handler)
    try:
        CustomLogger(1).debug(1, "100 % `sure`")
    finally:
        namespace.removeHandler(caplog.handler)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("DEBUG", "100 % sure")]


def test_a_log_on_a_terminal_is_coloured(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    log = configure("colours", stream=stream)
    log.logger.info("plain", extra={"markup": "|plain|"})
    assert "\x1b[92mplain\x1b[0m" in stream.getvalue()
