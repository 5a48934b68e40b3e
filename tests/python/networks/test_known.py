"""What a transferable network was trained on: surroundings, and the handedness of stereocentres."""

import numpy as np
import pytest
from alanine import alanine_molecule, alanine_positions
from openmm import app

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.geometry import oriented_stereocentres
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.known import Known, surroundings


def known(mirror_images: bool) -> Known:
    molecule = alanine_molecule()
    centres = [] if mirror_images else [oriented_stereocentres(molecule, alanine_positions())]
    return Known.of([molecule], centres=centres)


def test_surroundings_tell_apart_what_environments_do_not():
    molecule = alanine_molecule()
    named = dict(zip(zip(molecule.residue_names, molecule.atom_names), surroundings(molecule, 1)))
    assert named["ALA", "CB"] == "C4(C4 H1 H1 H1)" and named["ACE", "CH3"] == "C4(C3 H1 H1 H1)"
    deeper = surroundings(molecule, 2)
    methyl = molecule.atom_names.index("CB")
    assert deeper[methyl] == "C4(C4(C3 C4 H1 N3) H1(C4) H1(C4) H1(C4))"


def test_the_mirror_image_of_what_was_trained_on_is_refused_by_name():
    molecule, positions = alanine_molecule(), alanine_positions()
    own, mirrored = (oriented_stereocentres(molecule, sign * positions) for sign in (1, -1))
    found, _ = Known.from_tensor(known(False).to_tensor())
    found.require_handedness(molecule, own)
    with pytest.raises(MoleculeError, match="ALA:CA is the mirror image of what the model was trained on"):
        found.require_handedness(molecule, mirrored)
    known(True).require_handedness(molecule, mirrored)


def test_handedness_does_not_depend_on_the_order_of_atoms():
    molecule, positions = alanine_molecule(), alanine_positions()
    order = np.random.default_rng(3).permutation(len(molecule))
    place = {atom: k for k, atom in enumerate(order)}
    topology = app.Topology()
    chain = topology.addChain()
    atoms = []
    for k in order:
        residue = topology.addResidue(molecule.residue_names[k], chain)
        atoms.append(
            topology.addAtom(molecule.atom_names[k], app.Element.getBySymbol(molecule.types[k]), residue)
        )
    for i, j in molecule.bonds:
        topology.addBond(atoms[place[i]], atoms[place[j]])
    shuffled = Particles.from_topology(topology)
    moved = np.asarray(positions)[order]
    known(False).require_handedness(shuffled, oriented_stereocentres(shuffled, moved))
    with pytest.raises(MoleculeError, match="ALA:CA is the mirror image"):
        known(False).require_handedness(shuffled, oriented_stereocentres(shuffled, -moved))


def test_a_kind_of_stereocentre_that_occurs_in_both_forms_serves_both():
    molecule = alanine_molecule()
    both = [oriented_stereocentres(molecule, sign * alanine_positions()) for sign in (1, -1)]
    found = Known.of([molecule, molecule], centres=both)
    for centres in both:
        found.require_handedness(molecule, centres)
