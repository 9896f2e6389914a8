"""The sidecar as a pod runs it: `python -m slipstream_runtime` with a bootstrap, a mounted folder, signed pushes, and SIGTERM."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from slipstream_api.config import Bind, Pool, RuntimeConfig, StoreConfig, Upstream, canonical, revision
from slipstream_api.envelope import dump_key, pod_audience, sign, workload_audience
from slipstream_api.sidecar import Bootstrap, Endpoint
from slipstream_runtime.control.descriptors import default_connections
from tests.fakes.proxied import Caller, cache_rule, free_port
from tests.fakes.raw_upstream import Connection, RawUpstream

KEY = Ed25519PrivateKey.generate()
AUDIENCE = workload_audience("c", "n", "w")
POD = pod_audience("c", "n", "w", "u1")


def config(port: int, *, cached: bool = True) -> RuntimeConfig:
    rules = (cache_rule(),) if cached else ()
    pool = Pool(
        name="m",
        upstream=Upstream(host="127.0.0.1", port=port),
        binds=(Bind(kind="Address", address="127.64.9.9", port=15900),),
        cache_rules=rules,
    )
    return RuntimeConfig(namespace="n", workload="w", pools=(pool,), stores=(StoreConfig(name="s"),))


def envelope(payload: bytes, sequence: int, *, key: Ed25519PrivateKey = KEY, audience: str = AUDIENCE) -> bytes:
    return sign(key, "k", kind="Config", audience=audience, sequence=sequence, payload=payload).encode()


def command(op: str, sequence: int, *, audience: str = POD, expires: float = 60) -> bytes:
    payload = msgspec.json.encode({"op": op})
    return sign(
        KEY, "k", kind="Command", audience=audience, sequence=sequence, payload=payload, expires=int(time.time() + expires)
    ).encode()


class Sidecar:
    def __init__(self, process: asyncio.subprocess.Process, admin: str, port: int, raw: int, session: aiohttp.ClientSession) -> None:
        self.process, self.admin, self.port, self.raw, self.session = process, admin, port, raw, session

    async def get(self, path: str) -> Any:
        async with self.session.get(self.admin + path) as answer:
            return answer.status, await answer.read()

    async def status(self) -> Any:
        return msgspec.json.decode((await self.get("/status"))[1])

    async def send(self, path: str, body: bytes) -> tuple[int, Any]:
        method = self.session.put if path == "/config" else self.session.post
        async with method(self.admin + path, data=body) as answer:
            return answer.status, msgspec.json.decode(await answer.read())

    async def ready(self) -> bool:
        assert self.process.returncode is None, "the sidecar ended"
        try:
            return bool((await self.get("/readyz"))[0] == 200)
        except aiohttp.ClientConnectionError:
            return False


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    """Another process has no event to wait for: it is asked until it says so, for 15 seconds at most."""
    for _ in range(300):
        if await check():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{check.__qualname__} never came true")


@asynccontextmanager
async def sidecar(upstream: int, folder: Path, **more: str) -> AsyncIterator[Sidecar]:
    port, raw, admin = free_port(), free_port(), free_port()
    bootstrap = Bootstrap(
        cluster="c",
        namespace="n",
        workload="w",
        endpoints=(Endpoint(host="127.0.0.1", port=upstream, address="127.64.9.9", listen_port=port),),
        passthrough=(Endpoint(host="127.0.0.1", port=upstream, address="127.64.9.9", listen_port=raw),),
        keys={"k": dump_key(KEY.public_key())},
    )
    environment = {
        "PATH": os.environ["PATH"],
        "SLIPSTREAM_BOOTSTRAP": msgspec.json.encode(bootstrap).decode(),
        "POD_UID": "u1",
        "SLIPSTREAM_CONFIG_DIR": str(folder),
        "SLIPSTREAM_ADMIN_PORT": str(admin),
        **more,
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "slipstream_runtime", env=environment)
    async with aiohttp.ClientSession() as session:
        found = Sidecar(process, f"http://127.0.0.1:{admin}", port, raw, session)
        try:
            await eventually(found.ready)
            yield found
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def ask(port: int, path: bytes = b"/c") -> Any:
    caller = Caller(*await asyncio.open_connection("127.64.9.9", port))
    try:
        return await caller.ask(path)
    finally:
        caller.writer.close()
        await caller.writer.wait_closed()


async def test_a_sidecar_has_as_many_connections_to_upstreams_as_it_is_told(tmp_path: Path) -> None:
    """Its environment says it; otherwise half of its descriptors, of which it takes all that it may have."""
    async with RawUpstream() as up, sidecar(up.port, tmp_path, SLIPSTREAM_MAX_CONNECTIONS="7") as car:
        assert (await car.status())["maxConnections"] == 7
        await ask(car.port)
        assert (await car.status())["connections"] == 1
    async with RawUpstream() as up, sidecar(up.port, tmp_path) as car:
        assert (await car.status())["maxConnections"] == default_connections(resource.getrlimit(resource.RLIMIT_NOFILE)[1])


async def test_an_idle_sidecar_without_configuration_passes_through_in_little_memory(tmp_path: Path) -> None:
    """Nothing mounted, nothing pushed: traffic goes on, readiness is given, resident memory stays under 60 MB."""
    async with RawUpstream() as up, sidecar(up.port, tmp_path) as car:
        found = await ask(car.port)
        assert (found.body, found.fields[b"cache-status"]) == (b"GET /c HTTP/1.1|", b"slipstream; fwd=bypass; detail=no-rule")
        status = await car.status()
        assert (status["revision"], status["source"]) == ("", "None")
        assert [listener["state"] for listener in status["listeners"]] == ["Listening", "Listening"]
        print(f"idle RSS {status['rssBytes'] / 1e6:.1f} MB")
        assert 5e6 < status["rssBytes"] < 60e6


async def test_signed_configurations_come_in_and_everything_else_stays_out(tmp_path: Path) -> None:
    """A push is acknowledged by its revision; each refusal names its reason and leaves the one before in force."""
    async with RawUpstream() as up, sidecar(up.port, tmp_path) as car:
        good = config(up.port)
        assert await car.send("/config", envelope(canonical(good), 5)) == (200, {"revision": revision(good)})
        assert await car.send("/config", envelope(canonical(good), 5)) == (200, {"revision": revision(good)})
        await ask(car.port)
        for body, reason in (
            (envelope(canonical(good), 4), "Replayed"),
            (envelope(canonical(good), 6, key=Ed25519PrivateKey.generate()), "BadSignature"),
            (envelope(canonical(good), 6, audience=workload_audience("c", "n", "other")), "WrongAudience"),
            (envelope(b'{"schemaVersion":99,"namespace":"n","workload":"w"}', 6), "UnsupportedSchema"),
            (envelope(b'{"schemaVersion":1,"namespace":"n","workload":"w","bogus":1}', 6), "Invalid"),
            (b"{}", "Malformed"),
        ):
            status, refusal = await car.send("/config", body)
            assert (status, refusal["reason"]) == (422, reason)
            assert (await car.status())["rejected"]["reason"] == reason
            assert (await ask(car.port)).fields[b"cache-status"].startswith(b"slipstream; hit")
        assert (await car.status())["revision"] == revision(good)
        assert (await car.status())["sequence"] == 5


async def test_commands_must_be_for_this_pod_fresh_and_new(tmp_path: Path) -> None:
    """Carried out once, never again."""
    async with RawUpstream() as up, sidecar(up.port, tmp_path) as car:
        await car.send("/config", envelope(canonical(config(up.port)), 1))
        await ask(car.port)
        once = command("Invalidate", 1)
        assert await car.send("/commands", once) == (200, {"matched": 1})
        assert b"fwd=uri-miss" in (await ask(car.port)).fields[b"cache-status"]
        for body, reason in (
            (once, "Replayed"),
            (command("Invalidate", 2, expires=-5), "Expired"),
            (command("Invalidate", 2, audience=AUDIENCE), "WrongAudience"),
            (envelope(canonical(config(up.port)), 9), "WrongAudience"),
        ):
            status, refusal = await car.send("/commands", body)
            assert (status, refusal["reason"]) == (422, reason)
        assert (await ask(car.port)).fields[b"cache-status"].startswith(b"slipstream; hit")


async def test_the_mounted_configuration_is_in_force_from_the_start_and_followed(tmp_path: Path) -> None:
    """Before readiness; a newer file is taken by itself, an older push is refused."""
    async with RawUpstream() as up:
        (tmp_path / "envelope.json").write_bytes(envelope(canonical(config(up.port)), 7))
        async with sidecar(up.port, tmp_path) as car:
            status = await car.status()
            assert (status["source"], status["sequence"]) == ("File", 7)
            assert (await car.send("/config", envelope(canonical(config(up.port)), 6)))[0] == 422
            newer = config(up.port, cached=False)
            (tmp_path / "new.json").write_bytes(envelope(canonical(newer), 8))
            (tmp_path / "new.json").rename(tmp_path / "envelope.json")

            async def followed() -> bool:
                return bool((await car.status())["revision"] == revision(newer))

            await eventually(followed)


async def test_raw_ports_forward_bytes(tmp_path: Path) -> None:
    """Whatever they are, and both halves close on their own."""

    async def script(connection: Connection) -> None:
        data = await connection.reader.read(-1)
        connection.send(b"\x00" + data[::-1])

    async with RawUpstream(script) as up, sidecar(up.port, tmp_path) as car:
        reader, writer = await asyncio.open_connection("127.64.9.9", car.raw)
        writer.write(b"\xffnot http\n")
        writer.write_eof()
        assert await reader.read() == b"\x00\nptth ton\xff"
        writer.close()
        await writer.wait_closed()


async def test_trap_45_sigterm_lets_the_request_under_way_end(tmp_path: Path) -> None:
    """Not ready at once; the answer arrives whole and says close; exit code 0."""
    asked, release = asyncio.Event(), asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        asked.set()
        await release.wait()
        connection.answer(b"late")

    async with RawUpstream(script) as up, sidecar(up.port, tmp_path) as car:
        caller = Caller(*await asyncio.open_connection("127.64.9.9", car.port))
        caller.get()
        await asked.wait()
        car.process.send_signal(signal.SIGTERM)

        async def unready() -> bool:
            return bool((await car.get("/readyz"))[0] == 503)

        await eventually(unready)
        assert (await car.get("/livez"))[0] == 200
        release.set()
        found = await caller.answer()
        assert (found.body, found.fields[b"connection"]) == (b"late", b"close")
        assert await asyncio.wait_for(car.process.wait(), 10) == 0
        caller.leave()


async def test_an_environment_that_cant_be_understood_ends_the_process() -> None:
    """With what is wrong, instead of serving half of it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "slipstream_runtime", env={"SLIPSTREAM_BOOTSTRAP": "{"}, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert b"SLIPSTREAM_BOOTSTRAP" in errors
