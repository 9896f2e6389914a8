"""How reads become one request, and its answer theirs."""

from __future__ import annotations

from typing import Any

import pytest

from slipstream_api import config
from slipstream_runtime.cores.batch import BatchPlan
from tests.fakes.cores import a_cache_rule, a_match


def a_plan(template: str = "/users/{user}/items/{id}", **batch: Any) -> BatchPlan:
    fields: dict[str, Any] = {"item": "id", "path": "/users/{user}/items", **batch}
    return BatchPlan(a_cache_rule(match=a_match(template=template)), config.Batch(**fields))


def asked(plan: BatchPlan, target: bytes, *values: str) -> tuple[bytes, bytes]:
    """Target and body of the batch that a read of `target` would be in."""
    item = plan.item(target.partition(b"?")[0].decode(), target)
    assert item is not None
    return plan.target(item, values or (item.value,)), plan.body(values or (item.value,))


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ({}, (b"/users/u/items?lang=de&ids=1,2", b"")),
        ({"items_in": "RepeatedQuery", "items": "id"}, (b"/users/u/items?lang=de&id=1&id=2", b"")),
        ({"items_in": "Body"}, (b"/users/u/items?lang=de", b'{"ids":["1","2"]}')),
        ({"items_in": "Body", "items": ""}, (b"/users/u/items?lang=de", b'["1","2"]')),
        ({"items_in": "Body", "item_type": "Integer"}, (b"/users/u/items?lang=de", b'{"ids":[1,2]}')),
    ],
    ids=["query", "repeated", "body", "bare-list", "integers"],
)
def test_a_batch_is_asked_for_as_the_rule_says(batch: dict[str, Any], expected: tuple[bytes, bytes]) -> None:
    """Variables and the rest of the query stay."""
    assert asked(a_plan(**batch), b"/users/u/items/1?lang=de", "1", "2") == expected


def test_an_item_of_the_query_leaves_the_rest_of_it() -> None:
    """It must be there exactly once."""
    plan = BatchPlan(a_cache_rule(match=a_match(exact="/item")), config.Batch(item="id", item_in="Query", path="/items"))
    assert asked(plan, b"/item?a=1&id=7&b=2", "7", "8") == (b"/items?a=1&b=2&ids=7,8", b"")
    assert plan.item("/item", b"/item?a=1") is None
    assert plan.item("/item", b"/item?id=1&id=2") is None
    assert plan.item("/item", b"/item") is None


@pytest.mark.parametrize("item", ["1,2", "a%2Cb", "%31", "a&ids=9", "a+b", "a b", "*", "a'", "x" * 129, "ü"])
def test_an_item_that_has_another_spelling_goes_by_itself(item: str) -> None:
    """Nothing that an upstream could part or decode into something else."""
    path = f"/users/u/items/{item}"
    assert a_plan().item(path, b"/users/u/items/1") is None


@pytest.mark.parametrize("query", [b"ids=9", b"a=1&ids=9", b"id%73=9", b"ids[]=9", b"ids%5B0%5D=9", b"a=1;ids=9"])
def test_a_query_that_would_add_items_goes_by_itself(query: bytes) -> None:
    """However its name is spelt; in a body it means nothing."""
    target = b"/users/u/items/1?" + query
    assert a_plan().item("/users/u/items/1", target) is None
    assert a_plan(items_in="Body").item("/users/u/items/1", target) is not None


@pytest.mark.parametrize("value", ["01", "+1", "1.0", "a", "-0", "1" * 19])
def test_only_integers_of_one_spelling_are_integers(value: str) -> None:
    path = f"/users/u/items/{value}"
    assert a_plan(item_type="Integer").item(path, path.encode()) is None


@pytest.mark.parametrize(
    ("batch", "body", "expected"),
    [
        ({}, b'[{"a": 1}, 2 ]', {"1": b'{"a": 1}', "2": b"2"}),
        ({}, b'[null,{"a":2}]', {"2": b'{"a":2}'}),
        ({}, b"[1]", None),
        ({}, b"[1,2,3]", None),
        ({}, b'{"1":1}', None),
        ({}, b"[1,", None),
        ({}, b"", None),
        ({"answers": "data.items"}, b'{"data":{"items":[1,2]}}', {"1": b"1", "2": b"2"}),
        ({"answers": "data.items"}, b'{"data":[1,2]}', None),
        ({"answers": "data"}, b"[1,2]", None),
        ({"answers_by": "Id"}, b'[{"id":2,"b":0},{"id":"1"}]', {"1": b'{"id":"1"}', "2": b'{"id":2,"b":0}'}),
        ({"answers_by": "Id"}, b'[{"id":1},{"id":9},{"id":true},{"x":2},[2],null]', {"1": b'{"id":1}'}),
        ({"answers_by": "Id"}, b'[{"id":1,"v":1},{"id":1,"v":2},{"id":2}]', {"2": b'{"id":2}'}),
        ({"answers_by": "Id", "id_field": "key"}, b'[{"key":"2"}]', {"2": b'{"key":"2"}'}),
        ({"answers_by": "Key"}, b'{"2":{"x":[]},"9":0}', {"2": b'{"x":[]}'}),
        ({"answers_by": "Key"}, b"[]", None),
    ],
)
def test_trap_43_an_answer_is_parted_in_order_or_by_name_and_what_has_none_is_left_out(
    batch: dict[str, Any], body: bytes, expected: dict[str, bytes] | None
) -> None:
    """Octets as they came; nothing where the whole isn't what the rule says."""
    assert a_plan(**batch).split(["1", "2"], body) == expected


@pytest.mark.parametrize(
    "batch", [{"item": "other"}, {"path": "/items/{id}"}, {"path": "/x/{unknown}"}], ids=["no-variable", "the-item", "unknown"]
)
def test_a_rule_that_does_not_fit_together_is_refused(batch: dict[str, Any]) -> None:
    """With its name in the message."""
    with pytest.raises(ValueError, match="rule recall"):
        a_plan(**batch)
