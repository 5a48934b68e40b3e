"""The table that `scoredyn compare` prints, on the narrowest of usual terminals."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from openmm_scoredyn.cli.compare_table import comparison_table
from openmm_scoredyn.comparison.rows import Row
from openmm_scoredyn.comparison.uncertainty import Estimate
from openmm_scoredyn.observables import Quantity

TARGET = {"relative_target": 0.1}
LONG = Quantity("Kinetics", "Ramachandran JSD (reference: expected by chance)", "bit", **TARGET)
SHORT = Quantity("Populations", "beta", "", **TARGET)


def estimate(value: float, error: float) -> Estimate:
    return Estimate(value, error, 100.0)


ROWS = (
    Row(LONG, estimate(0.9931, 0.0054), estimate(0.4931, 0.0054), -65.5, "differs"),
    Row(LONG, estimate(26.0, 4577421.0), estimate(20.0, 1238583890.0), 0.1, "agrees"),
    Row(SHORT, estimate(0.5, float("inf")), estimate(0.2, 0.01), float("nan"), "differs"),
    Row(SHORT, estimate(0.5, 0.001), estimate(0.51, float("inf")), 12.3, "within tolerance"),
    Row(SHORT, estimate(0.5, 0.001), estimate(0.5, 0.001), 0.0, "agrees"),
)


@pytest.mark.parametrize(
    "names",
    [("MD", "model"), ("LangevinMiddleIntegrator", "a-model-with-a-very-long-name"), ("md[old]", "run[/2]")],
)
def test_nothing_is_cropped_at_80_columns(names):
    report = SimpleNamespace(rows=ROWS, reference_name=names[0], candidate_name=names[1])
    console = Console(width=80, file=io.StringIO())
    console.print(comparison_table(report))
    shown = console.file.getvalue()
    assert "…" not in shown and max(map(len, shown.splitlines())) <= 80
    assert [
        line.split() for line in shown.splitlines() if line.split() in (["Kinetics"], ["Populations"])
    ] == [
        ["Kinetics"],
        ["Populations"],
    ], "each group is named once"
    words = shown.split()
    for row in ROWS:
        for text in (row.judgement.replace("standard errors", "SE"), row.target.removesuffix(" to tell")):
            assert all(words.count(word) for word in text.split()), text
    assert {"missed", "met", "0.9931", "0.0054", "1238583890"} <= set(words)
    assert all(name[:15] in shown for name in names)
