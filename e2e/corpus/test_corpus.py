"""The corpus at the real API server: same verdict, same field paths as the standalone command, 0 differences."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from e2e.corpus.server import refused_paths
from slipstream_api.validate import validate
from slipstream_api.yamlread import read_documents
from tests.contract.corpus.reader import Case, cases


def standalone(case: Case) -> frozenset[str]:
    """Paths that the standalone command refuses."""
    return frozenset(problem.path for document in read_documents(case.text) for problem in validate(document.value))


def test_server_and_standalone_agree_on_every_document(resources: str) -> None:
    """Both get the same text; a third opinion is what the corpus itself expects."""
    corpus = cases()
    assert len(corpus) >= 150
    with ThreadPoolExecutor(4) as threads:
        server = list(threads.map(refused_paths, (case.text for case in corpus)))
    differences = [
        f"{case.id}: server {sorted(said)}, standalone {sorted(standalone(case))}, corpus {sorted(case.refused)}"
        for case, said in zip(corpus, server, strict=True)
        if not said == standalone(case) == case.refused
    ]
    print(f"corpus: {len(corpus)} documents, {sum(1 for said in server if said)} refused, {len(differences)} differences")
    assert differences == []


def test_a_difference_would_be_seen(resources: str) -> None:
    """The control: a document that only one side is given an error of."""
    good = next(case for case in cases() if not case.refused)
    assert refused_paths(good.text) == frozenset()
    assert refused_paths(good.text.replace('"workloads"', '"workload"')) == {"spec.workload"}
