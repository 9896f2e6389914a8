"""Documents that nobody wrote, at the real API server: where it and the standalone command differ, one of the two is wrong about YAML."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from e2e.corpus.server import refused_paths_of
from slipstream_api.validate import validate
from tests.contract.corpus.bounds import bounds
from tests.contract.corpus.mutations import bases, mutant

COUNT = int(os.environ.get("SLIPSTREAM_E2E_GENERATED", "1500"))
FIRST = int(os.environ.get("SLIPSTREAM_E2E_SEED", "0"))


def test_server_and_standalone_agree_on_generated_documents(proxy: str) -> None:
    """Same verdict and same paths; a seed that differs is named and can be run alone."""
    good = bases()
    documents = [mutant(seed, good) for seed in range(FIRST, FIRST + COUNT)]
    with ThreadPoolExecutor(4) as threads:
        server = list(threads.map(lambda document: refused_paths_of(document, proxy), documents))
    differences = []
    for seed, (document, said) in enumerate(zip(documents, server, strict=True), FIRST):
        mine = frozenset(problem.path for problem in validate(document))
        if mine != said:
            differences.append(f"seed {seed} {document['kind']}: only standalone {sorted(mine - said)}, only server {sorted(said - mine)}")
    refused = sum(1 for said in server if said)
    print(f"generated: {COUNT} documents, {refused} refused, {len(differences)} differences")
    assert differences == []
    assert 0 < refused < COUNT


def test_server_and_standalone_agree_on_every_bound(proxy: str) -> None:
    """Each constraint of each field: the last value within and the first beyond."""
    every = bounds()
    with ThreadPoolExecutor(4) as threads:
        server = list(threads.map(lambda bound: refused_paths_of(bound.document, proxy), every))
    differences = []
    for bound, said in zip(every, server, strict=True):
        mine = frozenset(problem.path for problem in validate(bound.document))
        if mine != said:
            differences.append(f"{bound.id}: only standalone {sorted(mine - said)}, only server {sorted(said - mine)}")
    print(f"bounds: {len(every)} documents, {sum(1 for said in server if said)} refused, {len(differences)} differences")
    assert differences == []
