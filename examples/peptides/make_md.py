#!/usr/bin/env python3
"""Reference MD of peptides: ff14SB in OBC2 at 310 K with OpenMM's Reference platform.

    python make_md.py OUT                # run until every target is reached; stop at any time, call again
    python make_md.py OUT --until 07:00  # no new chunk after this time of day (UTC)
    python make_md.py OUT --part 1/2     # every second trajectory; 2/2 is the rest
    python make_md.py OUT --pack         # add what is in OUT to the packed data (while nothing runs there)
    python make_md.py OUT --status

Every chunk of 1 ns is a file OUT/PURPOSE/SEQUENCE/set_N/chunk_0001.npz: `positions_nm` (T, N, 3) float32,
frames of 1 ps in the first two chunks of a set and of 10 ps beyond; consecutive chunks of a folder are one
trajectory. PURPOSE and SEQUENCE as in sequences.json; "capped" means ACE-X-NME. Packing ends a trajectory;
the next one of the set begins at its last frame, with new velocities. What is packed counts towards the
target. Needs openmm, numpy and pdbfixer; openmm-scoredyn to pack.
"""

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import openmm as mm
from build import HYDROGEN_MASS_AMU, require_natural, structure, system
from openmm import app, unit
from sequences import sequences

DATA = Path(__file__).resolve().parents[1] / "data" / "peptides-obc2"
TEMPERATURE_K, FRICTION_PER_PS, TIMESTEP_PS = 310.0, 10.0, 0.004
CHUNK_PS, RELAX_PS = 1000, 100
FINE_CHUNKS, FINE_PS, COARSE_PS = 2, 1, 10
LENGTHS_NS = {
    "capped": (15,),
    "training": (15,),
    "validation": (10,),
    "held_out": (20, 20),
    "tetrapeptides": (40,),
}

RECORD = {
    "force_field": "amber14/protein.ff14SB.xml + GBSAOBCForce (mbondi2, dielectric constant 78.5)",
    "solvent": "implicit (OBC2)",
    "integrator": "LangevinMiddleIntegrator",
    "friction_per_ps": FRICTION_PER_PS,
    "timestep_fs": 1000 * TIMESTEP_PS,
    "hydrogen_mass_amu": HYDROGEN_MASS_AMU,
}


@dataclass(frozen=True)
class Set:
    """Trajectories of a peptide: what for, sequence, number among the sequence's sets, length in all, first
    seed.
    """

    purpose: str
    sequence: str
    number: int
    length_ns: int
    seed: int

    def folder(self, out: Path) -> Path:
        """Of the trajectory that is being made."""
        return out / self.purpose / self.sequence / f"set_{self.number}"

    @property
    def packed(self) -> Path:
        """Folder of the packed trajectories of the sequence."""
        return DATA / self.purpose / self.sequence

    def packed_files(self) -> list[dict]:
        """What the card says of each packed file of this set, in the order of time."""
        card = self.packed / "card.json"
        files = json.loads(card.read_text())["files"] if card.exists() else []
        return [entry for entry in files if entry["file"].startswith(f"set_{self.number}_")]

    def chunks(self, out: Path) -> list[Path]:
        """Files of the trajectory that is being made."""
        return sorted(self.folder(out).glob("chunk_????.npz"))

    def packed_ns(self) -> int:
        return (
            round(sum(entry["frames"] * entry["frame_spacing_ps"] for entry in self.packed_files()))
            // CHUNK_PS
        )

    def done_ns(self, out: Path) -> int:
        """What there is, packed or not; a chunk is 1 ns."""
        return self.packed_ns() + len(self.chunks(out))


@cache
def all_sets() -> list[Set]:
    """Every trajectory of the data set."""
    planned = [
        (purpose, sequence, number + 1, length)
        for purpose, lengths in LENGTHS_NS.items()
        for sequence in sequences()[purpose]
        for number, length in enumerate(lengths)
    ]
    return [Set(*plan, seed=1000 * (index + 1)) for index, plan in enumerate(planned)]


def next_set(sets: list[Set], out: Path) -> Set | None:
    """The trajectory of these that is farthest behind: capped ones to 2 ns, dipeptides to train on, all
    dipeptides, then everything.
    """
    first = [s for s in sets if s.purpose == "capped"]
    second = [s for s in sets if s.purpose in ("capped", "training")]
    third = [s for s in sets if s.purpose != "tetrapeptides"]
    for group in (first, second, third):
        waiting = [s for s in group if s.done_ns(out) < FINE_CHUNKS]
        if waiting:
            return min(waiting, key=lambda s: s.done_ns(out))
    waiting = [s for s in sets if s.done_ns(out) < s.length_ns]
    return min(waiting, key=lambda s: s.done_ns(out) / s.length_ns, default=None)


def context(topology: app.Topology, seed: int) -> mm.Context:
    """A context of the peptide with random numbers of its own."""
    integrator = mm.LangevinMiddleIntegrator(TEMPERATURE_K, FRICTION_PER_PS, TIMESTEP_PS)
    integrator.setRandomNumberSeed(seed)
    return mm.Context(system(topology), integrator, mm.Platform.getPlatformByName("Reference"))


