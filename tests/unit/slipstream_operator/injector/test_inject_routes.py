"""How a pod reaches its upstreams: environment, host aliases, and the ones that a port rules out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from slipstream_api.addresses import alias_names, loopback_address
from slipstream_operator.injector.inject import inject
from tests.fakes.pods import NAMESPACE, SETTINGS, a_container, a_pod, a_pool, env_of, injected

ADDRESS = loopback_address(NAMESPACE, "memory-server")
URL = f"http://{ADDRESS}:15900"


def aliases_of(pod: dict[str, Any]) -> dict[str, list[str]]:
    return {entry["ip"]: entry["hostnames"] for entry in pod["spec"].get("hostAliases", [])}


def status_of(pod: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pod["metadata"]["annotations"]["slipstream.dev/status"])
    return found


def conflicts_of(pod: dict[str, Any]) -> list[tuple[str, int, str]]:
    return [(c["host"], c["port"], c["reason"]) for c in status_of(pod)["conflicts"]]


def test_every_container_learns_the_pools_url() -> None:
    """App containers and later init containers; the sidecar itself needs none."""
    pod = injected(a_pod("agent", a_container("a"), a_container("b"), initContainers=[a_container("migrate")]), a_pool())
    sidecar, migrate = pod["spec"]["initContainers"]
    assert [env_of(c).get("SLIPSTREAM_MEMORY_URL") for c in [*pod["spec"]["containers"], migrate]] == [URL] * 3
    assert "SLIPSTREAM_MEMORY_URL" not in env_of(sidecar)


def test_what_the_user_set_stays() -> None:
    """A variable of that name is not overridden, also where it comes from elsewhere; others are added in front."""
    own = [{"name": "SLIPSTREAM_MEMORY_URL", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}, {"name": "A", "value": "1"}]
    pod = injected(a_pod("agent", a_container(env=own)), a_pool(), a_pool("other", "other-server"))
    env = pod["spec"]["containers"][0]["env"]
    assert env[-2:] == own
    assert [e["name"] for e in env] == ["SLIPSTREAM_OTHER_URL", "SLIPSTREAM_MEMORY_URL", "A"]


def test_the_urls_scheme_is_the_protocols() -> None:
    """HTTP and MCP are HTTP; PostgreSQL has its own."""
    pod = injected(a_pod(), a_pool("tools", "tools", protocol="MCP"), a_pool("db", "db", 5432, protocol="PostgreSQL"))
    env = env_of(pod["spec"]["containers"][0])
    assert env["SLIPSTREAM_TOOLS_URL"].startswith("http://127.")
    assert env["SLIPSTREAM_DB_URL"].startswith("postgresql://127.")


def test_ports_of_one_host_share_its_address() -> None:
    """15900 for the first port, 15901 for the second."""
    pod = injected(a_pod(), a_pool("a", port=9090, alias=False), a_pool("b", port=8080, alias=False))
    env = env_of(pod["spec"]["containers"][0])
    assert (env["SLIPSTREAM_A_URL"], env["SLIPSTREAM_B_URL"]) == (f"http://{ADDRESS}:15901", f"http://{ADDRESS}:15900")


def test_a_host_alias_pool_names_the_host() -> None:
    """All names of the Service lead to the sidecar; what the pod's hosts file had stays."""
    own = {"ip": "10.0.0.1", "hostnames": ["elsewhere"]}
    pod = injected(a_pod(hostAliases=[own]), a_pool())
    assert pod["spec"]["hostAliases"][0] == own
    assert aliases_of(pod)[ADDRESS] == list(alias_names("memory-server", NAMESPACE))


def test_an_environment_pool_names_nothing() -> None:
    """The control of the test above."""
    pod = injected(a_pod(), a_pool(alias=False))
    assert "hostAliases" not in pod["spec"]
    assert status_of(pod)["endpoints"][0]["alias"] is False


def test_an_alias_holds_for_every_port_of_the_host() -> None:
    """Once the name leads to the sidecar, the Environment pool's port of that host comes there too."""
    pod = injected(a_pod(), a_pool("a", port=8080), a_pool("b", port=9090, alias=False))
    assert [e["alias"] for e in status_of(pod)["endpoints"]] == [True, True]


