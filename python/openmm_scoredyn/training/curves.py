"""The losses of a run: one table of all its parts, and a picture."""

import csv
from pathlib import Path

from openmm_scoredyn.data.atomic import write_atomically, write_text_atomically
from openmm_scoredyn.errors import MissingDependencyError
from openmm_scoredyn.figures import as_png, styled_figure
from openmm_scoredyn.training.checkpoint import best_checkpoint, read_checkpoint

METRICS, TABLE, PICTURE, TENSORBOARD = "metrics", "losses.csv", "losses.png", "tensorboard"
TRAINING, HELD_OUT = "train_loss", "validation_loss"
_TRAINING_COLOUR, _HELD_OUT_COLOUR = "#98a2b3", "#d1495b"


def tensorboard_logger(directory):
    """A Lightning logger that writes a run for TensorBoard, all its parts into one folder in its directory.

    Raises
    ------
    MissingDependencyError
        If TensorBoard is not installed.
    """
    from lightning.pytorch.loggers import TensorBoardLogger

    try:
        return TensorBoardLogger(directory, name=TENSORBOARD, version="")
    except ModuleNotFoundError:
        raise MissingDependencyError(
            "train: --log tensorboard writes with TensorBoard; expected it to be installed, found none;"
            f" pip install 'openmm-scoredyn[tensorboard]', or leave --log out: {TABLE} has the same numbers."
        ) from None


def read_metrics(directory) -> dict[int, dict[str, float]]:
    """Everything that was logged in a run directory, by update, with the held-out losses of its last
    checkpoint; what a resumed run did again counts once.
    """
    found: dict[int, dict[str, float]] = {}
    parts = Path(directory, METRICS).glob("version_*/metrics.csv")
    for path in sorted(parts, key=lambda path: int(path.parent.name.removeprefix("version_"))):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                numbers = {name: float(text) for name, text in row.items() if text}
                # Lightning counts updates from 0 where it logs the losses of one.
                update = int(numbers.pop("step")) + (TRAINING in numbers)
                numbers = {name: value for name, value in numbers.items() if name not in ("epoch", HELD_OUT)}
                found.setdefault(update, {}).update(numbers)
    for update, loss in read_checkpoint(directory).held_out_loss:
        found.setdefault(update, {})[HELD_OUT] = loss
    return dict(sorted(found.items()))


def write_curves(directory) -> Path | None:
    """Write `losses.csv`, one row an update that was logged, and `losses.png` into a run directory.

    Returns
    -------
    Path of the picture; None without matplotlib.
    """
    found = read_metrics(directory)
    names = sorted({name for numbers in found.values() for name in numbers})
    lines = [",".join(["update", *names])]
    for update, numbers in found.items():
        lines.append(",".join([str(update), *(str(numbers.get(name, "")) for name in names)]))
    write_text_atomically(Path(directory, TABLE), "\n".join(lines) + "\n")
    try:
        content = _draw(found, best_checkpoint(directory).update)
    except MissingDependencyError:
        return None
    write_atomically(Path(directory, PICTURE), lambda file: file.write(content))
    return Path(directory, PICTURE)


def _draw(found: dict[int, dict[str, float]], best: int) -> bytes:
    """Both losses against the update, the checkpoint that is exported marked."""
    with styled_figure((7.0, 4.2)) as figure:
        axis = figure.subplots()
        for name, text, style in (
            (TRAINING, "training", {"color": _TRAINING_COLOUR, "lw": 1.0}),
            (HELD_OUT, "held out, averaged weights", {"color": _HELD_OUT_COLOUR, "marker": "o", "ms": 4}),
        ):
            points = [(update, numbers[name]) for update, numbers in found.items() if name in numbers]
            if points:
                axis.plot(*zip(*points, strict=True), label=text, **style)
        axis.axvline(best, color="#667085", ls=":", lw=1.2, label=f"exported: update {best}")
        axis.set(xlabel="update", ylabel="loss")
        axis.grid(color="#f2f4f7")
        axis.legend(loc="best")
        return as_png(figure)
