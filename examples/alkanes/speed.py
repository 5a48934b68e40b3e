#!/usr/bin/env python3
"""A picosecond of the model, by its steps of each lag time, against MD of the same alkane in water: GROMACS
and OpenMM's CPU platform.

    python speed.py OUT [--model alkanes-tip3p] [--molecules butane octane decane] [--lags 1 10] [--rounds 5]

All on one thread, in one run, in turns, after a round of warm-up; medians with quartiles, ratios of medians.
GROMACS runs the recipe of `make_md.py` in the same box; OpenMM the same force field in an octahedron of the
same padding. GROMACS' own time is taken from its log: what it needs to start is not counted.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import gromacs
import make_md
import numpy as np
import openmm
from molecules import HELD_OUT, alkane
from openmm import app, unit

import openmm_scoredyn as sd

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from turns import quartiles, take_turns

BATCH, SINGLE_STEPS, BATCH_STEPS = 256, 200, 5
GROMACS_PS, OPENMM_PS = 40, 1
FORCE_FIELD = Path(sd.__file__).parent / "reference" / "force_fields" / "oplsaa_alkanes_tip3p.xml"


def gromacs_seconds(name: str, out: Path) -> float:
    """Seconds for GROMACS_PS of the recipe, as its log says."""
    folder = out / name
    if not (folder / "speed.tpr").exists():
        make_md.equilibrate(name, folder)
        steps = {"nsteps": round(GROMACS_PS / gromacs.TIMESTEP_PS), "nstxout-compressed": 250}
        options = gromacs.LANGEVIN | gromacs.VELOCITIES | steps
        make_md.prepare(folder, "speed", options | {"compressed-x-grps": "ALK"}, "box.gro")
    gromacs.mdrun("speed", folder)
    return GROMACS_PS / 1000 / gromacs.speed_ns_per_day(folder / "speed.log") * 86400


def openmm_simulation(name: str) -> app.Simulation:
    """The alkane in water on OpenMM's CPU platform, one thread, 4 fs."""
    molecule = alkane(name)
    modeller = app.Modeller(molecule.topology(), molecule.positions_nm * unit.nanometer)
    field = app.ForceField(str(FORCE_FIELD))
    modeller.addSolvent(field, model="tip3p", padding=1.1 * unit.nanometer, boxShape="octahedron")
    system = field.createSystem(
        modeller.topology,
        nonbondedMethod=app.PME,
        nonbondedCutoff=0.8 * unit.nanometer,
        constraints=app.HBonds,
        hydrogenMass=gromacs.HYDROGEN_MASS_AMU * unit.dalton,
    )
    integrator = openmm.LangevinMiddleIntegrator(300, 1, gromacs.TIMESTEP_PS)
    platform = openmm.Platform.getPlatformByName("CPU")
    simulation = app.Simulation(modeller.topology, system, integrator, platform, {"Threads": "1"})
    simulation.context.setPositions(modeller.positions)
    simulation.minimizeEnergy(maxIterations=100)
    simulation.context.setVelocitiesToTemperature(300, 1)
    return simulation


def of_lag(model, molecule, replicas: np.ndarray, lag_ps: float) -> dict:
    """What is timed of the model with steps of a lag time, and for how many picoseconds."""
    single = sd.prepare(
        molecule.topology(),
        model,
        positions=replicas[0],
        lag=lag_ps * unit.picosecond,
        platform="Reference",
        seed=1,
    )
    return {
        f"model, {lag_ps:g} ps, single context": (lambda: single.step(SINGLE_STEPS), SINGLE_STEPS * lag_ps),
        f"model, {lag_ps:g} ps, batch of {BATCH}": (
            lambda: model.sample(replicas, BATCH_STEPS, seed=3, lag_time_ps=lag_ps),
            BATCH * BATCH_STEPS * lag_ps,
        ),
    }


def measure(name: str, given) -> dict[str, list[float]]:
    """Seconds a picosecond of each way, a number for each round."""
    molecule = alkane(name)
    model = sd.bind(given.model, molecule.topology(), positions=molecule.positions_nm)
    start = np.repeat(molecule.positions_nm[None].astype(np.float32), BATCH, 0)
    replicas = model.sample(start, 50, seed=2)[-1]
    water = openmm_simulation(name)
    steps = round(OPENMM_PS / gromacs.TIMESTEP_PS)
    candidates = {"OpenMM, CPU": (lambda: water.step(steps), OPENMM_PS)}
    for lag_ps in given.lags:
        candidates |= of_lag(model, molecule, replicas, lag_ps)
    times: dict[str, list[float]] = {way: [] for way in ("GROMACS", *candidates)}
    for number in range(given.rounds + 1):
        seconds = gromacs_seconds(name, given.out) / GROMACS_PS
        found = take_turns(candidates, 1, time.perf_counter)  # with a warm-up of its own
        if number:
            times["GROMACS"].append(seconds)
            for way, values in found.items():
                times[way] += values
    return times


def table(name: str, times: dict[str, list[float]]) -> str:
    """A line for each way: milliseconds a picosecond, quartiles, ns a day, and times faster than MD."""
    median = {way: quartiles(values)[1] for way, values in times.items()}
    lines = []
    for way, values in times.items():
        low, middle, high = (1000 * value for value in quartiles(values))
        ratios = (median[other] / median[way] for other in ("GROMACS", "OpenMM, CPU"))
        lines.append(
            f"| {name} | {way} | {middle:.4f} ({low:.4f} to {high:.4f}) | {86400 / middle:,.0f} | "
            + " | ".join(f"{ratio:,.1f}" for ratio in ratios)
            + " |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder for the boxes of GROMACS")
    parser.add_argument("--model", default="alkanes-tip3p")
    known = list(HELD_OUT)
    parser.add_argument("--molecules", nargs="+", choices=known, default=["butane", "octane", "decane"])
    parser.add_argument("--lags", type=float, nargs="+", default=[1.0, 10.0], help="ps")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    print("| molecule | | ms a ps, median (quartiles) | ns a day | of GROMACS | of OpenMM, CPU |")
    print("|---|---|---|---|---|---|")
    for name in given.molecules:
        print(table(name, measure(name, given)), flush=True)


if __name__ == "__main__":
    main()
