"""Runs the store in threads: a few readers, each with a connection of its own, and one writer. No SQL here, and no HTTP."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from memory_server import store, texts

T = TypeVar("T")
READERS = 4  # SQLite reads in parallel and lets the interpreter's lock go while it does


class Database:
    """One file; `read` and `write` run a function of the store with a connection."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(READERS, "reader")
        self._writer = ThreadPoolExecutor(1, "writer")

    async def open(self, seeded: bool = True) -> int:
        """Migrates and seeds what isn't there yet; how many texts were seeded."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._prepare, seeded)

    def _prepare(self, seeded: bool) -> int:
        connection = self._connection()
        store.migrate(connection)
        if not seeded or store.is_seeded(connection):  # asked before the texts are gathered, which takes seconds
            return 0
        return store.seed(connection, texts.docstrings(texts.standard_library()), time.time())

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._run, work)

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Answers when the change is committed."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._run, work)

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return work(self._connection())

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = store.connect(self.path)
            self._connections.append(connection)
        return connection

    async def close(self) -> None:
        """Ends the threads when they are done with what they have."""
        loop = asyncio.get_running_loop()
        for threads in (self._readers, self._writer):
            await loop.run_in_executor(None, threads.shutdown)
        for connection in self._connections:
            connection.close()
