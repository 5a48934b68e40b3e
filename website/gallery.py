"""The gallery of shipped models, from their files alone: what each knows, its table, its misses."""

import re
from functools import cache

import numpy as np
from openmm import unit
from openmm.app import PDBFile

import openmm_scoredyn as sd
from openmm_scoredyn.cli.info import denoiser_rows, model_rows, transferable_rows
from openmm_scoredyn.cli.models import describe
from openmm_scoredyn.comparison.report import format_estimate
from openmm_scoredyn.comparison.rows import AGREES, DIFFERS, TOLERATED, UNDETERMINED
from openmm_scoredyn.comparison.uncertainty import Estimate
from openmm_scoredyn.crystals.card import DenoiserCard, is_denoiser
from openmm_scoredyn.program.archive import open_model_file
from openmm_scoredyn.program.card import Card
from openmm_scoredyn.program.transferable import TransferableModel, TransferCard, is_transferable

FRAMES = 60
# In the plural.
VERDICTS = {AGREES: "agree", TOLERATED: TOLERATED, DIFFERS: "differ", UNDETERMINED: UNDETERMINED}
INTRODUCTION = (
    "Shipped with the package; `scoredyn models` lists them, and a name stands wherever a path does. These"
    " pages are made from the cards that the files hold."
)
# Picture and page of the repository's docs/ for a model that has them.
PICTURES = {
    "alanine-dipeptide-obc2": "alanine.png",
    "alanine-dipeptide-obc2-lags": "reports/many_lags_chapman_kolmogorov.png",
    "alanine-dipeptide-tip3p": "reports/alanine_water.png",
    "alkanes-tip3p": "reports/alkanes_torsions.png",
    "bead-chains": "reports/bead-chains.png",
    "metals": "how_to/denoising.png",
    "peptides-obc2": "reports/peptides.png",
}
REPORTS = {
    "alanine-dipeptide-obc2": ("reports/alanine_implicit.md", "the report"),
    "alanine-dipeptide-obc2-lags": ("reports/many_lags.md", "the report"),
    "alanine-dipeptide-tip3p": ("reports/alanine_water.md", "the report"),
    "alkanes-tip3p": ("reports/alkanes.md", "the report"),
    "bead-chains": ("reports/polymers.md", "the report"),
    "metals": ("how_to/denoise_crystals.md", "how to denoise crystals"),
    "peptides-obc2": ("reports/peptides.md", "the report"),
}
ROWS = {Card: model_rows, DenoiserCard: denoiser_rows, TransferCard: transferable_rows}


def navigation() -> list:
    """The gallery, then a page a model."""
    return ["models/README.md", *({name: f"models/{name}.md"} for name in sd.pretrained())]


def pages() -> dict[str, str]:
    """Page of the site -> its text."""
    return {"models/README.md": _index()} | {
        f"models/{name}.md": model_page(name) for name in sd.pretrained()
    }


def trajectories() -> dict[str, str]:
    """File of the site -> a short trajectory of a model."""
    return {f"models/{name}.xyz": short_trajectory(name) for name in sd.pretrained() if _is_dynamics(name)}


def short_trajectory(name: str) -> str:
    """`FRAMES` steps of a shipped model from its own structure, seed 1, as XYZ in Angstrom."""
    model = sd.pretrained(name)
    start = PDBFile(str(model.with_name("alanine-dipeptide.pdb"))).getPositions(asNumpy=True)
    start_nm = start.value_in_unit(unit.nanometer).astype(np.float32)
    frames_nm = sd.ScoreModel(model).sample(start_nm[None], n_steps=FRAMES, seed=1)[:, 0]
    elements = _card(name).particles.types
    lines = []
    for number, frame_nm in enumerate([start_nm, *frames_nm]):
        lines += [str(len(elements)), f"step {number}"]
        lines += [
            f"{element} {x:.3f} {y:.3f} {z:.3f}"
            for element, (x, y, z) in zip(elements, 10 * frame_nm, strict=True)
        ]
    return "\n".join(lines) + "\n"


def model_page(name: str) -> str:
    """What the card of a shipped model says, as a page."""
    card = _card(name)
    denoiser = isinstance(card, DenoiserCard)
    accuracy = card.accuracy if denoiser else card.provenance.accuracy
    training = card.training_data if denoiser else card.provenance.training_data
    if isinstance(card, TransferCard):
        tables = _tables_of_many(accuracy)
    else:
        tables = _denoiser_tables(accuracy) if denoiser else _comparison_tables(accuracy)
    parts = [f"# {name}", f"{describe(name)}. `scoredyn info {name} --full` prints the same card."]
    if name in REPORTS:
        page, title = REPORTS[name]
        parts.append(f"More: [{title}](../{page}).")
    if name in PICTURES:
        parts.append(f"![{describe(name)}](../{PICTURES[name]})")
    if _is_dynamics(name):
        parts.append(f"[{FRAMES} steps, one frame each, as XYZ]({name}.xyz){{ .trajectory }}")
    parts += ["## What it knows", _table(("", ""), ROWS[type(card)](card))]
    parts += ["## What it was trained on", _table(("", ""), _leaves(training))]
    return "\n\n".join([*parts, *tables]) + "\n"


