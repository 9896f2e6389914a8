"""The HTML report in Chromium, on a desk and on a phone, light and dark; and that a broken page would be noticed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from slipstream_loadtest.report.bounded import plain
from slipstream_loadtest.report.html.page import as_html
from slipstream_loadtest.report.model import Report
from tests.fakes.browser import Browser, chromium
from tests.fakes.loadtest_reports import compared_report, failed_report, hostile, lost_report
from tests.fakes.page_checks import wrong_with

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]
DESK, PHONE = 1100, 360


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """One for all tests of this file."""
    async with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


def page(folder: Path, html: str) -> Path:
    file = folder / "report.html"
    file.write_text(html)
    return file


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("make", [compared_report, failed_report, lost_report])
async def test_a_report_is_readable(browser: Browser, tmp_path: Path, make: object, width: int, dark: bool) -> None:
    """No sideways scrolling, all text stands out, every chart shows something, has a name and a table, nothing is asked of a network."""
    assert callable(make)
    await browser.show(page(tmp_path, as_html(make())), width, dark=dark)
    assert await wrong_with(browser) == []


async def test_the_two_schemes_differ(browser: Browser, tmp_path: Path) -> None:
    """The control of the emulation: dark is dark."""
    file = page(tmp_path, as_html(failed_report()))
    grounds = []
    for dark in (False, True):
        await browser.show(file, DESK, dark=dark)
        grounds.append(await browser.value("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(255, 255, 255)", "rgb(20, 23, 27)"]


async def test_folded_tables_open_and_stay_on_the_page(browser: Browser, tmp_path: Path) -> None:
    """With all of them open a phone still doesn't scroll sideways, and what they show can be read."""
    html = as_html(compared_report()).replace("<details>", "<details open>")
    await browser.show(page(tmp_path, html), PHONE, dark=True)
    assert await wrong_with(browser) == []


async def test_hostile_names_are_text(browser: Browser, tmp_path: Path) -> None:
    """No script runs, no element comes of them, the page keeps its width."""
    report = msgspec.convert(hostile(json.loads(json.dumps(plain(compared_report())))), Report)
    await browser.show(page(tmp_path, as_html(report)), PHONE)
    assert await browser.value("document.querySelectorAll('script, img, iframe, a').length") == 0
    assert "</style><script>alert(1)</script>" in await browser.value("document.querySelector('h1').textContent")
    assert await wrong_with(browser) == []


BROKEN = {
    "wide": ("</header>", '<div class="broken">x</div></header>', ".broken{width:500px}", "px wide"),
    "faint": ("</header>", '<p class="broken">faint</p></header>', ".broken{color:#bbb}", "contrast"),
    "blank": ("</header>", "</header>", ".area path{stroke:none!important}.area rect,.grid{display:none}", "is blank"),
    "flat": ("</header>", "</header>", ".area{height:0!important}", "x 1 px"),
    "asking": ("</header>", '<img src="http://127.0.0.1:9/x.png" alt="x"></header>', "", "violates"),
    "unnamed": ('role="img" aria-label=', 'role="img" data-label=', "", "without a name"),
}


@pytest.mark.parametrize("fault", BROKEN)
async def test_a_broken_page_is_noticed(browser: Browser, tmp_path: Path, fault: str) -> None:
    """Negative controls, one for each thing that is looked at."""
    old, new, rules, word = BROKEN[fault]
    html = as_html(compared_report())
    assert old in html
    if rules:  # as a mistake in the sheet would; its hash in the policy would otherwise forbid it
        html = html.replace("</style>", rules + "</style>").replace(html.split("Content-Security-Policy")[1].split(">")[0], '"')
    await browser.show(page(tmp_path, html.replace(old, new)), PHONE)
    assert any(word in problem for problem in await wrong_with(browser))
