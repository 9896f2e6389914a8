"""The table of scalars, read by kubectl: it is what the standalone command's reader is held against (tests/contract/test_yaml_scalars)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from e2e.corpus.server import read_by_kubectl
from tests.contract.corpus.reader import UNREADABLE, scalars


def test_kubectl_reads_the_table_as_it_says(resources: str) -> None:
    """The readable ones in one document; the others each alone, since one of them spoils a document."""
    table = scalars()
    readable = [(text, expected) for text, expected in table if expected is not UNREADABLE]
    read = read_by_kubectl("".join(f"  k{index}: {text}\n" for index, (text, _) in enumerate(readable)))
    assert read is not None
    wrong = [f"{text}: {read.get(f'k{index}')!r}" for index, (text, expected) in enumerate(readable) if read.get(f"k{index}") != expected]
    with ThreadPoolExecutor(4) as threads:
        spoiled = [text for text, expected in table if expected is UNREADABLE]
        wrong += [text for text, said in zip(spoiled, threads.map(lambda t: read_by_kubectl(f"  k: {t}\n"), spoiled), strict=True) if said]
    print(f"scalars: {len(table)} read by kubectl, {len(wrong)} differences")
    assert wrong == []
