"""The page's style sheet: light and dark by the reader's preference, from 320 px upwards, and for print. Pure text."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--bg:#fff;--ink:#1b1f24;--soft:#56606b;--rule:#d9dee4;--grid:#e8ebef;--panel:#f5f7f9;
--good:#17653a;--bad:#b3261e;
--doubt:#855400;--s0:#1f5fae;--s1:#b4540a;--s2:#0f766e;--s3:#7c3aed;--s4:#be123c;--s5:#52525b;--idle:#eceff3;--hold:#e1ebf7;--held1:#f8e8d8}
@media (prefers-color-scheme:dark){:root{--bg:#14171b;--ink:#e6e9ed;--soft:#a3adb8;--rule:#343b44;--grid:#272d34;--panel:#1c2026;
--good:#6fd39a;
--bad:#ff9a92;--doubt:#f0bd5e;--s0:#7cb7ff;--s1:#f6a65b;--s2:#4fd1c0;--s3:#c4a5ff;--s4:#ff8fa3;--s5:#b4b4bd;--idle:#20252b;--hold:#1d2c3f;
--held1:#3a2b1b}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;
overflow-wrap:anywhere}
main,header,footer{max-width:62rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:2.5rem}
footer{padding-bottom:3rem;color:var(--soft);font-size:.875rem}
h1{font-size:1.75rem;line-height:1.2;margin:.15rem 0 .35rem;font-weight:650;letter-spacing:-.015em}
h2{font-size:1.1875rem;line-height:1.3;margin:3rem 0 .5rem;padding-top:1rem;border-top:1px solid var(--rule);font-weight:650}
h3{font-size:1rem;margin:1.75rem 0 .25rem;font-weight:650}
p{margin:.35rem 0 .75rem;max-width:44rem}
.eyebrow,.note{color:var(--soft);font-size:.875rem}
.eyebrow{margin:0}
code,.hash{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.875em}
.verdict{margin:1.5rem 0 0;padding:1rem 1.25rem;background:var(--panel);border-left:4px solid var(--soft);border-radius:0 4px 4px 0}
.verdict.Passed{border-color:var(--good)}.verdict.Failed{border-color:var(--bad)}.verdict.Inconclusive{border-color:var(--doubt)}
.verdict strong{font-size:1.25rem}
.verdict ul{margin:.35rem 0 0;padding:0;list-style:none}
.verdict li{margin:.2rem 0}
.verdict li b{font-weight:600}
.good{color:var(--good)}.bad{color:var(--bad)}.doubt{color:var(--doubt)}
.good,.bad,.doubt{font-weight:600;white-space:nowrap}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(7.5rem,1fr));gap:1px;margin:1.5rem 0 0;
border:1px solid var(--rule);border-radius:4px;overflow:hidden}
.figures div{box-shadow:0 0 0 1px var(--rule);padding:.6rem .8rem}
.figures dt{color:var(--soft);font-size:.8125rem}
.figures dd{margin:0;font-size:1.25rem;font-weight:600;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto;margin:.5rem 0 1rem}
.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--s0);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:.875rem;font-variant-numeric:tabular-nums;overflow-wrap:normal}
caption{text-align:left;color:var(--soft);padding-bottom:.35rem}
th,td{text-align:left;padding:.4rem .9rem .4rem 0;border-bottom:1px solid var(--grid);vertical-align:top}
thead th{color:var(--soft);font-weight:500;border-color:var(--rule);white-space:nowrap;vertical-align:bottom}
tbody th{font-weight:600}
td.n,th.n{text-align:right;white-space:nowrap}
td:last-child,th:last-child{padding-right:0}
th,td{overflow-wrap:break-word;max-width:24rem}
td.w{min-width:10rem}
figure{margin:1.25rem 0 1.75rem}
figcaption{margin-bottom:.5rem}
figcaption span{color:var(--soft);font-size:.875rem;display:block}
.legend{display:flex;flex-wrap:wrap;gap:.15rem 1.25rem;margin:0 0 .5rem;padding:0;list-style:none;font-size:.8125rem}
.key{width:30px;height:8px;margin-right:.45rem;vertical-align:middle}
.plot{display:grid;grid-template-columns:3.4rem minmax(0,1fr)}
.plot svg{display:block}
.plot .strip{grid-column:2;width:100%;height:20px;margin-bottom:4px}
.yaxis{grid-column:1;width:100%;height:230px;overflow:visible}
.area{grid-column:2;width:100%;height:230px;border-bottom:1px solid var(--soft)}
.xaxis{grid-column:2;width:100%;height:22px;overflow:visible}
svg text{font-size:12px;fill:var(--soft);font-family:inherit}
.yaxis text{text-anchor:end}.xaxis text{text-anchor:middle}.xaxis .first{text-anchor:start}.xaxis .last{text-anchor:end}
.strip text{fill:var(--ink);font-size:11px}
.strip .tiny text{display:none}
.grid{stroke:var(--grid);stroke-width:1;vector-effect:non-scaling-stroke}
.edge{stroke:var(--bg);stroke-width:2}
.unjudged{fill:var(--idle)}.held0{fill:var(--hold)}.held1{fill:var(--held1)}
.area .held0,.area .held1{fill:none}
.line{fill:none;stroke-width:1.75;vector-effect:non-scaling-stroke;stroke-linejoin:round;stroke-linecap:round}
.c0{stroke:var(--s0)}.c1{stroke:var(--s1)}.c2{stroke:var(--s2)}.c3{stroke:var(--s3)}.c4{stroke:var(--s4)}.c5{stroke:var(--s5)}
.d1{stroke-dasharray:5 4}.d2{stroke-dasharray:1.5 4}.d3{stroke-dasharray:10 3 2 3}.d4{stroke-dasharray:12 4}.d5{stroke-dasharray:3 3}
.bar{display:block;width:100%;height:22px;border-radius:3px}
.bar text{fill:var(--bg);text-anchor:middle;font-weight:600}
.part{stroke:var(--bg);stroke-width:1.5}
.p0{fill:var(--s5)}.p1{fill:var(--s1)}.p2{fill:var(--s3)}.p3{fill:var(--s0)}.p4{fill:var(--s2)}
.letters{display:flex;flex-wrap:wrap;gap:.15rem 1.25rem;margin:0 0 .75rem;padding:0;list-style:none;font-size:.8125rem}
.letters i{font-style:normal;font-weight:600;margin-right:.35rem}
.interval{display:block;width:100%;height:28px}
.drawn{margin:.5rem 0;padding:0;list-style:none;font-size:.875rem}
.drawn li{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,4fr) minmax(0,7fr);gap:.15rem 1rem;align-items:center;padding:.4rem 0;
border-bottom:1px solid var(--grid)}
.drawn b{font-weight:600}
.noise{fill:var(--idle)}.unity{stroke:var(--soft);stroke-dasharray:3 3}
.whisker{stroke:var(--s0);stroke-width:2}.median{fill:var(--s0);stroke:var(--bg);stroke-width:1.5}
details{margin:.25rem 0 0}
summary{cursor:pointer;color:var(--soft);font-size:.875rem;width:fit-content}
dl.facts{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.25rem 1.5rem;margin:.75rem 0;font-size:.9375rem}
dl.facts dt{color:var(--soft)}
dl.facts dd{margin:0}
.plain{padding-left:1.1rem;margin:.35rem 0 .75rem;max-width:44rem}
.plain li{margin:.25rem 0}
@media (max-width:40rem){.drawn li{grid-template-columns:minmax(0,1fr)}.strip .small text{display:none}
main,header,footer{padding-left:1rem;padding-right:1rem}
header{padding-top:1.25rem}h1{font-size:1.375rem}
h2{margin-top:2.25rem}.yaxis,.area{height:200px}.figures{grid-template-columns:repeat(2,1fr)}dl.facts{grid-template-columns:1fr;gap:0}
dl.facts dd{margin-bottom:.5rem}.verdict{padding:.8rem 1rem}}
@media print{details>*{display:block}.scroll{overflow:visible}h2{break-after:avoid}figure,tr{break-inside:avoid}}
"""
