"""Parts on the wire and in logs: the same bytes and digest, found whole or reported broken."""

import random

import msgspec
import pytest

from slipstream_loadtest.measured.histogram import Unlike
from slipstream_loadtest.measured.part import MAX_LINE, Part, decode_part, digest, encode_part, find_parts, frame
from tests.fakes.loadtest_plans import a_part, a_plan, a_series
from tests.fakes.loadtest_slices import Second, sliced

PLAN = a_plan()


def small() -> Part:
    return a_part(PLAN, {0: a_series(PLAN, [1, 2, 3])})


def large() -> Part:
    """A part that needs several lines: many stages with many different buckets."""
    numbers = random.Random(1)
    plan = a_plan(stages=[{"name": f"s{n}", "users": 1, "duration": "1s"} for n in range(10)])
    held = [number for number, phase in enumerate(plan.phases) if phase.kind == "Hold"]
    return a_part(plan, {number: a_series(plan, [10 ** numbers.uniform(-3, 5) for _ in range(2_000)]) for number in held})


def test_part_survives_the_wire():
    """Encode, decode, encode: equal bytes, so an equal digest."""
    data = encode_part(small())
    assert encode_part(decode_part(data)) == data


def test_lines_stay_below_what_log_drivers_split():
    """16 kB a line, several lines where it needs them."""
    lines = frame(encode_part(large()))
    assert len(lines) > 1
    assert max(map(len, lines)) < MAX_LINE


def test_part_is_found_between_other_lines_in_any_order_and_twice():
    """Timestamps before the mark, other output, repeated lines: all the same part."""
    part = large()
    lines = [f"2026-11-24T12:00:00.000000000Z {line}" for line in frame(encode_part(part))]
    noise = [*reversed(lines), "listening", *lines, "SLIPSTREAM-PART nonsense"]
    found = find_parts(noise)
    assert found.parts == {digest(encode_part(part)): encode_part(part)}
    assert not found.broken


def test_a_cut_log_is_told_from_a_measurement():
    """A missing line: no part, and the digest that is missing."""
    lines = frame(encode_part(large()))
    found = find_parts(lines[1:])
    assert not found.parts
    assert list(found.broken) == [digest(encode_part(large()))]
    assert "cut or rotated" in next(iter(found.broken.values()))


def test_contents_with_another_digest_are_broken():
    """One changed character: reported, not merged."""
    mark, name, count, chunk = frame(encode_part(small()))[0].split(" ")
    other = ("0" if name[0] != "0" else "1") + name[1:]
    found = find_parts([" ".join((mark, other, count, chunk))])
    assert found.broken == {other: "the contents don't have this digest"}


def test_what_does_not_inflate_is_broken():
    """Garbage in a well-formed line never raises: logs are written by pods."""
    found = find_parts(["SLIPSTREAM-PART " + "a" * 64 + " 1/1 AAAA"])
    assert list(found.broken) == ["a" * 64]


def test_two_parts_in_one_log_are_both_found():
    """A log may hold an earlier part of another run."""
    lines = frame(encode_part(small())) + frame(encode_part(large()))
    assert len(find_parts(lines).parts) == 2


def test_part_of_another_version_says_what_to_do():
    """Trap T11: unlike versions are never added up."""
    document = msgspec.json.decode(encode_part(small()))
    with pytest.raises(Unlike, match="use one image"):
        decode_part(msgspec.json.encode(document | {"version": 4}))


def test_a_part_of_the_version_before_is_read():
    """Its slices say nothing of connections and caches; all else is as it was. Members that no version knows are refused."""
    plan = a_plan()
    now = a_part(plan, {0: sliced(plan, [Second([10] * 4)])})
    document = msgspec.json.decode(encode_part(now)) | {"version": 2}
    for one in document["phases"][0]["series"][0]["slices"]:
        for added in ("opened", "reused", "hits", "reads"):
            del one[added]
    before = decode_part(msgspec.json.encode(document))
    assert msgspec.structs.replace(before, version=now.version) == now
    document["phases"][0]["series"][0]["slices"][0]["later"] = 1
    with pytest.raises(Unlike, match="later"):
        decode_part(msgspec.json.encode(document))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"version":1}', b"\xff"])
def test_what_is_no_part_is_refused(data: bytes):
    """With one named error, whatever it is."""
    with pytest.raises(Unlike):
        decode_part(data)


def test_part_whose_calls_do_not_add_up_is_refused():
    """The accounting is checked again where parts arrive."""
    document = msgspec.json.decode(encode_part(small()))
    document["phases"][0]["series"][0]["offered"] += 1
    with pytest.raises(Unlike, match="1 of 4 offered calls have no end"):
        decode_part(msgspec.json.encode(document))
