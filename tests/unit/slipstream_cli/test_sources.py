"""From files and options to a configuration for this machine; each refusal says what to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipstream_cli.sources import Source, SourceError, compile_source, findings_of, load, parse_listens, parse_upstreams

SAMPLES = Path(__file__).parents[3] / "manifests" / "samples"


def test_every_sample_is_valid_compiles_and_needs_no_warning() -> None:
    """What a newcomer copies works."""
    loaded = load(Source((SAMPLES,)))
    assert loaded.problems == ()
    assert {r.kind for r in loaded.resources} == {"ConnectionPool", "CachePolicy", "CircuitBreaker", "LoadTest"}
    compiled = compile_source(Source((SAMPLES,)), loaded)
    assert findings_of(loaded, compiled) == ()
    (pool,) = compiled.config.pools
    assert len(pool.cache_rules) == 5
    assert [(b.kind, b.address, b.port) for b in pool.binds] == [("Local", "127.0.0.1", 15900)]


def test_a_sample_with_a_mistake_is_noticed(tmp_path: Path) -> None:
    """The control: the same file with a wrong duration, with its line."""
    broken = (SAMPLES / "cachepolicy.yaml").read_text().replace("ttl: 5m", "ttl: 5min", 1)
    (tmp_path / "cachepolicy.yaml").write_text(broken)
    (problem,) = load(Source((tmp_path,))).problems
    assert problem.path == "spec.rules[0].ttl"
    assert broken.splitlines()[problem.line - 1].strip() == "ttl: 5min"


def test_upstreams_and_ports_are_moved_to_this_machine() -> None:
    """Options by pool name."""
    source = Source((SAMPLES,), upstreams=parse_upstreams(["memory=127.0.0.1:9999"]), listens=parse_listens(["memory=18000"]))
    (pool,) = compile_source(source, load(source)).config.pools
    assert (pool.upstream.host, pool.upstream.port, pool.binds[0].port) == ("127.0.0.1", 9999, 18000)


@pytest.mark.parametrize("option", ["memory", "memory=host", "=a:1", "memory=a:0", "memory=a:b", "memory=:80"])
def test_an_upstream_option_that_cannot_be_read_shows_how(option: str) -> None:
    """With an example of the right form."""
    with pytest.raises(SourceError, match=r"memory=127\.0\.0\.1:8080"):
        parse_upstreams([option])


def test_an_unknown_pool_is_refused_with_those_that_are_there() -> None:
    """A misspelt option isn't silently ignored."""
    source = Source((SAMPLES,), upstreams={"memroy": ("127.0.0.1", 1)})
    with pytest.raises(SourceError, match="known are memory"):
        compile_source(source, load(source))


def test_two_workloads_ask_for_a_choice(tmp_path: Path) -> None:
    """And a workload that no pool names is refused."""
    text = (SAMPLES / "connectionpool.yaml").read_text().replace("workloads: [agent]", "workloads: [agent, other]")
    (tmp_path / "p.yaml").write_text(text)
    source = Source((tmp_path,))
    with pytest.raises(SourceError, match="--workload"):
        compile_source(source, load(source))
    with pytest.raises(SourceError, match="known are agent, other"):
        compile_source(Source((tmp_path,), workload="third"), load(source))


def in_namespace(folder: Path, namespace: str) -> None:
    """The samples, each with that namespace."""
    for sample in SAMPLES.glob("*.yaml"):
        text = sample.read_text().replace("metadata:\n", f"metadata:\n  namespace: {namespace}\n")
        (folder / f"{namespace}-{sample.name}").write_text(text)


def test_files_of_another_namespace_are_in_force_as_those_of_default(tmp_path: Path) -> None:
    """A team's files name its namespace: nothing of them is left out."""
    in_namespace(tmp_path, "team")
    source = Source((tmp_path,))
    compiled = compile_source(source, load(source))
    assert (compiled.config.namespace, [pool.name for pool in compiled.config.pools]) == ("team", ["memory"])
    assert len(compiled.config.pools[0].cache_rules) == 5


def test_two_namespaces_ask_for_a_choice(tmp_path: Path) -> None:
    """One is chosen, the other isn't mixed in; one without pools is refused; what names none is in the one that is chosen."""
    for namespace in ("team", "other"):
        in_namespace(tmp_path, namespace)
    source = Source((tmp_path,))
    with pytest.raises(SourceError, match=r"2 namespaces \(other, team\): choose one with --namespace"):
        compile_source(source, load(source))
    chosen = compile_source(Source((tmp_path,), namespace="other"), load(source))
    assert (chosen.config.namespace, len(chosen.config.pools), findings_of(load(source), chosen)) == ("other", 1, ())
    with pytest.raises(SourceError, match="known are other, team"):
        compile_source(Source((tmp_path,), namespace="third"), load(source))
    unnamed = Source((SAMPLES,), namespace="team")
    assert compile_source(unnamed, load(unnamed)).config.namespace == "team"


def test_a_folder_without_resources_says_so(tmp_path: Path) -> None:
    """Neither a missing path nor an empty folder is a success."""
    with pytest.raises(SourceError, match="no resource"):
        load(Source((tmp_path,)))
    with pytest.raises(SourceError, match="isn't there"):
        load(Source((tmp_path / "nowhere",)))
