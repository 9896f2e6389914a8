"""Story 5: bad input is refused or reported with words that help, forged envelopes are refused; the old configuration stays in force."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from e2e.conftest import SYSTEM
from e2e.harness import kubectl, workloads
from e2e.harness.forward import forwarded, send
from e2e.harness.waiting import eventually
from e2e.harness.world import World
from slipstream_api.envelope import Envelope, pod_audience, sign, workload_audience
from slipstream_operator.delivery.keys import SigningKey, decode

URL = "http://memory-server:8080/episodic/recall?q=json"


@pytest.fixture(scope="module")
def story(world: World) -> World:
    """One agent with a working cache."""
    return world.settle_cached_agent()


def still_in_force(story: World) -> None:
    answers = [story.ask(story.agent(), URL, session="s") for _ in range(2)]
    assert "hit" in answers[1]["headers"]["Cache-Status"], answers


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ruls": []}, 'unknown field "spec.ruls"'),
        ({"rules": [{"name": "recall", "match": {"http": {"path": "/a"}}, "ttl": "5 minutes"}]}, "spec.rules[0].ttl"),
        ({"rules": [{"name": "recall", "match": {}, "ttl": "5m"}]}, "exactly one of http, mcp and sql must be set"),
    ],
    ids=["unknown-field", "bad-duration", "empty-match"],
)
def test_the_api_server_refuses_what_is_wrong_in_itself(story: World, change: dict[str, Any], words: str) -> None:
    """With the field; what was applied before stays in force."""
    with pytest.raises(kubectl.KubectlError) as caught:
        story.apply(workloads.cache(**change))
    assert words in str(caught.value)
    still_in_force(story)


def test_a_missing_pool_is_reported(story: World) -> None:
    """ResolvedRefs says which and what to do."""
    story.apply(workloads.cache("lost", ("nowhere",)))
    found = story.wait_condition("cachep", "lost", "ResolvedRefs", "False", "TargetNotFound")
    assert "no ConnectionPool nowhere in namespace" in found["message"]
    story.delete("cachep", "lost")


def test_the_younger_of_two_policies_with_one_rule_is_reported(story: World) -> None:
    """The older one stays in force; the message names it and the way out."""
    story.apply(workloads.cache("younger", ttl="1s"))
    found = story.wait_condition("cachep", "younger", "Accepted", "False", "Conflicted")
    assert "CachePolicy memory is older" in found["message"]
    assert "rename it" in found["message"]
    story.wait_condition("cachep", "memory", "Enforced", "True")
    still_in_force(story)
    story.delete("cachep", "younger")


def signing_key() -> SigningKey:
    secret = kubectl.get("secret", "slipstream-signing-keys", SYSTEM)
    return decode(base64.b64decode(secret["data"]["signing-keys.json"]).decode())[-1]


def cluster_id() -> str:
    return str(kubectl.get("configmap", "slipstream-public-keys", SYSTEM)["data"]["cluster"])


def test_a_forged_replayed_expired_or_misdirected_envelope_is_refused(story: World) -> None:
    """Each with its reason; the control is the genuine envelope, which is acknowledged again."""
    pod = story.pods("agent")[0]
    genuine = story.get("configmap", "slipstream-agent")["data"]["envelope.json"].encode()
    payload = json.dumps(json.loads(base64.b64decode(json.loads(genuine)["body"]))["payload"]).encode()
    key, cluster, now = signing_key(), cluster_id(), int(time.time())
    mine = workload_audience(cluster, story.namespace, "agent")
    here = pod_audience(cluster, story.namespace, "agent", pod["metadata"]["uid"])
    ahead = now * 1000 + 3_600_000

    def config(signer: Any, audience: str, sequence: int) -> bytes:
        return sign(signer, key.id, kind="Config", audience=audience, sequence=sequence, payload=payload).encode()

    def command(audience: str, expires: int) -> bytes:
        body = json.dumps({"op": "Reset", "pool": "memory"}).encode()
        return sign(key.private, key.id, kind="Command", audience=audience, sequence=ahead, payload=body, expires=expires).encode()

    unknown: Envelope = sign(key.private, "nobody", kind="Config", audience=mine, sequence=ahead, payload=payload)
    refused = [
        ("PUT", "/config", config(Ed25519PrivateKey.generate(), mine, ahead), "BadSignature"),
        ("PUT", "/config", config(key.private, mine, 1), "Replayed"),
        ("PUT", "/config", config(key.private, workload_audience(cluster, story.namespace, "other"), ahead), "WrongAudience"),
        ("PUT", "/config", unknown.encode(), "UnknownKey"),
        ("POST", "/commands", command(here, now - 60), "Expired"),
        ("POST", "/commands", command(f"{here}-another", now + 60), "WrongAudience"),
    ]
    with forwarded(story.namespace, pod["metadata"]["name"], 15990) as url:
        for method, path, body, reason in refused:
            status, answer = send(method, url + path, body)
            assert (status, answer["reason"]) == (422, reason), answer
            assert answer["message"]
        assert send("PUT", url + "/config", genuine)[0] == 200
    still_in_force(story)


def test_sidecars_follow_rotated_keys_and_a_reinstalled_operator(story: World) -> None:
    """A new key is asked for by annotation; then both Secrets are emptied, as a reinstall would: an edit still lands each time."""
    before = set(json.loads(story.get("configmap", "slipstream-agent")["data"]["keys.json"]))
    kubectl.run("annotate", "secret", "slipstream-signing-keys", "-n", SYSTEM, f"slipstream.dev/rotate={time.time():.0f}", "--overwrite")

    def rotated() -> bool:
        return bool(set(json.loads(story.get("configmap", "slipstream-agent")["data"]["keys.json"])) - before)

    eventually(rotated, "a further key is published", 150)
    edit_lands(story, "61s")
    kubectl.run("delete", "secret", "slipstream-signing-keys", "-n", SYSTEM)
    kubectl.run("delete", "deployment", "slipstream-operator", "-n", SYSTEM)
    kubectl.run("apply", "-k", "manifests/default")
    kubectl.run("rollout", "status", "deployment/slipstream-operator", "-n", SYSTEM, "--timeout=90s")
    edit_lands(story, "62s", timeout=180)


def edit_lands(story: World, ttl: str, timeout: float = 60) -> None:
    story.apply(workloads.cache(ttl=ttl))
    story.wait_condition("cachep", "memory", "Programmed", "True", timeout=timeout)
    still_in_force(story)
