"""Files and folders become resources and problems, each with its file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipstream_api.load import Loaded, load_paths

POOL = """apiVersion: slipstream.dev/v1alpha1
kind: ConnectionPool
metadata:
  name: memory
spec:
  workloads: [agent]
  upstream:
    protocol: HTTP
    host: memory-server
    port: 8080
"""


def load(folder: Path, **files: str | bytes) -> Loaded:
    for name, text in files.items():
        file = folder / f"{name}.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_paths([folder])


def lines(loaded: Loaded) -> list[str]:
    return [str(problem).rsplit("/", 1)[-1] for problem in loaded.problems]


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    """Not below it, and only YAML."""
    (tmp_path / "notes.txt").write_text("no: yaml: at all")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "x.yaml").write_text(POOL)
    loaded = load(tmp_path, b=POOL.replace("memory\n", "second\n"), a=POOL)
    assert [resource.name for resource in loaded.resources] == ["memory", "second"]
    assert loaded.problems == ()
    assert [Path(file).name for file in loaded.files] == ["a.yaml", "b.yaml"]


def test_a_problem_has_file_line_path_and_message(tmp_path: Path) -> None:
    """The line of the field, also in a second document."""
    loaded = load(tmp_path, a=POOL + "---\n" + POOL.replace("8080", "0").replace("name: memory", "name: other"))
    assert lines(loaded) == ["a.yaml:21: spec.upstream.port: must be at least 1, is 0"]
    assert [resource.name for resource in loaded.resources] == ["memory"]


def test_lines_within_a_list_of_resources(tmp_path: Path) -> None:
    """`kubectl get -o yaml` gives such files."""
    item = "".join(f"  {line}\n" for line in POOL.replace("8080", "0").splitlines())
    loaded = load(tmp_path, a="apiVersion: v1\nkind: List\nitems:\n-" + item[1:])
    assert lines(loaded) == ["a.yaml:13: spec.upstream.port: must be at least 1, is 0"]


def test_other_kinds_are_left_out_and_named(tmp_path: Path) -> None:
    """Whatever their shape."""
    loaded = load(tmp_path, a="kind: Service\nmetadata: {name: x}\n---\nkind: Odd\nmetadata: text\n---\nfoo: 1\n" + "---\n" + POOL)
    assert [line.split(": ", 1)[1] for line in loaded.ignored] == ["Service x", "Odd", "a document without kind"]
    assert len(loaded.resources) == 1
    assert loaded.problems == ()


def test_config_maps_are_kept_for_load_tests(tmp_path: Path) -> None:
    """By namespace, name and key, texts only; what isn't a ConfigMap of v1 isn't."""
    there = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: people, namespace: ns}\ndata: {users: 'ann', n: 1}\n"
    other = "apiVersion: v2\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: b}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: text\n"
    plain = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: here}\ndata: {a: b}\n---\napiVersion: v1\nkind: ConfigMap\n"
    loaded = load(tmp_path, a=there, b=other, c=plain)
    assert loaded.config_maps == {("ns", "people", "users"): "ann", ("default", "here", "a"): "b"}


def test_the_same_resource_twice_names_the_other_place(tmp_path: Path) -> None:
    """The second is the problem; one in another namespace isn't the same."""
    loaded = load(tmp_path, a=POOL, b=POOL, c=POOL.replace("name: memory", "name: memory\n  namespace: other"))
    (problem,) = loaded.problems
    assert (Path(problem.file).name, problem.line, problem.path) == ("b.yaml", 4, "metadata.name")
    assert f"{tmp_path / 'a.yaml'}:1" in problem.message
    assert [resource.namespace for resource in loaded.resources] == ["default", "other"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "not YAML"),
        ("a: 1\na: 2\n", "there twice"),
        (b"\xff\xfe", "UTF-8"),
        ("- 1\n", "a resource is a mapping"),
        ("a: &a {b: *a}\n", "contains itself"),
        ("".join(f"a{i}: &a{i} [{', '.join(['*a' + str(i - 1)] * 10) if i else '1'}]\n" for i in range(8)), "aliases of aliases"),
    ],
)
def test_files_that_cannot_be_read_are_problems(tmp_path: Path, text: str | bytes, words: str) -> None:
    """Never a traceback; the other files are still read."""
    loaded = load(tmp_path, a=text, b=POOL)
    assert words in loaded.problems[0].message
    assert [resource.name for resource in loaded.resources] == ["memory"]


def test_a_path_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    """With the system's reason."""
    (problem,) = load_paths([tmp_path / "gone.yaml"]).problems
    assert "No such file" in problem.message