def test_passthrough_ports_come_with_the_alias() -> None:
    """They are forwarded raw on the port itself; without the alias nobody comes there."""
    with_alias = injected(a_pod(), a_pool(passthrough=(9090, 8080)))
    assert [(e["port"], e["listenPort"]) for e in status_of(with_alias)["passthrough"]] == [(9090, 9090)]
    assert "passthrough" not in status_of(injected(a_pod(), a_pool(passthrough=(9090,), alias=False)))


@pytest.mark.parametrize(
    "container",
    [
        a_container(ports=[{"containerPort": 8080}]),
        a_container(ports=[{"containerPort": 8080, "protocol": "TCP", "name": "http"}]),
        a_container(readinessProbe={"httpGet": {"path": "/", "port": 8080}}),
        a_container(livenessProbe={"tcpSocket": {"port": 8080}}),
        a_container(startupProbe={"grpc": {"port": 8080}}),
        a_container(readinessProbe={"httpGet": {"path": "/", "port": "8080"}}),
        a_container(ports=[{"containerPort": 8080, "name": "web"}], readinessProbe={"httpGet": {"port": "web"}}),
        a_container(lifecycle={"preStop": {"httpGet": {"path": "/bye", "port": 8080}}}),
    ],
)
def test_a_port_of_the_pod_rules_the_alias_out(container: dict[str, Any]) -> None:
    """Two sockets exclude each other there: no alias, said so, and everything else as before."""
    result = inject(a_pod("agent", container), NAMESPACE, [a_pool()], SETTINGS)
    pod = injected(a_pod("agent", container), a_pool())
    assert "hostAliases" not in pod["spec"]
    assert conflicts_of(pod) == [("memory-server", 8080, "PortConflict")]
    assert "agent" in status_of(pod)["conflicts"][0]["detail"]
    assert env_of(pod["spec"]["containers"][0])["SLIPSTREAM_MEMORY_URL"] == URL
    assert any("8080" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    "container",
    [
        a_container(ports=[{"containerPort": 8081}]),
        a_container(ports=[{"containerPort": 8080, "protocol": "UDP"}]),
        a_container(readinessProbe={"exec": {"command": ["true"]}}),
        a_container(readinessProbe={"httpGet": {"path": "/", "port": 8080, "host": "memory-server"}}),
        a_container(ports=[{"containerPort": 8080, "name": "dns", "protocol": "UDP"}, {"containerPort": 9000}]),
        a_container(readinessProbe={"httpGet": {"port": "nameless"}}),
    ],
)
def test_other_ports_do_not(container: dict[str, Any]) -> None:
    """The control of the test above."""
    pod = injected(a_pod("agent", container), a_pool())
    assert ADDRESS in aliases_of(pod)
    assert conflicts_of(pod) == []


def test_a_named_probe_rules_the_alias_out_whatever_the_ports_protocol() -> None:
    """The name resolves to the number, and the probe opens TCP there."""
    container = a_container(
        ports=[{"containerPort": 8080, "name": "web", "protocol": "UDP"}], readinessProbe={"tcpSocket": {"port": "web"}}
    )
    assert conflicts_of(injected(a_pod("agent", container), a_pool())) == [("memory-server", 8080, "PortConflict")]


def test_an_init_containers_port_counts_too() -> None:
    """It runs while the sidecar listens."""
    pod = injected(a_pod(initContainers=[a_container("proxy", restartPolicy="Always", ports=[{"containerPort": 8080}])]), a_pool())
    assert conflicts_of(pod) == [("memory-server", 8080, "PortConflict")]


def test_one_port_rules_out_the_whole_host() -> None:
    """An alias for 9090 alone would send calls to 8080 into the pod itself."""
    container = a_container(ports=[{"containerPort": 8080}])
    pod = injected(a_pod("agent", container), a_pool("a"), a_pool("b", port=9090), a_pool("c", "other-server", 7070))
    assert conflicts_of(pod) == [("memory-server", 8080, "PortConflict"), ("memory-server", 9090, "PortConflict")]
    assert list(aliases_of(pod)) == [loopback_address(NAMESPACE, "other-server")]


def test_a_passthrough_port_of_the_pod_rules_it_out_as_well() -> None:
    """The conflict is the pool's."""
    pod = injected(a_pod("agent", a_container(ports=[{"containerPort": 9090}])), a_pool(passthrough=(9090,)))
    assert conflicts_of(pod) == [("memory-server", 8080, "PortConflict")]