def _tables_of_many(accuracy: dict) -> list[str]:
    """Of a transferable model, which is measured molecule by molecule."""
    unseen = "Whatever turns between groups that training never had side by side, of which binding warns."
    misses = accuracy.get("misses", [unseen])
    return [
        "## What it misses",
        "\n".join(f"- {miss}" for miss in misses),
        "## Measured",
        accuracy.get("measured", "Molecules that no training saw, against MD: in the report."),
    ]


def _index() -> str:
    rows = [(f"[{name}]({name}.md)", describe(name), _summary(name)) for name in sd.pretrained()]
    return "\n\n".join(
        [
            "# Models",
            INTRODUCTION,
            _table(("model", "what it is", "measured"), rows),
            *(
                f"## {name}\n\n[![{describe(name)}](../{picture})]({name}.md)"
                for name, picture in PICTURES.items()
            ),
        ]
    )


def _summary(name: str) -> str:
    """How many rows of its table agree, or what the table has instead of verdicts."""
    if isinstance(_card(name), TransferCard):
        return _card(name).provenance.accuracy.get("held_out", "five molecules that it never saw")
    if not _is_dynamics(name):
        return "crystals up to the melting point"
    rows = _card(name).provenance.accuracy["rows"]
    return ", ".join(
        f"{count} {words}"
        for verdict, words in VERDICTS.items()
        if (count := sum(row["verdict"] == verdict for row in rows))
    )


def _comparison_tables(accuracy: dict) -> list[str]:
    """Misses, notes, then every row by group, of what `scoredyn compare` found."""
    model, reference = accuracy["candidate"], accuracy["reference"]
    sides = f"{model['length_ns']:,.0f} ns of the model, {reference['length_ns']:,.0f} ns of MD it never saw."
    misses = [row for row in accuracy["rows"] if row["verdict"] == DIFFERS]
    parts = ["## What it misses", _rows_table(misses) if misses else "No row differs from MD."]
    parts += ["\n".join(f"- {note}" for note in accuracy["notes"]), "## Measured", sides]
    for group in dict.fromkeys(row["group"] for row in accuracy["rows"]):
        rows = [row for row in accuracy["rows"] if row["group"] == group]
        parts += [f"### {group}", _rows_table(rows)]
    return parts


def _rows_table(rows: list[dict]) -> str:
    def cells(row):
        sides = (format_estimate(Estimate.from_dict(row[side])) for side in ("reference", "candidate"))
        unit_text = f", {row['unit']}" if row["unit"] else ""
        return (f"{row['quantity']}{unit_text}", *sides, row["judgement"])

    return _table(("", "MD", "model", "verdict"), [cells(row) for row in rows])


def _denoiser_tables(accuracy: dict) -> list[str]:
    """Misses, then all, of a card whose entries are "98 of 100 as built" or percentages."""
    misses = [
        (key, value)
        for table in accuracy.values()
        for key, value in table.items()
        if _short_of_all(str(value))
    ]
    parts = ["## What it misses", _table(("", "found"), misses), "## Measured"]
    for title, table in accuracy.items():
        parts += [f"### {title[0].upper()}{title[1:]}", _table(("", "found"), list(table.items()))]
    return parts


def _short_of_all(value: str) -> bool:
    found = re.match(r"(\d+) of (\d+)\b", value)
    return bool(found) and found[1] != found[2]


def _leaves(values: dict, prefix: str = "") -> list[tuple[str, str]]:
    rows = []
    for key, value in values.items():
        nested = isinstance(value, dict)
        rows += (
            _leaves(value, f"{prefix}{key}: ")
            if nested
            else [(f"{prefix}{key}".replace("_", " "), str(value))]
        )
    return rows


def _table(head: tuple[str, ...], rows) -> str:
    lines = [head, ["---"] * len(head), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@cache
def _card(name: str) -> Card | DenoiserCard | TransferCard:
    path = sd.pretrained(name)
    if is_transferable(path):
        return TransferableModel.load(path).card
    text = open_model_file(path).card_json
    return DenoiserCard.from_json(text) if is_denoiser(text) else Card.from_json(text)


def _is_dynamics(name: str) -> bool:
    return isinstance(_card(name), Card)
