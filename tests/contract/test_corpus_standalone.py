"""The standalone command refuses what the API server refuses: the corpus, whose expectations the real server has confirmed (e2e/corpus)."""

from __future__ import annotations

import pytest

from slipstream_api.load import to_resource
from slipstream_api.validate import validate
from slipstream_api.yamlread import read_documents
from tests.contract.corpus.reader import Case, cases

CORPUS = cases()


def test_the_corpus_is_large_and_has_both_sorts() -> None:
    """At least 150 documents, each name once."""
    assert len(CORPUS) >= 150
    assert len({case.id for case in CORPUS}) == len(CORPUS)
    assert 50 < sum(1 for case in CORPUS if case.refused) < len(CORPUS) - 50


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.id)
def test_standalone_refuses_the_same_paths(case: Case) -> None:
    """Same verdict, same set of field paths; each problem says something."""
    (document,) = read_documents(case.text)
    problems = validate(document.value)
    assert {problem.path for problem in problems} == case.refused
    assert all(problem.message for problem in problems)
    if not problems:
        assert to_resource(document.value).kind == case.kind
