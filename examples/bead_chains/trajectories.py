"""The trajectories of examples/data/bead-chains as the package takes them: nanometres, picoseconds, kelvin.

Reduced units have a meaning once three are chosen: sigma 0.5 nm, mass 100 amu, kT of 300 K; tau follows.
"""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
from chains import DAMPING, TYPES, chain

from openmm_scoredyn.coarse import Mapping
from openmm_scoredyn.data import Trajectory
from openmm_scoredyn.molecule.particles import Particles

DATA = Path(__file__).resolve().parents[1] / "data" / "bead-chains"
SIGMA_NM, MASS_AMU, TEMPERATURE_K = 0.5, 100.0, 300.0
KT_KJ_MOL = 8.31446261815324e-3 * TEMPERATURE_K
TAU_PS = SIGMA_NM * math.sqrt(MASS_AMU / KT_KJ_MOL)  # 3.166
FRICTION_PER_PS = 1 / (DAMPING * TAU_PS)
STORED = 5  # beads of a stored group


def names(kind: str, data: Path = DATA) -> list[str]:
    """Chains of a set such as "n100/random", sorted: "n100/random_00" and so on."""
    folder, prefix = kind.split("/")
    found = sorted((data / folder).glob(f"{prefix}_??_0001.npz"))
    return [f"{folder}/{file.stem[:-5]}" for file in found]


def mapping(units, group: int) -> Mapping:
    """From the beads of a sequence of constitutional units to groups of `group` consecutive ones."""
    return Mapping.equal_groups(fine_particles(units), group)


def fine_particles(units) -> Particles:
    """The beads of a sequence of constitutional units."""
    made = chain(units)
    types = tuple(TYPES[kind] for kind in made.types)
    count = len(types)
    return Particles(
        types=types,
        masses_amu=(MASS_AMU,) * count,
        atom_names=types,
        residue_names=("BEA",) * count,
        residue_indices=tuple(range(count)),
        bonds=tuple((int(i), int(j)) for i, j in made.bonds),
    )


def load(name: str, group: int = STORED, stride: int = 1, data: Path = DATA) -> Trajectory:
    """All chunks of a chain's trajectory, every `stride`-th frame, as one segment.

    Parameters
    ----------
    name : such as "n100/random_00"
    group : beads of a super-bead, a multiple of what is stored
    """
    files = sorted(data.glob(f"{name}_????.npz"))
    digest, frames = hashlib.sha256(), []
    for number, file in enumerate(files, start=1):
        with np.load(file) as chunk:
            said = json.loads(str(chunk["metadata"]))
            if said["chunk"] != number:
                raise ValueError(f"{file} is chunk {said['chunk']}; expected {number}: one is missing.")
            stored = chunk["centres"] * said["unit_sigma"]
            merged = stored.reshape(len(stored), -1, group // STORED, 3).mean(axis=2)
            frames.append(merged + chunk["centre_of_mass"][:, None])
        digest.update(file.read_bytes())
    positions = np.concatenate(frames)[::stride] * SIGMA_NM
    return Trajectory(
        segments=(positions.astype(np.float32),),
        frame_spacing_ps=said["spacing_tau"] * stride * TAU_PS,
        temperature_K=TEMPERATURE_K,
        molecule=mapping(said["units"], group).particles,
        steered=False,
        consecutive=True,
        source_sha256=digest.hexdigest(),
        force_field="beads of examples/bead_chains/chains.py",
        solvent="implicit (Langevin)",
        source=name,
    )


def rg2_nm2(name: str, data: Path = DATA) -> np.ndarray:
    """Squared radius of gyration of all beads of every frame, nm^2."""
    return SIGMA_NM**2 * np.concatenate(
        [np.load(file)["rg2"] for file in sorted(data.glob(f"{name}_????.npz"))]
    )
