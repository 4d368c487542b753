/**
 * How a report looks. One colour each for cold, warm and restored, greys for the rest; the same words and line styles say it
 * too. Every text has a contrast of 4.5 or more, light and dark.
 */
export const STYLE = `
:root{color-scheme:light dark;
--page:#fff;--text:#1b1f24;--quiet:#59636e;--rule:#d8dde3;--grid:#e9ecef;--tint:#f5f7f9;
--cold:#1f62c0;--warm:#a84f00;--restored:#6a3d9a;--unknown:#4a5560;--load:#4a5560;--bad:#b3261e;
--bar:#8fa1b3;--boot:#1d4f91;--on-boot:#fff;--import:#3473c4;--on-import:#fff;--modelload:#a5c8f0;--on-load:#12233a;
--calm:#d3d9e0;--on-calm:#1b1f24;--hatch:#eef1f4;--hatch-line:#97a3af;--infer:#b45a08;--on-infer:#fff;--response:#f2c993;--on-response:#3a2100}
@media (prefers-color-scheme:dark){:root{
--page:#14171b;--text:#e7eaee;--quiet:#a3adb8;--rule:#343b44;--grid:#262c33;--tint:#1b2026;
--cold:#7db3ff;--warm:#f3a862;--restored:#c9a6f2;--unknown:#b8c2cc;--load:#b8c2cc;--bad:#ff8f86;
--bar:#64788c;--boot:#3b74c4;--on-boot:#fff;--import:#6fa4e8;--on-import:#0c1a2c;--modelload:#b5d3f5;--on-load:#0c1a2c;
--calm:#566270;--on-calm:#fff;--hatch:#232a31;--hatch-line:#66727f;--infer:#e08a3c;--on-infer:#221200;--response:#f5d3a6;--on-response:#2f1b00}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Noto Sans","DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.page{max-width:61rem;margin:0 auto;padding:3.5rem 1.5rem 4rem}
header,section,footer{min-width:0}
.eyebrow{margin:0 0 .9rem;color:var(--quiet);font-size:.875rem}
.eyebrow b{color:var(--text);font-weight:600}
h1{margin:0;max-width:24em;font-size:clamp(1.5rem,1.1rem + 1.9vw,2.25rem);line-height:1.2;font-weight:650;letter-spacing:-.018em;text-wrap:balance}
.lede{max-width:44em;margin:1rem 0 0;font-size:1.0625rem;color:var(--quiet)}
.places{margin:1.2rem 0 0;padding:0;list-style:none}
.places li{padding:.5rem 0;border-top:1px solid var(--grid)}
.notes{margin:1.8rem 0 0;padding:.85rem 1.1rem;background:var(--tint);border-left:3px solid var(--rule);border-radius:0 4px 4px 0;font-size:.9375rem}
.notes p{margin:0;font-weight:600}
.notes ul{margin:.25rem 0 0;padding-left:1.1rem}
.notes.alarm{border-color:var(--bad)}
section{margin-top:3.75rem}
h2{margin:0 0 .5rem;font-size:1.3125rem;line-height:1.3;font-weight:650;letter-spacing:-.01em}
h3{margin:0 0 .4rem;font-size:1rem;font-weight:650}
h4{margin:0;font-size:.9375rem;font-weight:600}
.intro{margin:0 0 1.4rem;max-width:44em;color:var(--quiet)}
figure{margin:0 0 1.8rem;min-width:0}
figcaption,.caption{margin:.7rem 0 0;max-width:48em;color:var(--quiet);font-size:.875rem}
.caption{margin:0 0 1.8rem}
.panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));gap:0 2.5rem}
svg{display:block}
svg.chart{overflow:visible;max-width:100%}
svg.chart svg{overflow:visible}
svg.gutter{padding-left:3.4rem}
svg text{font-size:12px;fill:var(--text);font-variant-numeric:tabular-nums}
.tick{fill:var(--quiet)}
.grid{stroke:var(--grid);stroke-width:1;shape-rendering:crispEdges}
.halo{paint-order:stroke;stroke:var(--page);stroke-width:4px;stroke-linejoin:round}
svg .quiet{fill:var(--quiet);font-weight:400}
.strip-name{font-size:13px;font-weight:600}
.strip-name .t-cold{fill:var(--cold)}.strip-name .t-warm{fill:var(--warm)}.strip-name .t-restored{fill:var(--restored)}.strip-name .t-unknown{fill:var(--unknown)}
.dots{fill-opacity:.55}
.f-cold{fill:var(--cold)}.f-warm{fill:var(--warm)}.f-restored{fill:var(--restored)}.f-unknown{fill:var(--unknown)}
.mark{stroke:var(--text);stroke-width:1.5}
.mark.p95{stroke-dasharray:3 3}
.bounds{stroke:var(--text);stroke-width:3;stroke-linecap:round}
.mark-label{font-weight:600}
.range{stroke-width:2;stroke-linecap:round}
.s-cold{stroke:var(--cold)}.s-warm{stroke:var(--warm)}.s-restored{stroke:var(--restored)}.s-unknown{stroke:var(--unknown)}.s-load{stroke:var(--load)}
.curve{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round;vector-effect:non-scaling-stroke}
.curve.s-warm{stroke-width:2.75}
.curve.s-load{stroke-dasharray:7 4}
.curve.l-p50,.curve.l-p99{stroke-dasharray:none}
.curve.l-p50{stroke-width:3;opacity:.5}
.curve.l-p99{stroke-width:1.75}
.curve.guess{stroke-dasharray:.1 5;stroke-width:2}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;margin:.2rem 0 .3rem;padding:0;list-style:none;font-size:.8125rem;color:var(--quiet)}
.legend li{display:flex;align-items:center;gap:.45rem}
.edged{stroke:var(--page);stroke-width:1}
.segment-name{font-size:12px;font-weight:600;pointer-events:none}
.p-boot{fill:var(--boot)}.on-p-boot{fill:var(--on-boot)}
.p-import{fill:var(--import)}.on-p-import{fill:var(--on-import)}
.p-load{fill:var(--modelload)}.on-p-load{fill:var(--on-load)}
.p-connect,.p-wait,.p-other{fill:var(--calm)}.on-p-connect,.on-p-wait,.on-p-other{fill:var(--on-calm)}
.p-infer{fill:var(--infer)}.on-p-infer{fill:var(--on-infer)}
.p-response{fill:var(--response)}.on-p-response{fill:var(--on-response)}
.hatch-ground{fill:var(--hatch)}.hatch-line{stroke:var(--hatch-line);stroke-width:2.5}
svg .on-p-residual{paint-order:stroke;stroke:var(--hatch);stroke-width:5px;stroke-linejoin:round}
.b-answered{fill:var(--bar)}.b-instances{fill:var(--bar)}.b-cold{fill:var(--cold)}
.b-failed{fill:var(--bad)}
.b-dropped{fill:none;stroke:var(--bad);stroke-width:1.5;vector-effect:non-scaling-stroke}
.scroll{overflow-x:auto;margin:0 0 1.6rem;overscroll-behavior-x:contain}
.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--cold);outline-offset:3px}
table{width:100%;border-collapse:collapse;font-size:.9375rem;line-height:1.4}
caption{padding:0 0 .5rem;text-align:left;font-size:.875rem;color:var(--quiet)}
th,td{padding:.5rem .8rem .5rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--grid);overflow-wrap:normal}
th:last-child,td:last-child{padding-right:0}
thead th,thead td{border-bottom:1px solid var(--rule);color:var(--quiet);font-weight:500;font-size:.8125rem;vertical-align:bottom}
th[scope=row]{font-weight:600}
.n{text-align:right;white-space:nowrap}
thead .n{min-width:3.4em}
.scroll th[scope=row]{position:sticky;left:0;background:var(--page)}
.row-name{white-space:normal;width:max-content;max-width:min(36vw,15rem);overflow-wrap:anywhere}
.n .row-name{margin-left:auto;max-width:9rem}
td small,th small{display:block;color:var(--quiet);font-size:.8125rem;font-weight:400}
.long{min-width:14rem;overflow-wrap:anywhere}
.t-cold{color:var(--cold)}.t-warm{color:var(--warm)}.t-restored{color:var(--restored)}.t-unknown{color:var(--unknown)}
.bad{color:var(--bad)}
.phases th[scope=row]{width:18.5rem}
td.swatch{vertical-align:middle}
td.lane{min-width:7rem;vertical-align:middle}
.phases td.n{vertical-align:middle}
details{margin:0 0 1.6rem}
summary{cursor:pointer;color:var(--quiet);font-size:.875rem;padding:.3rem 0}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.4rem 1.6rem;margin:0 0 1.6rem;font-size:.9375rem}
dt{color:var(--quiet)}
dd{margin:0}
code,pre{font:.875em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
pre{margin:0 0 1.6rem;padding:.9rem 1.1rem;background:var(--tint);border-radius:4px;white-space:pre-wrap}
footer{margin-top:4rem;padding-top:1.6rem;border-top:1px solid var(--rule);font-size:.875rem;color:var(--quiet)}
footer h2{font-size:1rem;color:var(--text)}
footer dt{color:var(--text);font-weight:600}
footer dl{font-size:.875rem;margin-top:.9rem}
@media (max-width:40rem){
.page{padding:2rem 1rem 3rem}
section{margin-top:2.75rem}
.dots circle{r:1.7px}
.tick.minor,.segment-name.wide{display:none}
.phases th[scope=row]{width:auto}.phases th small{display:none}
dl{grid-template-columns:minmax(0,1fr);gap:0}
dd{margin:0 0 .6rem}
}
@media print{
:root{color-scheme:light;--page:#fff;--text:#000;--quiet:#444;--rule:#bbb;--grid:#ddd;--tint:#fff;--cold:#1f62c0;--warm:#a84f00;--restored:#6a3d9a;--unknown:#444;--load:#444;--bad:#b3261e;--bar:#8fa1b3}
.page{max-width:none;padding:0}
body{font-size:11pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}
section{margin-top:2rem}
figure,tr,.notes{break-inside:avoid}
h2,h3,h4{break-after:avoid}
.scroll{overflow:visible}
table{font-size:8pt}
th,td{padding-right:.4rem}
details::details-content{content-visibility:visible;height:auto}
}
`;
