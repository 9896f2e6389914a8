"""What the command says to a person: help with examples, mistakes with what to change, and never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.fakes.commands import application, edit, samples

RUNNER = CliRunner()
COMMANDS = ("demo", "run", "validate", "loadtest", "report", "compare", "explain", "status", "top", "circuit", "invalidate", "version")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches_by_an_example(name: str) -> None:
    """In its help."""
    found = RUNNER.invoke(application(), [name, "--help"])
    assert found.exit_code == 0
    assert f"Example: slipstream {name}" in " ".join(found.stdout.split())


def test_the_command_without_arguments_lists_all_of_them() -> None:
    """A newcomer's first step."""
    found = RUNNER.invoke(application(), [])
    assert all(name in found.output for name in COMMANDS)


def test_valid_files_are_exit_code_0(tmp_path: Path) -> None:
    """And it says how many there were."""
    found = RUNNER.invoke(application(), ["validate", "-f", str(samples(tmp_path))])
    assert (found.exit_code, "no problems" in found.stdout) == (0, True)


def test_a_problem_is_file_line_path_message_and_exit_code_1(tmp_path: Path) -> None:
    """For people and for programs."""
    policies = samples(tmp_path)
    edit(policies / "connectionpool.yaml", "port: 8080", "port: 808000")
    line = (policies / "connectionpool.yaml").read_text().splitlines().index("    port: 808000") + 1
    found = RUNNER.invoke(application(), ["validate", "-f", str(policies)])
    assert found.exit_code == 1
    assert f"connectionpool.yaml:{line}: spec.upstream.port: " in found.stdout
    found = RUNNER.invoke(application(), ["validate", "-f", str(policies), "-o", "json"])
    (problem,) = json.loads(found.stdout)["problems"]
    assert (found.exit_code, problem["line"], problem["path"]) == (1, line, "spec.upstream.port")


def test_what_nothing_enforces_yet_is_a_warning_and_no_problem(tmp_path: Path) -> None:
    """Never silently ignored."""
    policies = samples(tmp_path)
    edit(policies / "connectionpool.yaml", "protocol: HTTP", "protocol: MCP")
    found = RUNNER.invoke(application(), ["validate", "-f", str(policies)])
    assert found.exit_code == 0
    assert "upstream.protocol" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("validate", "-f", "{tmp}/nowhere"), "isn't there"),
        (("validate", "-f", "{tmp}"), "no resource"),
        (("validate", "-f", "{samples}", "-o", "yaml"), "text or json"),
        (("run", "-f", "{samples}", "--upstream", "memory"), "memory=127.0.0.1:8080"),
        (("run", "-f", "{samples}", "--upstream", "other=a:1"), "known are memory"),
        (("run", "-f", "{samples}", "--listen", "memory=x"), "memory=15900"),
        (("run", "-f", "{samples}", "--workload", "nobody"), "known are agent"),
        (("run", "-f", "{broken}"), "spec.upstream.port"),
        (("status", "--socket", "{tmp}/none.sock"), "slipstream run -f"),
        (("status", "--socket", "{tmp}/" + "long" * 30), "--socket"),
        (("status", "-o", "xml", "--socket", "{tmp}/none.sock"), "text or json"),
        (("top", "--once", "--socket", "{tmp}/none.sock"), "slipstream run -f"),
        (("top", "--socket", "{tmp}/none.sock"), "slipstream run -f"),
        (("top", "-o", "json", "--socket", "{tmp}/none.sock"), "slipstream run -f"),
        (("top", "--once", "-o", "xml"), "text or json"),
        (("top", "--interval", "0"), "at least 0.1"),
        (("top", "--interval", "nan"), "at least 0.1"),
        (("explain", "/", "--socket", "{tmp}/none.sock"), "slipstream run -f"),
        (("explain", "/", "-H", "nonsense", "--socket", "{tmp}/none.sock"), "X-Session-Id: me"),
        (("circuit", "ajar", "memory/default"), "open"),
        (("circuit", "open", "memory/default", "--socket", "{tmp}/none.sock"), "slipstream run -f"),
        (("invalidate",), "--all"),
        (("invalidate", "--pool", "memory"), "--all"),
        (("invalidate", "--tag", "a", "--rule", "b"), "in one way"),
        (("invalidate", "--path", "/a?b=c"), "the path alone"),
        (("invalidate", "--path", "a"), "the path alone"),
        (("invalidate", "--partition", "me"), "X-Session-Id: me"),
        (("invalidate", "--all", "--socket", "{tmp}/none.sock"), "slipstream run -f"),
        (("loadtest", "-f", "{samples}", "--socket", "{tmp}/none.sock"), "slipstream run -f"),
        (("loadtest", "-f", "{samples}", "--name", "other"), "there are: memory"),
        (("loadtest", "-f", "{samples}/cachepolicy.yaml"), "there are: none"),
        (("loadtest", "-f", "{samples}", "--report", "{tmp}/no/out.json"), "make it first"),
        (("loadtest", "-f", "{metadata}"), "target.url"),
        (("report", "{tmp}/none.json"), "No such file"),
        (("report", "{samples}/loadtest.yaml"), "no JSON"),
        (("report", "{other}"), "schemaVersion 1"),
        (("report", "{half}"), "isn't whole"),
        (("demo", "--samples", "{tmp}/nowhere"), "--samples"),
    ],
)
def test_a_mistake_is_exit_code_2_and_says_what_to_change(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    """Neither a traceback nor a riddle."""
    (tmp_path / "b").mkdir()
    broken = samples(tmp_path / "b")
    edit(broken / "connectionpool.yaml", "port: 8080", "port: 808000")
    (tmp_path / "m").mkdir()
    metadata = samples(tmp_path / "m") / "loadtest.yaml"
    edit(metadata, "poolRef:\n      name: memory\n    workload: agent", "url: http://169.254.169.254:80")
    edit(metadata, "baseline: Direct", "baseline: None")
    (tmp_path / "other.json").write_text('{"schemaVersion": 99}')
    (tmp_path / "half.json").write_text('{"schemaVersion": 1, "name": "x", "stages": [{}]}')
    places = {"tmp": tmp_path, "samples": samples(tmp_path), "broken": broken, "metadata": metadata}
    places |= {"other": tmp_path / "other.json", "half": tmp_path / "half.json"}
    found = RUNNER.invoke(application(), [argument.format(**places) for argument in arguments])
    assert found.exit_code == 2, found.output
    assert words in found.output
    assert found.exception is None or isinstance(found.exception, SystemExit)
