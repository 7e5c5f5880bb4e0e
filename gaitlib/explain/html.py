"""Pages that open offline, from parts; texts of others are escaped by who writes the parts."""

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from gaitlib.files import write_aside

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }} .scroll {{ overflow-x: auto; }} img {{ max-width: 100%; }}
td, th {{ text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ccc; vertical-align: top; }}
.headline {{ font-size: 1.2rem; }} .banner {{ background: #fff3cd; padding: .5rem 1rem; }}
figure {{ margin: 1rem 0; break-inside: avoid; }}
</style></head><body><main>
<h1>{title}</h1>
{body}
</main></body></html>
"""
_BANNER = (
    '<p class="banner">Synthetic walkers: the model was trained on people drawn by a program. What it says '
    "of real people is a trial.</p>"
)


def write_html(path: Path, title: str, parts: Sequence[str], is_demo: bool) -> None:
    """Write a page from HTML parts, with a banner where the model learnt from synthetic walkers."""
    body = "\n".join([_BANNER, *parts] if is_demo else parts)
    with write_aside(path) as aside:
        page = _PAGE.format(title=escape(title), body=body)
        aside.write_text(page, encoding="utf-8", errors="backslashreplace")


def paragraph(text: str, kind: str = "") -> str:
    """Return an escaped text as a paragraph."""
    return f"<p{f' class={kind}' if kind else ''}>{escape(text)}</p>"


def figure_html(figure: Figure) -> str:
    """Return a figure as an image whose alternative text is the figure's label, and close it."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    data, alt = base64.b64encode(stream.getvalue()).decode(), escape(str(figure.get_label()))
    return f'<figure><img src="data:image/png;base64,{data}" alt="{alt}"></figure>'
