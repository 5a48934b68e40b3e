"""From a structure file and a model to a ready Simulation; each step can be used alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openmm_scoredyn.errors import MoleculeError, SamplingError
from openmm_scoredyn.molecule.matching import check_handedness, lacks_atoms, match_atoms
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.molecule.repair import repair_structure
from openmm_scoredyn.molecule.solute import reduce_system
from openmm_scoredyn.molecule.structure import (
    Structure,
    plain_positions,
    read_structure,
    solute_atoms,
    strip_solvent,
)
from openmm_scoredyn.units import parse_duration


def prepare(
    structure,
    model,
    *,
    positions=None,
    strip: bool = False,
    repair: bool = True,
    system=None,
    force_field=None,
    constraints=None,
    integrator=None,
    lag=None,
    hand_over=None,
    platform=None,
    seed: int = 0,
    forces_only_reported: bool = False,
):
    """Make a Simulation that is ready to step.

    Parameters
    ----------
    structure : path of a file that `molecule.structure.read_structure` knows, or what it gives, an
        `openmm.app.Topology` (then give `positions`), or an object with a `topology`, such as a PDBFile, a
        Modeller, an AmberPrmtopFile or a GromacsTopFile, and with `positions` or these beside it
    model : ScoreModel, TransferableModel, path, name or bytes
        A transferable model is bound to the structure.
    positions : (atoms, 3), nm or with unit, for a Topology
    strip : remove water, other solvent and ions
    repair : add missing atoms with PDBFixer, where atoms of the model are missing
    system : openmm.System, made for the structure, with or without what `strip` removes, atoms in the same
        order. Its part of the molecule, with the order and the masses of the model, is what energies come
        from; default: the one that the files of the structure hold, if any. A transferable model may need it
        for binding.
    force_field : openmm.app.ForceField, or a list of its files; without one the System has no forces and no
        energies
    constraints : as in `ForceField.createSystem`, with a force field; kept after every step
    integrator : openmm.Integrator; a ScoreDynamicsIntegrator of the model unless given
    lag : float, ps, Quantity, or text as "100ps"; of each step, where the model knows several
        (`ScoreDynamicsIntegrator.setStepSize`); default: the one that it recommends, else the
        shortest
    hand_over : openmm.Integrator that makes the steps which the model cannot (`HandOverIntegrator`); then
        forces are needed, from `system`, `force_field` or the files of the structure
    forces_only_reported : accept forces that no force field makes, as restraints, which no step feels
        (`ScoreDynamicsIntegrator.setForcesOnlyReported`)
    platform : openmm.Platform or its name
    seed : of the integrator, what is handed over and the first velocities; 0 chooses one

    Returns
    -------
    openmm.app.Simulation
        Its atoms are in the order of the model, whatever their order was in the file; positions and
        velocities are set.

    Raises
    ------
    MoleculeError
        If the structure is not the model's molecule, or periodic where the model is not or the reverse; or if
        steps are to be handed over to dynamics without forces.
    SamplingError
        If a lag is given beside an integrator, or is no time.
    """
    from openmm import Platform, app

    from openmm_scoredyn.dynamics.integrator import ScoreDynamicsIntegrator

    found = open_structure(structure, positions)
    model = bound_model(model, found, strip=strip, system=system)
    fitted = _fit(found, model.card, strip, repair)
    if system is None:
        system = found.own_system() if force_field is None else None
    if system is None:
        system = build_system(fitted.topology, model.card, force_field=force_field, constraints=constraints)
    else:
        system = _system_of_model(system, found.topology.getNumAtoms(), fitted.source, model.card)
    if integrator is not None and lag is not None:
        raise SamplingError(
            "prepare: the integrator given has a step size of its own; expected no lag beside it, found"
            f" {lag}; leave it out, and call integrator.setStepSize."
        )
    if integrator is None:
        step_ps = parse_duration(lag) if isinstance(lag, str) else lag
        integrator = ScoreDynamicsIntegrator(model, stepSize=step_ps)
        integrator.setRandomNumberSeed(seed)
        integrator.setForcesOnlyReported(forces_only_reported)
    if hand_over is not None:
        integrator = _handing_over(integrator, hand_over, system, seed)
    if isinstance(platform, str):
        platform = Platform.getPlatformByName(platform)
    simulation = app.Simulation(fitted.topology, system, integrator, platform)
    simulation.context.setPositions(fitted.positions)
    # OpenMM takes 0 for a fixed seed here, unlike in integrators.
    simulation.context.setVelocitiesToTemperature(model.card.temperature_K, *([seed] if seed else []))
    return simulation


def _handing_over(integrator, dynamics, system, seed: int):
    from openmm_scoredyn.dynamics.hand_over import HandOverIntegrator

    if system.getNumForces() == 0:
        raise MoleculeError(
            "prepare: steps cannot be handed over to dynamics without forces; expected a System with some,"
            " found none; give force_field or system."
        )
    if seed and hasattr(dynamics, "setRandomNumberSeed"):
        dynamics.setRandomNumberSeed(seed)
    return HandOverIntegrator(integrator, dynamics)


def bound_model(model, structure, *, positions=None, strip: bool = False, system=None):
    """The ScoreModel for a structure: a transferable model bound to it, any other as it is; arguments as in
    `prepare`.

    Raises
    ------
    MoleculeError
        As `bind`.
    """
    from openmm_scoredyn.export import bind
    from openmm_scoredyn.export.binding import open_model
    from openmm_scoredyn.program.model import ScoreModel

    model = open_model(model)
    if isinstance(model, ScoreModel):
        return model
    found = open_structure(structure, positions)
    topology, positions = found.topology, found.positions
    if system is None:
        system = found.own_system()
    if strip:
        kept, count = solute_atoms(topology), topology.getNumAtoms()
        topology, positions = strip_solvent(topology, positions)
        if system is not None and system.getNumParticles() == count > len(kept):
            masses = [system.getParticleMass(atom)._value for atom in kept]
            system = reduce_system(system, kept, masses)
    return bind(model, topology, system, positions=positions)


def fit_structure(structure, card, *, positions=None, strip: bool = False, repair: bool = True):
    """Topology and positions (N, 3), nm, of the model's molecule, in the model's order; arguments as in
    `prepare`.
    """
    fitted = _fit(open_structure(structure, positions), card, strip, repair)
    return fitted.topology, fitted.positions


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A structure in the order of a model.

    Attributes
    ----------
    topology, positions : as `fit_structure` gives them
    source : (N,) int, the atom of the structure that each atom was; None where atoms were added
    """

    topology: Any
    positions: np.ndarray
    source: np.ndarray | None


