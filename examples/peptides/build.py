"""Peptides with ff14SB in OBC2: structure, and a System with the fast GBSAOBCForce."""

from pathlib import Path

import numpy as np
import openmm as mm
import pdbfixer
from openmm import app, unit
from openmm.app.internal.customgbforces import GBSAOBC2Force

NAMES = {
    "A": "ALA", "C": "CYS", "D": "ASP", "E": "GLU", "F": "PHE", "G": "GLY", "H": "HIS", "I": "ILE",
    "K": "LYS", "L": "LEU", "M": "MET", "N": "ASN", "P": "PRO", "Q": "GLN", "R": "ARG", "S": "SER",
    "T": "THR", "V": "VAL", "W": "TRP", "Y": "TYR",
}  # fmt: skip
HYDROGEN_MASS_AMU = 3.0
SOLVENT_DIELECTRIC = 78.5  # of implicit/obc2.xml
_PHI_DEG, _PROLINE_PHI_DEG = -120.0, -65.0
_PSI_DEG = (
    140.0,
    120.0,
    160.0,
    100.0,
    -40.0,
)  # of all residues alike; the one where side chains are farthest apart
_VARIANTS = {"HIS": "HIE", "CYS": "CYS", "ASP": "ASP", "GLU": "GLU", "LYS": "LYS"}
# Of other protonation states: the amino acid, and what OpenMM calls the state (CYX: no hydrogen on sulfur).
_STATES = {
    "ASH": ("ASP", "ASH"), "CYM": ("CYS", "CYX"), "GLH": ("GLU", "GLH"), "HID": ("HIS", "HID"),
    "HIP": ("HIS", "HIP"), "LYN": ("LYS", "LYN"),
}  # fmt: skip


def residue_names(sequence: str, capped: bool) -> list[str]:
    """Names of the residues of a sequence of letters, or of a protonation state, with the caps if there are
    any.
    """
    names = [_STATES[sequence][0]] if sequence in _STATES else [NAMES[letter] for letter in sequence]
    return ["ACE", *names, "NME"] if capped else names


def structure(sequence: str, capped: bool) -> tuple[app.Topology, np.ndarray]:
    """Topology and positions (N, 3), nm, of an extended peptide of L-amino acids with its hydrogens, not
    minimised.

    A sequence of letters is charged as at pH 7, with the hydrogen of histidine on N-epsilon; "ASH" and the
    like are one amino acid of that protonation state. Side chains are those of PDBFixer's templates.
    """
    topology = app.Topology()
    chain = topology.addChain()
    names = residue_names(sequence, capped)
    positions = []
    roomiest = max((heavy_atoms(names, psi_deg) for psi_deg in _PSI_DEG), key=closest_side_chains_nm)
    for name, atoms in zip(names, roomiest):
        residue = topology.addResidue(name, chain)
        for atom, place in atoms.items():
            topology.addAtom(atom, app.Element.getBySymbol(atom[0]), residue)
            positions.append(place)
    topology.createStandardBonds()
    modeller = app.Modeller(topology, np.array(positions) * unit.nanometer)
    usual = _VARIANTS | dict([_STATES[sequence]] if sequence in _STATES else [])
    variants = [usual.get(name) for name in names]
    modeller.addHydrogens(
        _force_field(), variants=variants, platform=mm.Platform.getPlatformByName("Reference")
    )
    return modeller.topology, np.array(modeller.positions.value_in_unit(unit.nanometer))


def heavy_atoms(names: list[str], psi_deg: float) -> list[dict[str, np.ndarray]]:
    """Atoms and positions, nm, of each residue, all with the same psi; bond lengths and angles of the
    backbone: Engh and Huber (1991).
    """
    placed = []
    for name in names:
        atoms = _template("GLY" if name in ("ACE", "NME") else name)
        if placed:
            before = placed[-1]
            phi = _PROLINE_PHI_DEG if name == "PRO" else _PHI_DEG
            nitrogen = _place(before["N"], before["CA"], before["C"], 0.1329, 116.2, psi_deg)
            alpha = _place(before["CA"], before["C"], nitrogen, 0.1458, 121.7, 180.0)
            carbon = _place(before["C"], nitrogen, alpha, 0.1525, 111.2, phi)
            atoms = _onto(atoms, {"N": nitrogen, "CA": alpha, "C": carbon})
        atoms["O"] = _place(atoms["N"], atoms["CA"], atoms["C"], 0.1231, 120.8, psi_deg + 180)
        placed.append(atoms)
    if names[-1] != "NME":
        last = placed[-1]
        last["OXT"] = _place(last["N"], last["CA"], last["C"], 0.1231, 117.0, psi_deg)
    caps = {"ACE": {"CA": "CH3", "C": "C", "O": "O"}, "NME": {"N": "N", "CA": "C"}}
    return [
        {caps[name][atom]: atoms[atom] for atom in caps[name]} if name in caps else atoms
        for name, atoms in zip(names, placed)
    ]


