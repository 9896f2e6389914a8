"""A server that answers whatever arrives with the same bytes, on the port it is told: for more connections than nginx is set up for."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from loadgen import ConstantAnswer
from slipstream_loadtest.runner.__main__ import raise_descriptor_limit


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(ConstantAnswer, "127.0.0.1", int(sys.argv[1]), backlog=8192)
    await server.serve_forever()


if __name__ == "__main__":
    raise_descriptor_limit()
    uvloop.run(main())
