"""mdtraj, which is optional: its topology of our particles, and our frames as its trajectories."""

from collections.abc import Iterable, Iterator

import numpy as np

from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.errors import MissingDependencyError
from openmm_scoredyn.molecule.particles import Particles, is_element


def import_mdtraj():
    """The package mdtraj; raises `MissingDependencyError` where it is not installed."""
    try:
        import mdtraj
    except ImportError:
        raise MissingDependencyError(
            "Trajectory: files other than npz are read with mdtraj, which is not installed; "
            "run `pip install 'openmm-scoredyn[analysis]'`."
        ) from None
    return mdtraj


def mdtraj_topology(particles: Particles):
    """Particles as an mdtraj.Topology; beads are its virtual sites."""
    mdtraj = import_mdtraj()
    topology = mdtraj.Topology()
    chain, residues, atoms = topology.add_chain(), {}, []
    for kind, name, residue, index in zip(
        particles.types, particles.atom_names, particles.residue_names, particles.residue_indices, strict=True
    ):
        if index not in residues:
            residues[index] = topology.add_residue(residue, chain)
        element = mdtraj.element.get_by_symbol(kind) if is_element(kind) else mdtraj.element.virtual
        atoms.append(topology.add_atom(name, element, residues[index]))
    for i, j in particles.bonds:
        topology.add_bond(atoms[i], atoms[j])
    return topology


def iterate_mdtraj(trajectories: Iterable[Trajectory], n_frames: int = 1000) -> Iterator:
    """Frames for mdtraj, a piece at a time, as `mdtraj.iterload` reads a file: of a store of frames no more
    than the piece is in memory.

    Parameters
    ----------
    trajectories : as `load` gives them
    n_frames : of a piece; that at the end of a segment may be shorter, and none goes over it

    Yields
    ------
    mdtraj.Trajectory : positions in nm, time in ps from the first frame of the segment, and the box where the
        system is periodic

    Raises
    ------
    MissingDependencyError
        If mdtraj is not installed.
    """
    mdtraj = import_mdtraj()
    for trajectory in trajectories:
        topology, before = mdtraj_topology(trajectory.molecule), 0
        for segment in trajectory.segments:
            for first in range(0, len(segment), n_frames):
                frames = np.asarray(segment[first : first + n_frames])
                indices = np.arange(first, first + len(frames))
                piece = mdtraj.Trajectory(frames, topology, time=indices * trajectory.frame_spacing_ps)
                if trajectory.box is not None:
                    piece.unitcell_vectors = trajectory.boxes(before + indices)
                yield piece
            before += len(segment)
