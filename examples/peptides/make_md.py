#!/usr/bin/env python3
"""Reference MD of peptides: ff14SB in OBC2 at 310 K, 16 copies of a sequence side by side.

    python make_md.py OUT                # until every set is made; stop at any time, call again
    python make_md.py OUT --until 07:00  # no new set after this time of day (UTC)
    python make_md.py OUT --purposes held_out validation
    python make_md.py OUT --pack         # add what is in OUT to the packed data (while nothing runs there)
    python make_md.py OUT --status

Of each sequence there are two sets: "fine", frames of 1 ps from the built structure, and "coarse", longer,
from frames spread evenly over the fine ones. A set is a store OUT/PURPOSE/SEQUENCE/KIND.frames, each copy a
segment of its own. PURPOSE and SEQUENCE as in sequences.json; those of CAPPED have ACE and NME. Needs openmm,
numpy, pdbfixer, openmm-scoredyn and a processor with AVX2.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import openmm as mm
from build import HYDROGEN_MASS_AMU, require_natural, structure, system
from openmm import app
from sequences import sequences

from openmm_scoredyn.data import load
from openmm_scoredyn.data import pack as pack_files
from openmm_scoredyn.data.frame_store import FrameStore
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.reference.lanes_engine import LanesEngine
from openmm_scoredyn.reference.physics import Physics

sys.path.append(str(Path(__file__).resolve().parents[1]))
from background import past

DATA = Path(__file__).resolve().parents[1] / "data" / "peptides-obc2"
TEMPERATURE_K, FRICTION_PER_PS, TIMESTEP_PS = 310.0, 10.0, 0.004
COPIES = 16
# What is left out of each copy, its length after that, and the spacing of its frames, ps.
CAPPED = ("capped", "capped_dipeptides", "protonated")
COARSE_PS = {
    "capped": (20, 1000, 20),
    "training": (20, 1000, 20),
    "validation": (20, 1000, 20),
    "held_out": (500, 2000, 10),
    "tetrapeptides": (500, 2000, 10),
    "tripeptides": (20, 1000, 20),
    "capped_dipeptides": (20, 1000, 20),
    "protonated": (20, 1000, 20),
}
_LATER = ("tripeptides", "capped_dipeptides", "protonated")  # what they have beyond the others is not bonds
FINE_PS = dict.fromkeys(COARSE_PS, (500, 125, 1)) | dict.fromkeys(_LATER, (500, 60, 1))
PHYSICS = Physics(
    force_field=(
        "amber14/protein.ff14SB.xml",
        "GBSAOBCForce (mbondi2, dielectric constant 78.5)",
    ),
    solvent="implicit (OBC2)",
    temperature_K=TEMPERATURE_K,
    friction_per_ps=FRICTION_PER_PS,
    timestep_fs=1000 * TIMESTEP_PS,
    hydrogen_mass_amu=HYDROGEN_MASS_AMU,
    own_system=True,
)
RECORD = {
    "force_field": " + ".join(PHYSICS.force_field),
    "solvent": PHYSICS.solvent,
    "integrator": "LangevinMiddleIntegrator",
    "friction_per_ps": FRICTION_PER_PS,
    "timestep_fs": PHYSICS.timestep_fs,
    "hydrogen_mass_amu": HYDROGEN_MASS_AMU,
}


@dataclass(frozen=True)
class Set:
    """Copies of a peptide: what for, sequence, "fine" or "coarse", seed."""

    purpose: str
    sequence: str
    kind: str
    seed: int

    @property
    def times_ps(self) -> tuple[int, int, int]:
        """What is left out of each copy, its length, and the spacing of its frames."""
        return (FINE_PS if self.kind == "fine" else COARSE_PS)[self.purpose]

    def store(self, out: Path) -> Path:
        """Where it is made."""
        return out / self.purpose / self.sequence / f"{self.kind}.frames"

    @property
    def packed(self) -> Path:
        """Folder of the packed trajectories of the sequence."""
        return DATA / self.purpose / self.sequence

    def packed_files(self) -> list[Path]:
        """Of this kind; those of OpenMM's Reference platform, set_1_1ps_0000.npz and so on, are fine ones."""
        own = sorted(self.packed.glob(f"{self.kind}_????.npz"))
        return own or (sorted(self.packed.glob("set_*_1ps_*.npz")) if self.kind == "fine" else [])

    def files(self, out: Path) -> list[Path]:
        """What there is of it, packed or not."""
        return self.packed_files() or ([self.store(out)] if FrameStore(self.store(out)).chunks else [])


