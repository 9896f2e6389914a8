"""kopf's decorators, and nothing else: indexes to read from, events to enqueue. No change handlers, no timers, no finalizers, no patches.

Events are not filtered by labels here: an object that loses one would go unheard. The server filters pods and ConfigMaps instead.
"""

from __future__ import annotations

from typing import Any, cast

import kopf

from slipstream_operator.app import App
from slipstream_operator.caches import Entry, Index, Key, index_config_map, index_pod, index_policy
from slipstream_operator.ghosts import SELECTORS
from slipstream_operator.kube.kinds import CONFIG_MAP, LOAD_TEST, POD, POLICY_KINDS, Kind
from slipstream_operator.names import GROUP


def configure(settings: kopf.OperatorSettings, app: App) -> None:
    """kopf's own settings; where they differ from its defaults, the reason is here."""
    settings.peering.standalone = True  # no peering: equal priorities would pause each other, and a stranger's peering would be joined
    settings.posting.enabled = False  # Events are posted for transitions, by events.py
    settings.networking.request_timeout = app.settings.request_timeout * 3  # of a page of a list
    settings.networking.connect_timeout = 5
    settings.watching.chunk_size = 500
    settings.process.ultimate_exiting_timeout = 20
    settings.scanning.disabled = not app.settings.clusterwide  # a namespaced role can't watch CRDs and namespaces
    # Never written, since nothing here keeps state in objects; if that changes, it carries our name.
    settings.persistence.finalizer = f"{GROUP}/finalizer"
    for kind in (POD, CONFIG_MAP):
        settings.watching.label_selectors[kind.group, kind.version, kind.plural] = SELECTORS[kind.kind]


def register(registry: kopf.OperatorRegistry, app: App) -> None:
    """All handlers, on a registry of the caller's."""

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        # The service account's token is read anew at every login, and a 401 is one.
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.startup(registry=registry)
    async def startup(settings: kopf.OperatorSettings, **kwargs: Any) -> None:
        configure(settings, app)
        policies = {kind.kind: cast("Index", kwargs[kind.plural]) for kind in (*POLICY_KINDS, LOAD_TEST)}
        app.start(policies, kwargs[POD.plural], kwargs[CONFIG_MAP.plural])

    @kopf.on.cleanup(registry=registry)
    async def cleanup(**_: Any) -> None:
        await app.stop()
        await app.health.stop()  # kopf would wait 5 s for a connection that a scraper keeps open

    for kind in (*POLICY_KINDS, LOAD_TEST):
        _register_policy(registry, app, kind)
    _register_pods(registry, app)
    _register_config_maps(registry, app)


def _register_policy(registry: kopf.OperatorRegistry, app: App, kind: Kind) -> None:
    @kopf.index(kind.group, kind.version, kind.plural, id=kind.plural, registry=registry)
    async def index(body: kopf.Body, **_: Any) -> dict[Key, Entry]:
        return index_policy(kind, body)

    @kopf.on.event(kind.group, kind.version, kind.plural, id=f"heard-{kind.plural}", registry=registry)
    async def heard(uid: str, name: str, namespace: str | None, type: str, **_: Any) -> None:  # noqa: A002 - kopf's name
        _listed(app, type)
        app.policy_event((kind.kind, namespace or "", name), uid, gone=type == "DELETED")


def _register_pods(registry: kopf.OperatorRegistry, app: App) -> None:
    @kopf.index(POD.group, POD.version, POD.plural, id=POD.plural, registry=registry)
    async def index(body: kopf.Body, **_: Any) -> dict[Key, Entry]:
        return index_pod(body)

    @kopf.on.event(POD.group, POD.version, POD.plural, id="heard-pods", registry=registry)
    async def heard(uid: str, namespace: str | None, type: str, **_: Any) -> None:  # noqa: A002 - kopf's name
        _listed(app, type)
        app.pod_event(namespace or "", uid, gone=type == "DELETED")


def _register_config_maps(registry: kopf.OperatorRegistry, app: App) -> None:
    @kopf.index(CONFIG_MAP.group, CONFIG_MAP.version, CONFIG_MAP.plural, id=CONFIG_MAP.plural, registry=registry)
    async def index(body: kopf.Body, **_: Any) -> dict[Key, Entry]:
        return index_config_map(body)

    @kopf.on.event(CONFIG_MAP.group, CONFIG_MAP.version, CONFIG_MAP.plural, id="heard-configmaps", registry=registry)
    async def heard(body: kopf.Body, type: str, **_: Any) -> None:  # noqa: A002 - kopf's name
        _listed(app, type)
        app.config_map_event(body, gone=type == "DELETED")


def _listed(app: App, type_: str | None) -> None:
    """kopf annotates the type as a text, but it is None where an object comes from a list."""
    if type_ is None:
        app.relisted()
