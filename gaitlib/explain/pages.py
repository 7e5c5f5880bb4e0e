"""Pieces of HTML and pages that open offline."""

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from gaitlib.files import write_aside

_PRINT_DPI, _SCREEN_DPI = 150, 100
# A wider picture scrolls on a phone, where its words would be too small to read.
_WIDE_PX = 640
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }} .scroll {{ overflow-x: auto; }}
td, th {{ text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ccc; vertical-align: top; }}
figcaption {{ color: #444; font-size: .9rem; }}
figure {{ margin: 1rem 0; break-inside: avoid; }} img {{ max-width: 100%; height: auto; }}
</style></head><body><main>
<h1>{title}</h1>
{body}
</main></body></html>
"""


def write_html(path: Path, title: str, parts: Sequence[str]) -> None:
    """Write a page from HTML parts."""
    page = _PAGE.format(title=escape(title), body="\n".join(parts))
    with write_aside(path) as aside:
        aside.write_text(page, encoding="utf-8", errors="backslashreplace")


def paragraph(text: str) -> str:
    """Return a text, escaped, as a paragraph."""
    return f"<p>{escape(text)}</p>"


def figure_html(figure: Figure, alt: str = "") -> tuple[str, bytes]:
    """Draw a figure sharp enough for print and close it; return it as HTML and as PNG.

    `alt` describes it in words, by default by its label; the beginning, up to a colon, is its caption.
    """
    stream, alt = io.BytesIO(), alt or str(figure.get_label()) or "Figure"
    figure.savefig(stream, format="png", dpi=_PRINT_DPI, bbox_inches="tight", facecolor="white")
    plt.close(figure)
    png, caption = stream.getvalue(), alt.split(": ")[0].split(". ")[0].rstrip(".") + "."
    width = int.from_bytes(png[16:20], "big") * _SCREEN_DPI // _PRINT_DPI
    wide = ' class="wide"' if width > _WIDE_PX else ""
    image = f'<img src="{data_uri(stream, "png")}"{wide} width="{width}" alt="{escape(alt)}">'
    return captioned(image, caption), png


def captioned(image: str, caption: str) -> str:
    """Return an image, HTML already, with a caption."""
    return f'<figure class="numbered">{image}<figcaption>{escape(caption)}</figcaption></figure>'


def data_uri(stream: io.BytesIO, kind: str) -> str:
    """Return a picture as an address that holds all of it."""
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
