"""Runs a test on the loop that the data path runs on. Explicit, so that it changes no other test."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop


def on_uvloop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """An `async def` test as a plain one on uvloop; a callback that raised fails it."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def main() -> None:
            raised: list[dict[str, Any]] = []
            asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
            try:
                await asyncio.wait_for(test(*args, **kwargs), 30.0)
            except TimeoutError:
                assert not raised, raised  # rather what a callback raised than that nothing came of it
                raise
            assert not raised, raised

        uvloop.run(main())

    return run
