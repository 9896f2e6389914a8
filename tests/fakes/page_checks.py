"""What is looked at on a page in a browser: width, contrast of all text, charts that show something. Returns what is wrong."""

from __future__ import annotations

from collections import Counter

from tests.fakes.browser import Browser
from tests.fakes.pixels import pixels

ENOUGH = 4.5  # contrast of text, WCAG 2.2 AA
OVERFLOW = """(() => { const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  return ['page is ' + document.documentElement.scrollWidth + ' px wide, not ' + wide]; })()"""
CONTRAST = """(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map(v => { v /= 255;
      return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (node) => { for (let at = node; at; at = at.parentElement) {
      if (at.tagName === 'svg' || at.tagName === 'g') { const rect = at.querySelector(':scope > rect');
        if (rect && node.tagName === 'text') return rgb(getComputedStyle(rect).fill); }
      const c = rgb(getComputedStyle(at).backgroundColor); if (c.length < 4 || c[3] === 1) return c; }
    return [255, 255, 255]; };
  const bad = new Set(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  for (let node; node = walker.nextNode();) {
    const at = node.parentElement, style = getComputedStyle(at);
    if (!node.data.trim() || at.closest('details:not([open]) > :not(summary)') || at.tagName === 'title') continue;
    if (style.display === 'none' || style.visibility !== 'visible') continue;
    const ink = rgb(at.tagName === 'text' ? style.fill : style.color), paper = behind(at);
    const [a, b] = [light(ink), light(paper)], ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    seen++;
    if (ratio < LIMIT) bad.add(`contrast ${ratio.toFixed(2)} of "${node.data.trim().slice(0, 40)}" (${ink} on ${paper})`);
  }
  return seen ? [...bad] : ['no text at all'];
})()""".replace("LIMIT", str(ENOUGH))
AREAS = """[...document.querySelectorAll('svg.area, svg.bar, svg.interval')].map(e => { const r = e.getBoundingClientRect();
  return {x: r.x + scrollX, y: r.y + scrollY, width: r.width, height: r.height, label: e.getAttribute('aria-label')}; })"""
UNNAMED = """(() => { const those = (what, bad, why) => [...document.querySelectorAll(what)].filter(bad).map(() => why);
  return [...those('svg.area, svg.bar, svg.interval', e => !e.getAttribute('aria-label'), 'chart without a name'),
    ...those('table', t => !t.caption || !t.querySelector('thead th'), 'table without a heading'),
    ...those('figure', f => !f.querySelector('table'), 'chart without a table behind it')]; })()"""


async def wrong_with(browser: Browser) -> list[str]:
    """Everything that a broken layout, sheet or chart shows; empty when all is well."""
    found = [*await browser.value(OVERFLOW), *await browser.value(CONTRAST), *await browser.value(UNNAMED)]
    for area in await browser.value(AREAS):
        label = area.pop("label")
        if area["width"] < 100 or area["height"] < 20:
            found.append(f"chart {label} is {area['width']:.0f} x {area['height']:.0f} px")
        elif not _drawn(await browser.screenshot(area, 0.5)):
            found.append(f"chart {label} is blank")
    return found + [f"asked for {url[:60]}" for url in browser.requests[1:]] + browser.complaints


def _drawn(png: bytes) -> bool:
    """Something strong stands out from the ground: at least 10 pixels, at half size, far from the most frequent colour."""
    counted = Counter(pixels(png))
    ground = counted.most_common(1)[0][0]
    return sum(n for color, n in counted.items() if sum(abs(a - b) for a, b in zip(color, ground, strict=True)) > 90) >= 10
