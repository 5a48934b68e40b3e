"""Beyond which length a fit pays, and the speed of a model that this follows from."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
from alanine import PDB

from openmm_scoredyn.dynamics import speed
from openmm_scoredyn.fitting import FitRequest, md
from openmm_scoredyn.fitting import cost as cost_module
from openmm_scoredyn.fitting.cost import Cost
from openmm_scoredyn.fitting.journal import Journal
from openmm_scoredyn.fitting.work import Work
from openmm_scoredyn.molecule.structure import read_structure
from openmm_scoredyn.reference.engine import ReferenceEngine
from openmm_scoredyn.reference.physics import Physics


def test_both_ways_take_as_long_at_break_even():
    cost = Cost(600.0, {"one": (100.0, 300.0)})
    length_ps = 1000 * cost.break_even_ns("one")
    assert length_ps / 100.0 == pytest.approx(600.0 + length_ps / 300.0)
    (sentence,) = cost.sentences()
    assert sentence.startswith("At a time, one: 100 ps a second of MD on one core, 300 of the model; ")
    assert sentence.endswith("the 10 core minutes of the fit it is cheaper beyond 90 ns in all.")


@pytest.mark.parametrize("of_model", (100.0, 99.0))
def test_a_model_that_is_no_faster_never_pays(of_model):
    cost = Cost(600.0, {"many": (100.0, of_model)})
    assert math.isinf(cost.break_even_ns("many"))
    assert cost.sentences()[0].endswith("MD is faster.")


def test_the_speed_of_a_model_counts_all_replicas_and_not_the_first_draws(monkeypatch):
    """By a clock that goes on by a second at each look."""
    drawn = []

    def sample(histories, steps, *, seed, first_step=None):
        drawn.append((histories.shape, steps, first_step))

    card = SimpleNamespace(lag_time_ps=2.0, capabilities=SimpleNamespace(history_length=3))
    monkeypatch.setattr(speed.time, "perf_counter", itertools.count(10.0).__next__)
    found = speed.sampling_speed(SimpleNamespace(card=card, sample=sample), np.zeros((4, 3)), 8, seconds=3.0)
    assert drawn == [((8, 3, 4, 3), 5, None), ((8, 3, 4, 3), 5, 0), ((8, 3, 4, 3), 5, 5)]
    assert found == 10 * 8 * 2.0 / 3.0


def test_a_model_of_water_is_held_against_md_with_the_water(tmp_path, monkeypatch):
    """One molecule at a time, as water is not simulated side by side: both rows have the same speed of MD."""
    monkeypatch.setattr(md, "SPEED_S", 0.3)
    monkeypatch.setattr(cost_module, "sampling_speed", lambda model, frame, replicas: 500.0 * replicas)
    structure, found, boxes = read_structure(PDB), {}, []

    def engine(*arguments, box, own):
        boxes.append(box is not None)
        return ReferenceEngine(*arguments, box=box, own=own)

    monkeypatch.setattr(md, "ReferenceEngine", engine)
    free = [SimpleNamespace(segments=[np.zeros((1, 22, 3))])]
    for solvent in ("vacuum", "tip3p"):
        request = FitRequest(60.0, processes=2, physics=Physics.in_solvent(solvent))
        folder = tmp_path / solvent
        folder.mkdir()
        journal = Journal(folder, request, structure.sha256)
        journal.decide("copies", lambda: 1)
        work = Work(structure, folder, request, journal, lambda name: None)
        found[solvent] = Cost.of(None, free, work)
    assert boxes == [False, True], "one engine each, that of water in its box"
    assert list(found["tip3p"].speeds_ps_per_s) == ["one", "1 of MD, 64 of the model"]
    (one, model), (many, batch) = found["tip3p"].speeds_ps_per_s.values()
    assert one == many and (model, batch) == (500.0, 32_000.0)
    assert one < found["vacuum"].speeds_ps_per_s["one"][0] / 3, "hundreds of waters"
