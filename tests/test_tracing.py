"""W3C Trace Context: a trace goes on with a span of our own, in the answer and in the log."""

import re

import pytest

from catapult.web import request_log, traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
WHOLE = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])")


@pytest.mark.parametrize(
    ("sent", "flags"),
    [
        (f"00-{TRACE}-{SPAN}-01", "01"),
        (f"00-{TRACE}-{SPAN}-00", "00"),
        (f"00-{TRACE}-{SPAN}-ff", "01"),
        (f" 00-{TRACE}-{SPAN}-01 ", "01"),
        (f"cc-{TRACE}-{SPAN}-01", "01"),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-brings", "01"),
    ],
)
def test_a_trace_goes_on_with_a_span_of_our_own(api, sent, flags):
    for path in ("/api/v1/models", "/livez", "/nowhere", "/login"):
        found = WHOLE.fullmatch(api.get(path, headers={"traceparent": sent}).headers["traceparent"])
        assert (found[1], found[3]) == (TRACE, flags)
        assert found[2] != SPAN


@pytest.mark.parametrize(
    "sent",
    [
        *("", "rubbish", f"00-{TRACE}-{SPAN}", f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01"),
        *(f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01-more"),
        *(f"00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01.more"),
    ],
)
def test_what_is_no_trace_is_replaced_by_a_new_one(api, sent):
    headers = {"traceparent": sent} if sent else {}
    first, second = (WHOLE.fullmatch(api.get("/livez", headers=headers).headers["traceparent"]) for _ in range(2))
    assert len({TRACE, first[1], second[1]}) == 3
    assert first[3] == "01"


def test_the_log_names_the_trace_of_the_request(app):
    with app.test_request_context(headers={"traceparent": f"00-{TRACE}-{SPAN}-01"}):
        event = request_log.traced(None, "info", {"event": "x"})
        assert event == {"event": "x", "trace_id": TRACE, "span_id": traceparent.current().span_id}
    assert request_log.traced(None, "info", {"event": "x"}) == {"event": "x"}
