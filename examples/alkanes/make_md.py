#!/usr/bin/env python3
"""Reference MD of alkanes in TIP3P water with GROMACS: OPLS-AA, 300 K, a frame each picosecond.

    python make_md.py OUT                # until every target is reached; stop at any time, call again;
                                         # for several cores, call it as often: no two make the same molecule
    python make_md.py OUT --until 07:00  # no new chunk after this time of day (UTC)
    python make_md.py OUT --molecules octane decane
    python make_md.py OUT --pack         # add what is in OUT to the packed data (while nothing runs there)
    python make_md.py OUT --status

Every chunk is a file OUT/MOLECULE/set_N/chunk_0001.npz: `positions_nm` (1000, N, 3) float32, whole molecules,
frames of 1 ps; consecutive chunks of a folder are one trajectory. Packing makes one file of each trajectory
and ends it; the next one of the set then has another seed. What is packed counts towards the target. Needs
`gmx` (GROMACS 2021 or later), numpy and mdtraj; openmm-scoredyn to pack.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import gromacs
import mdtraj
import numpy as np
from gromacs import BAROSTAT, COMMON, HYDROGEN_MASS_AMU, LANGEVIN, TEMPERATURE_K, TIMESTEP_PS, VELOCITIES, gmx
from molecules import HELD_OUT, TRAINING, alkane

sys.path.append(str(Path(__file__).resolve().parents[1]))
from background import claim, past

DATA = Path(__file__).resolve().parents[1] / "data" / "alkanes-tip3p"
CHAINS = ("pentane", "hexane", "heptane", "methylhexane", "dimethylpentane")  # with torsions of carbons
CHUNK_PS = 1000
NPT_PS, RELAX_PS = 200, 100


@dataclass(frozen=True)
class Set:
    """Trajectories of a molecule: their number among the molecule's sets, their length in all in ns, and
    their seed.
    """

    molecule: str
    number: int
    length_ns: int
    seed: int

    def folder(self, out: Path) -> Path:
        """Of the trajectory that is being made."""
        return out / self.molecule / f"set_{self.number}"

    @property
    def packed(self) -> Path:
        """Folder of the molecule's packed trajectories."""
        return DATA / ("training" if self.molecule in TRAINING else "held_out") / self.molecule

    def packed_frames(self) -> list[int]:
        """Frames in each packed trajectory of this set."""
        card = self.packed / "card.json"
        files = json.loads(card.read_text())["files"] if card.exists() else []
        return [entry["frames"] for entry in files if entry["file"].startswith(f"set_{self.number}_")]

    def chunks(self, out: Path) -> list[Path]:
        """Files of the trajectory that is being made."""
        return sorted(self.folder(out).glob("chunk_????.npz"))

    def done_ns(self, out: Path) -> float:
        """What there is, packed or not."""
        return (sum(self.packed_frames()) + CHUNK_PS * len(self.chunks(out))) / 1000


def all_sets() -> list[Set]:
    """Every trajectory of the data set: one of 12 ns of each training molecule, two of 25 (40) ns of the
    others.
    """
    lengths_ns = (
        {name: (12,) for name in TRAINING} | {name: (25, 25) for name in HELD_OUT} | {"decane": (40, 40)}
    )
    return [
        Set(name, number + 1, length, 1000 + 10 * index + number)
        for index, name in enumerate(lengths_ns)
        for number, length in enumerate(lengths_ns[name])
    ]


def waiting_sets(out: Path) -> list[Set]:
    """Trajectories that are not finished, the farthest behind first: those to train on up to 0.4, all to
    0.05, then those to train on, chains first, then all.
    """
    sets = all_sets()
    training = [s for s in sets if s.molecule in TRAINING]
    chains = [s for s in training if s.molecule in CHAINS]
    order: list[Set] = []
    for group, share in ((training, 0.4), (sets, 0.05), (chains, 1.0), (training, 1.0), (sets, 1.0)):
        behind = [s for s in group if s.done_ns(out) < share * s.length_ns and s not in order]
        order += sorted(behind, key=lambda s: s.done_ns(out) / s.length_ns)
    return order


def extend_next(out: Path, molecules: list[str]) -> bool:
    """Another chunk of the first waiting trajectory, of these molecules, that no other process makes; whether
    there was one.
    """
    for this in waiting_sets(out):
        if this.molecule not in molecules:
            continue
        lock = claim(out / this.molecule)
        if lock is None:
            continue
        with lock:
            speed = extend(this, out)
        print(
            f"{this.molecule} set {this.number}: {this.done_ns(out):.1f} ns, {speed:.0f} ns a day", flush=True
        )
        return True
    return False


