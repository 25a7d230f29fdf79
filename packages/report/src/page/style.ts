import { paletteCss } from "../chart/palette.ts";

/** The page's style sheet: light or dark as the reader prefers, light on paper, one column on a phone. */
export const STYLE: string = `
:root{color-scheme:light dark;${paletteCss("light")}}
@media (prefers-color-scheme:dark){:root{${paletteCss("dark")}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:868px;margin:0 auto;padding:32px 20px 56px}
h1{font-size:1.9rem;line-height:1.2;margin:.1em 0 .4em;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:0 0 .3em}
p{margin:.4em 0;max-width:72ch}
.kicker{color:var(--muted);font-size:.82rem;letter-spacing:.08em;text-transform:uppercase;margin:0}
.lead{font-size:1.12rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:20px 0;padding:0;list-style:none}
.tiles li{background:var(--card);border:1px solid var(--grid);border-radius:10px;padding:12px 14px}
.tiles b{display:block;font-size:1.45rem;line-height:1.25;font-variant-numeric:tabular-nums}
.tiles .hero{color:var(--picked)}
.tiles span{color:var(--muted);font-size:.85rem;line-height:1.35;display:block}
nav{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:.92rem;margin:0 0 20px}
a{color:var(--front)}
section{background:var(--card);border:1px solid var(--grid);border-radius:12px;padding:20px 22px;margin:0 0 20px}
figure{margin:12px 0 4px}
figure svg{display:block;width:100%;height:auto;margin:0 auto}
figure .narrow{display:none}
[role=graphics-symbol]{cursor:default}
details{margin-top:10px;font-size:.9rem}
summary{cursor:pointer;color:var(--muted)}
.scroll{overflow-x:auto;margin-top:8px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}
th,td{text-align:right;padding:4px 10px;border-bottom:1px solid var(--grid);white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0}
th{color:var(--muted);font-weight:500;white-space:normal;vertical-align:bottom}
dl{display:grid;grid-template-columns:minmax(120px,max-content) 1fr;gap:4px 18px;margin:.6em 0}
dt{color:var(--muted)}
dd{margin:0;overflow-wrap:anywhere}
code span{white-space:nowrap}
pre{background:var(--page);border:1px solid var(--grid);border-radius:8px;padding:12px 14px;overflow-x:auto;font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.missing{border-left:3px solid var(--picked);padding:2px 0 2px 12px;color:var(--muted)}
footer{color:var(--muted);font-size:.85rem}
#tip{position:fixed;z-index:2;pointer-events:none;background:var(--ink);color:var(--card);border-radius:7px;padding:7px 11px;font-size:.82rem;line-height:1.4;max-width:min(320px,calc(100vw - 16px));box-shadow:0 3px 14px rgb(0 0 0/.25)}
#tip[hidden]{display:none}
#tip div:first-child{font-weight:650}
@media (max-width:640px){
main{padding:18px 10px 40px}
section{padding:14px 12px}
h1{font-size:1.5rem}
figure .wide{display:none}
figure .narrow{display:block}
dl{grid-template-columns:1fr;gap:0}
dd{margin:0 0 6px}
}
@media print{
:root{${paletteCss("light")}}
body{background:#fff;font-size:11pt}
main{max-width:none;padding:0}
section,.tiles li{break-inside:avoid;border-color:#ccc}
figure .wide{display:block!important}
figure .narrow,nav,details,#tip{display:none!important}
}
`;
