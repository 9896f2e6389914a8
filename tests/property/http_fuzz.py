"""Mutates the corpus of framing attacks for as long as it is told to: `make fuzz`.

`python -m tests.property.http_fuzz SECONDS SEED` repeats a run, `... SECONDS SEED CASE` one case of it.
Any exception, any outcome that depends on cuts or on what was remembered, any disagreement with h11 or llhttp, and memory that stays
after the messages are gone ends it."""

from __future__ import annotations

import gc
import sys
import time
import tracemalloc
from random import Random

from slipstream_api.clock import ManualClock
from slipstream_runtime.http.scanner import SCANNER
from slipstream_runtime.proxy.context import Context
from tests.corpus.http import Case, answers, requests
from tests.fakes.http_judge import answer_disagreements, request_disagreements
from tests.fakes.http_wire import answer_in, cut, requests_in

REQUESTS = [case for case in requests() if len(case.data) < 2_000]
ANSWERS = [case for case in answers() if len(case.data) < 2_000]
PIECES = (
    *(b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b"\x00", b":", b"0", b"5", b";", b",", b"-", b"\x0b", b"\xff"),
    *(b"chunked", b"Content-Length: 5\r\n"),
)
MAX_KEPT = 131_072  # a head's bound and one read
LEAK_ROUNDS = 1_000
MAX_LEFT = 8_192  # bytes of a thousand cases: one object kept of each would be several times that; without a leak some dozens are


def mutated(dice: Random, cases: list[Case]) -> tuple[Case, bytes]:
    case = dice.choice(cases)
    data = case.data
    for _ in range(dice.randint(0, 4)):
        at = dice.randrange(len(data) + 1)
        end = at + dice.choice((0, 0, 1, 2, 8))
        other = dice.choice(cases).data
        rest = other[dice.randrange(len(other)) :]
        piece = dice.choice((dice.choice(PIECES), dice.choice(PIECES), b"", bytes((dice.randrange(256),)), rest))
        data = (data[:at] + piece + data[end:])[:4_000]
    return case, data


def check(seed: str, context: Context) -> None:
    """One case; raises AssertionError, or whatever a parser raised. `context` remembers what earlier cases showed it."""
    dice = Random(seed)
    is_request = dice.random() < 0.6
    case, data = mutated(dice, REQUESTS if is_request else ANSWERS)
    parts = cut(data, [dice.randrange(len(data) + 1) for _ in range(dice.randint(1, 6))])
    if is_request:
        whole, split = requests_in([data]), requests_in(parts, context)
        assert split.most_kept <= MAX_KEPT, "too much is kept"
        found = [] if dice.random() < 0.8 else request_disagreements(data)
        assert whole.outcome().readings() == split.outcome().readings(), ("cuts or memory matter", data, parts)
    else:
        one, more = answer_in([data], case.method, case.end), answer_in(parts, case.method, case.end, context)
        found = [] if dice.random() < 0.8 else answer_disagreements(data, case.method, case.end)
        assert one.outcome().readings() == more.outcome().readings(), ("cuts or memory matter", data, parts)
    assert not [line for line in found if " refuses " not in line], (found, data)


def leaked(seed: str, rounds: int) -> int:
    """Bytes that the second of two equal halves left behind."""

    def half() -> int:
        for number in range(rounds):
            check(f"{seed}/{number}", Context(ManualClock()))
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        return -half() + half()
    finally:
        tracemalloc.stop()


def fuzz_cases(cases: int, seed: str) -> None:
    """The first `cases` of a run."""
    context = Context(ManualClock())
    for number in range(cases):
        check(f"{seed}/{number}", context)


def fuzz(seconds: float, seed: str) -> int:
    """How many cases were checked."""
    until, number, context = time.monotonic() + seconds, 0, Context(ManualClock())
    while time.monotonic() < until:
        try:
            check(f"{seed}/{number}", context)
        except BaseException:
            print(f"failed: seed {seed}, case {number}", file=sys.stderr)
            raise
        number += 1
    return number


def main(arguments: list[str]) -> None:
    """Exits with a message where memory stays."""
    seconds, seed = float(arguments[0]), arguments[1] if len(arguments) > 1 else str(time.time_ns())
    print(f"seed {seed}, {SCANNER} scanner")
    if len(arguments) > 2:
        check(f"{seed}/{arguments[2]}", Context(ManualClock()))
        return
    cases, left = fuzz(seconds, seed), leaked(seed, LEAK_ROUNDS)
    if left > MAX_LEFT * LEAK_ROUNDS / 1_000:
        sys.exit(f"failed: seed {seed}, {left} bytes left behind by {LEAK_ROUNDS} cases")
    print(f"{cases} cases, no finding; {left} bytes left behind")


if __name__ == "__main__":
    main(sys.argv[1:])
