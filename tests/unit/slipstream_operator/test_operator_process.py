"""The process: its exit codes, the cluster it belongs to, and that nothing keeps it alive once it has nothing to do."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from slipstream_operator import main as process
from slipstream_operator.app import App
from slipstream_operator.errors import NotFound, Permanent, Temporary
from slipstream_operator.identity import cluster_id
from slipstream_operator.kube.kinds import NAMESPACE
from slipstream_operator.logs import JsonFormatter
from slipstream_operator.main import Stuck, assemble, identify, supervise
from slipstream_operator.settings import Settings
from tests.fakes.fake_kube import FakeKube


@pytest.fixture
def app() -> App:
    return App(Settings(), FakeKube(), "c1")


@pytest.mark.looptime
async def test_what_kopf_ends_with_is_what_the_process_ends_with(app: App) -> None:
    """An error is an error, an end an end."""

    async def fine() -> None:
        await asyncio.sleep(5)

    async def broken() -> None:
        raise RuntimeError("403")

    await supervise(app, fine())
    with pytest.raises(RuntimeError, match="403"):
        await supervise(app, broken())


@pytest.mark.looptime
async def test_kopf_that_doesnt_end_after_everything_is_stopped_is_left(app: App) -> None:
    """One of its watchers may swallow its cancellation: a deaf process with green probes."""
    let_go = asyncio.Event()

    async def deaf() -> None:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    loop = asyncio.get_running_loop()
    loop.call_later(100, app.stopped.set)
    with pytest.raises(Stuck):
        await supervise(app, deaf(), grace=15.0)
    assert loop.time() == pytest.approx(115)
    let_go.set()


async def test_the_cluster_is_the_uid_of_kube_system_or_of_the_operators_own_namespace() -> None:
    """Or what it was told."""
    kube = FakeKube()
    for name in ("kube-system", "mine"):
        kube.seed(NAMESPACE, {"metadata": {"name": name, "uid": f"uid-of-{name}"}})
    assert await cluster_id(kube, Settings()) == "uid-of-kube-system"
    assert await cluster_id(kube, Settings(namespaces=("a",), system_namespace="mine")) == "uid-of-mine"
    assert await cluster_id(kube, Settings(cluster_id="told")) == "told"


@pytest.mark.looptime
async def test_the_cluster_is_asked_for_until_it_answers() -> None:
    """An API server that isn't there yet is no reason to crash; one that says no for good is."""
    kube, times = FakeKube(), list[float]()
    kube.seed(NAMESPACE, {"metadata": {"name": "kube-system", "uid": "u"}})

    async def late(*_: object) -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) < 3:
            raise Temporary("connection refused")

    kube.before = late
    assert await identify(kube, Settings()) == "u"
    assert len(times) == 3
    with pytest.raises(NotFound):
        await identify(FakeKube(), Settings())


async def test_an_operator_has_its_certificate_and_its_load_tests(app: App) -> None:
    """What lives in packages of its own is wired in, and readiness waits for the certificate's first look."""
    made = assemble(Settings(), FakeKube(), "c1")
    assert {name for name, _ in made.extra} == {"certificate", "loadtests"}
    assert made.ready["certificate"]()
    heard: list[tuple[str, str]] = []
    made.load_test_changed = lambda namespace, name: heard.append((namespace, name))
    made._policy_changed(("LoadTest", "shop", "t"))
    made._policy_changed(("CachePolicy", "shop", "c"))
    assert heard == [("shop", "t")]
    assert len(made.policy_queue) == 1


@pytest.mark.parametrize(("error", "code"), [(None, 0), (Permanent("no"), 1), (RuntimeError("watch"), 1)])
def test_exit_codes(error: Exception | None, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """0: asked to stop; 1: everything else."""

    async def run(_: Settings) -> int:
        if error is not None:
            raise error
        return 0

    monkeypatch.setattr(process, "run", run)
    monkeypatch.setattr(process.logs, "configure", lambda *_: None)
    assert process.main([]) == code


def test_a_log_line_is_one_json_object() -> None:
    """Also with line breaks and an exception."""
    try:
        raise ValueError("bad\nthing")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("a.b", logging.WARNING, "", 1, "said %s", ("x\ny",), info)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == "said x\ny"
    assert "ValueError" in json.loads(line)["exception"]
