#!/usr/bin/env python3
"""Speed of a model against LAMMPS, one core, one run, in turns; prints a table and writes it among the data.

    python speed.py [--beads 400] [--rounds 3]

Processor seconds of one thread, so that waiting for a busy machine does not count; what else it does slows
both.
"""

import argparse
import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from chains import lammps_data
from make_md import Run, all_runs, commands
from models import MODELS
from openmm import Platform, app
from trajectories import DATA, TAU_PS, load, mapping

import openmm_scoredyn as sd

MD_BEADS_TAU, STEPS, BATCH, BATCH_STEPS = 20_000, 300, 256, 20


def lammps_tau_per_s(run: Run) -> float:
    """One chain that goes on from the end of its first chunk."""
    length_tau = MD_BEADS_TAU // len(run.chain.types)
    text = commands(run, chunk=2).replace(f"run {round(run.chunk_tau / 0.01)}", f"run {length_tau * 100}")
    with np.load(run.chunk_file(DATA, 1)) as chunk, tempfile.TemporaryDirectory() as folder:
        data = lammps_data(run.chain, chunk["end_positions"], chunk["end_velocities"])
        (Path(folder) / "start.data").write_text(data)
        (Path(folder) / "chunk.in").write_text(text)
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        subprocess.run(["lmp", "-in", "chunk.in"], cwd=folder, check=True, capture_output=True)
        return length_tau / (resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--beads", type=int, choices=sorted(MODELS), default=100, help="of a chain")
    parser.add_argument("--model", help="a file .scoredyn, instead of the shipped model of that name")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    chosen = MODELS[given.beads]
    run = next(run for run in all_runs() if run.name == f"{chosen.folder}/random_00")
    beads = mapping(run.chain.units, chosen.group)
    program = sd.bind(given.model or chosen.name, beads.topology)
    lag_tau = program.card.lag_time_ps / TAU_PS
    frames = load(run.name, chosen.group).positions
    integrator = sd.ScoreDynamicsIntegrator(program)
    platform = Platform.getPlatformByName("Reference")
    simulation = app.Simulation(beads.topology, beads.system(), integrator, platform)
    simulation.context.setPositions(frames[0])
    simulation.step(20)
    found: dict[str, list[float]] = {"lammps": [], "context": [], "batch": []}
    for _ in range(given.rounds):
        found["lammps"].append(lammps_tau_per_s(run))
        begun = time.process_time()
        simulation.step(STEPS)
        found["context"].append(STEPS * lag_tau / (time.process_time() - begun))
        begun = time.process_time()
        program.sample(frames[:BATCH], BATCH_STEPS, seed=1)
        found["batch"].append(BATCH * BATCH_STEPS * lag_tau / (time.process_time() - begun))
    for name, values in found.items():
        times = median(values) / median(found["lammps"])
        print(
            f"{name}: {median(values):,.0f} tau/s ({min(values):,.0f} to {max(values):,.0f}), {times:.0f} x"
        )
    chosen.speed_file(DATA).write_text(json.dumps({"tau_per_s": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
