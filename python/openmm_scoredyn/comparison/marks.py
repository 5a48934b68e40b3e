"""How an estimate is drawn: a filled mark with its bar is a number; what is less than that is drawn open."""

from collections.abc import Sequence

import numpy as np

from openmm_scoredyn.comparison.uncertainty import Estimate, bound


def logarithmic_bars(values: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Lengths (2, P) down and up of error bars of one standard error of ln(value), for positive values (P,)
    and errors (P,).
    """
    factors = np.exp(errors / values)
    return np.stack([values - values / factors, values * factors - values])


def mark(
    axis,
    places: np.ndarray,
    estimates: Sequence[Estimate],
    colour: str,
    name: str,
    *,
    logarithmic: bool = False,
    from_above: bool = False,
    shape: str = "o",
    line: str = "",
) -> None:
    """Draw estimates at places (P,), with an entry of the legend for each way of drawing that occurs.

    Parameters
    ----------
    logarithmic : bars are of one standard error of the logarithm, and an error larger than the value leaves a
        bound, or nothing, as in the tables
    from_above : such a bound is one from above, as of a rate
    line : style of a line through the numbers

    Notes
    -----
    Open circle: the error is not known, or nothing was ever seen. Open diamond: a bound. Open triangle: no
    event in this time.
    """
    kinds = [_kind(estimate, logarithmic) for estimate in estimates]
    values = np.array([estimate.value for estimate in estimates])
    errors = np.array([estimate.error for estimate in estimates])
    known = np.array([kind == "number" for kind in kinds], dtype=bool)
    bars = logarithmic_bars(values[known], errors[known]) if logarithmic else errors[known]
    style = {"fmt": f"{shape}{line}", "ms": 6, "capsize": 4, "lw": 1.6, "color": colour, "label": name}
    if known.any():
        axis.errorbar(places[known], values[known], yerr=bars, **style)
    texts = {
        "waiting": ("^", f"{name}: no event in this time"),
        "bound": ("D", f"{name}: at {'most' if from_above else 'least'} this (2 standard errors)"),
        "unknown": (shape, f"{name}: error not known"),
        "never": (shape, f"{name}: never visited"),
    }
    for kind, (marker, text) in texts.items():
        chosen = np.array([one == kind for one in kinds], dtype=bool)
        if chosen.any():
            shown = [
                bound(estimate, from_above) if kind == "bound" else estimate.value
                for estimate, wanted in zip(estimates, chosen, strict=True)
                if wanted
            ]
            axis.plot(places[chosen], shown, marker, ms=7, mfc="white", color=colour, ls="", label=text)


def _kind(estimate: Estimate, logarithmic: bool) -> str:
    """What may be said of an estimate: number, bound, waiting, unknown, never, or nothing."""
    value, error = estimate.value, estimate.error
    if not np.isfinite(value):
        return "nothing"
    if np.isinf(error):
        return "waiting"
    if value == 0 and estimate.samples == 0 and not error > 0:
        return "never"
    if np.isnan(error):
        return "unknown"
    if logarithmic and error > value > 0:
        return "bound" if np.isfinite(bound(estimate, False)) else "nothing"
    return "number"
