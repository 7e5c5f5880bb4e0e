"""Tables, texts and pictures as HTML that needs no other file; texts from users are escaped."""

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML, display
from matplotlib.figure import Figure

from gaitlib.files import read_json, write_aside, write_json

_PRINT_DPI, _SCREEN_DPI = 150, 100
# A wider picture scrolls on a phone, where its words would be too small to read.
_WIDE_PX = 640


class Picture(NamedTuple):
    """A PNG figure, or a moving WebP with a still one in its place where motion is not wanted."""

    data: bytes
    alt: str
    caption: str
    width: int
    still: bytes = b""


def picture_of(figure: Figure, alt: str = "") -> Picture:
    """Draw a figure sharp enough for print and close it; described by `alt`, or else by its label."""
    stream, alt = io.BytesIO(), alt or str(figure.get_label()) or "Figure"
    figure.savefig(stream, format="png", dpi=_PRINT_DPI, bbox_inches="tight", facecolor="white")
    plt.close(figure)
    data = stream.getvalue()
    width = int.from_bytes(data[16:20], "big") * _SCREEN_DPI // _PRINT_DPI
    return Picture(data, alt, alt.split(": ")[0].split(". ")[0].rstrip(".") + ".", width)


def pictures_html(pictures: Sequence[Picture]) -> str:
    """Return pictures with their captions; moving ones stand side by side where there is room."""
    html = "".join(map(_figure_html, pictures))
    return f'<div class="clips">{html}</div>' if pictures and pictures[0].still else html


def _figure_html(picture: Picture) -> str:
    wide = ' class="wide"' if picture.width > _WIDE_PX else ""
    html = f'<img src="{_uri(picture.data)}"{wide} width="{picture.width}" alt="{escape(picture.alt)}">'
    if picture.still:
        media = "print, (prefers-reduced-motion: reduce)"
        html = f'<picture><source media="{media}" srcset="{_uri(picture.still)}">{html}</picture>'
    return f'<figure class="numbered">{html}<figcaption>{escape(picture.caption)}</figcaption></figure>'


def _uri(data: bytes) -> str:
    return f"data:image/{_kind(data)};base64,{base64.b64encode(data).decode()}"


def _kind(data: bytes) -> str:
    return "png" if data.startswith(b"\x89PNG") else "webp"


def save_pictures(folder: Path, name: str, pictures: Sequence[Picture], reading: str) -> None:
    """Write pictures into the folder of figures, with their texts in ``captions.json``."""
    entries = []
    for number, picture in enumerate(pictures, 1):
        stem = f"{name}_{number}" if picture.still else name
        files = {f"{stem}.{_kind(picture.data)}": picture.data, f"{stem}_still.webp": picture.still}
        files = {file: data for file, data in files.items() if data}
        for file, data in files.items():
            with write_aside(folder / file) as aside:
                aside.write_bytes(data)
        texts = {"alt": picture.alt, "caption": picture.caption, "width": picture.width}
        entries.append({"files": list(files), **texts})
    write_json(folder / "captions.json", {**_captions(folder), name: {"of": entries, "reading": reading}})


def load_pictures(folder: Path, name: str) -> tuple[list[Picture], str]:
    """Return the pictures of a name and their reading; none where nothing was saved under it."""
    entry, pictures = _captions(folder).get(name, {"of": [], "reading": ""}), []
    for one in entry["of"]:
        data = [(folder / file).read_bytes() for file in one["files"]]
        pictures.append(Picture(data[0], one["alt"], one["caption"], one["width"], *data[1:]))
    return pictures, entry["reading"]


def _captions(folder: Path) -> dict[str, Any]:
    path = folder / "captions.json"
    return read_json(path) if path.exists() else {}


def table_html(table: pd.DataFrame, caption: str, decimals: int = 2) -> str:
    """Return a table with its caption."""
    number = f"{{:.{decimals}f}}".format
    table = table.rename(columns=lambda name: str(name).replace("_", " "))
    html = table.to_html(index=False, escape=True, border=0, na_rep="", float_format=number)
    return html.replace(">", f"><caption>{escape(caption)}</caption>", 1)


def show_pictures(pictures: Sequence[Picture], reading: str = "") -> None:
    """Display pictures, and below them what they say."""
    if pictures:
        display(HTML(pictures_html(pictures)))
    show_text(reading)


def show_figure(figure: Figure) -> None:
    """Display a figure with its description and caption, without saving it."""
    show_pictures([picture_of(figure)])


def show_table(table: pd.DataFrame, caption: str, decimals: int = 2) -> None:
    """Display a table with its caption; texts from users are escaped."""
    display(HTML(table_html(table, caption, decimals)))


def show_text(*sentences: str) -> None:
    """Display sentences as paragraphs; empty ones are left out, texts from users are escaped."""
    html = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences if sentence)
    if html:
        display(HTML(html))
