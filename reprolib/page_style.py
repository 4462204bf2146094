"""The frame and the style of a notebook's page: readable on a phone, projected, printed, by day and by night."""

from pygments.formatters import HtmlFormatter
from pygments.util import ClassNotFound

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""

STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --page: #fff; --soft: #f4f6f8; --line: #d0d7de; --link: #0550ae;
  --muted: #57606a; --fault: #a40e26; --fault-page: #fff1f1; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --page: #10151c; --soft: #1a212b; --line: #3b4450;
  --link: #79b8ff; --muted: #9da7b3; --fault: #ff9aa2; --fault-page: #33191c; } }
body { margin: 0; background: var(--page); color: var(--text); line-height: 1.55;
  font: 17px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1.25rem 5rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: .6em 0 .5em; }
h2 { font-size: 1.45rem; margin: 2em 0 .5em; padding-top: .5em; border-top: 1px solid var(--line); }
h3 { font-size: 1.15rem; margin: 1.5em 0 .4em; }
a { color: var(--link); }
a.anchor-link { margin-left: .35em; text-decoration: none; opacity: 0; }
:is(h1, h2, h3, h4):hover a.anchor-link { opacity: 1; }
.cell { margin: .6rem 0; }
pre, code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .85em; }
:not(pre) > code { background: var(--soft); padding: .1em .3em; border-radius: 4px; }
.highlight { border: 1px solid var(--line); border-radius: 6px; overflow-x: auto; }
.highlight pre, .text_cell_render pre { margin: 0; padding: .6rem .8rem; line-height: 1.45; }
.output_subarea { overflow-x: auto; margin: .5rem 0; }
.output_text pre { margin: 0; padding: .2rem .8rem; line-height: 1.4; }
.output_stderr pre { color: var(--muted); }
.output_error { background: var(--fault-page); border-left: 4px solid var(--fault); }
.failure { background: var(--fault-page); border-left: 4px solid var(--fault); padding: .6rem .8rem; }
img, svg { max-width: 100%; height: auto; }
.output_png img, .output_jpeg img, .output_svg img { background: #fff; }
table { border: 0; border-collapse: collapse; font-size: .9em; font-variant-numeric: tabular-nums; margin: .6rem 0; }
th, td { padding: .3em .7em; border: 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
.dataframe :is(th, td) { text-align: right; white-space: nowrap; }
thead th { border-bottom: 2px solid var(--text); }
tbody tr:hover { background: var(--soft); }
math { font-family: "STIX Two Math", "Cambria Math", "Latin Modern Math", "DejaVu Math TeX Gyre", math;
  font-size: 1.08em; }
math[display="block"] { font-size: 1.2em; margin: .8em 0; overflow-x: auto; }
blockquote { margin: 1em 0; padding-left: 1em; border-left: 4px solid var(--line); color: var(--muted); }
.ansi-bold { font-weight: 600; }
.ansi-red-fg, .ansi-red-intense-fg { color: var(--fault); }
.ansi-green-fg, .ansi-green-intense-fg { color: #1a7f37; }
.ansi-blue-fg, .ansi-blue-intense-fg, .ansi-cyan-fg, .ansi-cyan-intense-fg { color: var(--link); }
.ansi-yellow-fg, .ansi-yellow-intense-fg { color: #9a6700; }
.ansi-yellow-bg { background: #fff3c4; color: #1b1f24; }
@media (prefers-color-scheme: dark) {
  .ansi-green-fg, .ansi-green-intense-fg { color: #7ee787; }
  .ansi-yellow-fg, .ansi-yellow-intense-fg { color: #e3b341; }
}
@media (max-width: 40rem) { body { font-size: 16px; } main { padding: .75rem .75rem 3rem; } h1 { font-size: 1.6rem; } }
@media print { main { max-width: none; padding: 0; } .highlight, .output_subarea { break-inside: avoid; } }
"""
CODE_BACKGROUND = ".highlight { background: var(--soft); }\n"


def page_style() -> str:
    """The style of a page, with colours of code by day and by night after two styles of Pygments."""
    try:
        night = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    except ClassNotFound:  # in an old Pygments
        night = HtmlFormatter(style="monokai").get_style_defs(".highlight")
    day = HtmlFormatter(style="friendly").get_style_defs(".highlight")
    return f"{STYLE}{day}\n@media (prefers-color-scheme: dark) {{\n{night}\n}}\n{CODE_BACKGROUND}"
