//! The page's style sheet. Light or dark as the reader's system is; prints well.

pub const STYLE: &str = "\
:root{--ink:#1b1f24;--quiet:#57606a;--paper:#fff;--line:#d0d7de;--ref:#6e7781;--cur:#0550ae;\
--ok:#1a7f37;--notice:#0550ae;--warning:#9a6700;--critical:#cf222e;--insufficient:#57606a}\
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--quiet:#9198a1;--paper:#0d1117;--line:#3d444d;--ref:#9198a1;\
--cur:#79c0ff;--ok:#56d364;--notice:#79c0ff;--warning:#e3b341;--critical:#ff7b72;--insufficient:#9198a1}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:72rem;margin:1.5rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin:.2em 0}h2{font-size:1.15rem;margin:1.6em 0 .4em}h3{font-size:1rem;margin:1em 0 .3em}\
dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:0 1rem;margin:.5em 0}dt{color:var(--quiet)}dd{margin:0}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:middle}\
th{color:var(--quiet);font-weight:600}table.n td:nth-child(n+2),table.n th:nth-child(n+2),.wide td:nth-child(n+5),.wide th:nth-child(n+5){text-align:right;font-variant-numeric:tabular-nums}\
.verdict{border:1px solid var(--line);border-left-width:.5rem;padding:.3rem 1rem;margin:1rem 0;border-radius:4px}\
.big{font-size:1.15rem;margin:.4em 0}.quiet,.small{color:var(--quiet)}.small{font-size:.85rem}\
.badge{font-weight:700;white-space:nowrap}\
.ok{color:var(--ok)}.notice{color:var(--notice)}.warning{color:var(--warning)}.critical{color:var(--critical)}.insufficient{color:var(--insufficient)}\
section.verdict{color:inherit}section.ok{border-color:var(--ok)}section.notice{border-color:var(--notice)}\
section.warning{border-color:var(--warning)}section.critical{border-color:var(--critical)}\
details{border:1px solid var(--line);border-radius:4px;margin:.4rem 0;padding:.3rem .8rem}summary{cursor:pointer}\
.two{display:flex;flex-wrap:wrap;gap:0 2rem}.two>*{flex:1 1 20rem}\
svg{display:block;max-width:100%;height:auto}.r{fill:url(#hatch);stroke:var(--ref);stroke-width:1}\
path{vector-effect:non-scaling-stroke}.c{fill:none;stroke:var(--cur);stroke-width:2.2}.cb{fill:var(--cur)}text{fill:var(--ink);font:11px system-ui,sans-serif}.ax{stroke:var(--line)}.m{text-anchor:middle}.e{text-anchor:end}\
.scroll{overflow-x:auto}a{color:inherit}.warn{font-weight:700}footer{margin-top:2rem;color:var(--quiet);font-size:.85rem}\
@media print{details{break-inside:avoid}}";
