"""The pictures of a comparison, as PNG."""

import numpy as np

from openmm_scoredyn.comparison.autocorrelation import SIGNALS
from openmm_scoredyn.comparison.basins import BASINS
from openmm_scoredyn.comparison.comparison_report import ComparisonReport
from openmm_scoredyn.comparison.ramachandran import free_energy
from openmm_scoredyn.figures import as_png, styled_figure

REFERENCE_COLOUR, CANDIDATE_COLOUR = "#3b4252", "#d1495b"
HIGHEST_KJ_PER_MOL = 25.0
DEFAULT_TEMPERATURE_K = 300.0
LONGEST_BAR = 100.0
# matplotlib's own symbols, so that no font without Greek letters leaves a box.
SYMBOLS = {
    "beta": r"$\beta$",
    "alpha_R": r"$\alpha_\mathrm{R}$",
    "phi>0": r"$\phi>0$",
    "alpha_L": r"$\alpha_\mathrm{L}$",
    "C7ax": r"C$_{7\mathrm{ax}}$",
}


def symbolic(text: str) -> str:
    """Plain names of basins and angles as mathematics."""
    for name in ("phi>0", "alpha_R", "alpha_L", "C7ax", "beta"):
        text = text.replace(name, SYMBOLS[name])
    for angle in ("phi", "psi"):
        for function in ("sin", "cos"):
            text = text.replace(f"{function} {angle}", rf"{function} $\{angle}$")
    return text.replace("->", r"$\rightarrow$")


def new_figure(rows: int, columns: int, size: tuple[float, float]):
    """A figure in the style of the report, and its axes (rows, columns); raises `MissingDependencyError`."""
    with styled_figure(size) as figure:
        axes = figure.subplots(rows, columns, squeeze=False)
    return figure, axes


def ramachandran(report: ComparisonReport) -> bytes:
    """Free energies of both sides and their difference."""
    figure, ((left, middle, right),) = new_figure(1, 3, (12.6, 4.1))
    sides = (
        (left, report.reference, report.reference_name),
        (middle, report.candidate, report.candidate_name),
    )
    energies = []
    for axis, side, name in sides:
        energies.append(free_energy(side.histogram, side.series.temperature_K or DEFAULT_TEMPERATURE_K))
        image = _map(axis, energies[-1], "viridis", 0.0, HIGHEST_KJ_PER_MOL)
        axis.set_title(name)
        _outline_basins(axis)
    figure.colorbar(
        image, ax=[left, middle], label="free energy (kJ/mol)", shrink=0.9, pad=0.02, extend="max"
    )
    # Aligned on the states both visit, not on one lowest bin, whose noise would tint the whole map.
    weight = np.where(np.isfinite(energies[0]) & np.isfinite(energies[1]), report.reference.histogram, 0.0)
    difference = energies[1] - energies[0]
    difference = difference - np.nansum(weight * np.nan_to_num(difference)) / weight.sum()
    image = _map(right, difference, "RdBu_r", -5.0, 5.0)
    right.set_title("difference")
    figure.colorbar(
        image,
        ax=right,
        label=f"{report.candidate_name} $-$ {report.reference_name} (kJ/mol)",
        shrink=0.9,
        pad=0.03,
        extend="both",
    )
    return as_png(figure)


def _map(axis, values: np.ndarray, colours: str, low: float, high: float):
    axis.set_facecolor("#f2f4f7")
    image = axis.imshow(
        values.T,
        origin="lower",
        extent=(-180, 180, -180, 180),
        cmap=colours,
        vmin=low,
        vmax=high,
        interpolation="nearest",
    )
    ticks = (-180, -90, 0, 90, 180)
    axis.set(xlabel=r"$\phi$ (degrees)", ylabel=r"$\psi$ (degrees)", xticks=ticks, yticks=ticks)
    return image


def _outline_basins(axis) -> None:
    """Dotted outlines of the basins whose populations the report gives; a range through 180 is drawn on both
    sides.
    """
    for basin in (basin for basin in BASINS if basin.name != "phi>0"):
        width, height = basin.phi[1] - basin.phi[0], basin.psi[1] - basin.psi[0]
        for shift in (0, -360):
            low = basin.psi[0] + shift
            axis.plot(
                [basin.phi[0], basin.phi[0] + width, basin.phi[0] + width, basin.phi[0], basin.phi[0]],
                [low, low, low + height, low + height, low],
                ls=":",
                lw=1.0,
                color="#667085",
                clip_on=True,
            )
        axis.text(
            basin.phi[0] + 6,
            min(basin.psi[1], 180) - 7,
            SYMBOLS[basin.name],
            fontsize=9,
            color="#344054",
            va="top",
        )
    axis.set(xlim=(-180, 180), ylim=(-180, 180))


