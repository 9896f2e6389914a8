"""A report as one HTML page that asks nothing of the network and runs no script; its policy (CSP) forbids both. Pure."""

from __future__ import annotations

import base64
import hashlib

from slipstream_loadtest.report.escape import esc
from slipstream_loadtest.report.html.charts import call_section, comparison_section, memory_section, percentile_section, time_section
from slipstream_loadtest.report.html.sections import (
    check_section,
    generator_section,
    provenance_section,
    stage_section,
    summary_figures,
    threshold_section,
    unmeasured_section,
    verdict_block,
)
from slipstream_loadtest.report.html.style import STYLE
from slipstream_loadtest.report.model import Report


def as_html(report: Report) -> str:
    """The page: verdict with reasons first, evidence after it, what was not measured at the end."""
    plan, measured = report.plan, report.measured
    charted = ""
    if plan is not None and measured is not None:
        charts = (time_section(plan, measured), percentile_section(plan, measured), call_section(plan, measured))
        charted = "".join(charts) + memory_section(plan, measured)
    sections = (
        threshold_section(report),
        comparison_section(report),
        check_section(report),
        stage_section(report),
        charted,
        generator_section(report),
        unmeasured_section(report),
        provenance_section(report),
    )
    return _page(report, "".join(sections))


def _page(report: Report, body: str) -> str:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    finished = f", {report.finished_at}" if report.finished_at else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{esc(report.name)}: {esc(report.result)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>"
        f'<p class="eyebrow">Load test in {esc(report.namespace)}{esc(finished)}</p><h1>{esc(report.name)}</h1>'
        f"{verdict_block(report)}{summary_figures(report)}</header>\n<main>{body}</main>\n"
        f'<footer><p>Slipstream {esc(report.versions.slipstream)}, run <span class="hash">{esc(report.run)}</span></p></footer>\n'
        "</body>\n</html>\n"
    )
