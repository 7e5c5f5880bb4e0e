"""Drawings that explain, made by hand rather than from results."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from gaitlib.plotting import described, make_figure

# Place, name and meaning of each part; the arrows between them follow in `plot_lstm_unit`.
_GATES = (
    (1.6, "forget\ngate", "how much of the\nmemory stays"),
    (4.1, "new\ncontent", "what this picture\nwould add"),
    (6.3, "input\ngate", "how much of\nthat enters"),
    (8.6, "output\ngate", "how much of the\nmemory is told"),
)
_SIGNS = ((1.6, 5.0, "×"), (5.2, 3.7, "×"), (5.2, 5.0, "+"), (8.6, 3.7, "×"))
_ARROWS = (
    ((0.2, 5.0), (10.9, 5.0)),
    ((0.2, 0.6), (9.2, 0.6)),
    ((1.6, 2.3), (1.6, 4.74)),
    ((4.1, 2.3), (5.0, 3.52)),
    ((6.3, 2.3), (5.4, 3.52)),
    ((5.2, 3.96), (5.2, 4.74)),
    ((8.6, 5.0), (8.6, 3.96)),
    ((8.6, 2.3), (8.6, 3.44)),
    ((8.86, 3.7), (10.9, 3.7)),
)


def plot_lstm_unit() -> Figure:
    """Draw what one unit of an LSTM layer does between two pictures (Hochreiter & Schmidhuber 1997)."""
    figure, (ax,) = make_figure(1, height=3.9)
    ax.set(xlim=(0, 11.2), ylim=(-0.2, 5.6), aspect="equal")
    ax.axis("off")
    for start, end in _ARROWS:
        _arrow(ax, start, end)
    for place, name, meaning in _GATES:
        _gate(ax, place, name, meaning)
    for right, up, sign in _SIGNS:
        ax.add_patch(Circle((right, up), 0.26, fc="white", ec="black", zorder=3))
        ax.text(right, up, sign, ha="center", va="center", fontsize=12, zorder=4)
    ax.text(0.1, 5.25, "memory c(t-1)", fontsize=9)
    ax.text(9.6, 5.25, "memory c(t)", fontsize=9)
    ax.text(9.5, 3.9, "output h(t)", fontsize=9)
    ax.text(0.1, 0.1, "features of the picture x(t) and last output h(t-1)", fontsize=9)
    return described(
        figure,
        "Drawing of an LSTM unit. Its memory runs from left to right; the forget gate scales it, new "
        "content scaled by the input gate is added to it, and the output gate says how much of it is told.",
    )


def _gate(ax: Axes, place: float, name: str, meaning: str) -> None:
    box = FancyBboxPatch((place - 0.6, 1.5), 1.2, 0.8, boxstyle="round,pad=0.03", fc="#dbe9f6", ec="black")
    ax.add_patch(box)
    ax.text(place, 1.9, name, ha="center", va="center", fontsize=8)
    ax.text(place + 0.12, 1.06, meaning, va="center", fontsize=7, color="#333333")
    _arrow(ax, (place, 0.6), (place, 1.47))


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=12, color="black", lw=1.2))
