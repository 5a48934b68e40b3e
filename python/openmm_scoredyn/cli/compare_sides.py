"""The sides of a comparison: what is read, and what each is called."""

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True, eq=False)
class Side:
    """One side: trajectories, or what was kept of them.

    Attributes
    ----------
    particles : Particles
    periodic : bool
    frame_spacing_ps, temperature_K : float, the temperature None where it is unknown
    trajectories : list of Trajectory, None where only observations are stored
    whole : the same with what was left out of their beginnings
    observations : Observations that are stored, None where there are trajectories
    """

    particles: Any
    periodic: bool
    frame_spacing_ps: float
    temperature_K: float | None
    trajectories: Any = None
    whole: Any = None
    observations: Any = None

    @classmethod
    def of_trajectories(cls, whole, skipped_ps: float = 0.0) -> "Side":
        """A side of trajectories from `skipped_ps` on, all of the particles of the first free one."""
        from openmm_scoredyn.data import discard
        from openmm_scoredyn.observables.series import unsteered

        trajectories = [discard(trajectory, skipped_ps) for trajectory in whole]
        first = unsteered(trajectories)[0]
        conditions = (first.molecule, first.box is not None, first.frame_spacing_ps, first.temperature_K)
        return cls(*conditions, trajectories=trajectories, whole=whole)

    def in_order_of(self, reference: "Side") -> "Side":
        """The same side with its atoms in the order of the reference; itself where the order is the same.

        Atoms are known by residue and name, and by the graph of the bonds where names differ.

        Raises
        ------
        MoleculeError
            If they are not of one molecule, or names differ and one side holds no positions, which tell the
            hydrogens of a CH2 apart.
        """
        from openmm_scoredyn.data import reordered
        from openmm_scoredyn.data.trajectory import first_difference
        from openmm_scoredyn.molecule.graph import match_graph
        from openmm_scoredyn.molecule.matching import match_particles, same_names

        known = reference.particles
        if self.trajectories is None or first_difference(known, self.particles) is None:
            return self
        if same_names(self.particles, known) or reference.trajectories is None:
            order = match_particles(self.particles, known)
        else:
            ours, theirs = (side.trajectories[0].segments[0][0] for side in (self, reference))
            order = match_graph(self.particles, known, ours, theirs)
        trajectories, whole = (
            [reordered(trajectory, order) for trajectory in part] for part in (self.trajectories, self.whole)
        )
        in_order = self.particles.subset(order.tolist())
        return replace(self, particles=in_order, trajectories=trajectories, whole=whole)

    def observables(self, wanted) -> list:
        """Those that are wanted, or all that see something in its particles."""
        from openmm_scoredyn.observables import observables_for

        return observables_for(self.particles, self.periodic, wanted)

    def require_comparable(self, candidate: "Side") -> None:
        """Raise `TrajectoryError` if the candidate holds the same dynamics, or another temperature."""
        from openmm_scoredyn.data import require_apart, require_one_temperature

        if self.trajectories and candidate.trajectories:
            require_apart(self.whole, candidate.whole)
        require_one_temperature(self.temperature_K, candidate.temperature_K)

    def see(self, observables):
        """Its Observations."""
        from openmm_scoredyn.observables import Observations

        if self.observations is not None:
            return self.observations
        return Observations.from_trajectories(self.trajectories, observables)


def read_side(path: Path, options: dict, skipped_ps: float = 0.0) -> Side:
    """One side from `skipped_ps` on: trajectories, stored observations, or the reference of a shipped model.

    Raises
    ------
    TrajectoryError
        If a file cannot be read, or something is to be skipped of stored observations.
    """
    from openmm_scoredyn.data import load
    from openmm_scoredyn.errors import TrajectoryError
    from openmm_scoredyn.observables import is_observations, load_observations
    from openmm_scoredyn.program.model import pretrained

    if not path.exists() and str(path) in pretrained():
        path = pretrained(str(path)).with_name(f"{path}-reference.npz")
    if path.is_file() and is_observations(path):
        if skipped_ps:
            raise TrajectoryError(
                f"compare: --equilibration is for trajectories; found stored observations, {path}; leave the"
                " option out."
            )
        kept = load_observations(path)
        conditions = (kept.particles, kept.periodic, kept.frame_spacing_ps, kept.temperature_K)
        return Side(*conditions, observations=kept)
    return Side.of_trajectories(load(path, **options), skipped_ps)


def distinct_names(paths: list[Path]) -> list[str]:
    """File names without ending; where several would be the same, with the ending and as many folders as tell
    them apart.

    A path that is given again has its count behind it.
    """
    paths = [Path(os.path.abspath(path)) for path in paths]
    names = {path: path.name if path.is_dir() else path.stem for path in paths}
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        counts = Counter(names.values())
        names = {
            path: name if counts[name] == 1 else "/".join(path.parts[-depth:]) for path, name in names.items()
        }
    before = [paths[:index].count(path) for index, path in enumerate(paths)]
    return [
        f"{names[path]} ({count + 1})" if count else names[path]
        for path, count in zip(paths, before, strict=True)
    ]
