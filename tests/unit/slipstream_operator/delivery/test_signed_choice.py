"""Which envelope a workload is to have: what is there if it will do, else a new one whose sequence nobody has seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstream_api.config import RuntimeConfig, revision
from slipstream_operator.delivery.keys import new_key
from slipstream_operator.delivery.signed import TRUSTED_AHEAD_MS, Signed, choose, config_map, matches, read, sign_config
from slipstream_operator.entries import config_map_entry
from slipstream_operator.policies import PolicyEntry

KEY = new_key(0)
KEYS = {KEY.id: KEY.public()}
CONFIG = RuntimeConfig(namespace="shop", workload="agent")
REVISION = revision(CONFIG)
AUDIENCE = "c1/shop/agent"
NOW = 1_770_000_000_000


def signed(sequence: int = 5, *, key_id: str = KEY.id, revision: str = REVISION) -> Signed:
    return Signed(f"text-{sequence}", revision, sequence, key_id)


def test_what_was_signed_is_read_back() -> None:
    """Revision, sequence and key, from the text alone: a restart takes it up again."""
    made = sign_config(KEY, CONFIG, REVISION, AUDIENCE, 42)
    assert read(made.text, KEYS, AUDIENCE) == made


@pytest.mark.parametrize("case", ["empty", "garbage", "audience", "key", "tampered"])
def test_what_isnt_genuine_is_none(case: str) -> None:
    """Anybody who may write ConfigMaps can put something there."""
    made = sign_config(KEY, CONFIG, REVISION, AUDIENCE, 42)
    other = new_key(0)
    text, keys, audience = {
        "empty": ("", KEYS, AUDIENCE),
        "garbage": ("{}", KEYS, AUDIENCE),
        "audience": (made.text, KEYS, "c1/shop/other"),
        "key": (made.text, {other.id: other.public()}, AUDIENCE),
        "tampered": (made.text, {KEY.id: other.public()}, AUDIENCE),
    }[case]
    assert read(text, keys, audience) is None


def test_the_envelope_that_is_there_will_do() -> None:
    """No new signature without a reason."""
    assert choose([None, signed()], REVISION, KEY.id, [5, 3], NOW) == signed()


@pytest.mark.parametrize(
    "known", [[], [signed(revision="other")], [signed(key_id="old-key")]], ids=["none", "other-revision", "retired-key"]
)
def test_a_new_one_gets_the_time_as_its_sequence(known: list[Signed]) -> None:
    """Milliseconds: greater than whatever was signed before, as clocks go."""
    assert choose(known, REVISION, KEY.id, [], NOW) == NOW


def test_an_older_envelope_of_the_same_revision_isnt_taken_up_again() -> None:
    """A → B → A: a pod that has B would refuse the first A as a replay."""
    assert choose([signed(5), signed(6, revision="b")], REVISION, KEY.id, [], NOW) == NOW


def test_a_pod_that_is_ahead_gets_a_higher_one() -> None:
    """The ConfigMap was lost, or the clock was set back."""
    assert choose([signed(5)], REVISION, KEY.id, [NOW + 1000], NOW) == NOW + 1001


def test_a_pod_that_lies_about_the_future_isnt_believed() -> None:
    """Else one sidecar could lock all others out."""
    assert choose([signed(5)], REVISION, KEY.id, [NOW + TRUSTED_AHEAD_MS + 1], NOW) == signed(5)


@given(st.lists(st.integers(0, NOW * 2), max_size=5), st.lists(st.integers(0, NOW + TRUSTED_AHEAD_MS), max_size=5))
def test_a_new_sequence_is_above_all_that_were_seen(envelopes: list[int], pods: list[int]) -> None:
    """Monotonic, whatever the clock says."""
    chosen = choose([signed(n, revision="other") for n in envelopes], REVISION, KEY.id, pods, NOW)
    assert isinstance(chosen, int)
    assert all(chosen > n for n in [*envelopes, *pods])


def owner(name: str) -> PolicyEntry:
    return PolicyEntry("ConnectionPool", "shop", name, f"uid-{name}", 1, "")


def test_the_config_map_is_owned_by_all_pools_and_controlled_by_none() -> None:
    """It goes with the last of them; the API server allows one controller only."""
    made = config_map("shop", "agent", signed(), "{}", [owner("b"), owner("a")])
    assert made["metadata"]["name"] == "slipstream-agent"
    assert [o["name"] for o in made["metadata"]["ownerReferences"]] == ["a", "b"]
    assert all("controller" not in o for o in made["metadata"]["ownerReferences"])


@pytest.mark.parametrize("change", ["", "envelope.json", "keys.json", "owner", "added"])
def test_a_difference_that_matters_is_seen(change: str) -> None:
    """Envelope, keys and owners are ours; what somebody adds is theirs."""
    made = config_map("shop", "agent", signed(), "{}", [owner("a")])
    actual = config_map("shop", "agent", signed(), "{}", [owner("b" if change == "owner" else "a")])
    actual["metadata"]["uid"] = "u"
    if change == "added":
        actual["data"]["theirs"] = "x"
    elif change.endswith("json"):
        actual["data"][change] = "tampered"
    assert matches(config_map_entry(actual), made) is (change in ("", "added"))
    assert not matches(None, made)
