"""Error bars of the pictures, read from the figures before they become PNG."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from chains import CENTRES, PEPTIDE, series

from openmm_scoredyn.comparison import compare, plots_maps, plots_rows
from openmm_scoredyn.comparison.distribution import shares_alone
from openmm_scoredyn.comparison.report import format_estimate
from openmm_scoredyn.comparison.rows import Row
from openmm_scoredyn.comparison.uncertainty import Estimate
from openmm_scoredyn.observables import Coordinate, Quantity

# Relative errors of a tenth, of more than the value, out of all bounds, and not known.
VALUES, ERRORS = np.array([10.0, 2.0, 31.0, 5.0]), np.array([1.0, 3.0, 1e9, np.nan])
BAR = [[10.0 * np.exp(-0.1), 10.0 * np.exp(0.1)]]


X = Coordinate("X", "", (0,), ("torsion",), "JSD", 100, None)


def estimates():
    return [Estimate(value, error, 100.0) for value, error in zip(VALUES, ERRORS, strict=True)]


def assert_one_number_one_bound_and_one_open_mark(axis):
    """Of both sides: a bar of the logarithm; 2 / (1 + 2 * 3 / 2) as a diamond; 31 +- 1e9 nowhere; 5 without
    an error as an open circle.
    """
    containers = [c for c in axis.containers if c.has_yerr]
    assert len(containers) == 2
    for container in containers:
        segments = container.lines[2][0].get_segments()
        np.testing.assert_allclose([[low, high] for (_, low), (_, high) in segments], BAR)
    drawn = {line.get_label().split(": ")[-1]: line for line in axis.lines if ": " in line.get_label()}
    bound, unknown = drawn["at least this (2 standard errors)"], drawn["error not known"]
    assert (bound.get_marker(), list(bound.get_ydata())) == ("D", [0.5])
    assert (unknown.get_markerfacecolor(), list(unknown.get_ydata())) == ("white", [5.0])
    every = np.concatenate([np.atleast_1d(line.get_ydata()) for line in axis.lines])
    assert not np.isin(31.0, every)


def test_bars_of_passage_times_are_those_of_the_logarithm(monkeypatch):
    monkeypatch.setattr(plots_rows, "as_png", lambda figure, **options: figure)
    rows = [
        Row(
            Quantity("Kinetics", f"first passage, {name}", "ns", ratio=True, coordinate="X"),
            one,
            one,
            0.0,
            "agrees",
        )
        for name, one in zip("abcd", estimates(), strict=True)
    ]
    figure = plots_rows.passage_times(
        SimpleNamespace(rows=rows, reference_name="MD", candidate_name="model", coordinates=(X,))
    )
    assert figure.axes[0].get_yscale() == "log"
    assert_one_number_one_bound_and_one_open_mark(figure.axes[0])


def test_bars_of_time_scales_are_those_of_the_logarithm(monkeypatch):
    monkeypatch.setattr(plots_rows, "as_png", lambda figure, **options: figure)
    known = {lag: [one] for lag, one in zip((1.0, 2.0, 5.0, 10.0), estimates(), strict=True)}
    side = SimpleNamespace(markov={"torsions": SimpleNamespace(timescales=known, posterior=known)})
    fit = SimpleNamespace(markov=["torsions"])
    report = SimpleNamespace(
        reference=side, candidate=side, reference_name="MD", candidate_name="model", fit=fit
    )
    assert_one_number_one_bound_and_one_open_mark(plots_rows.timescales(report).axes[0])


def test_a_state_that_was_never_visited_is_no_number(monkeypatch):
    monkeypatch.setattr(plots_rows, "as_png", lambda figure, **options: figure)
    quantity = Quantity("Populations", "phi>0", "", coordinate="X")
    row = Row(quantity, Estimate(0.0, 0.0, 0.0), Estimate(0.1, 0.01, 50.0), 0.0, "agrees")
    report = SimpleNamespace(rows=[row], reference_name="MD", candidate_name="model", coordinates=(X,))
    axis = plots_rows.populations(report).axes[0]
    never = next(line for line in axis.lines if line.get_label() == "MD: never visited")
    assert (never.get_markerfacecolor(), list(never.get_ydata())) == ("white", [0.0])
    assert not any("model: " in line.get_label() for line in axis.lines)


TIME, RATE = (Quantity("Kinetics", "x", unit, ratio=True) for unit in ("ns", "1/ns"))


@pytest.mark.parametrize(
    ("quantity", "estimate", "text"),
    [
        (TIME, (4.0, 0.5), "4.00 ± 0.50"),
        (TIME, (4.0, 6.0), "> 1"),  # 4 / (1 + 2 * 1.5)
        (TIME, (4.0, 463077.0), "not known"),
        (TIME, (12.0, np.inf), "no event in 12"),
        (RATE, (4.0, 6.0), "< 16"),
        (Quantity("Geometry", "x", "nm"), (4.0, 6.0), "4.0 ± 6.0"),
        (TIME, (np.nan, np.nan), "not seen"),
    ],
)
def test_an_error_larger_than_a_time_leaves_a_bound(quantity, estimate, text):
    assert format_estimate(Estimate(*estimate, 3.0), quantity) == text


def test_bins_that_one_side_alone_visits_are_marked(monkeypatch):
    """A quarter of the candidate's frames, in one bin, where the reference never is."""
    shown = np.repeat(CENTRES[:2], 500, axis=0)
    strayed = shown.copy()
    strayed[::4] = np.radians([120.0, -120.0])
    report = compare(series([shown]), series([strayed]), PEPTIDE, candidate_name="model")
    name = report.coordinates[0].name
    sides = (report.reference, report.candidate)
    assert shares_alone(*(side.histograms[name] for side in sides)) == (0.0, 0.25)
    monkeypatch.setattr(plots_maps, "as_png", lambda figure, **options: figure)
    difference = plots_maps.free_energy_maps(report).axes[2]
    texts = [text.get_text() for text in difference.get_legend().get_texts()]
    assert texts == ["reference alone: 0 % of its frames", "model alone: 25 % of its frames"]
    marks = difference.images[2].get_array()
    assert np.isfinite(marks.filled(np.nan)).sum() == 1
    row, column = np.argwhere(np.isfinite(marks.filled(np.nan)))[0]
    assert [-180 + 7.2 * (column + 0.5), -180 + 7.2 * (row + 0.5)] == pytest.approx([120, -120], abs=3.6)


@pytest.mark.parametrize("names", ["abcd", ["beta", "alpha_R", "VAL2 chi1: trans", "VAL2 chi1: gauche-"]])
def test_names_of_states_do_not_overlap(monkeypatch, names):
    """In a panel of three; turned, each ends at its own tick."""
    monkeypatch.setattr(plots_rows, "as_png", lambda figure, **options: figure)
    good = Estimate(0.3, 0.1, 100.0)
    rows = [
        Row(Quantity(group, name, "", relative_tolerance=share, coordinate="X"), good, good, 0.0, "agrees")
        for group, share in (("Populations", 0.1), ("Populations", None), ("Free energies", None))
        for name in names
    ]
    figure = plots_rows.populations(
        SimpleNamespace(rows=rows, reference_name="MD", candidate_name="model", coordinates=(X,))
    )
    figure.canvas.draw()
    for axis in figure.axes:
        labels = axis.get_xticklabels()
        if labels[0].get_rotation():
            assert all(label.get_ha() == "right" for label in labels)
        else:
            boxes = [label.get_window_extent() for label in labels]
            assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    assert len(figure.axes) == 3
