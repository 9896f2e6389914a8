"""What every implementation of Kube must do, the fake as well as a real API server: one suite, run by whoever has an implementation.

Subclass `KubeConformance` in a test module and give fixtures `kube` (a Kube), `namespace` (an empty one) and `pools` (False where the
CRDs aren't installed). The e2e tests do so with a cluster.
"""

from __future__ import annotations

from typing import Any

import pytest

from slipstream_operator.errors import AlreadyExists, Conflict, NotFound
from slipstream_operator.kube.client import Kube
from slipstream_operator.kube.kinds import CONFIG_MAP, CONNECTION_POOL, EVENT


def config_map(namespace: str, name: str = "slipstream-conformance", **data: str) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name, "labels": {"conformance": "yes"}}, "data": data}


def pool(namespace: str, name: str = "conformance") -> dict[str, Any]:
    return {
        "apiVersion": "slipstream.dev/v1alpha1",
        "kind": "ConnectionPool",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"workloads": ["agent"], "upstream": {"protocol": "HTTP", "host": "memory-server", "port": 8080}},
    }


def version(obj: dict[str, Any]) -> str:
    return str(obj["metadata"]["resourceVersion"])


class KubeConformance:
    """Laws of the protocol."""

    async def test_get_of_nothing_is_not_found(self, kube: Kube, namespace: str) -> None:
        """Absence is an error of its own."""
        with pytest.raises(NotFound):
            await kube.get(CONFIG_MAP, namespace, "slipstream-absent")

    async def test_create_returns_the_object_and_a_second_one_already_exists(self, kube: Kube, namespace: str) -> None:
        """A deterministic name can be made once."""
        made = await kube.create(CONFIG_MAP, config_map(namespace, a="1"))
        assert made["metadata"]["uid"]
        assert made["data"] == {"a": "1"}
        assert await kube.get(CONFIG_MAP, namespace, "slipstream-conformance") == made
        with pytest.raises(AlreadyExists):
            await kube.create(CONFIG_MAP, config_map(namespace, a="2"))

    async def test_apply_creates_and_returns_what_it_created(self, kube: Kube, namespace: str) -> None:
        """Server-side apply answers the object also where it made it (201)."""
        made = await kube.apply(CONFIG_MAP, config_map(namespace, a="1"))
        assert made["data"] == {"a": "1"}
        assert made["metadata"]["uid"]

    async def test_apply_of_the_same_changes_no_version(self, kube: Kube, namespace: str) -> None:
        """No change, no event, no new resourceVersion; a change has one."""
        first = await kube.apply(CONFIG_MAP, config_map(namespace, a="1"))
        again = await kube.apply(CONFIG_MAP, config_map(namespace, a="1"))
        assert version(again) == version(first)
        changed = await kube.apply(CONFIG_MAP, config_map(namespace, a="2"))
        assert version(changed) != version(first)

    async def test_apply_removes_what_it_applied_before_and_keeps_what_others_set(self, kube: Kube, namespace: str) -> None:
        """Fields belong to who sets them."""
        await kube.apply(CONFIG_MAP, config_map(namespace, a="1", b="2"))
        await kube.patch(
            CONFIG_MAP, namespace, "slipstream-conformance", {"metadata": {"labels": {"other": "one"}}, "data": {"theirs": "3"}}
        )
        after = await kube.apply(CONFIG_MAP, config_map(namespace, b="2"))
        assert after["data"] == {"b": "2", "theirs": "3"}
        assert after["metadata"]["labels"]["other"] == "one"

    async def test_apply_takes_a_field_back(self, kube: Kube, namespace: str) -> None:
        """Forced: what somebody changed is ours again."""
        await kube.apply(CONFIG_MAP, config_map(namespace, a="1"))
        await kube.patch(CONFIG_MAP, namespace, "slipstream-conformance", {"data": {"a": "tampered"}})
        assert (await kube.apply(CONFIG_MAP, config_map(namespace, a="1")))["data"] == {"a": "1"}

    async def test_owners_are_merged_by_uid(self, kube: Kube, namespace: str) -> None:
        """An owner that isn't applied any more is let go."""
        owners = []
        for name in ("slipstream-owner-1", "slipstream-owner-2"):
            made = await kube.create(CONFIG_MAP, config_map(namespace, name))
            owners.append({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": made["metadata"]["uid"]})
        obj = config_map(namespace, a="1")
        obj["metadata"]["ownerReferences"] = owners
        await kube.apply(CONFIG_MAP, obj)
        obj["metadata"]["ownerReferences"] = owners[:1]
        after = await kube.apply(CONFIG_MAP, obj)
        assert [owner["uid"] for owner in after["metadata"]["ownerReferences"]] == [owners[0]["uid"]]

    async def test_update_needs_the_latest_version(self, kube: Kube, namespace: str) -> None:
        """Who read too early has to read again."""
        old = await kube.create(CONFIG_MAP, config_map(namespace, a="1"))
        new = await kube.update(CONFIG_MAP, {**old, "data": {"a": "2"}})
        assert new["data"] == {"a": "2"}
        with pytest.raises(Conflict):
            await kube.update(CONFIG_MAP, {**old, "data": {"a": "3"}})

    async def test_update_of_nothing_is_not_found(self, kube: Kube, namespace: str) -> None:
        """An update never creates."""
        with pytest.raises(NotFound):
            await kube.update(CONFIG_MAP, config_map(namespace, a="1"))

    async def test_patch_merges_and_none_deletes(self, kube: Kube, namespace: str) -> None:
        """RFC 7396."""
        await kube.create(CONFIG_MAP, config_map(namespace, a="1", b="2"))
        after = await kube.patch(CONFIG_MAP, namespace, "slipstream-conformance", {"data": {"a": None, "c": "3"}})
        assert after["data"] == {"b": "2", "c": "3"}

    async def test_patch_with_an_old_version_is_a_conflict(self, kube: Kube, namespace: str) -> None:
        """A version in the patch is a condition."""
        old = await kube.create(CONFIG_MAP, config_map(namespace, a="1"))
        await kube.patch(CONFIG_MAP, namespace, "slipstream-conformance", {"data": {"a": "2"}})
        with pytest.raises(Conflict):
            await kube.patch(
                CONFIG_MAP, namespace, "slipstream-conformance", {"metadata": {"resourceVersion": version(old)}, "data": {"a": "3"}}
            )

    async def test_list_selects_by_label_and_namespace(self, kube: Kube, namespace: str) -> None:
        """The server filters."""
        await kube.create(CONFIG_MAP, config_map(namespace, a="1"))
        names = [o["metadata"]["name"] for o in await kube.list(CONFIG_MAP, namespace, labels="conformance=yes")]
        assert names == ["slipstream-conformance"]
        assert await kube.list(CONFIG_MAP, namespace, labels="conformance=no") == []

    async def test_list_selects_events_by_what_they_are_about(self, kube: Kube, namespace: str) -> None:
        """Fields of the object that an Event names, and its reason; all have to fit."""
        for name, uid, reason in (("a", "u-1", "FailedCreate"), ("b", "u-1", "Other"), ("c", "u-2", "FailedCreate")):
            about = {"apiVersion": "batch/v1", "kind": "Job", "namespace": namespace, "name": "j", "uid": uid}
            event = {"metadata": {"namespace": namespace, "name": f"slipstream-{name}"}, "involvedObject": about, "reason": reason}
            await kube.create(EVENT, event | {"type": "Warning", "source": {"component": "conformance"}})
        found = await kube.list(EVENT, namespace, fields="involvedObject.uid=u-1,reason=FailedCreate")
        assert [one["metadata"]["name"] for one in found] == ["slipstream-a"]

    async def test_a_list_of_metadata_has_uids_and_nothing_else(self, kube: Kube, namespace: str) -> None:
        """For a check of who is alive the rest needn't travel."""
        made = await kube.create(CONFIG_MAP, config_map(namespace, a="1"))
        (found,) = await kube.list(CONFIG_MAP, namespace, labels="conformance=yes", metadata_only=True)
        assert found["metadata"]["uid"] == made["metadata"]["uid"]
        assert "data" not in found

    async def test_delete_deletes_only_the_uid_that_was_meant(self, kube: Kube, namespace: str) -> None:
        """A successor of the same name survives."""
        made = await kube.create(CONFIG_MAP, config_map(namespace, a="1"))
        with pytest.raises(Conflict):
            await kube.delete(CONFIG_MAP, namespace, "slipstream-conformance", uid="00000000-0000-0000-0000-000000000009")
        await kube.delete(CONFIG_MAP, namespace, "slipstream-conformance", uid=made["metadata"]["uid"])
        with pytest.raises(NotFound):
            await kube.delete(CONFIG_MAP, namespace, "slipstream-conformance")

    async def test_status_and_spec_are_written_apart(self, kube: Kube, namespace: str, pools: bool) -> None:
        """The status subresource takes nothing but status, the object's own path everything else; status changes no generation."""
        assert pools, "install the CRDs first: kubectl apply -k crds"
        made = await kube.create(CONNECTION_POOL, pool(namespace))
        patch = {"status": {"summary": {"pods": "2/2"}}, "spec": {"workloads": ["x"]}}
        after = await kube.patch_status(CONNECTION_POOL, namespace, "conformance", patch)
        assert after["status"]["summary"]["pods"] == "2/2"
        assert after["spec"] == made["spec"]
        assert after["metadata"]["generation"] == made["metadata"]["generation"] == 1
        later = await kube.patch(
            CONNECTION_POOL, namespace, "conformance", {"spec": {"workloads": ["x"]}, "status": {"summary": {"pods": "0/0"}}}
        )
        assert later["status"]["summary"]["pods"] == "2/2"
        assert later["metadata"]["generation"] == 2

    async def test_an_equal_status_changes_no_version_an_old_one_is_a_conflict(self, kube: Kube, namespace: str, pools: bool) -> None:
        """Writing what is there is free; writing over what one hasn't seen is refused."""
        assert pools, "install the CRDs first: kubectl apply -k crds"
        made = await kube.create(CONNECTION_POOL, pool(namespace))
        first = await kube.patch_status(CONNECTION_POOL, namespace, "conformance", {"status": {"summary": {"pods": "1/2"}}})
        again = await kube.patch_status(CONNECTION_POOL, namespace, "conformance", {"status": {"summary": {"pods": "1/2"}}})
        assert version(again) == version(first) != version(made)
        with pytest.raises(Conflict):
            await kube.patch_status(
                CONNECTION_POOL,
                namespace,
                "conformance",
                {"metadata": {"resourceVersion": version(made)}, "status": {"summary": {"pods": "0/2"}}},
            )
