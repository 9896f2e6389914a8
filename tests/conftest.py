"""Settings of the whole test run; holds no fixtures of any one package."""

from __future__ import annotations

import asyncio
import signal

from hypothesis import settings

# pytest-asyncio asks for the current loop before it sets its own; on Python 3.11 that makes one, which nobody closes (a warning, an error).
asyncio.set_event_loop(None)

# A run that a script put in the background ignores Ctrl-C, and so would every process that a test starts to see what it does at Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says nothing on a machine with other work; the rest is as hypothesis has it, on CI and elsewhere.
settings.register_profile("unhurried", settings(deadline=None))
settings.load_profile("unhurried")
