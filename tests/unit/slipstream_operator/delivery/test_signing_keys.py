"""Signing keys: when one is made, signs, is dropped; and that the Secret is the only place that has them."""

from __future__ import annotations

import base64
import json

import pytest

from slipstream_operator.delivery.keys import KeySet, Lifetimes, decode, encode, new_key, renew
from slipstream_operator.delivery.keystore import KeyStore
from slipstream_operator.errors import Conflict, Permanent, Temporary
from slipstream_operator.kube.kinds import CONFIG_MAP, SECRET
from slipstream_operator.names import ANNOTATION_ROTATE, ANNOTATION_ROTATED, PUBLIC_KEYS_CONFIG_MAP, SIGNING_KEYS_FIELD, SIGNING_KEYS_SECRET
from tests.fakes.fake_kube import FakeKube

LIFE = Lifetimes(max_age=1000, activation=10, retention=100)
NS = "slipstream-system"


class Wall:
    """A wall clock that stands still."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def kube() -> FakeKube:
    fake = FakeKube()
    fake.seed(SECRET, {"metadata": {"namespace": NS, "name": SIGNING_KEYS_SECRET}})
    return fake


def store(kube: FakeKube, wall: Wall) -> KeyStore:
    return KeyStore(kube, NS, "cluster-1", wall, LIFE)


def test_an_empty_set_gets_a_key_that_signs_at_once() -> None:
    """Nobody can wait for a key that is the only one."""
    (key,) = renew((), 1000.0, LIFE)
    assert KeySet((key,)).signer(1000.0, LIFE) is key


def test_a_new_key_signs_only_after_its_activation() -> None:
    """Until then pods may not have it."""
    old = new_key(0)
    keys = renew((old,), 500, LIFE, rotate=True)
    assert keys[0] is old
    assert KeySet(keys).signer(509, LIFE) is old
    assert KeySet(keys).signer(510, LIFE) is keys[1]


def test_an_old_key_is_dropped_after_its_retention() -> None:
    """What it signed has been signed anew long since."""
    old = new_key(0)
    both = renew((old,), 500, LIFE, rotate=True)
    assert renew(both, 609, LIFE) == both
    assert renew(both, 610, LIFE) == both[1:]


def test_a_key_is_replaced_at_its_age() -> None:
    """Nobody has to ask for it."""
    old = new_key(0)
    assert renew((old,), 999, LIFE) == (old,)
    assert len(renew((old,), 1000, LIFE)) == 2


def test_keys_survive_the_secret() -> None:
    """Encoded and decoded they are the same, and sign the same."""
    keys = (new_key(1), new_key(2))
    again = decode(encode(keys))
    assert again == keys
    assert again[0].private.sign(b"x") == keys[0].private.sign(b"x")


@pytest.mark.parametrize("text", ["{", "[]", '{"keys":[{"id":"a","created":1,"private":"AAAA"}]}', '{"keys":[{}]}'])
def test_unreadable_keys_say_what_to_do_and_quote_nothing(text: str) -> None:
    """A private key in a log is a leak."""
    with pytest.raises(Permanent, match="empty the Secret's data") as caught:
        decode(text)
    assert "AAAA" not in str(caught.value)


def test_a_key_shows_no_private_part() -> None:
    """Nor in a repr."""
    assert "private" not in repr(new_key(1)).lower()


async def test_the_first_start_fills_the_empty_secret_and_publishes(kube: FakeKube, wall: Wall) -> None:
    """The Secret is shipped empty; the public half is for everybody."""
    keys = store(kube, wall)
    assert not keys.ready
    assert await keys.refresh()
    assert keys.ready
    secret = await kube.get(SECRET, NS, SIGNING_KEYS_SECRET)
    assert decode(base64.b64decode(secret["data"][SIGNING_KEYS_FIELD]).decode())[0].id == keys.signer().id
    published = await kube.get(CONFIG_MAP, NS, PUBLIC_KEYS_CONFIG_MAP)
    assert published["data"] == {
        "keys.json": json.dumps({keys.signer().id: keys.signer().public()}, separators=(",", ":")),
        "cluster": "cluster-1",
    }


async def test_a_restart_finds_the_same_keys_and_writes_nothing(kube: FakeKube, wall: Wall) -> None:
    """No state but the Secret."""
    first = store(kube, wall)
    await first.refresh()
    changes = kube.changes
    second = store(kube, wall)
    await second.refresh()
    assert second.signer() == first.signer()
    assert kube.changes == changes
    assert not await second.refresh()


async def test_an_annotation_rotates_once(kube: FakeKube, wall: Wall) -> None:
    """A new text, a new key; the same text, none. The signer changes after the activation."""
    keys = store(kube, wall)
    await keys.refresh()
    old = keys.signer()
    await kube.patch(SECRET, NS, SIGNING_KEYS_SECRET, {"metadata": {"annotations": {ANNOTATION_ROTATE: "monday"}}})
    assert await keys.refresh()
    assert len(keys.public()) == 2
    assert keys.signer() == old
    assert not await keys.refresh()
    assert (await kube.get(SECRET, NS, SIGNING_KEYS_SECRET))["metadata"]["annotations"][ANNOTATION_ROTATED] == "monday"
    wall.time += 10
    assert await keys.refresh()
    assert keys.signer() != old
    published = await kube.get(CONFIG_MAP, NS, PUBLIC_KEYS_CONFIG_MAP)
    assert json.loads(published["data"]["keys.json"]).keys() == keys.public().keys()


async def test_of_two_operators_only_one_makes_a_key(kube: FakeKube, wall: Wall) -> None:
    """The second one's update is a conflict, and its next look finds the first one's key."""
    first, second = store(kube, wall), store(kube, wall)
    real_update = kube.update

    async def late_update(kind, obj):  # type: ignore[no-untyped-def]  # same as update
        kube.update = real_update  # type: ignore[method-assign]  # once
        await first.refresh()
        return await real_update(kind, obj)

    kube.update = late_update  # type: ignore[method-assign]  # see above
    with pytest.raises(Conflict):
        await second.refresh()
    await second.refresh()
    assert second.signer() == first.signer()


async def test_without_the_secret_the_message_says_what_to_apply(wall: Wall) -> None:
    """The operator may not create Secrets."""
    with pytest.raises(Temporary, match="apply manifests"):
        await store(FakeKube(), wall).refresh()


async def test_before_the_first_refresh_nothing_can_be_signed(kube: FakeKube, wall: Wall) -> None:
    """Temporary: it comes."""
    with pytest.raises(Temporary):
        store(kube, wall).signer()
