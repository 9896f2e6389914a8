"""Templates and requests: values are written as their place demands, and what can't be sent is refused with what to write."""

import pytest

from slipstream_loadtest.http.request import CompiledStep, compile_scenarios
from slipstream_loadtest.plan.draws import draw, row, stream
from slipstream_loadtest.plan.scenarios import DataList, Expect, HttpRequest, Scenario, Step
from slipstream_loadtest.plan.template import Slot, TemplateError, parse

WORDS = DataList(name="word", rows=(("two words",), ('q"uote',), ("ä/b",)))
START = stream(1)


def compiled(http: HttpRequest, contains: tuple[str, ...] = (), data: tuple[DataList, ...] = (WORDS,)) -> CompiledStep:
    scenario = Scenario(name="s", steps=(Step(name="get", http=http, expect=Expect(contains=contains)),))
    return compile_scenarios((scenario,), data, "memory:8080")[0][0]


def test_plain_request_is_rendered_once():
    """Nothing to fill in: the same bytes object each time."""
    step = compiled(HttpRequest(path="/things?x=1")).bind(3, "s-3")
    first = step.render(1, draw(START, 1))
    assert first == b"GET /things?x=1 HTTP/1.1\r\nHost: memory:8080\r\nUser-Agent: slipstream-loadtest\r\n\r\n"
    assert step.render(2, draw(START, 2)) is first


def test_values_are_percent_encoded_in_a_path():
    """A space or slash of a value never changes the request's shape."""
    step = compiled(HttpRequest(path="/q/${word}?u=${user}&i=${iteration}&s=${session}")).bind(3, "s-3")
    drawn = next(d for n in range(100) if row(d := draw(START, n), 0, 3) == 2)
    assert step.render(17, drawn).startswith(b"GET /q/%C3%A4%2Fb?u=3&i=17&s=s-3 HTTP/1.1\r\n")


def test_values_are_escaped_in_a_json_body_and_its_length_is_right():
    """A quote in a value doesn't end the string; Content-Length counts bytes."""
    step = compiled(HttpRequest(method="POST", path="/", body='{"text": "${word}", "by": ${user}}')).bind(3, "s-3")
    drawn = next(d for n in range(100) if row(d := draw(START, n), 0, 3) == 1)
    head, _, body = step.render(1, drawn).partition(b"\r\n\r\n")
    assert body == b'{"text": "q\\"uote", "by": 3}'
    assert b"\r\nContent-Length: %d" % len(body) in head
    assert b"\r\nContent-Type: application/json\r\n" in head


def test_values_go_as_they_are_into_another_body():
    """A text body isn't JSON."""
    http = HttpRequest(method="POST", path="/", headers=(("Content-Type", "text/plain"),), body="${word}")
    step = compiled(http).bind(3, "s-3")
    drawn = next(d for n in range(100) if row(d := draw(START, n), 0, 3) == 1)
    assert step.render(1, drawn).endswith(b'\r\n\r\nq"uote')


def test_all_steps_of_an_iteration_use_the_same_row():
    """What one step stores, the next one of the same iteration asks for."""
    one = compiled(HttpRequest(path="/a/${word}")).bind(1, "s")
    two = compiled(HttpRequest(path="/a/${word}", headers=(("X-User", "${user}"),))).bind(1, "s")
    for n in range(20):
        assert one.render(n, draw(START, n)).split(b" ")[1] == two.render(n, draw(START, n)).split(b" ")[1]


def test_own_headers_replace_the_usual_ones():
    """Host and User-Agent can be set; no header comes twice."""
    request = compiled(HttpRequest(path="/", headers=(("host", "other"), ("User-Agent", "me"), ("X-Session-Id", "${session}")))).bind(
        1, "s-1"
    )
    head = request.render(1, 1).lower()
    assert head.count(b"host:") == head.count(b"user-agent:") == 1
    assert b"x-session-id: s-1\r\n" in head


def test_a_method_with_a_body_but_none_given_has_length_0():
    """A POST without Content-Length may be answered 411."""
    assert b"\r\nContent-Length: 0\r\n\r\n" in compiled(HttpRequest(method="POST", path="/")).bind(1, "s").render(1, 1)


def test_answer_must_contain_what_this_request_asked():
    """The expectation is filled in with the same values as the request; another user's answer is wrong."""
    step = compiled(HttpRequest(path="/"), contains=('"user":${user}', "${word}")).bind(3, "s-3")
    drawn = next(d for n in range(100) if row(d := draw(START, n), 0, 3) == 0)
    assert step.answer.holds(b'{"user":3,"text":"two words"}', 1, drawn, {})
    assert not step.answer.holds(b'{"user":4,"text":"two words"}', 1, drawn, {})
    assert not step.answer.holds(b'{"user":3,"text":"others"}', 1, drawn, {})


def test_dollar_signs_are_written_twice():
    """$$ is a dollar sign, also before a brace."""
    assert parse("a$$b$${user}", ()) == ("a", "$", "b", "$", "{user}")
    assert parse("${user}$", ()) == (Slot("user"), "$")


@pytest.mark.parametrize(
    ("http", "says"),
    [
        (HttpRequest(path="/${wrod}"), r"step get: \$\{wrod\} is unknown: there are \$\{user\}, .*\$\{word\}"),
        (HttpRequest(path="/${user"), "no closing brace"),
        (HttpRequest(path="/a b"), "percent-encode"),
        (HttpRequest(path="/\r\nX: y"), "percent-encode"),
        (HttpRequest(path="things"), "must start with /"),
        (HttpRequest(path="/", method="GE T"), "isn't a token"),
        (HttpRequest(path="/", headers=(("X Y", "1"),)), "isn't a token"),
        (HttpRequest(path="/", headers=(("X", "a\r\nY: b"),)), "control character"),
        (HttpRequest(path="/", headers=(("Content-Length", "3"),)), "the runner's own"),
    ],
)
def test_what_can_not_be_sent_is_refused(http: HttpRequest, says: str):
    """Before the run, with the step's name and what to change; nothing can smuggle a header in."""
    with pytest.raises(TemplateError, match=says):
        compiled(http)


def test_a_value_can_not_smuggle_a_header():
    """The rows of a list are checked as well as the template."""
    bad = DataList(name="word", rows=(("fine",), ("a\r\nX-Admin: 1",)))
    with pytest.raises(TemplateError, match="control character"):
        compiled(HttpRequest(path="/", headers=(("X-Word", "${word}"),)), data=(bad,))