def closest_side_chains_nm(placed: list[dict[str, np.ndarray]]) -> float:
    """The shortest distance of an atom beyond a beta carbon to an atom of another residue."""
    backbone = {"N", "CA", "C", "O", "OXT", "CB", "CH3"}
    gaps = [
        float(np.linalg.norm(place - other))
        for i, atoms in enumerate(placed)
        for name, place in atoms.items()
        if name not in backbone
        for j, others in enumerate(placed)
        if j != i
        for other in others.values()
    ]
    return min(gaps, default=np.inf)


def _template(name: str) -> dict[str, np.ndarray]:
    """Heavy atoms of an amino acid, nm."""
    file = app.PDBFile(str(Path(pdbfixer.__file__).parent / "templates" / f"{name}.pdb"))
    positions = file.positions.value_in_unit(unit.nanometer)
    return {atom.name: np.array(positions[atom.index]) for atom in file.topology.atoms()}


def _place(a, b, c, length: float, angle_deg: float, dihedral_deg: float) -> np.ndarray:
    """The atom bonded to c, at an angle with b and a dihedral with a."""
    angle, dihedral = np.radians(angle_deg), np.radians(dihedral_deg)
    along = (c - b) / np.linalg.norm(c - b)
    normal = np.cross(b - a, along)
    normal /= np.linalg.norm(normal)
    across = np.cross(normal, along)
    local = [-np.cos(angle), np.sin(angle) * np.cos(dihedral), np.sin(angle) * np.sin(dihedral)]
    return c + length * (local[0] * along + local[1] * across + local[2] * normal)


def _onto(atoms: dict, targets: dict) -> dict:
    """All atoms moved rigidly so that three of them come closest to their targets."""
    old = np.array([atoms[name] for name in targets])
    new = np.array(list(targets.values()))
    u, _, v = np.linalg.svd((old - old.mean(axis=0)).T @ (new - new.mean(axis=0)))
    rotation = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ v))]) @ v
    return {name: (place - old.mean(axis=0)) @ rotation + new.mean(axis=0) for name, place in atoms.items()}


def _force_field() -> app.ForceField:
    return app.ForceField("amber14/protein.ff14SB.xml")


def system(topology: app.Topology) -> mm.System:
    """ff14SB and OBC2, X-H bonds constrained, hydrogens of 3 amu.

    GBSAOBCForce is the same model as OpenMM's implicit/obc2.xml, with the same radii (mbondi2), some 34 times
    as fast on the Reference platform.
    """
    made = _force_field().createSystem(
        topology,
        nonbondedMethod=app.NoCutoff,
        constraints=app.HBonds,
        hydrogenMass=HYDROGEN_MASS_AMU * unit.dalton,
        removeCMMotion=False,
    )
    nonbonded = next(force for force in made.getForces() if isinstance(force, mm.NonbondedForce))
    solvent = mm.GBSAOBCForce()
    solvent.setSolventDielectric(SOLVENT_DIELECTRIC)
    for i, (radius_nm, scale) in enumerate(GBSAOBC2Force.getStandardParameters(topology)):
        solvent.addParticle(nonbonded.getParticleParameters(i)[0], radius_nm, scale)
    made.addForce(solvent)
    return made


def require_natural(topology: app.Topology, positions_nm: np.ndarray) -> None:
    """Refuse D-amino acids, the other diastereomers of threonine and isoleucine, and cis peptide bonds.

    Raises
    ------
    ValueError
        For the first residue that is not as in nature.
    """
    centres = {"THR": ("CA", "OG1", "CG2"), "ILE": ("CA", "CG1", "CG2")}
    before = None
    for residue in topology.residues():
        at = {atom.name: positions_nm[atom.index] for atom in residue.atoms()}
        volumes = [_volume(at["CA"], at["N"], at["C"], at["CB"])] if "CB" in at else []
        if residue.name in centres:
            volumes.append(_volume(at["CB"], *(at[name] for name in centres[residue.name])))
        cis = before is not None and _is_cis(before, at)
        if cis or min(volumes, default=1.0) < 0:
            wrong = "a cis peptide bond" if cis else "the wrong handedness"
            raise ValueError(
                f"{residue.name} {residue.index + 1} has {wrong}; expected an all-trans L-peptide."
            )
        before = at


def _volume(centre, a, b, c) -> float:
    """Signed volume of three neighbours seen from a centre."""
    return float(np.linalg.det([a - centre, b - centre, c - centre]))


def _is_cis(before: dict, after: dict) -> bool:
    """Whether alpha carbons (or those of the caps) are on the same side of a peptide bond."""
    axis = after["N"] - before["C"]
    sides = [before.get("CA", before.get("CH3")) - before["C"], after.get("CA", after["C"]) - after["N"]]
    across = [side - axis * (side @ axis) / (axis @ axis) for side in sides]
    return float(across[0] @ across[1]) > 0