def logarithmic_bars(values: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Lengths (2, P) down and up of error bars of one standard error of ln(value), for positive values (P,)
    and errors (P,).

    An error of NaN has no bar; none is longer than a factor of `LONGEST_BAR`, beyond which nothing is known
    anyway.
    """
    factors = np.exp(np.minimum(np.nan_to_num(errors) / values, np.log(LONGEST_BAR)))
    return np.stack([values - values / factors, values * factors - values])


def draw_pairs(axis, report: ComparisonReport, rows, unit: str, logarithmic: bool = False) -> None:
    """One pair of points per row with error bars of one standard error, of the logarithm if the axis is to be
    logarithmic.
    """
    for offset, colour, name, side in (
        (-0.12, REFERENCE_COLOUR, report.reference_name, "reference"),
        (0.12, CANDIDATE_COLOUR, report.candidate_name, "candidate"),
    ):
        estimates = [getattr(row, side) for row in rows]
        places = np.arange(len(rows)) + offset
        seen = np.array([np.isfinite(e.value) and not np.isinf(e.error) for e in estimates], dtype=bool)
        values = np.array([e.value for e in estimates])
        errors = np.nan_to_num(np.array([e.error for e in estimates]), posinf=0.0)
        bars = logarithmic_bars(values[seen], errors[seen]) if logarithmic else errors[seen]
        axis.errorbar(
            places[seen], values[seen], yerr=bars, fmt="o", ms=6, capsize=4, lw=1.6, color=colour, label=name
        )
        bound = ~seen & np.isfinite(values)
        if bound.any():
            axis.plot(
                places[bound],
                values[bound],
                "^",
                ms=8,
                mfc="white",
                color=colour,
                label=f"{name}: longer than",
            )
    axis.set_xticks(
        range(len(rows)), [symbolic(row.quantity.name.replace("first passage, ", "")) for row in rows]
    )
    axis.set(xlim=(-0.6, len(rows) - 0.4), ylabel=unit, yscale="log" if logarithmic else "linear")
    axis.grid(axis="y", color="#eaecf0")
    axis.set_axisbelow(True)


def populations(report: ComparisonReport) -> bytes:
    """Populations with error bars, the rare basins on their own scale, and free energies."""
    rows = [row for row in report.rows if row.quantity.group == "Populations"]
    figure, ((left, right, energies),) = new_figure(1, 3, (12.0, 3.6))
    common = [row for row in rows if row.quantity.name in ("beta", "alpha_R")]
    draw_pairs(left, report, common, "population")
    draw_pairs(right, report, [row for row in rows if row not in common], "population")
    for axis in (left, right):
        axis.set_ylim(bottom=0)
    left.set_title("large basins")
    right.set_title("rare basins")
    differences = [row for row in report.rows if row.quantity.group == "Free energies"]
    draw_pairs(energies, report, differences, "free energy (kJ/mol)")
    energies.set_title(r"relative to $\beta$")
    energies.set_xticks(
        range(len(differences)), [symbolic(row.quantity.name.split()[0]) for row in differences]
    )
    left.legend(loc="lower left")
    return as_png(figure)


def passage_times(report: ComparisonReport) -> bytes:
    """Mean first passage times on a logarithmic scale."""
    rows = [row for row in report.rows if row.quantity.name.startswith("first passage")]
    figure, ((axis,),) = new_figure(1, 1, (12.0, 4.2))
    draw_pairs(axis, report, rows, "mean first passage time (ns)", logarithmic=True)
    axis.tick_params(axis="x", labelrotation=30)
    axis.legend(loc="best")
    return as_png(figure)


def autocorrelation(report: ComparisonReport) -> bytes:
    """Autocorrelation of sin and cos of both dihedrals, bands of one standard error."""
    figure, axes = new_figure(2, 2, (8.6, 5.6))
    for column, (axis, name) in enumerate(zip(axes.flat, SIGNALS, strict=True)):
        for side, label, colour, line in (
            (report.reference, report.reference_name, REFERENCE_COLOUR, "-"),
            (report.candidate, report.candidate_name, CANDIDATE_COLOUR, "--"),
        ):
            curve = side.correlation
            lags, value, error = curve.lags_ps[1:], curve.value[1:, column], curve.error[1:, column]
            axis.fill_between(lags, value - error, value + error, color=colour, alpha=0.2, lw=0)
            axis.plot(lags, value, line, color=colour, lw=1.8, label=label)
        axis.axhline(0, color="#98a2b3", lw=0.8)
        axis.set(title=symbolic(name), xscale="log")
        axis.grid(color="#f2f4f7")
    for axis in axes[1]:
        axis.set_xlabel("time (ps)")
    for axis in axes[:, 0]:
        axis.set_ylabel("autocorrelation")
    axes[0, 0].legend(loc="upper right")
    return as_png(figure)
