"""Data of a plan: inline, lines and CSV of ConfigMaps, and the certificates of a target."""

from typing import Any

import pytest

from slipstream_loadtest.plan.build import PlanRefused, encode_plan, references
from slipstream_loadtest.plan.feeders import MAX_DATA
from slipstream_loadtest.plan.scenarios import DataList
from tests.fakes.loadtest_plans import URL, a_plan, a_spec

FROM = {"name": "users", "configMap": {"name": "people", "key": "users"}}
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def of(text: str, **members: Any) -> DataList:
    (found,) = a_plan(URL, data=[FROM | members], config_maps={("people", "users"): text}).data
    return found


def test_lines_are_rows_of_one_value():
    """One a line; empty lines are none."""
    found = of("ann\nbob \n\ncee\n")
    assert (found.columns, found.rows) == ((), (("ann",), ("bob ",), ("cee",)))
    assert (found.mode, found.wrap) == ("Random", True)


def test_csv_has_named_columns():
    """As the csv module reads it: quotes, commas and line breaks in values; a byte order mark is no part of a name."""
    found = of('\ufeffname,email\r\n"Doe, Ann",a@x\r\n\r\n"a ""b""","x\ny"\r\n', format="CSV", mode="UniquePerUser", onExhausted="Fail")
    assert found.columns == ("name", "email")
    assert found.rows == (("Doe, Ann", "a@x"), ('a "b"', "x\ny"))
    assert (found.mode, found.wrap) == ("UniquePerUser", False)


def test_columns_are_names_for_templates():
    """`${users.email}` is known, `${users}` of a table is not."""
    step = {"name": "get", "http": {"path": "/${users.email}"}}
    texts = {("people", "users"): "name,email\na,b\n"}
    members: dict[str, Any] = {"data": [FROM | {"format": "CSV"}], "config_maps": texts}
    a_plan(URL, scenarios=[{"name": "r", "steps": [step]}], **members)
    with pytest.raises(PlanRefused, match=r"there are .*\$\{users.email\}, \$\{users.name\}"):
        a_plan(URL, scenarios=[{"name": "r", "steps": [step | {"http": {"path": "/${users}"}}]}], **members)


@pytest.mark.parametrize(
    ("text", "members", "says"),
    [
        ("", {}, "has no rows"),
        ("\n\n", {}, "has no rows"),
        ("name\n", {"format": "CSV"}, "has no rows"),
        ("name,e mail\na,b\n", {"format": "CSV"}, "column 'e mail'"),
        ("name,name\na,b\n", {"format": "CSV"}, "comes twice"),
        ("name,email\na,b\nc\n", {"format": "CSV"}, "record 3 has 1 values, the line of column names has 2"),
        ('name\n"a\n', {"format": "CSV"}, "isn't CSV"),
        ('name\n"a"b\n', {"format": "CSV"}, "line 2 isn't CSV"),
    ],
    ids=["empty", "blank", "header only", "column name", "column twice", "ragged", "open quote", "text after quote"],
)
def test_what_is_no_table_is_refused(text: str, members: dict[str, Any], says: str):
    """With the line or record at fault."""
    with pytest.raises(PlanRefused) as refused:
        of(text, **members)
    assert refused.value.path == "spec.data[users].configMap"
    assert says in refused.value.message


def test_a_missing_key_is_refused():
    """With both names."""
    with pytest.raises(PlanRefused, match="no key users in a ConfigMap people"):
        a_plan(URL, data=[FROM])


def test_more_data_than_a_plan_can_hold_is_refused():
    """A plan is kept in a ConfigMap itself. What just fits does."""
    with pytest.raises(PlanRefused, match="a plan holds at most"):
        of("x" * (MAX_DATA + 1))
    assert len(encode_plan(a_plan(URL, data=[FROM], config_maps={("people", "users"): "x" * MAX_DATA}))) < 1 << 20


def test_references_are_all_there_is_to_read():
    """The caller reads exactly these."""
    tls = {"url": "https://m:1", "tls": {"caConfigMap": {"name": "ca", "key": "ca.crt"}}}
    spec = a_spec(target=tls, data=[FROM, {"name": "word", "values": ["a"]}])
    assert references(spec) == (("spec.target.tls.caConfigMap", "ca", "ca.crt"), ("spec.data[users].configMap", "people", "users"))
    assert references(a_spec()) == ()


def test_a_target_is_verified_as_its_spec_says():
    """Authority, name, or nothing at all."""
    target = {"url": "https://m:1", "tls": {"serverName": "memory", "caConfigMap": {"name": "ca", "key": "ca.crt"}}}
    (found,) = a_plan(URL, target=target, config_maps={("ca", "ca.crt"): PEM}).targets
    assert found.tls is not None
    assert (found.tls.verify, found.tls.server_name, found.tls.ca) == (True, "memory", PEM)
    (blind,) = a_plan(URL, target={"url": "https://m:1", "tls": {"verify": "None"}}).targets
    assert blind.tls is not None
    assert (blind.tls.verify, blind.tls.ca) == (False, "")
    with pytest.raises(PlanRefused, match="no certificate in PEM"):
        a_plan(URL, target=target, config_maps={("ca", "ca.crt"): "secret"})
