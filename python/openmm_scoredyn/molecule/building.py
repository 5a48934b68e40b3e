"""Structures from a sequence or from SMILES."""

from io import StringIO

import numpy as np

from openmm_scoredyn.errors import MissingDependencyError, MoleculeError
from openmm_scoredyn.molecule.formats import from_rdkit, rdkit
from openmm_scoredyn.molecule.repair import repair_structure
from openmm_scoredyn.molecule.structure import Structure, plain_positions

_NAMES = "ALA ARG ASN ASP CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL"
LETTERS = dict(zip(_NAMES.split(), "ARNDCQEGHILKMFPSTWYV", strict=True))
# A cap is the part of a glycine that has its atoms: name there -> name in the cap.
_FIRST_CAPS = {"ACE": {"CA": "CH3", "C": "C", "O": "O"}}
_LAST_CAPS = {"NME": {"N": "N", "CA": "C"}}


def build(sequence: str | None = None, *, smiles: str | None = None, name: str = "MOL", seed: int = 1):
    """A molecule of a sequence, or of SMILES, with all its hydrogens.

    Parameters
    ----------
    sequence : three-letter names from the first to the last residue, joined by hyphens, as ACE-ALA-VAL-NME;
        L-amino acids, extended, without the caps ACE and NME with charged ends, charged as at pH 7
    smiles : instead of a sequence
    name : of the residue that SMILES becomes, up to three letters or digits
    seed : of the conformation of SMILES

    Returns
    -------
    Structure

    Raises
    ------
    MoleculeError
        If both or neither is given, a residue is not known, or the SMILES cannot be read, is of several
        molecules or finds no conformation.
    MissingDependencyError
        If PeptideBuilder and pdbfixer (extra `setup`), or RDKit (extra `chemistry`), are not installed.

    Notes
    -----
    Sequences: PeptideBuilder (Tien et al., PeerJ 2013) for the heavy atoms, PDBFixer for the hydrogens,
    amber14 for the last tenth of an Angstrom.
    SMILES: RDKit's distance geometry (ETKDG), then MMFF94.
    """
    if (sequence is None) == (smiles is None):
        raise MoleculeError(
            "build: expected a sequence or SMILES, found"
            f" {'neither' if sequence is None else 'both'}; give one of them."
        )
    return _from_sequence(sequence) if sequence is not None else _from_smiles(str(smiles), name, seed)


def _from_sequence(sequence: str) -> Structure:
    names = sequence.upper().split("-")
    first, last = names[0] in _FIRST_CAPS, names[-1] in _LAST_CAPS
    core = names[first : len(names) - last]
    unknown = [residue for residue in core if residue not in LETTERS]
    if unknown or not core or len(names) < 2:
        raise MoleculeError(
            f"build: expected two or more of {', '.join(LETTERS)}, joined by hyphens, with ACE before and NME"
            f" after them if the ends are capped, found {(unknown or ['too few'])[0]} in {sequence!r};"
            " correct the sequence."
        )
    topology, positions = _heavy_atoms(names)
    topology, positions = repair_structure(topology, positions)
    return Structure(topology, _relaxed(topology, positions))


def _relaxed(topology, positions: np.ndarray) -> np.ndarray:
    """Positions at a minimum of amber14 near by: templates leave bonds and contacts that no dynamics has.

    Heavy atoms are held by springs, so that the peptide stays extended.
    """
    import openmm
    from openmm import app, unit

    system = app.ForceField("amber14-all.xml").createSystem(topology)
    springs = openmm.CustomExternalForce("500*((x-x0)^2+(y-y0)^2+(z-z0)^2)")
    for axis in "xyz":
        springs.addPerParticleParameter(f"{axis}0")
    for atom in topology.atoms():
        if atom.element.symbol != "H":
            springs.addParticle(atom.index, positions[atom.index])
    system.addForce(springs)
    # The same minimum every time.
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(positions)
    openmm.LocalEnergyMinimizer.minimize(context)
    return context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)


def _heavy_atoms(names: list[str]):
    """Topology and positions, nm, of the heavy atoms of a peptide, extended."""
    from openmm import app

    try:
        import PeptideBuilder
        from Bio.PDB import PDBIO
    except ImportError:
        raise MissingDependencyError(
            "build: sequences are built with PeptideBuilder, which is not installed; run `pip install"
            " 'openmm-scoredyn[setup]'`."
        ) from None
    chain = PeptideBuilder.make_extended_structure("".join(LETTERS.get(name, "G") for name in names))
    text, writer = StringIO(), PDBIO()
    writer.set_structure(chain)
    writer.save(text)
    built = app.PDBFile(StringIO(text.getvalue()))
    placed = plain_positions(built.positions)
    topology, positions = app.Topology(), []
    own_chain = topology.addChain("A")
    for name, residue in zip(names, built.topology.residues(), strict=True):
        own = topology.addResidue(name, own_chain)
        kept = (_FIRST_CAPS | _LAST_CAPS).get(name)
        for atom in residue.atoms():
            if kept is None or atom.name in kept:
                topology.addAtom(kept[atom.name] if kept else atom.name, atom.element, own)
                positions.append(placed[atom.index])
    topology.createStandardBonds()
    return topology, np.array(positions)


def _from_smiles(smiles: str, name: str, seed: int) -> Structure:
    chem = rdkit()
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    if not (name.isalnum() and len(name) <= 3):
        raise MoleculeError(
            f"build: expected a name of up to three letters or digits, found {name!r}; give another."
        )
    molecule = chem.MolFromSmiles(smiles)
    if molecule is None or molecule.GetNumAtoms() == 0:
        raise MoleculeError(f"build: expected SMILES that RDKit reads, found {smiles!r}; correct it.")
    parts = len(chem.GetMolFrags(molecule))
    if parts != 1:
        raise MoleculeError(f"build: expected one molecule, found {parts} in {smiles!r}; give one of them.")
    molecule = chem.AddHs(molecule)
    if rdDistGeom.EmbedMolecule(molecule, randomSeed=seed) != 0:
        raise MoleculeError(
            f"build: RDKit finds no conformation of {smiles}; expected one; check its stereochemistry, or"
            " give another seed."
        )
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(molecule):
        rdForceFieldHelpers.MMFFOptimizeMolecule(molecule, maxIters=1000)
    molecule.SetProp("_Name", name)
    content = from_rdkit(molecule)
    return Structure(content.topology, plain_positions(content.positions), molecule=molecule)
