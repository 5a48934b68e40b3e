"""Figures in the style of the package, as PNG; no display is needed."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from openmm_scoredyn.errors import MissingDependencyError

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.edgecolor": "#667085",
    "axes.labelcolor": "#344054",
    "xtick.color": "#475467",
    "ytick.color": "#475467",
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.dpi": 160,
}


@contextmanager
def styled_figure(size: tuple[float, float]) -> Iterator:
    """An empty figure; the style holds for all that is drawn and saved in the `with` block.

    Parameters
    ----------
    size : width and height, inches

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError(
            "figures: plots need matplotlib, which is not installed; run `pip install"
            " 'openmm-scoredyn[analysis]'`."
        ) from None
    with rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


def as_png(figure, **options) -> bytes:
    """The figure as a PNG file's content; options as `matplotlib.figure.Figure.savefig`."""
    content = io.BytesIO()
    figure.savefig(content, format="png", **{"dpi": STYLE["savefig.dpi"]} | options)
    return content.getvalue()
