"""The access log's one setting: a share of answers, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from slipstream_runtime.control.settings import SettingsError, read_settings


def test_it_is_off_unless_a_share_is_named() -> None:
    """0 is off too."""
    assert [read_settings(given).access_log for given in ({}, {"SLIPSTREAM_ACCESS_LOG": "0"}, {"SLIPSTREAM_ACCESS_LOG": "0.01"})] == [
        0,
        0,
        0.01,
    ]


@pytest.mark.parametrize("value", ["yes", "1.5", "-1", "nan", ""])
def test_what_is_no_share_is_refused_by_its_name(value: str) -> None:
    """A log that isn't there is missed when it is needed."""
    with pytest.raises(SettingsError, match="SLIPSTREAM_ACCESS_LOG"):
        read_settings({"SLIPSTREAM_ACCESS_LOG": value})
