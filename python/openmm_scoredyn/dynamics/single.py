"""One simulation with a trajectory, a log and checkpoints, that a kill does not harm."""

from collections.abc import Callable
from contextlib import ExitStack, closing, contextmanager
from io import StringIO
from pathlib import Path

from openmm_scoredyn.data.atomic import write_text_atomically
from openmm_scoredyn.data.lock import exclusive
from openmm_scoredyn.dynamics.restart import RunFiles
from openmm_scoredyn.errors import OutputError, SamplingError

# Steps between two calls of `progress`: rare enough to cost nothing, often enough to look alive.
_STEPS_PER_REPORT = 50


def run_simulation(
    simulation,
    out: str | Path,
    n_steps: int,
    *,
    save_every: int = 1,
    checkpoint_every: int = 1000,
    identity: dict,
    progress: Callable[[int, int], None] | None = None,
) -> RunFiles:
    """Run a Simulation up to step `n_steps`, going on where an earlier call of the same identity was killed.

    Parameters
    ----------
    simulation : openmm.app.Simulation at step 0, with a ScoreDynamicsIntegrator
    out : trajectory to write, NAME.dcd or NAME.xtc; a log, a topology and a restart file appear beside it
    n_steps : in all, earlier calls included
    save_every : steps per frame and line of the log
    checkpoint_every : steps between checkpoints, what a kill costs at most
    identity : JSON-ready; whatever the result depends on, so that nothing else is ever taken up
    progress : called with (steps done, steps in all)

    Returns
    -------
    RunFiles, with the paths of what was written

    Raises
    ------
    OutputError
        If a file cannot be written, another process writes it, the disk is full, or the files there are of
        another run. What lies on the disk then ends at the last checkpoint.
    SamplingError
        If a number is out of range, or the files there hold more steps already.
    OpenMMException
        If a step fails; the files end at the last checkpoint then, too.
    """
    out = Path(out)
    if out.suffix not in (".dcd", ".xtc"):
        raise OutputError(
            f"run: unknown kind of trajectory; expected NAME.dcd or NAME.xtc, found {out.name}; rename it."
        )
    if n_steps < 1 or save_every < 1 or checkpoint_every < 1:
        raise SamplingError(
            f"run: expected positive numbers of steps, found {n_steps} in all, {save_every} per frame and "
            f"{checkpoint_every} per checkpoint; correct them."
        )
    with exclusive(out, "run"):
        return _run(
            simulation,
            RunFiles(out, identity | _described(simulation, save_every)),
            n_steps,
            save_every,
            checkpoint_every,
            progress,
        )


def _described(simulation, save_every: int) -> dict:
    """What `data.sidecars` reads: spacing and temperature, which a trajectory file does not say."""
    from openmm import unit

    integrator = simulation.integrator
    return {
        "save_every": save_every,
        "step_ps": integrator.getStepSize().value_in_unit(unit.picosecond),
        "temperature_K": integrator.getTemperature().value_in_unit(unit.kelvin),
    }


def _run(
    simulation, files: RunFiles, n_steps: int, save_every: int, checkpoint_every: int, progress
) -> RunFiles:
    checkpoint = files.open()
    try:
        if checkpoint is not None:
            simulation.context.loadCheckpoint(checkpoint)
            _require_no_more(simulation, files, n_steps)
        else:
            write_text_atomically(files.topology, _topology_text(simulation))
        with _reporters(simulation, files, save_every):
            _step_to(simulation, files, n_steps, checkpoint_every, progress)
    except OSError as error:
        files.discard_unsaved()
        raise OutputError(
            f"run: cannot write {error.filename or files.trajectory}; {error.strerror or error}; make room or"
            " check the"
            " path, then run the same command again to go on."
        ) from None
    except BaseException:
        files.discard_unsaved()
        raise
    return files


def _require_no_more(simulation, files: RunFiles, n_steps: int) -> None:
    """A file that is longer than asked for must not pass for the shorter one."""
    from openmm import unit

    step_ps = simulation.integrator.getStepSize().value_in_unit(unit.picosecond)
    if simulation.currentStep > n_steps:
        raise SamplingError(
            f"run: {files.trajectory} holds a longer run; expected at most {n_steps * step_ps:g} ps, found "
            f"{simulation.currentStep * step_ps:g} ps; ask for that or more, or choose another file."
        )


def _topology_text(simulation) -> str:
    """The first frame as PDB, without the date that OpenMM's header holds."""
    from openmm.app import PDBFile

    text = StringIO()
    positions = simulation.context.getState(getPositions=True).getPositions()
    PDBFile.writeModel(simulation.topology, positions, text)
    PDBFile.writeFooter(simulation.topology, text)
    return text.getvalue()


@contextmanager
def _reporters(simulation, files: RunFiles, save_every: int):
    """Attach trajectory and log to a simulation, and close them before anything is done to their files."""
    # Imported here, as reporters need openmm.app, which takes a while.
    from openmm_scoredyn.dynamics.reporters import CheckedXTCReporter, DatelessDCDReporter, StepLog

    kind = DatelessDCDReporter if files.trajectory.suffix == ".dcd" else CheckedXTCReporter
    # Before the first frame there is no head to append to.
    begun = [path.exists() and path.stat().st_size > 0 for path in (files.trajectory, files.log)]
    before = list(simulation.reporters)
    with ExitStack() as stack:
        stack.callback(lambda: simulation.reporters.__setitem__(slice(None), before))
        trajectory = stack.enter_context(closing(kind(str(files.trajectory), save_every, append=begun[0])))
        energy = simulation.system.getNumForces() > 0
        log = stack.enter_context(
            closing(StepLog(str(files.log), save_every, append=begun[1], energy=energy))
        )
        simulation.reporters += [trajectory, log]
        yield


def _step_to(simulation, files: RunFiles, n_steps: int, checkpoint_every: int, progress) -> None:
    while True:
        done = simulation.currentStep
        if progress is not None:
            progress(min(done, n_steps), n_steps)
        if done % checkpoint_every == 0 or done >= n_steps:
            files.save(simulation.context.createCheckpoint())
        if done >= n_steps:
            return
        until_checkpoint = checkpoint_every - done % checkpoint_every
        simulation.step(min(_STEPS_PER_REPORT, until_checkpoint, n_steps - done))
