"""How much each round does: of which MD, and how many updates of which training run."""

from dataclasses import replace

from openmm_scoredyn.data import Trajectory
from openmm_scoredyn.fitting import md, rounds, stages
from openmm_scoredyn.fitting.request import BESIDE, OVERHEAD
from openmm_scoredyn.fitting.rounds import Choice
from openmm_scoredyn.fitting.stages import Run
from openmm_scoredyn.fitting.work import Work

# Of a round that makes MD; the rest trains on it.
MD_PART = 0.4
_PARTS = {rounds.FREE: md.TRAINING, rounds.ROTAMERS: md.ROTAMERS, rounds.SHOOTING: md.PATHS}


def _choice(number: int, work: Work) -> Choice:
    """What followed a round."""
    return Choice.from_dict(work.journal.known(f"after round {number}"))


def amounts_of(number: int, work: Work) -> dict[str, int]:
    """By part of the MD that a round trains on, how much each of its trajectories holds."""
    return work.journal.decide(f"round {number}, MD", lambda: _amounts(number, work))


def _amounts(number: int, work: Work) -> dict[str, int]:
    if number == 1:
        return {md.TRAINING: md.amount(md.TRAINING, work.request.seconds(md.TRAINING), work)}
    before, choice = amounts_of(number - 1, work), _choice(number - 1, work)
    if choice.kind == rounds.UPDATES:
        return before
    part, seconds = _PARTS[choice.kind], MD_PART * choice.seconds
    count = md.amount(part, seconds, work, before.get(part, 0))
    if part == md.PATHS and count < md.LEAST_PATHS:
        part = md.TRAINING
        count = md.amount(part, seconds, work, before[part])
    return before | {part: count}


def training_md(number: int, work: Work) -> dict[str, list[Trajectory]]:
    """The MD that a round trains on, by part; what the round before had is read."""
    before = amounts_of(number - 1, work) if number > 1 else {}
    found = {}
    with work.journal.timed("speed of MD"):
        wanted = amounts_of(number, work)
    for part, count in wanted.items():
        if before.get(part) == count:
            found[part] = md.stored(part, work)
        else:
            with work.stage(f"{part}, round {number}") as progress:
                found[part] = md.molecular_dynamics(part, count, work, progress)
    return found


def beside_training(run: Run, free: list[Trajectory], work: Work) -> dict[str, int]:
    """Frames of each trajectory of the parts of the MD that are made beside a training run: those that judge,
    beside the first one.
    """
    processes = work.request.beside_training
    if not processes or run.number > 1 or run.updates > run.begun_with:
        return {}
    _, each = stages.update_speed(free, work)

    def count(part: str) -> int:
        seconds = BESIDE[part] * run.updates * each
        return work.journal.decide(_beside(part), lambda: md.amount(part, seconds, work, processes=processes))

    return {part: count(part) for part in BESIDE}


def _beside(part: str) -> str:
    """The name of the decision on a part that is made beside the training."""
    return f"{part} beside the training, amount"


def validation_md(number: int, work: Work) -> list[Trajectory]:
    """The MD that rounds are judged by: nothing is trained on it, and the verdict does not come from it."""
    if number > 1 or work.request.beside_training:
        return md.stored(md.VALIDATION, work)
    with work.stage(md.VALIDATION) as progress:
        seconds = work.request.seconds(md.VALIDATION)
        count = work.journal.decide(
            f"{md.VALIDATION}, amount", lambda: md.amount(md.VALIDATION, seconds, work)
        )
        return md.molecular_dynamics(md.VALIDATION, count, work, progress)


def stored_run(number: int, work: Work) -> Run:
    """The training run of a round that has begun it."""
    return Run(**work.journal.known(f"round {number}, training"))


def run_of(number: int, free: list[Trajectory], work: Work) -> Run:
    """The training run of a round: the one before, lengthened, where its MD is the same, else one that begins
    with its network, or from scratch where paths that were shot need another network.
    """
    work.journal.decide(f"round {number}, training", lambda: _run(number, free, work).to_dict())
    return stored_run(number, work)


def _run(number: int, free: list[Trajectory], work: Work) -> Run:
    if number == 1:
        updates = stages.updates_in(work.request.seconds("training"), free, work)
        return Run(1, updates, updates)
    before, choice = stored_run(number - 1, work), _choice(number - 1, work)
    if choice.kind == rounds.UPDATES:
        return replace(before, updates=stages.updates_in(choice.seconds, free, work, before.updates))
    gates = md.PATHS in amounts_of(number, work)
    updates = stages.updates_in((1 - MD_PART) * choice.seconds, free, work)
    return Run(number, updates, updates, before.number if before.gates == gates else 0, gates)


def held_out(all_met: bool, work: Work) -> int:
    """Frames of each trajectory of the held-out MD: its share, or, where not all targets were met, all that
    the rounds left, beside what was made while the network was trained.
    """

    def frames() -> int:
        request, journal = work.request, work.journal
        made = journal.known(_beside(md.HELD_OUT)) or 0
        planned = request.seconds(md.HELD_OUT)
        rest = request.seconds("final replicas") + OVERHEAD * request.budget_s
        left = request.budget_s - journal.spent_s - rest
        seconds = planned if all_met else max(planned, left)
        return md.amount(md.HELD_OUT, seconds, work, made) if seconds > 0 else made

    return work.journal.decide(f"{md.HELD_OUT}, amount", frames)
