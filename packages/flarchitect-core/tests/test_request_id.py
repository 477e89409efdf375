"""Request identity: which ids are accepted, traces, and the context variable."""

from __future__ import annotations

import contextvars
import re
import threading

import pytest
from werkzeug.datastructures import Headers

from flarchitect_core.http.request_id import (
    RequestIdentity,
    activate,
    current_identity,
    current_request_id,
    deactivate,
    identify,
)

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.contract("core 5.1")
@pytest.mark.parametrize("given", ["checkout-42", "a", "A.b_c:d-9", "x" * 128])
def test_a_safe_id_is_kept(given):
    assert identify({"X-Request-ID": given}).request_id == given


@pytest.mark.contract("core 5.1, R27")
@pytest.mark.parametrize(
    "given",
    [
        "",
        "x" * 129,
        "x" * 10_000,
        "a b",
        "a\nb",
        "a\n",
        "\r\nSet-Cookie: x=1",
        "\x1b[31mred",
        "a\u2028b",
        "é",
        '"',
        "{}",
    ],
)
def test_an_unsafe_id_is_replaced(given):
    assert re.fullmatch(r"[0-9a-f]{32}", identify({"X-Request-ID": given}).request_id)


@pytest.mark.contract("core 5.1")
def test_requests_without_an_id_get_different_ones():
    assert identify({}).request_id != identify({}).request_id


@pytest.mark.contract("core 5.1")
def test_the_header_name_is_configurable_and_its_case_does_not_matter():
    headers = Headers([("X-Correlation-ID", "one"), ("X-Request-ID", "two")])
    assert identify(headers, "x-correlation-id").request_id == "one"


@pytest.mark.contract("core 5.1, W3C Trace Context 3.2")
@pytest.mark.parametrize(
    "traceparent",
    [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00", f" 00-{TRACE}-{SPAN}-01 ", f"cc-{TRACE}-{SPAN}-01-future"],
)
def test_a_valid_traceparent_is_read(traceparent):
    identity = identify({"X-Request-ID": "a", "traceparent": traceparent})
    assert identity == RequestIdentity("a", TRACE, SPAN)


@pytest.mark.contract("core 5.1, W3C Trace Context 3.2")
@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "nonsense",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\nforged",
    ],
)
def test_a_malformed_traceparent_counts_as_absent(traceparent):
    identity = identify({"traceparent": traceparent})
    assert (identity.trace_id, identity.span_id) == (None, None)


def test_outside_of_requests_there_is_no_identity():
    assert contextvars.Context().run(lambda: (current_identity(), current_request_id())) == (None, None)


@pytest.mark.contract("core 5.1")
def test_the_current_identity_is_that_of_the_innermost_request():
    outer = activate(RequestIdentity("outer"))
    inner = activate(RequestIdentity("inner"))
    assert current_request_id() == "inner"
    deactivate(inner)
    assert current_request_id() == "outer"
    deactivate(outer)
    assert current_request_id() is None


@pytest.mark.contract("core 5.1")
def test_background_code_with_a_copied_context_sees_the_id():
    token = activate(RequestIdentity("request"))
    seen = []
    context = contextvars.copy_context()
    deactivate(token)
    thread = threading.Thread(target=context.run, args=(lambda: seen.append(current_request_id()),))
    thread.start()
    thread.join()
    assert seen == ["request"]
    assert current_request_id() is None
