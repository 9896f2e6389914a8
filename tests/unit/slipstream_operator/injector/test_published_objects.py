"""What the injector reads by name: it waits for what isn't there yet, keeps what it has when the new is no good."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from slipstream_operator.certificates.keep import Keeper
from slipstream_operator.injector.published import IMPATIENT, PATIENT, PublicKeys, ServingCertificate, poll
from slipstream_operator.kube.kinds import CONFIG_MAP, MUTATING_WEBHOOK, SECRET
from tests.fakes.fake_kube import FakeKube

SYSTEM = "slipstream-system"


def keys_map(keys: str, cluster: str = "uid") -> dict[str, object]:
    return {"metadata": {"name": "slipstream-public-keys", "namespace": SYSTEM}, "data": {"keys.json": keys, "cluster": cluster}}


async def with_certificate() -> FakeKube:
    kube = FakeKube()
    kube.seed(SECRET, {"metadata": {"name": "slipstream-injector-tls", "namespace": SYSTEM}})
    kube.seed(MUTATING_WEBHOOK, {"metadata": {"name": "slipstream-injector"}, "webhooks": []})
    await Keeper(kube, lambda: 1_800_000_000.0, SYSTEM, settle=0).look()
    return kube


async def test_keys_and_cluster_are_read_together() -> None:
    """A bootstrap without either would refuse every configuration."""
    kube = FakeKube()
    kube.seed(CONFIG_MAP, keys_map('{"k1": "AAAA"}'))
    found = PublicKeys(kube, SYSTEM)
    assert "is the operator running?" in found.problem()
    await found.refresh()
    assert (found.problem(), found.cluster, found.keys) == ("", "uid", {"k1": "AAAA"})


@pytest.mark.parametrize(("keys", "cluster"), [("", "uid"), ("[]", "uid"), ("{}", "uid"), ("{", "uid"), ('{"k2": "B"}', "")])
async def test_keys_that_are_no_good_change_nothing(keys: str, cluster: str) -> None:
    """Half of a write, or somebody's mistake."""
    kube = FakeKube()
    kube.seed(CONFIG_MAP, keys_map('{"k1": "AAAA"}'))
    found = PublicKeys(kube, SYSTEM)
    await found.refresh()
    kube.seed(CONFIG_MAP, keys_map(keys, cluster))
    await found.refresh()
    assert (found.cluster, found.keys) == ("uid", {"k1": "AAAA"})


async def test_an_empty_secret_is_no_certificate_yet() -> None:
    """As it is shipped."""
    kube = FakeKube()
    kube.seed(SECRET, {"metadata": {"name": "slipstream-injector-tls", "namespace": SYSTEM}})
    certificate = ServingCertificate(kube, SYSTEM)
    await certificate.refresh()
    assert "is the operator running?" in certificate.problem()
    assert not certificate.loaded.is_set()


async def test_the_operators_certificate_is_loaded() -> None:
    """And its end is known to the metrics."""
    certificate = ServingCertificate(await with_certificate(), SYSTEM)
    await certificate.refresh()
    assert certificate.problem() == ""
    assert certificate.expires > 1_800_000_000.0


async def test_a_certificate_that_cannot_be_used_leaves_the_one_before(caplog: pytest.LogCaptureFixture) -> None:
    """And no key gets into the log."""
    kube = await with_certificate()
    certificate = ServingCertificate(kube, SYSTEM)
    await certificate.refresh()
    before = certificate.expires
    for key in ("bm9uc2Vuc2U=", "***", base64.b64encode(b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----").decode()):
        await kube.patch(SECRET, SYSTEM, "slipstream-injector-tls", {"data": {"tls.key": key}})
        await certificate.refresh()
    assert (certificate.problem(), certificate.expires) == ("", before)
    assert "stays" in caplog.text
    assert "c2VjcmV0" not in caplog.text


@pytest.mark.looptime
async def test_it_looks_often_until_there_is_something() -> None:
    """A second while it waits, a quarter of a minute afterwards; what is missing is said once."""
    kube = FakeKube()
    keys = PublicKeys(kube, SYSTEM)
    task = asyncio.create_task(poll(keys.refresh, keys.problem))
    await asyncio.sleep(10 * IMPATIENT + 0.5)
    assert len(kube.calls) == 11
    kube.seed(CONFIG_MAP, keys_map(json.dumps({"k1": "AAAA"})))
    await asyncio.sleep(1)
    before = len(kube.calls)
    await asyncio.sleep(2 * PATIENT)
    assert len(kube.calls) == before + 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
