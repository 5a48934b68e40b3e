"""`scoredyn compare`: one trajectory against another, with error bars."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from openmm_scoredyn.cli.duration import optional, parse_duration, parse_temperature
from openmm_scoredyn.cli.options import AsJson, Selection, Spacing, TopologyFile

# On the page and in the JSON only, as are all groups of more rows than these.
LONG_GROUPS = ("Geometry", "Rotors", "Autocorrelation", "Transition paths")
MOST_ROWS = 30


def compare(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[REFERENCE] CANDIDATE",
            help=(
                "Folders of trajectories, trajectory files, what `scoredyn reference` wrote, or the name of a"
                " shipped model for its reference MD. With --langevin the candidate alone."
            ),
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for comparison.json, the pictures and report.html.")],
    observable: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=(
                "What to compare, instead of all that the particles have: peptide, torsions, geometry,"
                " rotors, tumbling, size, rdf, msd, dihedral:A-B-C-D or distance:A-B; repeat for several."
            ),
        ),
    ] = None,
    langevin: Annotated[
        Path | None,
        typer.Option(metavar="STRUCTURE", help="Run the reference side now: Langevin MD of this structure."),
    ] = None,
    system: Annotated[
        Path | None,
        typer.Option(help="System of the Langevin side, OpenMM's XML; default: implicit solvent."),
    ] = None,
    integrator: Annotated[
        str | None, typer.Option(help="LangevinMiddleIntegrator, the default, or LangevinIntegrator.")
    ] = None,
    length: Annotated[str | None, typer.Option(help="Length of the Langevin side, as 1ns.")] = None,
    wall_seconds: Annotated[float | None, typer.Option(help="Or its wall time in seconds.")] = None,
    friction: Annotated[float | None, typer.Option(help="Of the Langevin side, 1/ps; 10.")] = None,
    timestep: Annotated[str | None, typer.Option(help="Of the Langevin side; 4fs.")] = None,
    temperature: Annotated[
        str | None, typer.Option(help="Of the Langevin side, and of files that do not say it, as 300K.")
    ] = None,
    topology: TopologyFile = None,
    selection: Selection = None,
    spacing: Spacing = None,
    equilibration: Annotated[
        str | None, typer.Option(help="Beginning of every candidate trajectory to leave out, as 3ns.")
    ] = None,
    chapman_kolmogorov: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="OTHER",
            help="Trajectories of a model with another lag; repeat for several. All are compared over 10 ps.",
        ),
    ] = None,
    speed: Annotated[
        list[str] | None, typer.Option(metavar="NAME=PS_PER_S", help="A speed to show; repeat for several.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="The candidate's model: measures its speed here, and counts what its guard would refuse."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and of the Langevin side.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Compare two trajectories of any molecule, whatever made them: populations, rates, paths, geometry, all
    with errors.

    Example: scoredyn compare alanine-dipeptide-obc2 run.dcd --topology run.pdb --out comparison/
    """
    from rich.console import Console

    from openmm_scoredyn.cli.compare_langevin import LangevinOptions, langevin_side
    from openmm_scoredyn.cli.compare_model import (
        guard_table,
        model_speeds,
        parse_speeds,
        warn_of_training_data,
    )
    from openmm_scoredyn.cli.compare_table import comparison_table
    from openmm_scoredyn.cli.names import distinct_names
    from openmm_scoredyn.comparison import chapman_kolmogorov as test_lags
    from openmm_scoredyn.comparison import compare as run
    from openmm_scoredyn.comparison import write_report
    from openmm_scoredyn.comparison.report import summary, target_summary
    from openmm_scoredyn.data import require_apart, require_one_temperature

    _require_sides(paths, langevin)
    dynamics = LangevinOptions(system, integrator, length, wall_seconds, friction, timestep)
    if langevin:
        dynamics.require_one_limit()
    else:
        dynamics.refuse_any()
    others = chapman_kolmogorov or []
    sides = [Path(dynamics.name), *paths] if langevin else paths
    reference_name, candidate_name, *other_names = distinct_names([*sides, *others])
    kelvin = optional(parse_temperature, temperature)
    options = {
        "topology": topology,
        "selection": selection,
        "frame_spacing_ps": optional(parse_duration, spacing),
        "temperature_K": kelvin,
    }
    skipped_ps = parse_duration(equilibration) if equilibration else 0.0
    candidate = read_side(paths[-1], options, skipped_ps)
    speeds = parse_speeds(speed or ())
    further = [read_side(path, options, skipped_ps) for path in others]
    if model:
        speeds |= model_speeds(model, candidate.trajectories)
    if langevin:
        trajectory, speeds[dynamics.name] = langevin_side(langevin, dynamics, candidate, kelvin, seed)
        reference = Side.of_trajectories([trajectory])
    else:
        reference = read_side(paths[0], options)
    candidate = candidate.in_order_of(reference.particles)
    further = [side.in_order_of(reference.particles) for side in further]
    if reference.trajectories and candidate.trajectories:
        require_apart(reference.trajectories, candidate.trajectories)
    if model and reference.trajectories:
        warn_of_training_data(model, reference.trajectories)
    observables = reference.observables(observable or ())
    ours, theirs, *more = (side.see(observables) for side in (reference, candidate, *further))
    require_one_temperature(ours.temperature_K, theirs.temperature_K)
    names = {"reference_name": reference_name, "candidate_name": candidate_name}
    report = run(ours, theirs, observables, **names, speeds_ps_per_s=speeds, seed=seed)
    report = dataclasses.replace(report, guard=guard_table(paths[-1], model, candidate.trajectories))
    if others:
        compared = {candidate_name: theirs, **dict(zip(other_names, more, strict=True))}
        intervals = test_lags(ours, compared, observables, reference_name=reference_name, seed=seed)
        report = dataclasses.replace(report, intervals=tuple(intervals))
    write_report(report, out)
    if as_json:
        typer.echo((out / "comparison.json").read_text(), nl=False)
        return
    console = Console()
    console.print(comparison_table(report, _shown_groups(report)))
    console.print(f"{summary(report)} {target_summary(report)}", soft_wrap=True)
    console.print(f"Page with all plots: {out / 'report.html'}", soft_wrap=True)


