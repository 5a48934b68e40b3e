"""What `scoredyn compare` adds when it knows the candidate's model: its speed here, and what its guard
refuses.
"""

import logging
from pathlib import Path

from openmm_scoredyn.errors import TrajectoryError

REPLICAS = 64


def parse_speeds(texts) -> dict[str, float]:
    """Speeds, ps/s, by name, of texts such as "Langevin=82"; raises `TrajectoryError`."""
    speeds = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            speeds[name] = float(number)
        except ValueError:
            name = ""
        if not name:
            raise TrajectoryError(
                f"compare: a speed is not readable; expected NAME=PS_PER_S, found {text!r}; correct it."
            )
    return speeds


def model_speeds(name: str, trajectories) -> dict[str, float]:
    """ps/s of a model for one replica and for a batch, each for some seconds, from the first frame of its
    trajectories.

    Raises
    ------
    TrajectoryError
        If there are no positions to start from.
    """
    from openmm_scoredyn.dynamics.speed import sampling_speed

    if not trajectories:
        raise TrajectoryError(
            "compare: a model's speed is measured from a frame of the candidate; expected trajectories, found"
            " stored observations; leave --model out."
        )
    model = _model_for(name, trajectories)
    frame = trajectories[0].segments[0][0]
    speeds = {}
    for replicas in (1, REPLICAS):
        title = (
            f"{model.card.name}, {replicas} replica{'s' if replicas > 1 else ''}, one thread, measured here"
        )
        speeds[title] = sampling_speed(model, frame, replicas)
    return speeds


def _model_for(name: str, trajectories):
    """The model of this name for the molecule of the trajectories."""
    from openmm_scoredyn.export.binding import bind_particles, open_model
    from openmm_scoredyn.program.model import ScoreModel

    model = open_model(name)
    if isinstance(model, ScoreModel):
        return model
    first = trajectories[0]
    box = None if first.box is None else first.boxes([0])[0]
    return bind_particles(model, first.molecule, first.segments[0][0], box)


def warn_of_training_data(name: str, reference) -> None:
    """Say so if the reference holds what the model was trained on: agreement with it proves little."""
    from openmm_scoredyn.data import shared_openings
    from openmm_scoredyn.export.binding import open_model

    card = open_model(name).card
    known = shared_openings(reference, card.provenance.training_data.get("openings", ()))
    if known:
        logging.getLogger(__name__).warning(
            "%d of %d reference trajectories trained %s: expected others; agreement with them proves little.",
            len(known),
            len(reference),
            card.name,
        )


def guard_table(path: Path, name: str | None, trajectories) -> dict[str, dict[str, int]]:
    """What the guard rejected, by title: in the run, where its files say so, and in its frames, where a model
    is given.
    """
    from openmm_scoredyn.data.frame_store import is_store
    from openmm_scoredyn.dynamics import store_guard
    from openmm_scoredyn.program.guard_counts import count_rejections

    stores = [folder for folder in (path, *(path.iterdir() if path.is_dir() else ())) if is_store(folder)]
    counted = [counts for counts in map(store_guard, sorted(stores)) if counts]
    table: dict[str, dict[str, int]] = {}
    if counted:
        table["draws rejected in the run"] = {
            key: sum(counts[key] for counts in counted) for key in counted[0]
        }
    if name and trajectories:
        card = _model_for(name, trajectories).card
        table["frames the guard would reject"] = count_rejections(trajectories, card)
    return table