def _fit(found: Structure, card, strip: bool, repair: bool) -> _Fitted:
    molecule = card.particles
    topology, positions = found.topology, found.positions
    source = np.arange(topology.getNumAtoms())
    if strip:
        source = np.array(solute_atoms(topology))
        topology, positions = strip_solvent(topology, positions)
    repaired = repair and lacks_atoms(topology, molecule)
    if repaired:
        topology, positions = repair_structure(topology, positions)
    order = match_atoms(topology, molecule)
    positions = positions[order]
    check_handedness(positions, molecule, card.guard.stereocentres)
    _check_box(topology, card)
    return _Fitted(_in_model_order(topology, order, molecule), positions, None if repaired else source[order])


def _system_of_model(system, structure_size: int, source, card):
    """The System of the model's molecule: a System of everything in the structure, or of the molecule alone,
    with the order and the masses of the model; itself where it has them already.
    """
    masses, count = card.particles.masses_amu, system.getNumParticles()
    if source is None or count not in (structure_size, len(masses)):
        stripped = "" if structure_size == len(masses) else f", or {len(masses)} without what is stripped"
        lacking = " for a structure that lacks atoms" if source is None else ""
        raise MoleculeError(
            f"prepare: the System is not one of the structure; expected {structure_size} particles{stripped},"
            f" found {count}{lacking}; give the System that was made for it."
        )
    if count < structure_size:  # of the molecule alone, in the order of the structure
        source = np.argsort(np.argsort(source))
    found = [system.getParticleMass(index)._value for index in range(count)]
    if np.array_equal(source, np.arange(count)) and np.allclose(found, masses, rtol=1e-4):
        return system
    if len(masses) == count and np.array_equal(source, np.arange(count)):
        return _with_masses(system, masses)
    return reduce_system(system, source, masses)


