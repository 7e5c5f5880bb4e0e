"""Tables and figures as HTML that needs no other file; texts from users are escaped."""

import base64
import io
from html import escape

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from gaitlib.plotting import alt_text


def table_html(table: pd.DataFrame, caption: str, decimals: int = 2) -> str:
    """Return a table with its caption."""
    html = table.to_html(
        index=False, escape=True, border=0, na_rep="–", float_format=f"{{:.{decimals}f}}".format
    )
    start = html.index(">") + 1
    return f"{html[:start]}<caption>{escape(caption)}</caption>{html[start:]}"


def scrolling(table: str) -> str:
    """Return a table that scrolls sideways by itself where the screen is narrow."""
    return f'<div class="output_subarea">{table}</div>'


def figure_html(figure: Figure, caption: str) -> str:
    """Return a figure with its description and a caption, and close it."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120, bbox_inches="tight", facecolor="white")
    plt.close(figure)
    data = base64.b64encode(stream.getvalue()).decode()
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{escape(alt_text(figure))}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def paragraphs(*sentences: str) -> str:
    """Return sentences as paragraphs; empty ones are left out."""
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences if sentence)
