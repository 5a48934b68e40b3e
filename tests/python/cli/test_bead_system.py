"""Beads of three types in a periodic box through the commands: export, run, resume, compare.

Every bead walks freely with a memory: a displacement is `MEMORY` times the one before it, and a normal part.
Its mean squared displacement has a closed form, and g(r) is 1 for every pair of types.
"""

import json
from importlib import metadata

import numpy as np
import pytest
from typed_commands import typed

from openmm_scoredyn import data
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks import registry
from openmm_scoredyn.training import NetworkChoice, OptimizationConfig, TrainingConfig, train

BOX_NM, LAG_PS, MEMORY = 1.6, 1.0, 0.6
# Masses, u, and displacements in a lag time, nm, each way. OpenMM takes P5 for phosphorus, C1 for carbon.
TYPES = {"P5": (72.0, 0.04), "C1": (45.0, 0.05), "Q0": (90.0, 0.03)}
NAMES = tuple(TYPES) * 3
MASSES, STEPS_NM = np.array([TYPES[name] for name in NAMES]).T
BOX = np.eye(3, dtype=np.float32) * BOX_NM


def particles() -> Particles:
    count = len(NAMES)
    return Particles(NAMES, tuple(MASSES), NAMES, NAMES, tuple(range(count)), ())


def walk(frames: int, seed: int) -> np.ndarray:
    """The process, (frames, N, 3), nm, every bead wrapped into the box."""
    generator = np.random.default_rng(seed)
    fresh = generator.normal(size=(frames, len(NAMES), 3)) * STEPS_NM[:, None]
    moves = fresh.copy()
    for now in range(1, frames):
        moves[now] = MEMORY * moves[now - 1] + np.sqrt(1 - MEMORY**2) * fresh[now]
    return (generator.uniform(0, BOX_NM, (len(NAMES), 3)) + np.cumsum(moves, axis=0)) % BOX_NM


def exact_displacement(name: str, steps: int) -> float:
    """Mean squared displacement, nm^2, relative to the centre of mass of all.

    n displacements of variance s^2 that correlate as a^k have a sum of variance
    s^2 (n (1 + a) / (1 - a) - 2 a (1 - a^n) / (1 - a)^2).
    """
    a, shares = MEMORY, MASSES / MASSES.sum()
    grown = steps * (1 + a) / (1 - a) - 2 * a * (1 - a**steps) / (1 - a) ** 2
    bead = NAMES.index(name)
    own = STEPS_NM[bead] ** 2 * (1 - 2 * shares[bead]) + (shares**2 * STEPS_NM**2).sum()
    return float(3 * own * grown)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """md/0.npz to md/3.npz for training, reference.npz, start.pdb, and beads.pt."""
    folder = tmp_path_factory.mktemp("beads")
    described = {"frame_spacing_ps": LAG_PS, "temperature_K": 300.0, "molecule": particles().to_dict()}
    described |= {"steered": False, "consecutive": True, "box_nm": BOX.tolist()}
    (folder / "md").mkdir()
    for seed in range(4):
        data.save_archive(folder / "md" / f"{seed}.npz", walk(800, seed)[None], described)
    data.save_archive(folder / "reference.npz", walk(12_000, 9)[None], described)
    lines = [f"CRYST1{10 * BOX_NM:9.3f}{10 * BOX_NM:9.3f}{10 * BOX_NM:9.3f}  90.00  90.00  90.00 P 1"]
    for k, (name, place) in enumerate(zip(NAMES, 10 * walk(1, 5)[0], strict=True)):
        lines.append(
            f"HETATM{k + 1:5d} {name:>4s} {name:>3s} A{k + 1:4d}    " + "".join(f"{x:8.3f}" for x in place)
        )
    (folder / "start.pdb").write_text("\n".join([*lines, "END\n"]))
    with pytest.MonkeyPatch.context() as patch:
        point = metadata.EntryPoint("free_beads", "free_beads:ARCHITECTURE", registry.GROUP)
        patch.setattr(
            registry.metadata, "entry_points", lambda group: [point] if group == registry.GROUP else []
        )
        optimization = OptimizationConfig(
            updates=1000, batch_size=64, learning_rate=1e-2, warmup_updates=20, ema_decay=0.99
        )
        network = NetworkChoice.of("free_beads")
        config = TrainingConfig("beads", network, optimization, lag_time_ps=LAG_PS)
        train(data.load(folder / "md"), folder / "run", config)
        typed("export", folder / "run", folder / "beads.pt")
    return folder


