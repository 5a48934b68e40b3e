"""Small molecules with force fields of a few terms, and seconds of MD of them on the Reference platform."""

import numpy as np
import openmm
from alanine import PDB
from openmm import app, unit

from openmm_scoredyn.data import Trajectory
from openmm_scoredyn.molecule.geometry import ring_torsions, rotatable_torsions
from openmm_scoredyn.molecule.particles import Particles

TETRAHEDRAL = float(np.arccos(-1 / 3))
RING = [(i, (i + 1) % 6) for i in range(6)]


def hydrocarbon(carbons: int, bonds, hydrogens) -> Particles:
    """Carbons with bonds among them and a number of hydrogens each."""
    types, bonds = ["C"] * carbons, list(bonds)
    for carbon, number in enumerate(hydrogens):
        for _ in range(number):
            bonds.append((carbon, len(types)))
            types.append("H")
    names = tuple(f"{kind}{i}" for i, kind in enumerate(types))
    masses = tuple({"C": 12.0, "H": 3.0}[kind] for kind in types)
    n = len(types)
    return Particles(tuple(types), masses, names, ("ALK",) * n, (0,) * n, tuple(bonds))


def butane() -> Particles:
    return hydrocarbon(4, [(0, 1), (1, 2), (2, 3)], (3, 2, 2, 3))


def cyclohexane() -> Particles:
    return hydrocarbon(6, RING, (2,) * 6)


def bead_chain(beads: int = 8) -> Particles:
    """A chain of beads of two types, no elements."""
    types = tuple("AB"[i % 2] for i in range(beads))
    bonds = tuple((i, i + 1) for i in range(beads - 1))
    return Particles(types, (20.0,) * beads, types, ("CHN",) * beads, (0,) * beads, bonds)


def make_system(particles: Particles, torsion_kJ: float, angle_kJ: float) -> openmm.System:
    """Harmonic bonds and tetrahedral angles, threefold torsions k (1 + cos 3 phi)."""
    system = openmm.System()
    bonds, angles, torsions = (
        openmm.HarmonicBondForce(),
        openmm.HarmonicAngleForce(),
        openmm.PeriodicTorsionForce(),
    )
    for mass in particles.masses_amu:
        system.addParticle(mass)
    for i, j in particles.bonds:
        length = 0.153 if {particles.types[i], particles.types[j]} != {"C", "H"} else 0.109
        bonds.addBond(i, j, length, 200_000)
    for centre, around in enumerate(particles.neighbours):
        for k, a in enumerate(around):
            for b in around[k + 1 :]:
                angles.addAngle(a, centre, b, TETRAHEDRAL, angle_kJ)
    for torsion in (*rotatable_torsions(particles).tolist(), *ring_torsions(particles).tolist()):
        torsions.addTorsion(*torsion, 3, 0.0, torsion_kJ)
    for force in (bonds, angles, torsions):
        system.addForce(force)
    return system


def run(
    particles: Particles, frames: int, seed: int, torsion_kJ=3.0, angle_kJ=250.0, kelvin=300.0
) -> Trajectory:
    """Langevin dynamics, a frame every 0.2 ps, from a zigzag or ring with hydrogens near it."""
    generator = np.random.default_rng(seed)
    positions = 0.02 * generator.normal(size=(len(particles), 3))
    heavy = [atom for atom in range(len(particles)) if particles.types[atom] != "H"]
    turn = np.arange(len(heavy)) * np.pi / 3
    chain = np.stack([0.13 * np.arange(len(heavy)), 0.05 * (np.arange(len(heavy)) % 2), 0 * turn], axis=1)
    ring = np.stack([0.15 * np.cos(turn), 0.15 * np.sin(turn), 0.05 * (np.arange(len(heavy)) % 2)], axis=1)
    positions[heavy] += ring if len(ring_torsions(particles)) else chain
    for i, j in particles.bonds:
        if particles.types[j] == "H":
            positions[j] += positions[i] * 1.4
    system = make_system(particles, torsion_kJ, angle_kJ)
    return trajectory_of(system, positions, particles, frames, seed, kelvin, 0.004)


def trajectory_of(system, positions, particles, frames, seed, kelvin, step_ps, spacing_ps=0.2) -> Trajectory:
    """MD of a System, minimised first."""
    integrator = openmm.LangevinMiddleIntegrator(kelvin, 2.0, step_ps)
    integrator.setRandomNumberSeed(seed)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=200)
    context.setVelocitiesToTemperature(kelvin, seed)
    kept = []
    integrator.step(500)
    for _ in range(frames):
        integrator.step(round(spacing_ps / step_ps))
        state = context.getState(positions=True).getPositions(asNumpy=True)
        kept.append(state.value_in_unit(unit.nanometer))
    return as_trajectory(np.array(kept), particles, spacing_ps, kelvin, seed)


def as_trajectory(positions, particles, spacing_ps=1.0, kelvin=300.0, seed=0, box=None) -> Trajectory:
    """Frames (T, N, 3), nm, as one unsteered trajectory."""
    return Trajectory(
        segments=(np.asarray(positions, dtype=np.float32),),
        frame_spacing_ps=spacing_ps,
        temperature_K=kelvin,
        molecule=particles,
        steered=False,
        consecutive=True,
        source_sha256=f"{seed:064x}",
        box=box,
    )


def dialanine() -> tuple[app.Topology, np.ndarray]:
    """ACE-ALA-ALA-NME: the first peptide bond of a second dipeptide is the last of the first."""
    pdb = app.PDBFile(str(PDB))
    first = pdb.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    atoms = {(atom.residue.name, atom.name): atom.index for atom in pdb.topology.atoms()}
    ours = [atoms["ALA", "CA"], atoms["ALA", "C"], atoms["ALA", "O"], atoms["NME", "N"]]
    theirs = [atoms["ACE", "CH3"], atoms["ACE", "C"], atoms["ACE", "O"], atoms["ALA", "N"]]
    shift, aim = first[theirs].mean(axis=0), first[ours].mean(axis=0)
    left, _, right = np.linalg.svd((first[theirs] - shift).T @ (first[ours] - aim))
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    second = (first - shift) @ (left @ flip @ right) + aim
    topology, positions = app.Topology(), []
    chain = topology.addChain()
    for copy, names in ((first, ("ACE", "ALA")), (second, ("ALA", "NME"))):
        for residue in pdb.topology.residues():
            if residue.name in names:
                added = topology.addResidue(residue.name, chain)
                for atom in residue.atoms():
                    topology.addAtom(atom.name, atom.element, added)
                    positions.append(copy[atom.index])
    topology.createStandardBonds()
    return topology, np.array(positions)


def run_dialanine(frames: int, seed: int) -> Trajectory:
    """MD of ACE-ALA-ALA-NME in vacuum, amber99sb-ildn, at 500 K so that it moves in seconds."""
    topology, positions = dialanine()
    system = app.ForceField("amber99sbildn.xml").createSystem(
        topology, nonbondedMethod=app.NoCutoff, constraints=app.HBonds, hydrogenMass=3.0
    )
    particles = Particles.from_topology(topology, system)
    return trajectory_of(system, positions, particles, frames, seed, 500.0, 0.004)
