"""Where the runtime listens: the bootstrap's addresses in a pod, the configuration's ports on a laptop. Decides nothing about requests."""

from __future__ import annotations

from collections.abc import Iterator

from slipstream_api.config import Pool, RuntimeConfig, Upstream
from slipstream_api.sidecar import Bootstrap, ListenerStatus
from slipstream_runtime.pools import ConfigRefused, Place, Pools
from slipstream_runtime.proxy.context import Context
from slipstream_runtime.proxy.dialer import Dialer
from slipstream_runtime.proxy.listener import Listener
from slipstream_runtime.proxy.raw_ports import RawPorts
from slipstream_runtime.proxy.tunnel import RawClient

Address = tuple[str, int]


class Places:
    """Listeners by address. In a pod those of the bootstrap, for the pod's life; a port that can't be had is reported, not fatal."""

    def __init__(self, context: Context, dialer: Dialer, pools: Pools) -> None:
        self._context = context
        self._dialer = dialer
        self._pools = pools
        self._listeners: dict[Address, Listener] = {}
        self._given: dict[Address, Place] = {}  # of the bootstrap: which upstream an address stands for
        self._raw: dict[Address, Place] = {}  # further ports of aliased hosts
        self.raw_ports = RawPorts(context)

    async def open_bootstrap(self, bootstrap: Bootstrap) -> None:
        """Every address that the pod was given."""
        for endpoint in bootstrap.endpoints:
            place = (endpoint.host, endpoint.port)
            self._given[endpoint.address, endpoint.listen_port] = place
            if endpoint.alias:
                self._given[endpoint.address, endpoint.port] = place
        for endpoint in bootstrap.passthrough:
            self._raw[endpoint.address, endpoint.listen_port] = (endpoint.host, endpoint.port)
        for address in (*self._given, *self._raw):
            self._listeners[address] = Listener(self._context, *address)
        self.refresh(None)
        for listener in self._listeners.values():
            await listener.open()

    async def open_local(self, config: RuntimeConfig) -> list[Listener]:
        """The ports on this machine that `config` wants and that aren't open yet; raises ConfigRefused, with none of them left open."""
        opened: list[Listener] = []
        for pool, address in _local(config):
            if address not in self._listeners:
                listener = Listener(self._context, *address)
                self._point(listener, pool, None)
                await listener.open()
                opened.append(listener)
                if listener.error:
                    for one in opened:
                        one.close()
                    raise ConfigRefused(f"pool {pool.name}: {listener.error}: another program has the port, or use --listen")
        return opened

    def commit_local(self, config: RuntimeConfig, opened: list[Listener]) -> None:
        """Takes in what `open_local` opened, and closes what the configuration doesn't name any more; connections stay."""
        self._listeners |= {(listener.address, listener.port): listener for listener in opened}
        wanted = {address for _, address in _local(config)}
        for address in [a for a in self._listeners if a not in wanted and a not in self._given and a not in self._raw]:
            self._listeners.pop(address).close()

    def refresh(self, config: RuntimeConfig | None) -> None:
        """Points every listener to the service that is in force now."""
        for address, place in self._given.items():
            service = self._pools.of(place)
            if service is None:
                self._listeners[address].serve("", self._pools.passing(place))
            else:
                self._point(self._listeners[address], service.config, service)
        for address, (host, port) in self._raw.items():
            self._listeners[address].serve_raw("", self._raw_client(Upstream(host=host, port=port), 10.0))
        for pool, address in _local(config) if config is not None else ():
            self._point(self._listeners[address], pool, self._pools.services[pool.name])

    def _point(self, listener: Listener, pool: Pool, service: object) -> None:
        """HTTP and MCP go through the layers; what speaks another protocol is forwarded raw."""
        if pool.upstream.protocol == "PostgreSQL":
            listener.serve_raw(pool.name, self._raw_client(pool.upstream, pool.limits.connect_timeout_ms / 1000))
        elif service is not None:
            listener.serve(pool.name, service)  # type: ignore[arg-type]  # HttpService, or nothing yet

    def _raw_client(self, upstream: Upstream, timeout: float):  # type: ignore[no-untyped-def]  # a factory of protocols
        context = self._context

        def closed() -> None:
            context.tunnels -= 1

        def make() -> RawClient:
            context.tunnels += 1
            return RawClient(self._dialer, upstream, timeout, closed, self.raw_ports)

        return make

    def status(self) -> tuple[ListenerStatus, ...]:
        return tuple(listener.status() for _, listener in sorted(self._listeners.items()))

    def close(self) -> None:
        """Stops accepting; connections stay."""
        for listener in self._listeners.values():
            listener.close()


def _local(config: RuntimeConfig) -> Iterator[tuple[Pool, Address]]:
    for pool in config.pools:
        for bind in pool.binds:
            if bind.kind == "Local":
                yield pool, (bind.address, bind.port)