def run(folder, out: str, length_ps: int, *options) -> None:
    """`scoredyn run` of the model; with fewer denoising steps the spread would come out too small."""
    files = (folder / "beads.pt", folder / "start.pdb", "--out", folder / out)
    typed("run", *files, "--length", f"{length_ps}ps", "--denoising-steps", 40, "--seed", 3, *options)


def rows_of(folder, candidate: str, *options) -> list[dict]:
    """Rows of `scoredyn compare` with the reference."""
    paths = (folder / "reference.npz", folder / candidate)
    typed("compare", *paths, "--equilibration", "20ps", "--out", folder / f"{candidate}.out", *options)
    return json.loads((folder / f"{candidate}.out" / "comparison.json").read_text())["rows"]


def test_a_resumed_run_has_the_bytes_of_an_uninterrupted_one(folder):
    """The checkpoint holds all frames of the history: the displacement before goes on."""
    run(folder, "whole.dcd", 300)
    run(folder, "broken.dcd", 110)
    run(folder, "broken.dcd", 300)
    for kind in (".dcd", ".log.csv", ".topology.pdb"):
        whole, broken = (folder / f"{name}{kind}" for name in ("whole", "broken"))
        assert whole.read_bytes() == broken.read_bytes(), kind


def test_resumed_replicas_equal_uninterrupted_ones_and_keep_the_box(folder):
    run(folder, "whole.frames", 60, "--replicas", 2)
    run(folder, "broken.frames", 25, "--replicas", 2)
    run(folder, "broken.frames", 60, "--replicas", 2)
    (whole,), (broken,) = (data.load(folder / f"{name}.frames") for name in ("whole", "broken"))
    np.testing.assert_array_equal(whole.positions, broken.positions)
    np.testing.assert_array_equal(whole.box, BOX)


def test_radial_distribution_and_displacement_are_those_of_the_process(folder):
    """Within four standard errors, the network within 5 % more."""
    run(folder, "many.frames", 1000, "--replicas", 12)
    rows = rows_of(folder, "many.frames")
    moved = [row for row in rows if row["group"] == "Mean squared displacement"]
    assert {row["quantity"].split()[0] for row in moved} == set(TYPES)
    for row in moved:
        name, _, lag, _ = row["quantity"].split()
        exact = exact_displacement(name, int(lag))
        own, model = row["reference"], row["candidate"]
        assert abs(own["value"] - exact) < 4 * own["error"] < 0.3 * exact, row["quantity"]
        assert abs(model["value"] - exact) < 4 * model["error"] + 0.05 * exact, row["quantity"]
    shells = [row for row in rows if row["group"] == "Radial distribution"]
    for side in ("reference", "candidate"):
        # Shells that hold few pairs are not normal.
        far = [row[side] for row in shells if float(row["quantity"].split()[4]) > 0.3]
        off = np.array([(shell["value"] - 1) / shell["error"] for shell in far])
        assert len(off) == 6 * 25 and np.abs(off).max() < 4.5, side
        assert np.mean([shell["error"] for shell in far]) < 0.1


def test_a_dcd_file_is_read_with_the_particles_and_the_box_of_a_trajectory(folder):
    run(folder, "single.dcd", 400)
    options = ("--topology", folder / "reference.npz", "--spacing", LAG_PS, "--temperature", 300)
    rows = rows_of(folder, "single.dcd", *options, "--observable", "msd")
    for row in rows[: len(TYPES)]:
        name, _, lag, _ = row["quantity"].split()
        exact, model = exact_displacement(name, int(lag)), row["candidate"]
        assert abs(model["value"] - exact) < 4 * model["error"] + 0.05 * exact < 0.3 * exact, row["quantity"]