def begin(this: Set, topology: app.Topology, built_nm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities (N, 3) to begin with: 100 ps after a built structure or after the last packed
    frame.
    """
    packed = this.packed_files()
    seed = this.seed + 500 + this.packed_ns()
    simulated = context(topology, seed)
    if packed:
        from openmm_scoredyn.data import load

        simulated.setPositions(load(this.packed / packed[-1]["file"])[0].positions[-1])
        simulated.applyConstraints(1e-6)
    else:
        simulated.setPositions(built_nm)
        mm.LocalEnergyMinimizer.minimize(simulated, 1.0)
    simulated.setVelocitiesToTemperature(TEMPERATURE_K, seed)
    simulated.getIntegrator().step(round(RELAX_PS / TIMESTEP_PS))
    return state_of(simulated)


def state_of(simulated: mm.Context) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities (N, 3), nm and nm/ps."""
    state = simulated.getState(getPositions=True, getVelocities=True)
    positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    return positions, state.getVelocities(asNumpy=True).value_in_unit(unit.nanometer / unit.picosecond)


def extend(this: Set, out: Path) -> float:
    """Run the next chunk of a set; returns its speed, ps a second of wall time."""
    folder, chunks, number = this.folder(out), this.chunks(out), this.done_ns(out) + 1
    folder.mkdir(parents=True, exist_ok=True)
    topology, built_nm = structure(this.sequence, this.purpose == "capped")
    if chunks:
        with np.load(chunks[-1]) as before:
            positions, velocities = before["end_positions_nm"], before["end_velocities_nm_per_ps"]
    else:
        positions, velocities = begin(this, topology, built_nm)
    simulated = context(topology, this.seed + number)
    simulated.setPositions(positions)
    simulated.setVelocities(velocities)
    spacing_ps = FINE_PS if number <= FINE_CHUNKS else COARSE_PS
    frames = np.empty((CHUNK_PS // spacing_ps, topology.getNumAtoms(), 3), dtype=np.float32)
    began = time.monotonic()
    for frame in frames:
        simulated.getIntegrator().step(round(spacing_ps / TIMESTEP_PS))
        frame[:] = (
            simulated.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        )
    seconds = time.monotonic() - began
    positions, velocities = state_of(simulated)
    require_natural(topology, positions)
    part = folder / "part.npz"
    np.savez(
        part,
        positions_nm=frames,
        spacing_ps=spacing_ps,
        seed=this.seed + number,
        end_positions_nm=positions,
        end_velocities_nm_per_ps=velocities,
    )
    part.rename(folder / f"chunk_{len(chunks) + 1:04d}.npz")
    return CHUNK_PS / seconds


def pack(this: Set, out: Path) -> None:
    """Packed files of the chunks of a set, fine and coarse frames apart; the folder is named after the last
    one.
    """
    import mdtraj

    from openmm_scoredyn.data import pack as pack_files

    if not this.chunks(out):
        return
    folder, written = this.folder(out), []
    topology = mdtraj.Topology.from_openmm(structure(this.sequence, this.purpose == "capped")[0])
    for spacing_ps in (FINE_PS, COARSE_PS):
        chunks = [dict(np.load(path)) for path in this.chunks(out)]
        chunks = [chunk for chunk in chunks if chunk["spacing_ps"] == spacing_ps]
        if not chunks:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            whole = Path(temporary) / "trajectory.dcd"
            positions_nm = np.concatenate([chunk["positions_nm"] for chunk in chunks])
            mdtraj.Trajectory(positions_nm - positions_nm.mean(axis=1, keepdims=True), topology).save(
                str(whole)
            )
            written += pack_files(
                whole,
                this.packed,
                name=f"set_{this.number}_{spacing_ps}ps",
                record=RECORD | {"engine": f"OpenMM {mm.__version__}", "seed": int(chunks[0]["seed"])},
                topology=topology,
                frame_spacing_ps=float(spacing_ps),
                temperature_K=TEMPERATURE_K,
            )
    if written:
        folder.rename(folder.with_name(written[-1].stem))


def part_of(sets: list[Set], part: str) -> list[Set]:
    """Every N-th of the trajectories, from the K-th on, for "K/N".

    Raises
    ------
    ValueError
        For another text, or a K that is not between 1 and N.
    """
    first, _, every = part.partition("/")
    if not (first.isdigit() and every.isdigit() and 1 <= int(first) <= int(every)):
        raise ValueError(f"--part {part}: expected K/N with K from 1 to N, such as 1/2.")
    return sets[int(first) - 1 :: int(every)]


def status(out: Path) -> str:
    """A line for each purpose: ns done, of how many, and how many sets have begun."""
    lines = []
    for purpose in LENGTHS_NS:
        sets = [s for s in all_sets() if s.purpose == purpose]
        done = [s.done_ns(out) for s in sets]
        planned = sum(s.length_ns for s in sets)
        begun = f"{sum(map(bool, done))} of {len(sets)} sets begun"
        lines.append(f"{purpose:14s} {sum(done):5d} of {planned:5d} ns; {begun}")
    return "\n".join(lines)


def past(time_of_day: str) -> bool:
    """Whether it is later than HH:MM, UTC; never, for an empty text."""
    return bool(time_of_day) and time.strftime("%H:%M", time.gmtime()) >= time_of_day


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--until", default="", help="HH:MM, UTC: no chunk begins after it")
    parser.add_argument("--part", default="1/1", help="K/N: every N-th trajectory, from the K-th on")
    parser.add_argument("--pack", action="store_true")
    parser.add_argument("--status", action="store_true")
    given = parser.parse_args()
    sets = part_of(all_sets(), given.part)
    if given.pack:
        for this in all_sets():
            pack(this, given.out)
    while not (given.status or given.pack or past(given.until)):
        this = next_set(sets, given.out)
        if this is None:
            break
        speed = extend(this, given.out)
        done = f"{this.purpose} {this.sequence} set {this.number}: {this.done_ns(given.out)} ns"
        print(f"{done}, {speed:.0f} ps a second", flush=True)
    print(status(given.out))


if __name__ == "__main__":
    main()
