"""Data of a LoadTest → rows of a plan: inline values, lines or CSV of a ConfigMap. Pure: whoever calls has read the ConfigMaps."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from slipstream_loadtest.plan.refused import PlanRefused
from slipstream_loadtest.plan.scenarios import DataList
from slipstream_loadtest.plan.template import BUILT_IN

if TYPE_CHECKING:
    from slipstream_api.models import LoadTestSpec
    from slipstream_api.models import loadtest as api

ConfigMaps = Mapping[tuple[str, str], str]
"""(name, key) → text, of the test's namespace."""

MAX_DATA: Final = 700_000  # characters: the plan is kept in a ConfigMap, which holds at most 1 MiB
_COLUMN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BYTE_ORDER_MARK: Final = "\ufeff"

Table = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]  # columns, rows


def references(spec: LoadTestSpec) -> tuple[tuple[str, str, str], ...]:
    """What `build_plan` needs of ConfigMaps: (field path, name, key), in the order of the fields."""
    tls = spec.target.tls
    asked = [("spec.target.tls.caConfigMap", tls.ca_config_map)] if tls is not None else []
    asked += [(f"spec.data[{one.name}].configMap", one.config_map) for one in spec.data]
    return tuple((path, found.name, found.key) for path, found in asked if found is not None)


def text_of(reference: api.ConfigMapKey, path: str, config_maps: ConfigMaps) -> str:
    """The text behind a reference; raises PlanRefused."""
    text = config_maps.get((reference.name, reference.key))
    if text is None:
        raise PlanRefused(path, f"there is no key {reference.key} in a ConfigMap {reference.name}: create it or correct the reference")
    return text


def lists(data: Sequence[api.Data], config_maps: ConfigMaps) -> tuple[DataList, ...]:
    """The lists and tables of a spec. Raises PlanRefused for what has no rows, isn't CSV, or is too large for a plan."""
    made = tuple(_list(one, config_maps) for one in data)
    size = sum(len(value) for one in made for row in one.rows for value in row)
    if size > MAX_DATA:
        raise PlanRefused("spec.data", f"has {size} characters, a plan holds at most {MAX_DATA}: use fewer rows or columns")
    return made


def _list(one: api.Data, config_maps: ConfigMaps) -> DataList:
    path = f"spec.data[{one.name}]"
    if one.name in BUILT_IN:
        raise PlanRefused(f"{path}.name", f"${{{one.name}}} is built in: choose another name")
    columns, rows = _table(one, path, config_maps)
    return DataList(name=one.name, columns=columns, rows=rows, mode=one.mode or "Random", wrap=one.on_exhausted != "Fail")


def _table(one: api.Data, path: str, config_maps: ConfigMaps) -> Table:
    if one.config_map is None:
        return (), tuple((value,) for value in one.values or ())
    text = text_of(one.config_map, f"{path}.configMap", config_maps).removeprefix(_BYTE_ORDER_MARK)
    columns, rows = _csv(text, path) if one.format == "CSV" else ((), tuple((line,) for line in text.splitlines() if line.strip()))
    if not rows:
        raise PlanRefused(f"{path}.configMap", f"key {one.config_map.key} of ConfigMap {one.config_map.name} has no rows")
    return columns, rows


def _csv(text: str, path: str) -> Table:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = _rows(reader, path)
        columns = next(rows, ())
        _check_columns(columns, path)
        return columns, tuple(rows)
    except csv.Error as error:
        raise PlanRefused(f"{path}.configMap", f"line {reader.line_num} isn't CSV: {error}") from None


def _rows(reader: Iterator[list[str]], path: str) -> Iterator[tuple[str, ...]]:
    """All rows that aren't empty, the line of column names first, each of its length."""
    width = 0
    for number, row in enumerate(reader, 1):
        if not row:
            continue
        width = width or len(row)
        if len(row) != width:
            raise PlanRefused(f"{path}.configMap", f"record {number} has {len(row)} values, the line of column names has {width}")
        yield tuple(row)


def _check_columns(columns: tuple[str, ...], path: str) -> None:
    for at, name in enumerate(columns):
        if not _COLUMN.fullmatch(name):
            raise PlanRefused(f"{path}.configMap", f"column {name!r}: the first line names the columns, of letters, digits and _")
        if name in columns[:at]:
            raise PlanRefused(f"{path}.configMap", f"column {name} comes twice: rename one")
