"""Conditions: when their time changes, in which order they stand, what fits."""

from __future__ import annotations

from slipstream_api.conditions import (
    LOADTEST_REASONS,
    MESSAGE_LIMIT,
    POLICY_REASONS,
    Reason,
    Type,
    condition,
    find,
    set_condition,
    set_conditions,
)

BEFORE, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def test_the_time_changes_only_with_the_status() -> None:
    """Another reason or message is no transition."""
    old = set_condition((), condition(Type.READY, "False", Reason.PROGRESSING, "1 of 2", 1), BEFORE)
    (same,) = set_condition(old, condition(Type.READY, "False", Reason.REJECTED, "no", 2), NOW)
    assert (same["lastTransitionTime"], same["reason"], same["observedGeneration"]) == (BEFORE, "Rejected", 2)
    (changed,) = set_condition(old, condition(Type.READY, "True", Reason.READY, "ready", 2), NOW)
    assert changed["lastTransitionTime"] == NOW


def test_setting_one_leaves_the_others() -> None:
    """In place, or at the end."""
    first = set_condition((), condition(Type.ACCEPTED, "True", Reason.ACCEPTED, "", 1), BEFORE)
    both = set_condition(first, condition(Type.READY, "True", Reason.READY, "", 1), BEFORE)
    again = set_condition(both, condition(Type.ACCEPTED, "False", Reason.INVALID, "", 1), NOW)
    assert [(c["type"], c["status"], c["lastTransitionTime"]) for c in again] == [("Accepted", "False", NOW), ("Ready", "True", BEFORE)]
    assert both[0]["status"] == "True"  # what was given isn't changed


def test_wanted_conditions_are_all_there_are_in_one_order() -> None:
    """What isn't wanted goes (Stalled is there only while abnormal); the order is that of Type."""
    stalled = set_condition((), condition(Type.STALLED, "True", Reason.INVALID, "", 1), BEFORE)
    wanted = [condition(Type.READY, "True", Reason.READY, "", 1), condition(Type.ACCEPTED, "True", Reason.ACCEPTED, "", 1)]
    placed = set_conditions(stalled, wanted, NOW)
    assert [c["type"] for c in placed] == ["Accepted", "Ready"]
    assert set_conditions(placed, wanted, "2026-01-03T00:00:00Z") == placed


def test_a_message_is_cut_to_what_the_server_takes() -> None:
    """And says that it was."""
    cut = condition(Type.READY, "False", Reason.REJECTED, "x" * 5000, 1)["message"]
    assert len(cut) == MESSAGE_LIMIT
    assert cut.endswith("…")
    assert condition(Type.READY, "False", Reason.REJECTED, "short", 1)["message"] == "short"


def test_find() -> None:
    """By type, or nothing."""
    conditions = set_condition((), condition(Type.READY, "True", Reason.READY, "", 1), NOW)
    assert find(conditions, Type.READY) == conditions[0]
    assert find(conditions, Type.STALLED) is None


def test_every_reason_belongs_to_a_condition() -> None:
    """A reason that no table has would be one that nobody gives."""
    used = {reason for reasons in (POLICY_REASONS, LOADTEST_REASONS) for of_type in reasons.values() for reason in of_type}
    assert used == set(Reason)
