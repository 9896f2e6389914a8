"""The keeper against an API server in memory: what it writes, in which order, and what it leaves alone."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from slipstream_operator.certificates import keep
from slipstream_operator.certificates.authority import AUTHORITY_LIFE, CERTIFICATE_LIFE
from slipstream_operator.certificates.decide import bundle_of
from slipstream_operator.certificates.keep import Keeper, decoded
from slipstream_operator.errors import Forbidden, Temporary
from slipstream_operator.kube.kinds import MUTATING_WEBHOOK, SECRET, Kind
from tests.fakes.fake_kube import FakeKube

SYSTEM = "slipstream-system"
SECRET_NAME = "slipstream-injector-tls"
START = 1_800_000_000.0
WEBHOOK = {
    "metadata": {"name": "slipstream-injector"},
    "webhooks": [
        {
            "name": "inject.slipstream.dev",
            "failurePolicy": "Ignore",
            "clientConfig": {"service": {"name": "slipstream-injector", "namespace": SYSTEM, "path": "/inject"}},
        }
    ],
}


class Wall:
    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def kube() -> FakeKube:
    """As installed: Secret empty, webhook without a bundle."""
    fake = FakeKube()
    fake.seed(SECRET, {"metadata": {"name": SECRET_NAME, "namespace": SYSTEM}})
    fake.seed(MUTATING_WEBHOOK, WEBHOOK)
    return fake


@pytest.fixture
def order(kube: FakeKube) -> list[str]:
    """What was written, in order."""
    kinds: list[str] = []

    def listener(kind: Kind, event: str, _: Any) -> None:
        if event == "MODIFIED":
            kinds.append(kind.kind)

    kube.listeners.append(listener)
    return kinds


def a_keeper(kube: FakeKube, wall: Wall) -> Keeper:
    return Keeper(kube, wall, SYSTEM, settle=0)


async def stored(kube: FakeKube) -> dict[str, bytes]:
    return decoded(await kube.get(SECRET, SYSTEM, SECRET_NAME))


async def trusted(kube: FakeKube) -> bytes:
    webhook = (await kube.get(MUTATING_WEBHOOK, None, "slipstream-injector"))["webhooks"][0]
    return base64.b64decode(webhook["clientConfig"].get("caBundle", ""))


async def test_an_installation_gets_a_certificate_and_trust(kube: FakeKube, wall: Wall) -> None:
    """And the webhook keeps everything that the manifest says."""
    decision = await a_keeper(kube, wall).look()
    assert decision.action == "RenewAuthority"
    assert await trusted(kube) == (await stored(kube))["ca.crt"]
    webhook = (await kube.get(MUTATING_WEBHOOK, None, "slipstream-injector"))["webhooks"][0]
    assert webhook["failurePolicy"] == "Ignore"
    assert webhook["clientConfig"]["service"]["path"] == "/inject"


async def test_trust_comes_before_use(kube: FakeKube, wall: Wall, order: list[str]) -> None:
    """At the installation and at a new authority: the bundle first, the Secret after it."""
    await a_keeper(kube, wall).look()
    wall.time += AUTHORITY_LIFE.total_seconds() * 0.7
    await a_keeper(kube, wall).look()
    assert order == ["MutatingWebhookConfiguration", "Secret"] * 2
    assert len(bundle_of({"ca.crt": await trusted(kube)})) == 2


async def test_a_renewed_certificate_changes_no_trust(kube: FakeKube, wall: Wall, order: list[str]) -> None:
    """The bundle stays, byte by byte."""
    await a_keeper(kube, wall).look()
    before = await trusted(kube)
    order.clear()
    wall.time += CERTIFICATE_LIFE.total_seconds() * 0.7
    assert (await a_keeper(kube, wall).look()).action == "RenewCertificate"
    assert order == ["Secret"]
    assert await trusted(kube) == before


async def test_nothing_due_is_nothing_written(kube: FakeKube, wall: Wall) -> None:
    """Every minute, for months."""
    await a_keeper(kube, wall).look()
    written = len(kube.writes())
    assert (await a_keeper(kube, wall).look()).action == "Keep"
    assert len(kube.writes()) == written


async def test_a_replaced_webhook_gets_its_bundle_back(kube: FakeKube, wall: Wall) -> None:
    """`kubectl replace` takes it away; the certificate is still good."""
    await a_keeper(kube, wall).look()
    kube.remove(MUTATING_WEBHOOK, None, "slipstream-injector")
    kube.seed(MUTATING_WEBHOOK, WEBHOOK)
    assert (await a_keeper(kube, wall).look()).action == "Keep"
    assert await trusted(kube) == (await stored(kube))["ca.crt"]


async def test_without_a_webhook_the_certificate_is_made_all_the_same(kube: FakeKube, wall: Wall) -> None:
    """An administrator may install it later."""
    kube.remove(MUTATING_WEBHOOK, None, "slipstream-injector")
    await a_keeper(kube, wall).look()
    assert (await stored(kube))["tls.crt"]
    assert not [call for call in kube.calls if call[:2] == ("apply", "MutatingWebhookConfiguration")]


async def test_a_secret_of_cert_manager_is_not_touched(kube: FakeKube, wall: Wall) -> None:
    """Neither is the bundle, which its injector keeps."""
    meta = {"name": SECRET_NAME, "namespace": SYSTEM, "annotations": {"cert-manager.io/certificate-name": "slipstream-injector"}}
    kube.seed(SECRET, {"metadata": meta, "data": {"tls.crt": "eA=="}})
    await a_keeper(kube, wall).look()
    assert kube.writes() == []


async def test_other_data_of_the_secret_stays(kube: FakeKube, wall: Wall) -> None:
    """It isn't ours to drop."""
    kube.seed(SECRET, {"metadata": {"name": SECRET_NAME, "namespace": SYSTEM}, "data": {"note": "aGk="}})
    await a_keeper(kube, wall).look()
    assert (await stored(kube))["note"] == b"hi"


