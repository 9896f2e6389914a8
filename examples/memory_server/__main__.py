"""`python -m memory_server`: opens the database, serves, ends cleanly on SIGTERM and Ctrl-C. Holds no logic of the service."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from aiohttp import web

from memory_server.app import application
from memory_server.database import Database


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="memory_server", description="A memory service for agents, on SQLite with full-text search.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on, 0 for a free one (default: %(default)s)")
    parser.add_argument("--db", type=Path, default=Path("memory.db"), help="database file, made if it isn't there (default: %(default)s)")
    parser.add_argument("--no-seed", action="store_true", help="start without the docstrings of the standard library")
    return parser.parse_args()


async def serve(given: argparse.Namespace) -> None:
    """Until SIGTERM or SIGINT. The line `listening on …` says that requests are answered."""
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    database = Database(given.db)
    seeded = await database.open(seeded=not given.no_seed)
    runner = web.AppRunner(application(database), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    site = web.TCPSite(runner, given.host, given.port)
    await site.start()
    host, port = runner.addresses[0][:2]
    sys.stdout.write(f"seeded {seeded} texts\nlistening on http://{host}:{port}\n")
    sys.stdout.flush()
    await over.wait()
    await runner.cleanup()
    await database.close()


if __name__ == "__main__":
    asyncio.run(serve(arguments()))