def run(folder: Path, name: str, options: dict, start: str) -> None:
    """One run from a .gro file, unless it is done."""
    if (folder / f"{name}.gro").exists():
        return
    prepare(folder, name, options, start)
    gromacs.mdrun(name, folder, f"-c {name}.part.gro")
    (folder / f"{name}.part.gro").rename(folder / f"{name}.gro")


def prepare(folder: Path, name: str, options: dict, start: str, more: str = "") -> None:
    """name.tpr of a .gro file; the molecule's topology is in the folder or one up."""
    (folder / f"{name}.mdp").write_text(gromacs.mdp(options))
    topology = "topol.top" if (folder / "topol.top").exists() else "../topol.top"
    command = f"grompp -f {name}.mdp -c {start} -p {topology} -o {name}.tpr -po {name}.out.mdp {more}"
    gmx(command, folder)


def fill(name: str, folder: Path, shape: str) -> None:
    """Topology and a box of this shape with the molecule in water: leaves minimum.gro."""
    folder.mkdir(parents=True, exist_ok=True)
    molecule = alkane(name)
    (folder / "topol.top").write_text(gromacs.topology(molecule))
    (folder / "molecule.gro").write_text(gromacs.gro(molecule))
    width = gromacs.box_width_nm(molecule)
    gmx(f"editconf -f molecule.gro -o empty.gro -bt {shape} -box {width:.4f}", folder)
    gmx("solvate -cp empty.gro -cs spc216.gro -p topol.top -o water.gro", folder)
    run(folder, "minimum", COMMON | {"integrator": "steep", "nsteps": 500, "emtol": 100}, "water.gro")


