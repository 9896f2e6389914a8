"""The judge of answers: the right one passes, every wrong one is named."""

from __future__ import annotations

import pytest

from bench.marks import Mark, judge

MINE = Mark(b"Bearer me", 7, 3, 1_000)


def test_the_right_answer_passes() -> None:
    assert len(MINE.body()) == 1_000
    assert judge(MINE.body(), b"Bearer me", 7, 3, 1_000) == ""


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (MINE._replace(caller=b"Bearer you").body(), "foreign"),
        (MINE._replace(version=2).body(), "stale"),
        (MINE._replace(key=8).body(), "other"),
        (MINE.body()[:-1], "truncated"),
        (MINE._replace(size=500).body(), "truncated"),
        (b"", "truncated"),
        (MINE.body()[:-1] + b"?", "other"),
        (MINE.body() + b"?", "other"),
        (MINE.body()[:500] + MINE._replace(caller=b"Bearer u2").body()[500:], "other"),
    ],
)
def test_a_wrong_answer_is_named(body: bytes, wrong: str) -> None:
    assert judge(body, b"Bearer me", 7, 3, 1_000) == wrong