def test_the_sidecars_own_ports_cannot_be_aliased() -> None:
    """It listens on 15990 on every address itself."""
    assert conflicts_of(injected(a_pod(), a_pool(port=15990))) == [("memory-server", 15990, "PortConflict")]


@pytest.mark.parametrize("name", ["memory-server", f"memory-server.{NAMESPACE}.svc"])
def test_a_name_in_the_pods_own_hosts_file_wins(name: str) -> None:
    """Both entries would make the name mean two addresses."""
    pod = injected(a_pod(hostAliases=[{"ip": "10.0.0.1", "hostnames": [name]}]), a_pool())
    assert list(aliases_of(pod)) == ["10.0.0.1"]
    assert conflicts_of(pod) == [("memory-server", 8080, "AliasConflict")]


def test_two_spellings_of_one_service_are_not_aliased() -> None:
    """Each would take the other's names to an address that lacks its port."""
    pod = injected(a_pod(), a_pool("a"), a_pool("b", f"memory-server.{NAMESPACE}", 9090))
    assert "hostAliases" not in pod["spec"]
    assert {reason for _, _, reason in conflicts_of(pod)} == {"AliasConflict"}


@pytest.mark.parametrize("host", ["10.1.2.3", "a..b"])
def test_what_is_no_name_is_not_aliased(host: str) -> None:
    """A hosts file carries names; the API server would refuse the pod."""
    pod = injected(a_pod(), a_pool(host=host))
    assert "hostAliases" not in pod["spec"]
    assert conflicts_of(pod) == [(host, 8080, "NotAName")]


def test_a_runner_has_urls_but_no_aliases() -> None:
    """It measures through the layers by address, and past them by name."""
    pod = injected(a_pod(labels={"slipstream.dev/role": "runner"}), a_pool())
    assert "hostAliases" not in pod["spec"]
    assert conflicts_of(pod) == []
    assert env_of(pod["spec"]["containers"][0])["SLIPSTREAM_MEMORY_URL"] == URL


def test_the_annotation_gives_endpoints_and_aliases_without_any_pool() -> None:
    """What came first doesn't matter then."""
    annotations = {"slipstream.dev/upstreams": "memory-server:8080, tools.other:9000"}
    pod = injected(a_pod(annotations=annotations))
    assert [(e["host"], e["port"], e["alias"]) for e in status_of(pod)["endpoints"]] == [
        ("memory-server", 8080, True),
        ("tools.other", 9000, True),
    ]
    assert set(aliases_of(pod)) == {ADDRESS, loopback_address(NAMESPACE, "tools.other")}


def test_with_the_annotation_pools_make_no_difference() -> None:
    """Not one byte."""
    pod = a_pod(annotations={"slipstream.dev/upstreams": "memory-server:8080"})
    assert injected(pod) == injected(pod, a_pool(), a_pool("b", "other", 1))
    assert injected(a_pod()) != injected(a_pod(), a_pool())


@pytest.mark.parametrize("entry", ["memory-server", "memory-server:0", "memory-server:99999", ":80", "a b:80", "x_y:80", "h:8o"])
def test_a_bad_entry_of_the_annotation_is_told_and_left_out(entry: str) -> None:
    """The others are served."""
    result = inject(a_pod(annotations={"slipstream.dev/upstreams": f"good:80,{entry}"}), NAMESPACE, (), SETTINGS)
    assert result.outcome == "Injected"
    assert entry in result.warnings[0]
    assert '"host":"good"' in json.dumps(result.ops).replace("\\", "")


def test_a_blank_annotation_is_none() -> None:
    """Pools count as without it."""
    pod = injected(a_pod(annotations={"slipstream.dev/upstreams": " "}), a_pool())
    assert [e["host"] for e in status_of(pod)["endpoints"]] == ["memory-server"]


def test_pods_without_pools_get_a_sidecar_all_the_same() -> None:
    """The label asks for it; a later pool shows as PodsOutdated, not as PodsMissingSidecar."""
    pod = injected(a_pod())
    assert [c["name"] for c in pod["spec"]["initContainers"]] == ["slipstream"]
    assert status_of(pod)["endpoints"] == []
