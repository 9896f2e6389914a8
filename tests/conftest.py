"""Settings of the whole test run; holds no fixtures of any one package."""

from __future__ import annotations

import asyncio

# pytest-asyncio asks for the current loop before it sets its own; on Python 3.11 that makes one, which nobody closes (a warning, an error).
asyncio.set_event_loop(None)
