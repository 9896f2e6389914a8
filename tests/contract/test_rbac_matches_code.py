"""What the programs ask of the API server, read from their source, against what the roles grant: nothing missing, nothing for nobody."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipstream_operator.app import WATCHED
from slipstream_operator.ghosts import SELECTORS
from slipstream_operator.kube import kinds
from slipstream_operator.kube.kinds import JOB, LOAD_TEST, POD, POLICY_KINDS, Kind
from tests.fakes.manifests import ROOT

SOURCE = Path(__file__).parents[2] / "operator" / "slipstream_operator"
VERBS = {"get": "get", "list": "list", "create": "create", "update": "update", "apply": "patch", "patch": "patch", "delete": "delete"}
STATUS = {"patch_status"}
Need = tuple[str, str, str]  # verb, group, resource[/subresource]

# Verbs and kinds that a call in the source doesn't name: what kopf does, and what goes through variables.
INDIRECT: set[Need] = {
    *(("watch", k.group, k.plural) for k in (*POLICY_KINDS, LOAD_TEST, POD, kinds.CONFIG_MAP)),
    *(("list", k.group, k.plural) for k in (*POLICY_KINDS, LOAD_TEST, POD, kinds.CONFIG_MAP)),
    *(("patch", k.group, f"{k.plural}/status") for k in (*POLICY_KINDS, LOAD_TEST)),
    *((verb, "apiextensions.k8s.io", "customresourcedefinitions") for verb in ("list", "watch")),
}
# Granted for reading by hand, for the load tests' controller, or because one verb is of no use without another.
EXTRA: set[Need] = {
    *(("get", k.group, k.plural) for k in (*POLICY_KINDS, LOAD_TEST, POD, kinds.CONFIG_MAP)),
    *(("get", k.group, f"{k.plural}/status") for k in (*POLICY_KINDS, LOAD_TEST)),
    *((verb, JOB.group, JOB.plural) for verb in ("get", "list", "watch", "create", "patch", "delete")),
    ("get", "", "pods/log"),
    ("get", "apiextensions.k8s.io", "customresourcedefinitions"),
    ("patch", "", "events"),
    ("create", "", "configmaps"),  # server-side apply creates with the verbs patch and create
    ("delete", "", "configmaps"),
}


def needs(text: str) -> set[Need]:
    """`kube.get(SECRET, ...)` → ("get", "", "secrets"); calls whose kind is a variable aren't seen."""
    found: set[Need] = set()
    for node in ast.walk(ast.parse(text)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args and isinstance(node.args[0], ast.Name)):
            continue
        kind = getattr(kinds, node.args[0].id, None)
        if isinstance(kind, Kind):
            if node.func.attr in VERBS:
                found.add((VERBS[node.func.attr], kind.group, kind.plural))
            elif node.func.attr in STATUS:
                found.add(("patch", kind.group, f"{kind.plural}/status"))
    return found


def granted(*files: str, account: str) -> set[Need]:
    """What the roles bound to an account allow."""
    documents = [d for file in files for d in yaml.safe_load_all((ROOT / file).read_text())]
    roles = {(d["kind"], d["metadata"]["name"]): d for d in documents if d["kind"] in ("Role", "ClusterRole")}
    found: set[Need] = set()
    for binding in documents:
        if binding["kind"] in ("RoleBinding", "ClusterRoleBinding") and binding["subjects"][0]["name"] == account:
            for rule in roles[binding["roleRef"]["kind"], binding["roleRef"]["name"]]["rules"]:
                found |= {(v, g, r) for v in rule["verbs"] for g in rule["apiGroups"] for r in rule["resources"]}
    return found


def sources(*, injector: bool) -> str:
    paths = [p for p in sorted(SOURCE.rglob("*.py")) if ("injector" in p.relative_to(SOURCE).parts) is injector]
    return "\n".join(p.read_text().replace("from __future__ import annotations\n", "") for p in paths)


FILES: dict[str, Any] = {
    "slipstream-operator": ("base/cluster/operator.yaml", "base/system/role.yaml", "base/admission/trust.yaml"),
    "slipstream-injector": ("base/cluster/injector.yaml", "base/system/role.yaml"),
}


def test_the_operator_may_do_what_it_does() -> None:
    """A verb that is missing shows here, not as a crash after a minute in a cluster."""
    needed = needs(sources(injector=False))
    assert needed >= {("get", "", "secrets"), ("update", "", "secrets"), ("patch", "", "configmaps"), ("create", "", "events")}
    assert needed | INDIRECT <= granted(*FILES["slipstream-operator"], account="slipstream-operator")


def test_the_operator_may_do_no_more() -> None:
    """Each grant has a call that needs it, or a reason above."""
    needed = needs(sources(injector=False)) | INDIRECT | EXTRA
    assert granted(*FILES["slipstream-operator"], account="slipstream-operator") <= needed


def test_the_injector_may_do_what_it_does_and_no_more() -> None:
    """Two objects by name, and pools."""
    pools = {(verb, "slipstream.dev", "connectionpools") for verb in ("list", "watch")}
    needed = needs(sources(injector=True))
    assert needed == {("get", "", "secrets"), ("get", "", "configmaps")}
    assert needed | pools == granted(*FILES["slipstream-injector"], account="slipstream-injector")


def test_watched_kinds_are_those_that_the_operator_compares() -> None:
    """A kind that it begins to watch needs a grant, and a line in INDIRECT."""
    assert {("watch", k.group, k.plural) for k in WATCHED} <= INDIRECT
    assert set(SELECTORS) <= {k.kind for k in WATCHED}


@pytest.mark.parametrize(
    "call", ["kube.delete(SECRET, 'ns', 'x')", "await self._kube.list(NAMESPACE, None)", "kube.patch_status(JOB, 'n', 'x', {})"]
)
def test_a_call_that_no_role_allows_is_caught(call: str) -> None:
    """The control of the first test."""
    needed = needs(f"async def f(self, kube):\n    {call}")
    assert needed
    assert not needed <= granted(*FILES["slipstream-operator"], account="slipstream-operator")
