#!/usr/bin/env python3
"""Langevin dynamics of bead chains with LAMMPS: patterned chains to train on, random ones held out.

    python make_md.py                # run until every length is reached; stop at any time, call again
    python make_md.py --until 07:00  # no new chunk after this time of day (UTC)
    python make_md.py --status

Every chunk is a file of examples/data/bead-chains, n400/random_03_0002.npz: the second chunk of the
trajectory of a chain. It holds the centres of groups of five beads, and the beads at its end, from which the
next chunk goes on: see `packed`. Needs `lmp` (LAMMPS 2022 or later) and numpy.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from chains import (
    CUTOFF,
    DAMPING,
    TIMESTEP,
    Chain,
    chain,
    grown,
    lammps_data,
    lammps_force_field,
    patterns,
    sequence,
)

sys.path.append(str(Path(__file__).resolve().parents[1]))
from background import past

DATA = Path(__file__).resolve().parents[1] / "data" / "bead-chains"
GROUP = 5  # beads
UNIT = 0.002  # sigma, of stored centres
SEED = 20


@dataclass(frozen=True)
class Run:
    """One trajectory: a chain, its equilibration and length, the spacing of its frames and what a chunk
    holds, tau.
    """

    name: str
    chain: Chain
    seed: int
    equilibration_tau: int
    length_tau: int
    spacing_tau: int
    chunk_tau: int

    def chunk_file(self, data: Path, chunk: int) -> Path:
        return data / f"{self.name}_{chunk:04d}.npz"

    def chunks_done(self, data: Path) -> int:
        return len(list(data.glob(f"{self.name}_????.npz")))

    def share_done(self, data: Path) -> float:
        return self.chunks_done(data) * self.chunk_tau / self.length_tau


@dataclass(frozen=True)
class Plan:
    """Number and length, tau, of the trajectories of patterned and of random chains of a size."""

    beads: int
    patterned: tuple[int, int]
    random: tuple[int, int]
    times: dict


PLANS = (
    Plan(100, (24, 4000), (8, 12000), {"equilibration_tau": 1000, "spacing_tau": 5, "chunk_tau": 4000}),
    Plan(400, (40, 15000), (10, 100000), {"equilibration_tau": 5000, "spacing_tau": 25, "chunk_tau": 5000}),
)


def all_runs() -> list[Run]:
    """The rehearsal of 100 beads, then 400 beads; the sequences depend on SEED alone."""
    rng = np.random.default_rng(SEED)
    runs = []
    for plan in PLANS:
        for kind, (number, length) in (("patterned", plan.patterned), ("random", plan.random)):
            chosen = patterns(number, rng) if kind == "patterned" else [None] * number
            for k, pattern in enumerate(chosen):
                made = chain(sequence(plan.beads, rng, pattern))
                name = f"n{plan.beads}/{kind}_{k:02d}"
                runs.append(Run(name, made, SEED * 1000 + len(runs), length_tau=length, **plan.times))
    return runs


def next_run(data: Path) -> Run | None:
    """The run that is farthest behind its length: of 100 beads before any of 400, to train on before any that
    is held out.
    """
    waiting = [run for run in all_runs() if run.share_done(data) < 1]

    def rank(run: Run) -> tuple:
        return len(run.chain.types), "random" in run.name, run.share_done(data)

    return min(waiting, key=rank, default=None)


def commands(run: Run, chunk: int) -> str:
    """The LAMMPS input of a chunk; the first one moves a grown structure apart and equilibrates it."""
    seed = run.seed * 1000 + chunk
    apart = f"""velocity all create 1.0 {seed}
fix move all nve/limit 0.05
fix bath all langevin 1.0 1.0 0.1 {seed}
timestep 0.002
run 5000
unfix move
unfix bath
"""
    stride = round(run.spacing_tau / TIMESTEP)
    equilibration = f"run {round(run.equilibration_tau / TIMESTEP)}\nreset_timestep 0\n"
    return f"""units lj
