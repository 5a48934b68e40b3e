#!/usr/bin/env python3
"""GROMACS' forces and energies of one frame, and OpenMM's with the force-field file that is shipped.

python check_forces.py OUT isopentane frame.npz   # GROMACS: writes positions, box, forces and potential
energy python check_forces.py frame.npz                  # OpenMM: compares
"""

import sys
from importlib.resources import files
from pathlib import Path

import gromacs
import make_md
import mdtraj
import numpy as np
import openmm as mm
from molecules import Alkane, alkane
from openmm import app, unit
from openmm.app.internal.unitcell import reducePeriodicBoxVectors

FORCE_FIELD = files("openmm_scoredyn") / "reference" / "force_fields" / "oplsaa_alkanes_tip3p.xml"


def gromacs_frame(out: Path, name: str) -> dict[str, np.ndarray]:
    """Forces, kJ/mol/nm, and potential energy, kJ/mol, of a minimised box with tight PME.

    An octahedron: OpenMM refuses the dodecahedron of the data, as its height is less than two cutoffs.
    """
    folder = out / name
    make_md.fill(name, folder, "octahedron")
    options = gromacs.COMMON | {"fourierspacing": 0.06, "ewald-rtol": 1e-6, "continuation": "yes"}
    options |= {"integrator": "md", "nsteps": 0, "nstxout": 1, "nstfout": 1}
    make_md.prepare(folder, "frame", options, "minimum.gro")
    gromacs.mdrun("frame", folder)
    with mdtraj.formats.TRRTrajectoryFile(str(folder / "frame.trr")) as file:
        positions, _, _, box, _, _, forces = file._read(1, None, get_forces=True)
    bonds = topology(alkane(name), positions.shape[1], box[0]).bonds()
    bonded = [(bond.atom1.index, bond.atom2.index) for bond in bonds]
    return {
        "molecule": np.array(name),
        # Whole molecules: OpenMM does not look for the images of excluded pairs.
        "positions_nm": make_md.whole(positions, bonded, box[0])[0].astype(np.float32),
        "box_nm": box[0],
        "forces": forces[0],
        "energy": make_md.energies(folder, "frame", "Potential"),
    }


def topology(molecule: Alkane, atoms: int, box_nm: np.ndarray) -> app.Topology:
    """The molecule and water that fills up the number of atoms, in the order of GROMACS."""
    made = molecule.topology()
    made.setPeriodicBoxVectors(reducePeriodicBoxVectors(box_nm.astype(float) * unit.nanometer))
    chain = next(made.chains())
    for _ in range((atoms - made.getNumAtoms()) // 3):
        water = made.addResidue("HOH", chain)
        oxygen, *hydrogens = [
            made.addAtom(n, app.Element.getBySymbol(n[0]), water) for n in ("O", "H1", "H2")
        ]
        for hydrogen in hydrogens:
            made.addBond(oxygen, hydrogen)
    return made


def openmm_frame(frame) -> tuple[float, np.ndarray]:
    """Potential energy and forces (N, 3) of the same frame by OpenMM's Reference platform, with PME as
    tight.
    """
    shape = topology(alkane(str(frame["molecule"])), len(frame["positions_nm"]), frame["box_nm"])
    system = app.ForceField(str(FORCE_FIELD)).createSystem(
        shape,
        nonbondedMethod=app.PME,
        nonbondedCutoff=0.8 * unit.nanometer,
        constraints=app.HBonds,
        ewaldErrorTolerance=1e-6,
    )
    platform = mm.Platform.getPlatformByName("Reference")
    context = mm.Context(system, mm.VerletIntegrator(0.001), platform)
    context.setPositions(frame["positions_nm"])
    state = context.getState(getEnergy=True, getForces=True)
    forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
    return state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole), forces


def main() -> None:
    if len(sys.argv) == 4:
        np.savez_compressed(sys.argv[3], **gromacs_frame(Path(sys.argv[1]), sys.argv[2]))
    frame = np.load(sys.argv[-1])
    energy, forces = openmm_frame(frame)
    solute = len(alkane(str(frame["molecule"])).elements)
    error = np.linalg.norm(forces - frame["forces"], axis=1)
    scale = np.sqrt((frame["forces"] ** 2).sum(axis=1).mean())
    print(f"potential energy: GROMACS {frame['energy'][0]:.3f}, OpenMM {energy:.3f} kJ/mol")
    print(f"forces: root mean square {scale:.0f} kJ/mol/nm")
    print(
        f"largest difference of forces: {error.max():.3f}, on the alkane {error[:solute].max():.3f} kJ/mol/nm"
    )


if __name__ == "__main__":
    main()
