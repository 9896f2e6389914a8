"""Children of the demo: ended on every way out, also when the parent is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from slipstream_cli.demo.children import ChildFailed, Children, rss_bytes
from slipstream_cli.demo.command import remove_leftovers

SLEEPER = "import signal, sys; print('up', flush=True); signal.pause()"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        os.sched_yield()
    return not alive(pid)


def test_children_end_with_the_context(tmp_path: Path) -> None:
    """Normally and by an exception; while it lasts they run and have memory."""
    with Children(tmp_path) as children:
        first = children.start("sleeper", "-c", SLEEPER)
        children.wait_until("sleeper", lambda: "up" in children.last_words("sleeper"), 10)
        assert alive(first.pid)
        assert rss_bytes(first.pid) > 1 << 20
    assert gone(first.pid)
    second: list[int] = []

    def fail() -> None:
        with Children(tmp_path) as children:
            second.append(children.start("sleeper", "-c", SLEEPER).pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert gone(second[0])


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """After the grace period."""
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause(); signal.pause()"
    with Children(tmp_path, grace=0.3) as children:
        child = children.start("stubborn", "-c", stubborn)
        children.wait_until("stubborn", lambda: "up" in children.last_words("stubborn"), 10)
    assert child.returncode == -signal.SIGKILL


def test_children_die_with_a_killed_parent(tmp_path: Path) -> None:
    """SIGKILL leaves no time for a finally; the kernel ends them."""
    program = textwrap.dedent(f"""
        import signal
        from pathlib import Path
        from slipstream_cli.demo.children import Children
        with Children(Path({str(tmp_path)!r})) as children:
            print(children.start("sleeper", "-c", {SLEEPER!r}).pid, flush=True)
            signal.pause()
    """)
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert alive(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(child)


def test_a_child_that_ends_early_is_quoted(tmp_path: Path) -> None:
    """Its last words are in the message."""
    with Children(tmp_path) as children:
        children.start("broken", "-c", "import sys; sys.exit('no such thing')")
        with pytest.raises(ChildFailed, match="no such thing"):
            children.wait_until("broken", lambda: False, 10)


def test_a_folder_of_a_killed_demo_goes_with_the_next_one(tmp_path: Path) -> None:
    """That of a demo which runs stays, and so does what isn't a demo's."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    killed, running, other = (tmp_path / f"slipstream-demo-{who}" for who in (f"{ended.pid}-a", f"{os.getpid()}-b", "notes"))
    for folder in (killed, running, other):
        folder.mkdir()
    remove_leftovers(tmp_path)
    assert [folder.exists() for folder in (killed, running, other)] == [False, True, True]