atom_style molecular
boundary s s s
bond_style harmonic
angle_style cosine
pair_style lj/cut {CUTOFF}
pair_modify shift yes
read_data start.data
{lammps_force_field()}
neighbor 1.0 bin
neigh_modify every 5 delay 5 check yes
comm_modify cutoff 6.0
{apart if chunk == 1 else ""}fix move all nve
fix bath all langevin 1.0 1.0 {DAMPING} {seed + 500}
timestep {TIMESTEP}
thermo 10000
thermo_style custom step temp epair ebond eangle
{equilibration if chunk == 1 else ""}dump frames all custom {stride} frames.dump id xu yu zu
dump_modify frames sort id format float %.4f
run {round(run.chunk_tau / TIMESTEP)}
write_dump all custom end.dump id xu yu zu vx vy vz modify sort id format float %.7g
"""


def extend(run: Run, data: Path) -> float:
    """Run the next chunk; returns its speed, tau a second of wall time."""
    chunk = run.chunks_done(data) + 1
    file = run.chunk_file(data, chunk)
    file.parent.mkdir(parents=True, exist_ok=True)
    if chunk == 1:
        positions, velocities = grown(run.chain, np.random.default_rng(run.seed)), None
    else:
        with np.load(run.chunk_file(data, chunk - 1)) as before:
            positions, velocities = before["end_positions"], before["end_velocities"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "start.data").write_text(lammps_data(run.chain, positions, velocities))
        (folder / "chunk.in").write_text(commands(run, chunk))
        began = time.monotonic()
        done = subprocess.run(
            ["lmp", "-in", "chunk.in"], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"lmp failed for {run.name}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
        seconds = time.monotonic() - began
        beads = len(run.chain.types)
        frames = read_dump(folder / "frames.dump", beads)[1:]  # the first is the end of the chunk before
        end = read_dump(folder / "end.dump", beads)[0]
    part = file.with_suffix(".part.npz")
    np.savez_compressed(part, **packed(frames, end), metadata=json.dumps(described(run, chunk)))
    part.rename(file)
    return (run.chunk_tau + (run.equilibration_tau if chunk == 1 else 0)) / seconds


def described(run: Run, chunk: int) -> dict:
    """What a chunk file says about itself."""
    return {
        "chain": run.name,
        "chunk": chunk,
        "units": run.chain.units,
        "seed": run.seed * 1000 + chunk,
        "spacing_tau": run.spacing_tau,
        "beads_per_group": GROUP,
        "unit_sigma": UNIT,
    }


def read_dump(path: Path, beads: int) -> np.ndarray:
    """The columns after the atom's number, (T, N, C), of a dump file sorted by atom."""
    lines = path.read_text().splitlines()
    block = 9 + beads
    return np.array(
        [
            [line.split()[1:] for line in lines[start + 9 : start + block]]
            for start in range(0, len(lines) - block + 1, block)
        ],
        dtype=np.float64,
    )


def packed(frames: np.ndarray, end: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of a chunk file from unwrapped positions (T, N, 3) and positions and velocities (N, 6) at
    the end.

    Returns
    -------
    dict with `centres` (T, N/5, 3) int16, in units of 0.002 sigma from `centre_of_mass` (T, 3) float32, in
    sigma, of five consecutive beads each; `rg2` (T,) float32, sigma^2, of all beads; `end_positions` and
    `end_velocities` (N, 3) float32

    Raises
    ------
    ValueError
        If a centre is too far away for int16.
    """
    number, beads, _ = frames.shape
    centre = frames.mean(axis=1)
    inner = frames - centre[:, None]
    centres = np.round(inner.reshape(number, beads // GROUP, GROUP, 3).mean(axis=2) / UNIT)
    if np.abs(centres).max() > np.iinfo(np.int16).max:
        raise ValueError(
            f"a group is {np.abs(centres).max() * UNIT:.0f} sigma from the centre; expected at most 65."
        )
    return {
        "centres": centres.astype(np.int16),
        "centre_of_mass": centre.astype(np.float32),
        "rg2": ((inner**2).sum(axis=(1, 2)) / beads).astype(np.float32),
        "end_positions": end[:, :3].astype(np.float32),
        "end_velocities": end[:, 3:].astype(np.float32),
    }


def status(data: Path) -> str:
    """A line for each run."""
    return "\n".join(
        f"{run.name:22s} {run.share_done(data):5.0%} of {run.length_tau} tau" for run in all_runs()
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--until", default="", help="HH:MM, UTC: no chunk begins after it")
    parser.add_argument("--status", action="store_true")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    while not (given.status or past(given.until)):
        run = next_run(given.data)
        if run is None:
            break
        speed = extend(run, given.data)
        print(f"{run.name}: {run.share_done(given.data):.0%}, {speed:.0f} tau a second", flush=True)
    print(status(given.data))


if __name__ == "__main__":
    main()