@cache
def all_sets() -> list[Set]:
    """Every set, fine ones first."""
    return [
        Set(purpose, sequence, kind, 1_000_000 * (kind == "coarse") + 1000 * place)
        for kind in ("fine", "coarse")
        for place, (purpose, sequence) in enumerate(
            (purpose, sequence) for purpose in COARSE_PS for sequence in sequences()[purpose]
        )
    ]


def starts(this: Set, out: Path) -> np.ndarray:
    """Positions (COPIES, N, 3), nm, of a coarse set: frames spread evenly over the fine ones."""
    segments = [x for path in fine_files(this, out) for t in load(path) for x in t.segments]
    frames = np.concatenate([np.asarray(segment) for segment in segments])
    return frames[np.linspace(0, len(frames) - 1, COPIES).round().astype(int)]


def particles(this: Set, out: Path, topology: app.Topology, molecule: mm.System) -> Particles:
    """Those of the fine set, so that all frames of a sequence are of equal particles."""
    if this.kind == "coarse":
        return load(fine_files(this, out)[0])[0].molecule
    return Particles.from_topology(topology, molecule)


def fine_files(this: Set, out: Path) -> list[Path]:
    """Of the fine set of the same sequence."""
    return next(s for s in all_sets() if (s.kind, s.packed) == ("fine", this.packed)).files(out)


def make(this: Set, out: Path) -> float:
    """Run a set; returns its speed, ps of all copies a second."""
    topology, built_nm = structure(this.sequence, this.purpose in CAPPED)
    molecule, (skipped_ps, length_ps, spacing_ps) = system(topology), this.times_ps
    engine = LanesEngine(topology, built_nm, PHYSICS, this.seed + 1, COPIES, own=molecule)
    began = time.monotonic()
    if this.kind == "fine":
        engine.start(skipped_ps)
    else:
        engine.set_phase_point(starts(this, out), engine.draw_velocities(this.seed))
        engine.step(round(skipped_ps / TIMESTEP_PS))
    kept = []
    for _ in range(length_ps // spacing_ps):
        engine.step(round(spacing_ps / TIMESTEP_PS))
        positions = engine.positions().reshape(COPIES, -1, 3)
        kept.append(positions - positions.mean(axis=1, keepdims=True))
    frames = np.stack(kept, axis=1)
    seconds = time.monotonic() - began
    for last in frames[:, -1]:
        require_natural(topology, last)
    header = {
        "frame_spacing_ps": float(spacing_ps),
        "temperature_K": TEMPERATURE_K,
        "molecule": particles(this, out, topology, molecule).to_dict(),
        "steered": False,
        "consecutive": False,
        "replicas_are": "segments",
        "seed": this.seed,
    }
    store = FrameStore(this.store(out))
    store.begin(engine.record | RECORD | header)
    store.append({"positions": frames}, b"", {})
    return COPIES * (skipped_ps + length_ps) / seconds


def pack(this: Set, out: Path) -> None:
    """A packed file of a set."""
    if FrameStore(this.store(out)).chunks:
        pack_files(this.store(out), this.packed, name=this.kind)


def status(out: Path) -> str:
    """A line for each purpose and kind: sets made, of how many."""
    lines = []
    for kind in ("fine", "coarse"):
        for purpose in COARSE_PS:
            sets = [s for s in all_sets() if (s.purpose, s.kind) == (purpose, kind)]
            lines.append(f"{purpose:14s} {kind:7s}{sum(bool(s.files(out)) for s in sets):4d} of {len(sets)}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--until", default="", help="HH:MM, UTC: no set begins after it")
    parser.add_argument("--purposes", nargs="+", choices=list(COARSE_PS), default=list(COARSE_PS))
    parser.add_argument("--pack", action="store_true")
    parser.add_argument("--status", action="store_true")
    given = parser.parse_args()
    sets = sorted(
        (s for s in all_sets() if s.purpose in given.purposes),
        key=lambda s: (s.kind == "coarse", given.purposes.index(s.purpose)),
    )
    for this in sets:
        if given.pack:
            pack(this, given.out)
        elif not (given.status or past(given.until) or this.files(given.out)):
            speed = make(this, given.out)
            print(f"{this.purpose} {this.sequence} {this.kind}: {speed:.0f} ps a second", flush=True)
    print(status(given.out))


if __name__ == "__main__":
    main()
