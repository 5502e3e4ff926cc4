"""HTML of the pages: one file each, without a script, a resource or a font from elsewhere; for a phone, at night.

All that came in a message passes through :func:`esc`.
"""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Iterable, Mapping
from string import Template

from pipelines.show.theme import DARK
from stream.text import clean

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Content-Security-Policy of every page: nothing is loaded and nothing runs."""

_STYLE = Template("""
:root{color-scheme:dark}
*{box-sizing:border-box}
body{margin:0;background:$background;color:$text;font:16px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:16px}
h1{font-size:1.7rem;margin:.2em 0;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:0 0 .6em;color:$line;font-weight:600;overflow-wrap:anywhere}
p{margin:.4em 0;overflow-wrap:anywhere}
a{color:$second}
.dim{color:$dim}
.badge{display:inline-block;padding:.1em .6em;border-radius:1em;border:1px solid $grid;font-size:.8rem;
 margin:0 .4em .3em 0;background:$sky;white-space:nowrap}
.loud{border-color:$line;color:$line}
.gone{border-color:#ff6b6b;color:#ff8f8f}
.banner{border:1px solid #ff6b6b;color:#ffb3b3;border-radius:8px;padding:.6em .9em;margin:.8em 0;overflow-wrap:anywhere}
.key{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;margin:14px 0}
.key div{background:$sky;border:1px solid $grid;border-radius:8px;padding:.5em .8em}
.key b{display:block;font-size:1.2rem;font-weight:600;overflow-wrap:anywhere}
.key span{color:$dim;font-size:.82rem}
section{background:$sky;border:1px solid $grid;border-radius:8px;padding:14px;margin:12px 0;min-width:0}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));gap:12px;align-items:start;
 margin:12px 0}
.two section{margin:0}
img{display:block;width:100%;height:auto;border-radius:6px}
figure{margin:0 0 10px}
figcaption{color:$dim;font-size:.85rem;margin-top:4px}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.32em .5em .32em 0;border-bottom:1px solid $grid;vertical-align:top;font-weight:400;
 overflow-wrap:anywhere}
th{color:$dim;width:40%}
.list th{width:auto}
.list td:nth-child(2){white-space:nowrap}
.bar{display:grid;grid-template-columns:7.5em 1fr 3.6em;gap:8px;align-items:center;margin:.25em 0;font-size:.95rem}
.bar i{display:block;height:.8em;border-radius:4px;background:$line}
.bar u{display:block;background:$grid;border-radius:4px;text-decoration:none}
.bar em{font-style:normal;text-align:right}
footer{color:$dim;font-size:.82rem;margin:18px 0}
.many{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:12px;align-items:start}
.many section{margin:0}
.old{opacity:.6}
@media(max-width:640px){
 .list tr{display:block;border-bottom:1px solid $grid;padding:.3em 0}
 .list td{display:inline-block;border:0;padding:0 .9em 0 0}
}
""")


def document(title: str, body: Iterable[str], *, refresh_s: int | None = None) -> str:
    """Return a whole page; the title is text, the parts of its body are HTML; it may load itself anew."""
    refresh = "" if refresh_s is None else f'<meta http-equiv="refresh" content="{refresh_s}">'
    colours = {name: getattr(DARK, name) for name in ("background", "text", "dim", "grid", "sky", "line", "second")}
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="referrer" content="no-referrer">{refresh}<link rel="icon" href="data:,">'
        f"<title>{esc(title)}</title><style>{_STYLE.substitute(colours)}</style></head>\n<body><main>\n"
        + "\n".join(body)
        + "\n</main></body></html>\n"
    )


def esc(value: object, most: int = 400) -> str:
    """Return a text of whoever as HTML that shows it and does nothing else."""
    return html.escape(clean(str(value), most))


def badge(text: str, kind: str = "") -> str:
    """Return a word in a frame; ``kind`` is empty, ``loud`` or ``gone``."""
    return f'<span class="badge {kind}">{esc(text, 60)}</span>'


def image(png: bytes, described: str) -> str:
    """Return a picture that is part of the page; what it shows is told to who cannot see it."""
    encoded = base64.b64encode(png).decode()
    return f'<img src="data:image/png;base64,{encoded}" alt="{esc(described)}">'


def moment(time: str | None) -> str | None:
    """Return a time that may be broken between date and hour."""
    return None if time is None else time.replace("T", " ", 1)


def section(title: str, *parts: str) -> str:
    """Return a part of a page under a heading."""
    return f"<section><h2>{esc(title)}</h2>{''.join(parts)}</section>"


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph of text."""
    return f'<p class="{kind}">{esc(text)}</p>'


def facts(rows: Mapping[str, str | None]) -> str:
    """Return names and values as a table; a value that is None has no row."""
    shown = (f"<tr><th>{esc(name)}</th><td>{esc(value)}</td></tr>" for name, value in rows.items() if value is not None)
    return f"<table>{''.join(shown)}</table>"


def key_facts(rows: Mapping[str, str]) -> str:
    """Return the few numbers that are looked at first."""
    shown = "".join(f"<div><b>{esc(value)}</b><span>{esc(name)}</span></div>" for name, value in rows.items())
    return f'<div class="key">{shown}</div>'


def bars(parts: Mapping[str, float], *, by_size: bool = True) -> str:
    """Return probabilities by name as bars, the largest first or in their order."""
    rows = []
    for name, value in sorted(parts.items(), key=lambda item: -item[1] if by_size else 0.0)[:16]:
        width = 100 * min(max(value, 0.0), 1.0) if math.isfinite(value) else 0.0
        rows.append(
            f'<div class="bar"><span>{esc(name, 24)}</span><u><i style="width:{width:.1f}%"></i></u>'
            f"<em>{percent(value)}</em></div>"
        )
    return "".join(rows)


def percent(value: float) -> str:
    """Return a probability as people read it; never 100 % of what is less."""
    if not math.isfinite(value):
        return "?"
    if 0 < value < 0.01:
        return "< 1 %"
    return "> 99 %" if 0.99 < value < 1 else f"{100 * value:.0f} %"


def histogram(edges: list[float], parts: list[float]) -> str:
    """Return a histogram as a small drawing, with its ends named."""
    most = max((p for p in parts if math.isfinite(p)), default=0.0)
    if len(edges) != len(parts) + 1 or most <= 0 or len(parts) > 500 or not all(map(math.isfinite, edges)):
        return paragraph("the histogram cannot be drawn: its bins and edges do not belong together", "dim")
    width = 400 / len(parts)
    shown = "".join(
        f'<rect x="{k * width:.2f}" y="{100 - 100 * p / most:.2f}" width="{max(width - 1, 0.5):.2f}"'
        f' height="{100 * p / most:.2f}" fill="{DARK.line}"/>'
        for k, p in enumerate(parts)
        if math.isfinite(p) and p > 0
    )
    return (
        f'<svg viewBox="0 0 400 118" role="img" aria-label="histogram" style="width:100%;height:auto">{shown}'
        f'<line x1="0" y1="100.5" x2="400" y2="100.5" stroke="{DARK.dim}"/>'
        f'<text x="0" y="115" fill="{DARK.dim}" font-size="13">{edges[0]:.3g}</text>'
        f'<text x="400" y="115" fill="{DARK.dim}" font-size="13" text-anchor="end">{edges[-1]:.3g}</text></svg>'
    )