async def test_of_two_operators_one_writes(kube: FakeKube, wall: Wall) -> None:
    """The other reads again."""
    second = a_keeper(kube, wall)

    async def meanwhile(method: str, kind: Kind, _: str) -> None:
        if method == "update" and kind == SECRET:
            kube.before = None
            await second.look()

    kube.before = meanwhile
    with pytest.raises(Temporary, match="changed meanwhile"):
        await a_keeper(kube, wall).look()
    assert (await a_keeper(kube, wall).look()).action == "Keep"


async def test_a_missing_secret_is_told_with_what_to_do(kube: FakeKube, wall: Wall) -> None:
    """The operator may not create Secrets."""
    kube.remove(SECRET, SYSTEM, SECRET_NAME)
    with pytest.raises(Temporary, match="apply manifests/"):
        await a_keeper(kube, wall).look()


def refusing(kube: FakeKube, kinds: tuple[Kind, ...]) -> None:
    """A role without these kinds."""

    async def refuse(method: str, kind: Kind, _: str) -> None:
        if kind in kinds:
            raise Forbidden(f"{method} {kind.plural}: 403", delay=30.0)

    kube.before = refuse


async def test_where_the_bundle_is_the_administrators_certificates_are_still_made(
    kube: FakeKube, wall: Wall, caplog: pytest.LogCaptureFixture
) -> None:
    """An operator of one namespace may have no role for the webhook; it says so once."""
    refusing(kube, (MUTATING_WEBHOOK,))
    keeper = a_keeper(kube, wall)
    await keeper.look()
    before = await stored(kube)
    wall.time += CERTIFICATE_LIFE.total_seconds() * 0.7
    assert (await keeper.look()).action == "RenewCertificate"
    assert (await keeper.look()).action == "Keep"
    after = await stored(kube)
    assert (after["ca.crt"], after["tls.crt"] != before["tls.crt"]) == (before["ca.crt"], True)
    assert len([r for r in caplog.records if "administrator" in r.message]) == 1


async def test_a_trusted_authority_is_not_given_up_where_the_new_one_cannot_be_trusted(kube: FakeKube, wall: Wall) -> None:
    """A certificate that nobody trusts would end injection."""
    await a_keeper(kube, wall).look()
    before = await stored(kube)
    wall.time += AUTHORITY_LIFE.total_seconds() * 0.7
    refusing(kube, (MUTATING_WEBHOOK,))
    with pytest.raises(Forbidden):
        await a_keeper(kube, wall).look()
    assert await stored(kube) == before


@pytest.mark.looptime
async def test_the_loop_goes_on_after_a_refusal_and_stops_when_cancelled(
    kube: FakeKube, wall: Wall, caplog: pytest.LogCaptureFixture
) -> None:
    """A role that is repaired later is enough; one line in the log, not one a minute."""
    refusing(kube, (SECRET,))
    task = asyncio.create_task(Keeper(kube, wall, SYSTEM).run())
    await asyncio.sleep(100)
    assert not task.done()
    assert len([r for r in caplog.records if r.levelname == "WARNING"]) == 1
    kube.before = None
    await asyncio.sleep(31)
    assert (await stored(kube))["tls.crt"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.looptime
async def test_a_new_authority_settles_before_it_is_used(kube: FakeKube, wall: Wall) -> None:
    """API servers hear of the bundle a little later than injectors of a Secret; at the installation nobody waits."""
    loop = asyncio.get_running_loop()
    keeper = Keeper(kube, wall, SYSTEM)
    begin = loop.time()
    await keeper.look()
    assert loop.time() - begin < 1
    wall.time += AUTHORITY_LIFE.total_seconds() * 0.7
    await keeper.look()
    assert loop.time() - begin >= keep.SETTLE
