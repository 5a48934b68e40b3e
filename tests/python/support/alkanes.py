"""Alkanes in vacuum: topologies from carbon skeletons, a tiny force field, positions and short MD."""

from functools import cache
from io import StringIO

import numpy as np
import openmm
import torch
from openmm import app, unit

from openmm_scoredyn.data import Trajectory
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates
from openmm_scoredyn.networks.molecule_frame.zmatrix import build_zmatrix

# Bonds between carbons; hydrogens fill every carbon up to four neighbours.
SKELETONS = {
    "ethane": [(0, 1)],
    "propane": [(0, 1), (1, 2)],
    "butane": [(0, 1), (1, 2), (2, 3)],
    "pentane": [(0, 1), (1, 2), (2, 3), (3, 4)],
    "hexane": [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)],
    "isobutane": [(0, 1), (1, 2), (1, 3)],
    "isopentane": [(0, 1), (1, 2), (1, 3), (3, 4)],
}

# Of OPLS-AA (Jorgensen, Maxwell and Tirado-Rives 1996), charges left out.
FORCE_FIELD = """<ForceField>
 <AtomTypes>
  <Type name="CT" class="CT" element="C" mass="12.011"/><Type name="HC" class="HC" element="H" mass="1.008"/>
 </AtomTypes>
 <Residues/>
 <HarmonicBondForce>
  <Bond class1="CT" class2="CT" length="0.1529" k="{carbons}"/>
  <Bond class1="CT" class2="HC" length="0.109" k="284512"/>
 </HarmonicBondForce>
 <HarmonicAngleForce>
  <Angle class1="CT" class2="CT" class3="CT" angle="1.966986" k="488.273"/>
  <Angle class1="CT" class2="CT" class3="HC" angle="1.932079" k="313.8"/>
  <Angle class1="HC" class2="CT" class3="HC" angle="1.881465" k="276.144"/>
 </HarmonicAngleForce>
 <PeriodicTorsionForce>
  <Proper class1="CT" class2="CT" class3="CT" class4="CT" periodicity1="1" phase1="0" k1="2.72"
    periodicity2="3" phase2="0" k2="0.58"/>
  <Proper class1="" class2="CT" class3="CT" class4="HC" periodicity1="3" phase1="0" k1="0.6276"/>
 </PeriodicTorsionForce>
 <NonbondedForce coulomb14scale="0.5" lj14scale="0.5">
  <UseAttributeFromResidue name="charge"/>
  <Atom class="CT" sigma="0.35" epsilon="0.276144"/><Atom class="HC" sigma="0.25" epsilon="0.12552"/>
 </NonbondedForce>
</ForceField>"""


def topology(name: str, oxygen: int | None = None) -> app.Topology:
    """An alkane; the carbon of that number is an oxygen with two bonds, if asked for."""
    bonds = SKELETONS[name]
    made, carbons = app.Topology(), 1 + max(map(max, bonds))
    residue = made.addResidue(name[:3].upper(), made.addChain())
    kinds = [app.element.oxygen if k == oxygen else app.element.carbon for k in range(carbons)]
    atoms = [made.addAtom(f"{kind.symbol}{k}", kind, residue) for k, kind in enumerate(kinds)]
    for i, j in bonds:
        made.addBond(atoms[i], atoms[j])
    for k in range(carbons):
        free = (2 if k == oxygen else 4) - sum(k in bond for bond in bonds)
        for number in range(free):
            made.addBond(atoms[k], made.addAtom(f"H{k}{number}", app.element.hydrogen, residue))
    return made


def ring() -> app.Topology:
    """Cyclopentane."""
    made = app.Topology()
    residue = made.addResidue("PEN", made.addChain())
    carbons = [made.addAtom(f"C{k}", app.element.carbon, residue) for k in range(5)]
    for k, carbon in enumerate(carbons):
        made.addBond(carbon, carbons[(k + 1) % 5])
        for number in range(2):
            made.addBond(carbon, made.addAtom(f"H{k}{number}", app.element.hydrogen, residue))
    return made


def system(made: app.Topology, carbons: float = 224262.4, hydrogen_amu: float = 3.0) -> openmm.System:
    """The System of a topology, bonds to hydrogen held, hydrogens made heavier."""
    field = app.ForceField(StringIO(FORCE_FIELD.format(carbons=carbons)))
    for number, residue in enumerate(made.residues()):
        template = app.ForceField._TemplateData(f"{residue.name}{number}")
        for atom in residue.atoms():
            kind = "CT" if atom.element.symbol == "C" else "HC"
            data = app.ForceField._TemplateAtomData(atom.name, kind, atom.element, {"charge": 0.0})
            template.addAtom(data)
        for bond in residue.internal_bonds():
            template.addBondByName(bond[0].name, bond[1].name)
        field.registerResidueTemplate(template)
    return field.createSystem(
        made, constraints=app.HBonds, hydrogenMass=hydrogen_amu * unit.dalton, removeCMMotion=False
    )


def positions(particles: Particles) -> np.ndarray:
    """An extended conformation (N, 3), nm, with about tetrahedral angles."""
    zmatrix, count = build_zmatrix(particles), len(particles)
    kinds = particles.types
    lengths = [0.109 if "H" in (kinds[a], kinds[p]) else 0.153 for a, p, _, _ in zmatrix.rows]
    near, turned, placed = particles.neighbours, [], {}
    for row, (_, parent, _, reference) in enumerate(zmatrix.rows[2:], start=2):
        third = zmatrix.sibling[row] >= 0 or reference in near[parent]
        placed[parent] = placed.get(parent, 0) + third
        turned.append((0, 2 * np.pi / 3, -2 * np.pi / 3)[placed[parent]] if third else np.pi)
    coordinates = torch.tensor([[*lengths, *[1.93] * (count - 2), *turned]], dtype=torch.float32)
    like = torch.randn(1, count, 3, generator=torch.Generator().manual_seed(1))
    return InternalCoordinates(particles).place(coordinates, like)[0].numpy()


@cache
def molecule(name: str) -> Particles:
    """An alkane with its force field."""
    made = topology(name)
    return Particles.from_topology(made, system(made))


def simulate(name: str, picoseconds: int, seed: int) -> Trajectory:
    """Langevin dynamics at 300 K, a frame every picosecond, on the Reference platform."""
    made = topology(name)
    integrator = openmm.LangevinMiddleIntegrator(300, 2, 0.004)
    integrator.setRandomNumberSeed(seed)
    context = openmm.Context(system(made), integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions(molecule(name)))
    openmm.LocalEnergyMinimizer.minimize(context)
    context.setVelocitiesToTemperature(300, seed)
    integrator.step(2500)
    frames = []
    for _ in range(picoseconds + 1):
        integrator.step(250)
        found = context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        frames.append(found - found.mean(0))
    return Trajectory(
        segments=(np.array(frames, np.float32),),
        frame_spacing_ps=1.0,
        temperature_K=300.0,
        molecule=molecule(name),
        steered=False,
        consecutive=True,
        source_sha256=f"{name}-{seed}".encode().hex(),
        force_field="OPLS-AA without charges",
        solvent="vacuum",
    )
