"""Story 2: two agents reach their memory server through the layers, one by its plain name, one by environment; no foreign answers."""

from __future__ import annotations

import pytest

from e2e.harness import kubectl, workloads
from e2e.harness.waiting import eventually
from e2e.harness.world import World

URL = "http://memory-server:8080/episodic/recall?q=thread"
ENV_URL = "{base}/episodic/recall?q=socket"


@pytest.fixture(scope="module")
def story(world: World) -> World:
    """Policies first, then the memory server, an agent by name (HostAlias) and one by environment that listens on 8080 itself."""
    world.apply(workloads.pool(workloads=("agent", "other")), workloads.cache(), workloads.breaker(), workloads.agent_source())
    world.apply(*workloads.memory_server())
    world.ready("memory-server")
    world.apply(workloads.agent("agent", "agent"), workloads.agent("other", "other", port=8080))
    world.ready("agent", "other")
    return world


def test_a_second_identical_read_is_a_hit_and_never_reaches_the_server(story: World) -> None:
    """The upstream's own counter proves it; the agent calls the plain name."""
    pod = story.agent()
    before = story.served("episodic/recall")
    first, second = (story.ask(pod, URL, session="alice") for _ in range(2))
    assert (first["status"], second["status"]) == (200, 200), (first, second)
    assert "fwd=" in first["headers"]["Cache-Status"]
    assert "hit" in second["headers"]["Cache-Status"]
    assert first["body"] == second["body"]
    assert story.served("episodic/recall") == before + 1


def test_another_sessions_read_is_a_miss_with_its_own_answer(story: World) -> None:
    """The control of the test above: same URL, other session, so the server is asked again."""
    pod = story.agent()
    story.ask(pod, URL, session="alice")
    before = story.served("episodic/recall")
    answer = story.ask(pod, URL, session="bob")
    assert story.served("episodic/recall") == before + 1
    assert '"bob"' in answer["body"]
    assert '"alice"' not in answer["body"]


def test_a_write_ends_the_sessions_answer(story: World) -> None:
    """remember invalidates what recall stored."""
    pod = story.agent()
    story.ask(pod, URL, session="carol")
    body = '{"text": "a thread of its own"}'
    written = story.ask(pod, "http://memory-server:8080/episodic/remember", session="carol", method="POST", body=body)
    assert written["status"] in (200, 201), written
    assert "a thread of its own" in story.ask(pod, URL, session="carol")["body"]


def test_an_agent_by_environment_reaches_the_layers_at_its_address(story: World) -> None:
    """SLIPSTREAM_MEMORY_URL of an agent that listens on 8080 itself works, and its own port is still its own."""
    pod = story.agent("other")
    base = story.agent_get(pod, "/env", port=8080)["SLIPSTREAM_MEMORY_URL"]
    url = ENV_URL.format(base=base)
    first, second = (story.ask(pod, url, session="dave", port=8080) for _ in range(2))
    assert first["status"] == 200, first
    assert "hit" in second["headers"]["Cache-Status"], second


def test_an_agent_on_the_upstreams_port_is_reported_not_broken(story: World) -> None:
    """8080 on 0.0.0.0 excludes the alias: left out, said so, and the plain name still reaches the server directly."""
    answer = story.ask(story.agent("other"), URL, session="erin", port=8080)
    assert answer["status"] == 200
    assert "Cache-Status" not in answer["headers"]
    found = story.wait_condition("cpool", "memory", "Injected", "False", "PortConflict")
    assert "8080" in found["message"]


def test_policies_are_ready_on_all_pods(story: World) -> None:
    """kubectl get shows READY True and PODS 2/2 for what both pods enforce."""

    def columns() -> list[list[str]]:
        lines = [line.split() for line in kubectl.out("get", "cachep,cbk", "-n", story.namespace, "--no-headers").splitlines() if line]
        assert len(lines) == 2
        assert all("2/2" in line for line in lines), lines
        return lines

    eventually(columns, "PODS 2/2", 60)
    story.wait_condition("cachep", "memory", "Programmed", "True", "Programmed")
    story.wait_condition("cachep", "memory", "Accepted", "True")


def test_the_sidecar_runs_the_compiled_modules(story: World) -> None:
    """The image carries what the benchmarks measure: not the pure fallback, which is there too and would work as well, only slower."""
    program = "from slipstream_runtime.http.scanner import SCANNER as s; from slipstream_runtime.proxy import client as c; print(s, c)"
    said = kubectl.out("exec", "-n", story.namespace, story.agent(), "-c", "slipstream", "--", "python", "-c", program)
    scanner, file = said.split(maxsplit=1)
    assert scanner == "c"
    assert ".so" in file