def _with_masses(system, masses):
    """A copy of a System with other masses."""
    import copy

    system = copy.deepcopy(system)
    for index, mass in enumerate(masses):
        system.setParticleMass(index, mass)
    return system


def build_system(topology, card, *, force_field=None, constraints=None):
    """System with the masses of the card.

    Without a force field it has no forces: the integrator does not need any. With one, energies and forces
    can be reported, and the constraints asked for hold after every step.

    Raises
    ------
    MoleculeError
        If the force field does not know the molecule, or constraints are asked for without one.
    """
    from openmm import System, app

    if force_field is None:
        if constraints is not None:
            raise MoleculeError(
                "prepare: constraints need a force field to say which; give force_field or drop them."
            )
        system = System()
        for mass in card.particles.masses_amu:
            system.addParticle(mass)
        if card.capabilities.periodic:
            system.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
        return system
    try:
        if not isinstance(force_field, app.ForceField):
            force_field = app.ForceField(*([force_field] if isinstance(force_field, str) else force_field))
        system = force_field.createSystem(
            topology,
            nonbondedMethod=app.PME if card.capabilities.periodic else app.NoCutoff,
            constraints=constraints,
            rigidWater=False,
            removeCMMotion=False,
        )
    except (ValueError, OSError) as error:
        raise MoleculeError(
            f"prepare: no System with this force field; {error}; give another force field."
        ) from None
    for index, mass in enumerate(card.particles.masses_amu):
        system.setParticleMass(index, mass)
    return system


def open_structure(structure, positions=None) -> Structure:
    """A Structure of what `prepare` takes for one.

    Raises
    ------
    MoleculeError
        If it cannot be read, or positions are missing or of another number.
    """
    if isinstance(structure, Structure):
        return structure
    if isinstance(structure, (str, Path)):
        return read_structure(structure)
    topology = getattr(structure, "topology", structure)
    if not hasattr(topology, "atoms"):
        raise MoleculeError(
            "prepare: expected a path, a Topology, or an object with a topology, such as a PDBFile or an"
            f" AmberPrmtopFile, found a {type(structure).__name__}; give one of these."
        )
    if positions is None:
        positions = getattr(structure, "positions", None)
    if positions is None or len(plain_positions(positions)) != topology.getNumAtoms():
        raise MoleculeError(
            f"prepare: a Topology needs positions; expected {topology.getNumAtoms()} of them, found "
            f"{'none' if positions is None else len(positions)}; give positions=."
        )
    return Structure(topology, plain_positions(positions))


def _check_box(topology, card) -> None:
    periodic = topology.getPeriodicBoxVectors() is not None
    if periodic != card.capabilities.periodic:
        raise MoleculeError(
            f"prepare: the structure is {'' if periodic else 'not '}periodic, the model"
            f" is{' not' if periodic else ''}; expected"
            f" {'a periodic box' if card.capabilities.periodic else 'no periodic box'}; "
            + (
                "give a structure with one."
                if card.capabilities.periodic
                else "strip the solvent, or remove the CRYST1 record."
            )
        )


def _in_model_order(topology, order, molecule: Particles):
    """Topology with the model's order of atoms and the model's bonds: a file may miss some, or know more."""
    from openmm.app import Topology

    source = list(topology.atoms())
    ordered = Topology()
    ordered.setPeriodicBoxVectors(topology.getPeriodicBoxVectors())
    chain = ordered.addChain(source[order[0]].residue.chain.id)
    residue, last, atoms = None, None, []
    for index, atom in enumerate(source[found] for found in order):
        if molecule.residue_indices[index] != last:
            last = molecule.residue_indices[index]
            residue = ordered.addResidue(molecule.residue_names[index], chain, atom.residue.id)
        atoms.append(ordered.addAtom(molecule.atom_names[index], atom.element, residue))
    for i, j in molecule.bonds:
        ordered.addBond(atoms[i], atoms[j])
    return ordered
