"""The bead chains: sequences, LAMMPS input, and what is stored of a trajectory."""

import json
from pathlib import Path

import numpy as np
import pytest
from recipes import recipe

DATA = Path(__file__).parents[3] / "examples" / "data" / "bead-chains"


@pytest.fixture(scope="module")
def beads():
    with recipe("bead_chains") as module:
        yield module


@pytest.fixture(scope="module")
def runs(beads):
    return {run.name: run for run in beads("make_md").all_runs()}


def test_chains_are_all_different_and_of_exact_size(runs):
    assert len(runs) == 24 + 8 + 40 + 10
    assert len({run.chain.units for run in runs.values()}) == len(runs)
    assert {(name.split("/")[0], len(run.chain.types)) for name, run in runs.items()} == {
        ("n100", 100),
        ("n400", 400),
    }


def test_a_pattern_read_from_elsewhere_is_the_same_pattern(beads):
    found = beads("chains").patterns(300, np.random.default_rng(0))
    turns = {tuple(p[k:] + p[:k]) for p in found for k in range(4)}
    turns |= {turn[::-1] for turn in turns}
    # Each pattern has at most eight readings, and no reading belongs to two patterns.
    owners = [frozenset(r for k in range(4) for r in (p[k:] + p[:k], (p[k:] + p[:k])[::-1])) for p in found]
    assert sum(map(len, owners)) == len(turns)


def test_bonds_make_a_tree_with_side_chains_on_the_backbone(beads):
    chain = beads("chains").chain([0, 8, 4])  # B1; B2-S1-S1; B1-S2-S2
    assert chain.types.tolist() == [0, 1, 2, 2, 0, 3, 3]
    assert chain.bonds.tolist() == [[0, 1], [1, 2], [2, 3], [1, 4], [4, 5], [5, 6]]
    assert chain.angles.tolist() == [[0, 1, 4, 1]]


def test_lammps_input_states_the_whole_chain(beads, runs):
    chains = beads("chains")
    chain = runs["n100/random_00"].chain
    positions = chains.grown(chain, np.random.default_rng(0))
    bonds = np.linalg.norm(positions[chain.bonds[:, 0]] - positions[chain.bonds[:, 1]], axis=1)
    assert bonds == pytest.approx(np.ones(99))
    text = chains.lammps_data(chain, positions, np.zeros((100, 3)))
    header, *sections = text.split("\n\n")[1:]
    assert header.splitlines()[:3] == ["100 atoms", "99 bonds", f"{len(chain.angles)} angles"]
    lines = {name: len(body.splitlines()) for name, body in zip(sections[::2], sections[1::2], strict=True)}
    assert lines == {"Masses": 4, "Atoms": 100, "Velocities": 100, "Bonds": 99, "Angles": len(chain.angles)}


def test_chains_to_train_on_are_made_before_those_held_out(beads, runs, tmp_path, monkeypatch):
    """All of 100 beads first; within a set the chain that is farthest behind."""
    make_md, made = beads("make_md"), []
    monkeypatch.setattr(make_md, "all_runs", lambda: list(runs.values()))  # made once
    while (run := make_md.next_run(tmp_path)) is not None:
        chunk = run.chunks_done(tmp_path) + 1
        file = run.chunk_file(tmp_path, chunk)
        file.parent.mkdir(exist_ok=True)
        file.touch()
        made.append((len(run.chain.types), "random" in run.name, chunk))
    assert made == sorted(made)
    assert len(made) == 24 * 1 + 8 * 3 + 40 * 3 + 10 * 20


def test_packing_keeps_size_and_centres(beads):
    frames = np.random.default_rng(1).normal(size=(3, 100, 3)).cumsum(axis=1)
    stored = beads("make_md").packed(frames, np.zeros((100, 6)))
    centres = stored["centres"] * 0.002 + stored["centre_of_mass"][:, None]
    assert centres == pytest.approx(frames.reshape(3, 20, 5, 3).mean(axis=2), abs=0.0011)
    spread = frames - frames.mean(axis=1, keepdims=True)
    assert stored["rg2"] == pytest.approx((spread**2).sum(axis=2).mean(axis=1), rel=1e-5)
    with pytest.raises(ValueError, match="sigma from the centre; expected at most 65"):
        beads("make_md").packed(100 * frames, np.zeros((100, 6)))


def test_committed_chunks_are_of_these_chains(runs):
    files = sorted(DATA.glob("n*/*.npz"))
    assert files
    for file in files[:: max(1, len(files) // 20)]:
        stored = np.load(file)
        said = json.loads(str(stored["metadata"]))
        run = runs[said["chain"]]
        assert tuple(said["units"]) == run.chain.units
        assert stored["centres"].shape == (run.chunk_tau // run.spacing_tau, len(run.chain.types) // 5, 3)
        groups = ((stored["centres"] * said["unit_sigma"]) ** 2).sum(axis=2).mean(axis=1)
        assert (groups < stored["rg2"]).all()  # what is within groups is left out of their centres
        ends = stored["end_positions"]
        bonds = np.linalg.norm(ends[run.chain.bonds[:, 0]] - ends[run.chain.bonds[:, 1]], axis=1)
        # Harmonic bonds of 400 kT / sigma^2 are 0.05 sigma wide; repulsion makes them a little longer.
        assert abs(bonds.mean() - 1) < 0.03 and bonds.std() < 0.08
