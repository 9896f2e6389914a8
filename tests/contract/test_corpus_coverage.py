"""The corpus reaches what can be refused: every rule of the table, and every constraint of every field of a spec."""

from __future__ import annotations

import re

from slipstream_api.rules import RULES
from slipstream_api.schema import KINDS
from slipstream_api.validate import Problem, validate
from slipstream_api.yamlread import read_documents
from tests.contract.corpus.bounds import bounds
from tests.contract.corpus.reader import cases


def test_every_rule_is_broken_by_a_document() -> None:
    """A rule that nothing breaks may say anything; the path tells rules with one message apart."""
    broken: set[tuple[str, str, str]] = set()
    for case in cases():
        for problem in validate(read_documents(case.text)[0].value):
            broken.add((case.kind, re.sub(r"\[\d+\]", "[]", problem.path), problem.message))
    unbroken = [f"{r.kinds} {r.at}: {r.message}" for r in RULES if not any((kind, r.at, r.message) in broken for kind in r.kinds)]
    assert unbroken == []


def test_each_constraint_is_kept_at_its_edge_and_broken_beyond() -> None:
    """From the CRDs: the last value within is fine at that path, the first beyond isn't; each refusal says something."""
    every = bounds()
    wrong = []
    for bound in every:
        at_path: list[Problem] = [problem for problem in validate(bound.document) if problem.path == bound.path]
        if bool(at_path) != bound.beyond:
            wrong.append(bound.id)
        assert all(problem.message for problem in at_path)
    assert wrong == []
    assert {bound.kind for bound in every} == set(KINDS)
    assert sum(1 for bound in every if bound.beyond) > 400
    assert sum(1 for bound in every if not bound.beyond) > 150