def equilibrate(name: str, folder: Path) -> None:
    """Water, minimum, NPT; leaves box.gro: the last frame at the mean volume of the second half of NPT."""
    if (folder / "box.gro").exists():
        return
    fill(name, folder, "dodecahedron")
    seed = next(s.seed for s in all_sets() if s.molecule == name) + 5
    seeds = {"gen-seed": seed, "ld-seed": seed}
    npt = LANGEVIN | VELOCITIES | BAROSTAT | seeds | {"nsteps": round(NPT_PS / TIMESTEP_PS)}
    run(folder, "npt", npt, "minimum.gro")
    volumes = energies(folder, "npt", "Volume")
    gromacs.set_box(folder / "npt.gro", volumes[len(volumes) // 2 :].mean(), folder / "box.part.gro")
    (folder / "box.part.gro").rename(folder / "box.gro")


def energies(folder: Path, name: str, term: str) -> np.ndarray:
    """A term of an energy file over time, (T,)."""
    gmx(f"energy -f {name}.edr -o term.xvg -xvg none", folder, text=f"{term}\n\n")
    return np.loadtxt(folder / "term.xvg", ndmin=2)[:, 1]


def begin(this: Set, out: Path) -> None:
    """Velocities of the set's own seed, 100 ps at the box of the molecule; leaves all.tpr, the whole
    trajectory to come.
    """
    folder = this.folder(out)
    if (folder / "all.tpr").exists():
        return
    equilibrate(this.molecule, folder.parent)
    folder.mkdir(exist_ok=True)
    seed = this.seed + 10_000 * len(this.packed_frames())
    own = {"gen-seed": seed, "ld-seed": seed, "nsteps": round(RELAX_PS / TIMESTEP_PS)}
    run(folder, "relax", LANGEVIN | VELOCITIES | own, "../box.gro")
    production = LANGEVIN | {
        "nsteps": round(this.length_ns * 1000 / TIMESTEP_PS),
        "ld-seed": seed + 5000,
        "continuation": "yes",
        "nstxout-compressed": round(1 / TIMESTEP_PS),
        "compressed-x-grps": "ALK",
        "compressed-x-precision": 10000,
    }
    prepare(folder, "part", production, "relax.gro", f"-t relax.cpt -time {RELAX_PS}")
    (folder / "part.tpr").rename(folder / "all.tpr")


def extend(this: Set, out: Path) -> float:
    """Run the next chunk of a set, or what an interruption left of it; returns its speed, ns a day."""
    begin(this, out)
    folder, done = this.folder(out), len(this.chunks(out))
    name, speed = gromacs.run_chunk(folder, done + 1, CHUNK_PS)
    positions = frames(folder, name, done * CHUNK_PS)
    part = folder / f"{name}.part.npz"
    np.savez(part, positions_nm=positions, first_frame_ps=done * CHUNK_PS + 1)
    part.rename(folder / f"{name}.npz")
    gromacs.remove_parts(folder, name)
    return speed


def pack(this: Set, out: Path) -> None:
    """One packed file of the chunks of a set; the folder of the trajectory is named after the file."""
    from openmm_scoredyn.data import pack as pack_files

    chunks, folder = this.chunks(out), this.folder(out)
    if not chunks:
        return
    record = {
        "engine": f"GROMACS {gromacs.version()}",
        "force_field": "OPLS-AA + TIP3P (oplsaa_alkanes_tip3p.xml)",
        "solvent": "explicit (TIP3P)",
        "integrator": "sd (leap-frog Langevin)",
        "friction_per_ps": 1,
        "timestep_fs": 1000 * TIMESTEP_PS,
        "hydrogen_mass_amu": HYDROGEN_MASS_AMU,
        "cutoff_nm": 0.8,
        "pressure_bar": 1,
        "seed": this.seed + 10_000 * len(this.packed_frames()),
    }
    with tempfile.TemporaryDirectory() as temporary:
        whole = Path(temporary) / "trajectory.dcd"
        topology = alkane(this.molecule).topology()
        positions = np.concatenate([np.load(c)["positions_nm"] for c in chunks])
        mdtraj.Trajectory(positions, mdtraj.Topology.from_openmm(topology)).save(str(whole))
        written = pack_files(
            whole,
            this.packed,
            name=f"set_{this.number}",
            record=record,
            topology=mdtraj.Topology.from_openmm(topology),
            system=system(topology),
            frame_spacing_ps=1.0,
            temperature_K=TEMPERATURE_K,
        )
    folder.rename(folder.with_name(written[0].stem))


def system(topology):
    """The alkane alone, as an openmm.System: what the dynamics had of masses, constraints and parameters."""
    from importlib.resources import files

    from openmm import app, unit

    field = files("openmm_scoredyn") / "reference" / "force_fields" / "oplsaa_alkanes_tip3p.xml"
    heavy = HYDROGEN_MASS_AMU * unit.dalton
    return app.ForceField(str(field)).createSystem(topology, constraints=app.HBonds, hydrogenMass=heavy)


def frames(folder: Path, name: str, begin_ps: int) -> np.ndarray:
    """Frames (1000, N, 3) float32, nm, of a chunk from its parts, each molecule whole, one for each
    picosecond.
    """
    by_time = {}
    for path in sorted(folder.glob(f"{name}.part*.xtc")):
        with mdtraj.formats.XTCTrajectoryFile(str(path)) as file:
            positions, times, _, boxes = file.read()
        by_time |= {round(float(t)): (x, b) for t, x, b in zip(times, positions, boxes)}
    wanted = range(begin_ps + 1, begin_ps + CHUNK_PS + 1)
    missing = [t for t in wanted if t not in by_time]
    if missing:
        raise RuntimeError(f"{folder / name}: no frame at {missing[0]} ps; delete its files and run again.")
    positions = np.array([by_time[t][0] for t in wanted])
    return whole(positions, alkane(folder.parent.name).bonds, by_time[wanted[0]][1]).astype(np.float32)


def whole(positions_nm: np.ndarray, bonds, box_nm: np.ndarray) -> np.ndarray:
    """Positions (T, N, 3) float64 with bonded atoms beside each other.

    The vectors of the box (3, 3) are rows of a lower triangle. A bond's second atom is moved: of several
    bonds of an atom to those before it, the first must come first.
    """
    positions = positions_nm.astype(np.float64)
    for i, j in bonds:
        displacements = positions[:, j] - positions[:, i]
        for axis in (2, 1, 0):
            displacements -= np.round(displacements[:, axis, None] / box_nm[axis, axis]) * box_nm[axis]
        positions[:, j] = positions[:, i] + displacements
    return positions


def status(out: Path) -> str:
    """A line for each set: chunks done, of how many."""
    return "\n".join(
        f"{s.molecule:15s} set {s.number}  {s.done_ns(out):5.1f} of {s.length_ns} ns" for s in all_sets()
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--until", default="", help="HH:MM, UTC: no chunk begins after it")
    names = sorted(TRAINING | HELD_OUT)
    parser.add_argument("--molecules", nargs="+", default=names, choices=names, help="only these")
    parser.add_argument("--pack", action="store_true")
    parser.add_argument("--status", action="store_true")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if given.pack:
        for this in all_sets():
            pack(this, given.out)
    while not (given.status or given.pack or past(given.until)):
        if not extend_next(given.out, given.molecules):
            break
    print(status(given.out))


if __name__ == "__main__":
    main()
