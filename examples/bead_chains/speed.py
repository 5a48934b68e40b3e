#!/usr/bin/env python3
"""Speed of the model against LAMMPS, one core, one run, in turns; prints a table and writes speed.json.

    python speed.py [--model bead-chains] [--rounds 3]

Processor seconds of one thread, so that a busy machine does not count.
"""

import argparse
import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from make_md import all_runs, commands
from openmm import Platform, app
from trajectories import TAU_PS, load, mapping

import openmm_scoredyn as sd

CHAIN = "n100/random_00"
MD_TAU, STEPS, BATCH, BATCH_STEPS = 200, 300, 256, 20
DATA = Path(__file__).resolve().parents[1] / "data" / "bead-chains"


def lammps_tau_per_s() -> float:
    """One chain that goes on from its last frame."""
    from chains import lammps_data

    run = next(run for run in all_runs() if run.name == CHAIN)
    text = commands(run, chunk=2).replace(f"run {round(run.chunk_tau / 0.01)}", f"run {MD_TAU * 100}")
    with np.load(run.chunk_file(DATA, 1)) as chunk, tempfile.TemporaryDirectory() as folder:
        data = lammps_data(run.chain, chunk["end_positions"], chunk["end_velocities"])
        (Path(folder) / "start.data").write_text(data)
        (Path(folder) / "chunk.in").write_text(text)
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        subprocess.run(["lmp", "-in", "chunk.in"], cwd=folder, check=True, capture_output=True)
        return MD_TAU / (resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="bead-chains")
    parser.add_argument("--group", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=DATA / "speed.json")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    run = next(run for run in all_runs() if run.name == CHAIN)
    beads = mapping(run.chain.units, given.group)
    program = sd.bind(given.model, beads.topology)
    lag_tau = program.card.lag_time_ps / TAU_PS
    frames = load(CHAIN, given.group).positions
    integrator = sd.ScoreDynamicsIntegrator(program)
    platform = Platform.getPlatformByName("Reference")
    simulation = app.Simulation(beads.topology, beads.system(), integrator, platform)
    simulation.context.setPositions(frames[0])
    simulation.step(20)
    found: dict[str, list[float]] = {"lammps": [], "context": [], "batch": []}
    for _ in range(given.rounds):
        found["lammps"].append(lammps_tau_per_s())
        begun = time.process_time()
        simulation.step(STEPS)
        found["context"].append(STEPS * lag_tau / (time.process_time() - begun))
        begun = time.process_time()
        program.sample(frames[:BATCH], BATCH_STEPS, seed=1)
        found["batch"].append(BATCH * BATCH_STEPS * lag_tau / (time.process_time() - begun))
    best = {name: max(values) for name, values in found.items()}
    for name, value in best.items():
        print(f"{name}: {value:,.0f} tau/s, {value / best['lammps']:.0f} times LAMMPS")
    given.out.write_text(json.dumps({"best": best, "rounds": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
