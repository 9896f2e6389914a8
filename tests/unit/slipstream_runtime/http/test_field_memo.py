"""Lines seen before cost one look-up, within bounds, and credentials aren't kept."""

from __future__ import annotations

from slipstream_runtime.http.fields import FieldMemo


def test_a_line_seen_before_is_the_same_field() -> None:
    """Remembering is by the whole line, so a hit needs no check."""
    memo = FieldMemo()
    assert memo.fields([b"Accept: x"])[0] is memo.fields([b"Accept: x"])[0]


def test_a_flood_of_values_of_one_name_leaves_room_for_the_others() -> None:
    """traceparent is new in every request; it mustn't push out what repeats."""
    memo = FieldMemo(max_values=4)
    for n in range(100):
        assert memo.fields([b"traceparent: %d" % n])[0].value == b"%d" % n
    assert len(memo.known) == 4
    memo.fields([b"Accept: x"])
    assert b"Accept: x" in memo.known


def test_a_flood_of_names_is_bounded() -> None:
    """Neither names nor lines grow without limit."""
    memo = FieldMemo(max_names=8)
    for n in range(100):
        memo.fields([b"X-%d: y" % n])
    assert len(memo.known) == 8


def test_long_lines_are_not_kept() -> None:
    """Memory is bounded in bytes too."""
    memo = FieldMemo(max_line=16)
    memo.fields([b"X: " + b"y" * 64, b"X" * 64 + b": y"])
    assert not memo.known


def test_credentials_are_not_kept() -> None:
    """A memo is shared by all callers: what identifies one stays out of it."""
    memo = FieldMemo()
    memo.fields([b"Authorization: Bearer 1", b"Cookie: a=b", b"X-API-Key: 1", b"Set-Cookie: a", b"Mcp-Session-Id: s"])
    assert not memo.known


def test_only_the_latest_date_is_kept() -> None:
    """None comes back; without its end the 65th second's would be read in each answer."""
    memo = FieldMemo(max_values=4)
    for second in range(100):
        line = b"Date: Sun, 06 Nov 1994 08:%02d:%02d GMT" % divmod(second, 60)
        assert memo.fields([line])[0] is memo.fields([line])[0]
    assert len(memo.known) == 1
    assert not memo.recurs(line)


def test_a_line_recurs_while_all_values_of_its_name_were_remembered() -> None:
    """A name with more values than there is room for differs from head to head, whatever came first."""
    memo = FieldMemo(max_values=2)
    memo.fields([b"X-A: 1", b"X-B: 1", b"Cookie: a"])
    assert [memo.recurs(line) for line in (b"X-A: 1", b"X-A: 2", b"X-B: 1", b"Cookie: a", b"X-C: 1")] == [True, False, True, False, False]
    memo.fields([b"X-A: 2", b"X-A: 3"])
    assert [memo.recurs(line) for line in (b"X-A: 1", b"X-B: 1")] == [False, True]
