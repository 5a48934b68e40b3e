"""phi and psi of the residues of a peptide, with fixed core sets in the Ramachandran plane."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np

from openmm_scoredyn.molecule.geometry import dihedral_angles, find_backbone_torsions
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.molecule.peptides import BACKBONE
from openmm_scoredyn.observables.protocol import Observable
from openmm_scoredyn.observables.states import Coordinate, Region, State, StateDefinition

FULL = (-180.0, 180.0)

# Populations. phi > 0 ends at 130 degrees: beyond lies the far side of the beta basin, which wraps around at
# 180. It has two wells, parted where the density has its minima, near psi = -105 and 110 degrees: alpha_L,
# and another about psi = 180, called C7ax here. (The C7ax of the gas phase, near (75, -65), is a shoulder of
# alpha_L in solution and no well.) Cores keep away from the barriers at phi = 0 and 130 degrees.
_STATES = (
    State(
        Region("beta", ((-180.0, 0.0), (110.0, 210.0))),
        Region("beta", ((-180.0, -30.0), (110.0, 210.0))),
        symbol=r"$\beta$",
    ),
    State(
        Region("alpha_R", ((-180.0, 0.0), (-70.0, 10.0))),
        Region("alpha_R", ((-180.0, -30.0), (-70.0, 10.0))),
        symbol=r"$\alpha_\mathrm{R}$",
    ),
    State(
        Region("phi>0", ((0.0, 130.0), FULL)),
        Region("phi>0", ((20.0, 110.0), FULL)),
        rare=True,
        symbol=r"$\phi>0$",
    ),
    State(
        Region("alpha_L", ((0.0, 130.0), (-105.0, 110.0))),
        Region("alpha_L", ((20.0, 110.0), (-30.0, 80.0))),
        inside="phi>0",
        rare=True,
        symbol=r"$\alpha_\mathrm{L}$",
    ),
    State(
        Region("C7ax", ((0.0, 130.0), (110.0, 255.0))),
        Region("C7ax", ((20.0, 110.0), (140.0, 230.0))),
        inside="phi>0",
        rare=True,
        symbol=r"C$_{7\mathrm{ax}}$",
    ),
)
# The gaps between the cores, through which a path must go: either side of the circle.
_PSI_SADDLES = (
    Region("psi ~ 60", ((-180.0, 0.0), (10.0, 110.0))),
    Region("psi ~ -110", ((-180.0, 0.0), (-150.0, -70.0))),
)
_PHI_SADDLES = (
    Region("phi ~ 0", ((-30.0, 20.0), FULL)),
    Region("phi ~ 130", ((110.0, 180.0), FULL)),
)
# beta is beta and polyproline II together.
RAMACHANDRAN = StateDefinition(
    states=_STATES,
    hops=("beta <-> alpha_R crossings", ("beta", "alpha_R")),
    zero="beta",
    rare="phi>0",
    joined={
        "beta -> alpha_R": (("beta",), ("alpha_R",)),
        "alpha_R -> beta": (("alpha_R",), ("beta",)),
        "into phi>0": (("beta", "alpha_R"), ("phi>0",)),
        "out of phi>0": (("phi>0",), ("beta", "alpha_R")),
    },
    saddles={
        "beta -> alpha_R": _PSI_SADDLES,
        "alpha_R -> beta": _PSI_SADDLES,
        "into phi>0": _PHI_SADDLES,
        "out of phi>0": _PHI_SADDLES,
    },
)


class Peptide(Observable):
    """phi and psi of every residue that has both.

    Parameters
    ----------
    particles : of a peptide with capped or continued ends, atoms named as in PDB files
    """

    name = "peptide"
    captions: ClassVar[Mapping[str, str]] = {"Populations": "Beta is beta and polyproline II together."}
    keeps_frames = True

    def __init__(self, particles: Particles):
        torsions = find_backbone_torsions(particles)
        self.atoms = np.array(torsions, dtype=int).reshape(-1, 4)
        alphas = [phi[2] for phi, _ in torsions]
        self.residues = [f"{particles.residue_names[a]}{particles.residue_indices[a] + 1}" for a in alphas]

    @classmethod
    def of(cls, particles: Particles, periodic: bool) -> "Peptide | None":
        """As `Observable.of`."""
        return cls(particles) if find_backbone_torsions(particles) else None

    def features(self, positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """phi and psi of one residue after the other, (T, 2 R), rad."""
        return dihedral_angles(positions, self.atoms)

    def coordinates(self, fitted: dict) -> tuple[Coordinate, ...]:
        """The Ramachandran plane of each residue."""
        return tuple(
            Coordinate(
                name=residue,
                label=residue if len(self.residues) > 1 else "",
                columns=(2 * k, 2 * k + 1),
                angles=("phi", "psi"),
                distribution="Ramachandran JSD (reference: expected by chance)",
                bins=50,
                states=RAMACHANDRAN,
                symbols=(r"$\phi$", r"$\psi$"),
                atoms=tuple(tuple(torsion) for torsion in self.atoms[2 * k : 2 * k + 2].tolist()),
                parts=(BACKBONE, BACKBONE),
            )
            for k, residue in enumerate(self.residues)
        )


def shot_along(coordinates: Iterable[tuple[str, Coordinate]]) -> str:
    """Name of the coordinate along which `scoredyn simulate --shooting` shoots, of (observable, Coordinate):
    that of the only residue with phi and psi; empty where there is none, or several.
    """
    residues = [coordinate.name for name, coordinate in coordinates if name == Peptide.name]
    return residues[0] if len(residues) == 1 else ""


OBSERVABLES = (Peptide,)
