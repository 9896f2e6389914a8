"""What makes an answer right: texts, headers, JSON; and values that later steps of the same iteration take from it."""

import pytest

from slipstream_loadtest.http.head import Head
from slipstream_loadtest.http.request import BoundStep, compile_scenarios
from slipstream_loadtest.plan.scenarios import DataList, Expect, Extract, HttpRequest, JsonCheck, Scenario, Step
from slipstream_loadtest.plan.template import TemplateError

BODY = b'{"id": "t 1", "owner": {"n": 7}, "ok": true, "off": false, "items": [1, 2], "none": null}'
HEAD = Head(b"HTTP/1.1 200 OK\r\nX-Kind: a\r\nx-kind: b\r\nX-Ticket: h-9\r\n\r\n", 200, len(BODY), True, "")


def bound(*steps: Step, data: tuple[DataList, ...] = ()) -> list[BoundStep]:
    return [step.bind(3, "s-3") for step in compile_scenarios((Scenario(name="s", steps=steps),), data, "h")[0]]


def a_step(name: str = "a", expect: Expect | None = None, extract: tuple[Extract, ...] = (), **http: object) -> Step:
    return Step(name=name, http=HttpRequest(**http), expect=expect or Expect(), extract=extract)  # type: ignore[arg-type]  # fields of it


def judged(expect: Expect, *, body: bytes = BODY, head: Head = HEAD) -> str:
    answer = bound(a_step(expect=expect))[0].answer
    assert answer is not None
    return answer.judge(head, body, 5, 0, {})


def test_a_step_that_asks_for_nothing_has_nothing_to_judge():
    """Plans without such checks pay nothing for them."""
    assert bound(a_step())[0].answer is None


@pytest.mark.parametrize(
    ("expression", "equals", "right"),
    [
        ("id", "t 1", True),
        ("id", "t 2", False),
        ("owner.n", "7", True),
        ("owner.n", "7.0", True),
        ("owner.n", "8", False),
        ("ok", "true", True),
        ("ok", "1", False),
        ("off", "false", True),
        ("items", "[1,2]", True),
        ("items[1]", "2", True),
        ("owner", '{"n": 7}', True),
        ("none", "null", True),
        ("length(items)", "2", True),
        ("length(owner.n)", "2", False),
        ("id", None, True),
        ("ok", None, True),
        ("off", None, False),
        ("none", None, False),
        ("missing", None, False),
        ("missing", "x", False),
        ("owner.n", "not json", False),
    ],
)
def test_json_of_a_body(expression: str, equals: str | None, right: bool):
    """A text as it stands, anything else as JSON; without a value anything but null or false."""
    assert judged(Expect(json=(JsonCheck(expression=expression, equals=equals),))) == ("" if right else "Wrong")


@pytest.mark.parametrize("body", [b"", b"no json", b'{"id": ', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_is_wrong(body: bytes):
    """However it is broken; also where null would have been right."""
    for equals in ("t 1", "null", None):
        assert judged(Expect(json=(JsonCheck(expression="id", equals=equals),)), body=body) == "Wrong"


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [("X-Kind", "a", True), ("x-kind", "b", True), ("X-Kind", "c", False), ("X-Ticket", "", True), ("X-Missing", "", False)],
)
def test_headers_of_an_answer(name: str, value: str, right: bool):
    """One of a header's values; an empty one: any; names in any case."""
    assert judged(Expect(headers=((name, value),))) == ("" if right else "Wrong")


def test_expected_values_are_templates():
    """Who asked, in texts, headers and JSON alike."""
    expect = Expect(contains=("${iteration}",), headers=(("X-By", "${session}"),), json=(JsonCheck(expression="by", equals="${user}"),))
    head = Head(b"HTTP/1.1 200 OK\r\nX-By: s-3\r\n\r\n", 200, 0, True, "")
    assert judged(expect, body=b'{"by": 3, "n": 5}', head=head) == ""
    assert judged(expect, body=b'{"by": 4, "n": 5}', head=head) == "Wrong"
    assert judged(expect, body=b'{"by": 3, "n": 6}', head=head) == "Wrong"


def test_values_go_to_later_steps_as_their_place_demands():
    """Percent-encoded in a path, escaped in a JSON body, as they are in a header."""
    taken = (Extract(name="id", json="id"), Extract(name="n", json="owner.n"), Extract(name="ticket", header="x-TICKET"))
    first, second = bound(
        a_step("a", extract=taken),
        a_step("b", method="POST", path="/${id}", headers=(("X-T", "${ticket}"),), body='{"id": "${id}", "n": ${n}}'),
    )
    values: dict[str, str] = {}
    assert first.answer is not None
    assert first.answer.judge(HEAD, BODY, 1, 0, values) == ""
    assert values == {"id": "t 1", "n": "7", "ticket": "h-9"}
    request = second.render(1, 0, values)
    assert request.startswith(b"POST /t%201 HTTP/1.1\r\n")
    assert b"\r\nX-T: h-9\r\n" in request
    assert request.endswith(b'{"id": "t 1", "n": 7}')


@pytest.mark.parametrize("missing", [Extract(name="id", json="nothing"), Extract(name="id", header="x-nothing")])
def test_a_value_that_is_missing_is_a_wrong_answer(missing: Extract):
    """Later steps could only be sent with something made up."""
    answer = bound(a_step(extract=(missing,)))[0].answer
    assert answer is not None
    assert answer.judge(HEAD, BODY, 1, 0, {}) == "Wrong"


def test_a_value_that_would_end_a_header_is_a_wrong_answer():
    """The target must not be able to write requests of the next step; in a path the same value does no harm."""
    evil = b'{"id": "a\\r\\nX-Admin: 1"}'
    taken = (Extract(name="id", json="id"),)
    in_header = bound(a_step("a", extract=taken), a_step("b", headers=(("X-T", "${id}"),)))
    in_path = bound(a_step("a", extract=taken), a_step("b", path="/${id}"))
    values: dict[str, str] = {}
    assert in_header[0].answer is not None
    assert in_header[0].answer.judge(HEAD, evil, 1, 0, values) == "Wrong"
    assert in_path[0].answer is not None
    assert in_path[0].answer.judge(HEAD, evil, 1, 0, values) == ""
    assert b"/a%0D%0AX-Admin%3A%201 HTTP/1.1\r\n" in in_path[1].render(1, 0, values)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((a_step("b", path="/${id}"), a_step("a", extract=(Extract(name="id", json="id"),))), r"step b: \$\{id\} is unknown"),
        ((a_step("a", path="/${id}", extract=(Extract(name="id", json="id"),)),), r"step a: \$\{id\} is unknown"),
        ((a_step("a", extract=(Extract(name="id", json="[["),)),), "step a: .* isn't JMESPath"),
        ((a_step("a", expect=Expect(json=(JsonCheck(expression="a b"),))),), "step a: .* isn't JMESPath"),
        ((a_step("a", extract=(Extract(name="id"),)),), "step a: extract id: set json or header"),
        ((a_step("a", extract=(Extract(name="id", json="id", header="x"),)),), "step a: extract id: set json or header"),
    ],
)
def test_what_can_never_be_filled_is_refused(steps: tuple[Step, ...], message: str):
    """Before anything runs, with the step's name."""
    with pytest.raises(TemplateError, match=message):
        bound(*steps)


def test_without_reuse_requests_say_so():
    """The target may then close first, as it would with such callers."""
    step = compile_scenarios((Scenario(name="s", steps=(a_step(),)),), (), "h", reuse=False)[0][0].bind(1, "s")
    assert b"\r\nConnection: close\r\n\r\n" in step.render(1, 0)