def _require_sides(paths: list[Path], langevin: Path | None) -> None:
    from openmm_scoredyn.errors import TrajectoryError

    if len(paths) != (1 if langevin else 2):
        raise TrajectoryError(
            "compare: expected"
            f" {'the candidate alone beside --langevin' if langevin else 'a reference and a candidate'},"
            f" found {len(paths)} paths; see scoredyn compare --help."
        )


def _shown_groups(report) -> tuple[str, ...]:
    """Groups of rows that fit a terminal."""
    groups = [row.quantity.group for row in report.rows]
    return tuple(
        group
        for group in dict.fromkeys(groups)
        if group not in LONG_GROUPS and groups.count(group) <= MOST_ROWS
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Side:
    """One side: trajectories, or what was kept of them.

    Attributes
    ----------
    particles : Particles
    periodic : bool
    frame_spacing_ps, temperature_K : float, the temperature None where it is unknown
    trajectories : list of Trajectory, None where only observations are stored
    observations : Observations that are stored, None where there are trajectories
    """

    particles: Any
    periodic: bool
    frame_spacing_ps: float
    temperature_K: float | None
    trajectories: Any = None
    observations: Any = None

    @classmethod
    def of_trajectories(cls, trajectories) -> "Side":
        """A side of trajectories, all of the particles of the first free one."""
        from openmm_scoredyn.observables.series import unsteered

        first = unsteered(trajectories)[0]
        conditions = (first.molecule, first.box is not None, first.frame_spacing_ps, first.temperature_K)
        return cls(*conditions, trajectories=trajectories)

    def in_order_of(self, particles) -> "Side":
        """The same side with its atoms in the order of another's; itself where the order is the same.

        Raises
        ------
        MoleculeError
            If they are not of one molecule.
        """
        from openmm_scoredyn.data import reordered
        from openmm_scoredyn.data.trajectory import first_difference
        from openmm_scoredyn.molecule.matching import match_particles

        if self.trajectories is None or first_difference(particles, self.particles) is None:
            return self
        order = match_particles(self.particles, particles)
        return Side.of_trajectories([reordered(trajectory, order) for trajectory in self.trajectories])

    def observables(self, wanted) -> list:
        """Those that are wanted, or all that see something in its particles."""
        from openmm_scoredyn.observables import observables_for

        return observables_for(self.particles, self.periodic, wanted)

    def see(self, observables):
        """Its Observations."""
        from openmm_scoredyn.observables import Observations

        if self.observations is not None:
            return self.observations
        return Observations.from_trajectories(self.trajectories, observables)


def read_side(path: Path, options: dict, skipped_ps: float = 0.0) -> Side:
    """One side from `skipped_ps` on."""
    from openmm_scoredyn.data import discard, load
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
    return Side.of_trajectories([discard(trajectory, skipped_ps) for trajectory in load(path, **options)])
