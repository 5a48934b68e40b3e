"""From MD of atoms of hexane to dynamics of its beads, by the commands and in a Simulation of OpenMM."""

import json

import alkanes
import mdtraj
import numpy as np
import openmm
import pytest
import typer
from openmm import app, unit
from typed_commands import typed

import openmm_scoredyn as sd
from openmm_scoredyn import data
from openmm_scoredyn.cli.coarsen import parse_mapping

SPACING_PS, FRICTION_PER_PS = 0.5, 2.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """hexane.pdb, 150 ps of MD as md1.xtc and md2.xtc, and what the commands make of them."""
    folder = tmp_path_factory.mktemp("hexane")
    topology = alkanes.topology("hexane")
    for seed in (1, 2):
        integrator = openmm.LangevinMiddleIntegrator(300, FRICTION_PER_PS, 0.004)
        integrator.setRandomNumberSeed(seed)
        platform = openmm.Platform.getPlatformByName("Reference")
        simulation = app.Simulation(topology, alkanes.system(topology), integrator, platform)
        simulation.context.setPositions(alkanes.positions(alkanes.molecule("hexane")))
        simulation.minimizeEnergy()
        simulation.context.setVelocitiesToTemperature(300, seed)
        simulation.step(2500)
        simulation.reporters.append(app.XTCReporter(str(folder / f"md{seed}.xtc"), 125))
        simulation.step(150 * 250)
    positions = simulation.context.getState(positions=True).getPositions()
    with open(folder / "hexane.pdb", "w") as file:
        app.PDBFile.writeFile(topology, positions, file)
    (folder / "coarsen.toml").write_text(
        f'topology = "{folder / "hexane.pdb"}"\nmapping = [2]\ntemperature = "300K"\n'
    )
    for seed in (1, 2):
        out = folder / f"beads{seed}.npz"
        typed("coarsen", folder / f"md{seed}.xtc", "--config", folder / "coarsen.toml", "--out", out)
    typed(
        *("train", folder / "beads1.npz", folder / "beads2.npz", "--out", folder / "run", "--no-check"),
        *("--name", "hexane-beads", "--network", "chain_flow", "--set", f"friction_per_ps={FRICTION_PER_PS}"),
        *("--lag", "1ps", "--updates", 150, "--batch-size", 64, "--learning-rate", 3e-3),
    )
    typed("export", folder / "run", folder / "beads.scoredyn")
    return folder


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_beads_are_those_of_the_molecule(folder):
    (beads,) = data.load(folder / "beads1.npz")
    assert beads.molecule.types == ("Cx2.Hx5", "Cx2.Hx4", "Cx2.Hx5")
    assert beads.n_frames == 300 and beads.frame_spacing_ps == SPACING_PS
    fine = mdtraj.load(folder / "md1.xtc", top=folder / "hexane.pdb").xyz
    mapped = sd.coarse.Mapping.from_topology(alkanes.topology("hexane"), 2).positions(fine)
    assert beads.positions == pytest.approx(mapped, abs=6e-4)  # whole picometres


def test_a_simulation_starts_from_a_frame_of_the_fine_one(folder):
    """The centre of mass diffuses by kT / (M gamma), which the network has in closed form."""
    fine = app.PDBFile(str(folder / "hexane.pdb"))
    mapping = sd.coarse.Mapping.from_topology(fine.topology, 2)
    model = sd.bind(folder / "beads.scoredyn", mapping.topology)
    integrator = sd.ScoreDynamicsIntegrator(model)
    integrator.setRandomNumberSeed(1)
    platform = openmm.Platform.getPlatformByName("Reference")
    simulation = app.Simulation(mapping.topology, mapping.system(), integrator, platform)
    simulation.context.setPositions(mapping.positions(fine.positions))
    frames = []
    for _ in range(300):
        simulation.step(1)
        state = simulation.context.getState(positions=True)
        frames.append(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer))
    masses = np.array(mapping.particles.masses_amu)
    moved = np.diff(np.einsum("n,tnx->tx", masses / masses.sum(), np.array(frames)), axis=0)
    expected = 2 * 8.314e-3 * 300 / (masses.sum() * FRICTION_PER_PS) * 1.0
    # a variance of 897 normal numbers
    assert (moved**2).mean() == pytest.approx(expected, rel=4 * (2 / moved.size) ** 0.5)
    (md,) = data.load(folder / "beads1.npz")
    ours, theirs = (
        np.linalg.norm(np.diff(x, axis=1), axis=2).mean() for x in (np.array(frames), md.positions)
    )
    assert ours == pytest.approx(theirs, rel=0.1)


def test_run_and_compare_take_what_coarsen_writes(folder):
    typed(
        "run",
        folder / "beads.scoredyn",
        folder / "beads1.cif",
        "--length",
        "200ps",
        "--out",
        folder / "m.dcd",
    )
    topology = ("--topology", folder / "beads2.npz")
    typed(
        "compare",
        folder / "beads2.npz",
        folder / "m.dcd",
        *topology,
        "--observable",
        "tumbling",
        "--out",
        folder / "comparison",
    )
    rows = json.loads((folder / "comparison" / "comparison.json").read_text())["rows"]
    assert any("diffusion of the centre" in row["quantity"] for row in rows)


@pytest.mark.parametrize(
    "typed_, expected",
    [
        (["residue"], "residue"),
        (["3"], 3),
        (["٣"], "٣"),  # a digit, but none that is typed here: refused as no rule
        (["beads.ndx"], "beads.ndx"),
        (["PEO=3", "LI=residue"], {"PEO": 3, "LI": "residue"}),
    ],
)
def test_rules_are_read(typed_, expected):
    assert parse_mapping(typed_) == expected


@pytest.mark.parametrize(
    "typed_", [["3", "residue"], ["PEO=3", "PEO=2"], ["PEO="], ["=3"], ["PEO=3", "residue"]]
)
def test_rules_that_contradict_each_other(typed_):
    with pytest.raises(typer.BadParameter, match="one NAME=RULE for each residue name"):
        parse_mapping(typed_)
