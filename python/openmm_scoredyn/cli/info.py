"""`scoredyn info`: what a score program says about itself and, on request, whether it still computes what it
computed.
"""

import json
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from openmm_scoredyn.cli.options import AllowNativeCode, AsJson
from openmm_scoredyn.cli.printable import printable
from openmm_scoredyn.crystals.card import DenoiserCard, is_denoiser
from openmm_scoredyn.program.card import Card

if TYPE_CHECKING:  # it brings numpy, which help does not need
    from openmm_scoredyn.program.transferable import TransferCard

_PRECISIONS = {
    "highest": "highest, float32",
    "high": "high, matrix products with TF32 where a GPU has it",
    "medium": "medium, matrix products with TF32 on a GPU and bfloat16 on a processor, where they have it",
}

_MOST_NAMES = 10  # of molecules in training that a line has room for
# Lines of what it was trained on, and of what was measured, unless all are asked for.
_SHOWN = 3


def info(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Path of a score program, or name of a shipped one.")
    ],
    allow_native_code: AllowNativeCode = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Load the network and check its golden triple.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="All that it was trained on, and all that was measured.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the card of a score program, of which nothing is run; with --verify, run its golden triple.

    Example: scoredyn info alanine-dipeptide-obc2
    """
    from openmm_scoredyn.crystals.model import CrystalDenoiser
    from openmm_scoredyn.program.archive import open_model_file
    from openmm_scoredyn.program.model import ScoreModel, path_or_shipped
    from openmm_scoredyn.program.transferable import is_transferable

    source = path_or_shipped(model)
    if is_transferable(source):
        _show_transferable(source, verify, full, as_json)
        return
    file = open_model_file(source)
    denoiser = is_denoiser(file.card_json)
    card = (DenoiserCard if denoiser else Card).from_json(file.card_json)
    if as_json:
        typer.echo(card_json(file.card_json, file.sha256))
    # Beside JSON, what else there is to say goes elsewhere.
    console = Console(stderr=as_json)
    if not as_json:
        console.print(card_table(card, file.sha256, denoiser_rows if denoiser else model_rows, full))
    if isinstance(card, Card) and (note := precision_note(card)):
        console.print(Text(printable(note)))
    if not verify:
        console.print(
            "The records of the file have the sums it names; the program was not run (--verify).",
            soft_wrap=True,
        )
        return
    if denoiser:
        CrystalDenoiser(file.source)
    else:
        ScoreModel(file.source, allow_native_code)
    console.print(
        "Golden triple reproduced: the program computes here what it computed where it was exported."
    )


def _show_transferable(path, verify: bool, full: bool, as_json: bool) -> None:
    """The card of a model that has no program yet."""
    from openmm_scoredyn.errors import ProgramError
    from openmm_scoredyn.program.transferable import TransferableModel

    if verify:
        raise ProgramError(
            f"info: {path} holds weights and no program; expected a score program for --verify, found a"
            " transferable model; bind it first (scoredyn bind), or leave --verify out."
        )
    opened = TransferableModel.load(path)
    if as_json:
        typer.echo(card_json(opened.card.to_json(), opened.sha256))
        return
    console = Console()
    console.print(card_table(opened.card, opened.sha256, transferable_rows, full))
    console.print("The parts of the file have the sums it names.")


def card_json(card: str, sha256: str) -> str:
    """The card of a model file and the SHA-256 of the file, without the golden triples."""
    values = json.loads(card)
    values.pop("golden", None)
    return json.dumps({"sha256": sha256} | values, indent=1)


def card_table(
    card: "Card | DenoiserCard | TransferCard", sha256: str, rows: Callable[..., list], full: bool = True
) -> Table:
    """Two columns, one row per thing a user wants to know before a run; some twenty lines unless `full`."""
    table = Table(title=Text(printable(card.name)), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    origin = card if isinstance(card, DenoiserCard) else card.provenance
    told = {
        key: value
        for key, value in origin.training_data.items()
        if full or key not in ("fingerprint", "openings")
    }
    trained, measured = _nested("trained on", told), _measured(origin.accuracy, full)
    if not full:
        trained, measured = _shortened(trained), _shortened(measured)
    for name, value in rows(card) + trained + measured:
        table.add_row(Text(printable(name)), Text(printable(value)))
    table.add_row("SHA-256", sha256)
    return table


def precision_note(card: Card) -> str:
    """What to say of a card whose accuracy is that of another precision than its own, or of none."""
    precision = card.capabilities.matmul_precision
    if precision == "highest" or card.precision_is_measured:
        return ""
    return (
        f"The accuracy at matmul_precision {precision!r} is not measured: run `scoredyn compare` on"
        " trajectories made at it, and export with its --accuracy."
    )


def model_rows(card: Card) -> list[tuple[str, str]]:
    """What a model is, row by row; nothing of what it was trained on or how it was measured."""
    can, origin = card.capabilities, card.provenance
    composition = "".join(
        f"{e}{n if n > 1 else ''}" for e, n in sorted(Counter(card.particles.types).items())
    )
    rows = [
        _step(can),
        ("molecule", f"{card.particles.residues_text}, {card.num_particles} atoms, {composition}"),
        (
            "conditions",
            f"{origin.solvent}, {origin.force_field}, {'periodic' if can.periodic else 'not periodic'}",
        ),
        ("guard", _guard(card)),
        ("precision", _PRECISIONS[can.matmul_precision]),
        (
            "symmetry",
            f"{'SE(3), checked at export' if can.symmetric else 'none claimed'}; {can.latent_type} latents",
        ),
        ("licence", origin.licence),
        _made_by(origin, card.format_version),
    ]
    if not can.denoising_steps:
        return rows + [("draws", f"{_draws(can)} from {can.latent_size} normals")]
    steps = _draws(can)
    levels = f"sigma {can.sigma_min:g} to {can.sigma_max:g}, {can.latent_size} latents"
    return rows + [("draws", f"{steps}, {levels}")]


def molecules_text(card: "TransferCard") -> str:
    """The molecules in training by name, or how many where they are many; `info --json` has them all."""
    names = [molecule["name"] for molecule in card.molecules]
    if len(names) <= _MOST_NAMES:
        return ", ".join(names)
    sizes = [molecule["particles"] for molecule in card.molecules]
    return f"{len(names)} molecules of {min(sizes)} to {max(sizes)} particles"


def transferable_rows(card: "TransferCard") -> list[tuple[str, str]]:
    """As `model_rows`, for a model that is bound to a molecule before use."""
    can, origin = card.capabilities_of(1), card.provenance
    rules = card.guard
    return [
        ("kind", "transferable model; a run binds it to its molecule"),
        _step(can),
        ("molecules", molecules_text(card)),
        ("bonds", ", ".join(rules.bonds_nm)),
        ("conditions", f"{origin.solvent}, {origin.force_field}"),
        (
            "guard",
            (
                f"bonds within {rules.bond_tolerance:.0%}, {len(rules.angles_deg)} kinds of angles,"
                f" {len(rules.contacts_nm)} of contacts, {rules.max_displacement_nm:.2f} nm a step"
            ),
        ),
        ("draws", _draws(can)),
        ("licence", origin.licence),
        _made_by(origin, card.format_version),
    ]


def _draws(can) -> str:
    if not can.denoising_steps:
        return "in one step"
    return f"{can.solver} with {can.denoising_steps} denoising steps"


def _step(can) -> tuple[str, str]:
    """Row of what a step is, from `Capabilities`."""
    return "step", f"{can.lag_times_text} at {can.temperatures_text}, history of {can.history_length}"


def _made_by(origin, format_version: str) -> tuple[str, str]:
    """Row of the releases that wrote a file."""
    releases = f"openmm-scoredyn {origin.package_version}, torch {origin.torch_version}"
    return "made by", f"{releases}, format {format_version}"


def _guard(card: Card) -> str:
    """How many rules of each kind a step must keep; a kind without one is left out."""
    rules = card.guard
    counts = {
        f"bonds within {rules.bond_tolerance:.0%}": len(rules.bond_lengths_nm),
        "angles": len(rules.angles),
        "chiral centres": len(rules.stereocentres),
        "cis or trans torsions": len(rules.double_bonds),
        "closest contacts": len(rules.contacts),
    }
    said = [f"{kind}: {count}" for kind, count in counts.items() if count]
    return ", ".join([*said, f"{rules.max_displacement_nm:.2f} nm a step"])


def denoiser_rows(card: DenoiserCard) -> list[tuple[str, str]]:
    """As `model_rows`, for a crystal denoiser."""
    return [
        ("kind", f"crystal denoiser, at most {card.iterations} iterations"),
        ("lattices", ", ".join(card.lattices)),
        ("elements", ", ".join(card.elements) or "any, all atoms alike"),
        (
            "noise",
            (
                f"up to {card.sigma_max:g} per coordinate, cutoff {card.cutoff:g}, in nearest-neighbour"
                " distances"
            ),
        ),
        ("licence", card.licence),
        _made_by(card, card.format_version),
    ]


def _shortened(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The first few rows, and how many more there are."""
    left = len(rows) - _SHOWN
    return rows if left <= 1 else [*rows[:_SHOWN], ("", f"and {left} more (--full)")]


def _measured(accuracy: dict, full: bool) -> list[tuple[str, str]]:
    """Rows of a `scoredyn compare` as sentences, or counted by their verdicts, geometry as a count; anything
    else leaf by leaf.
    """
    if not {"rows", "molecules"} & accuracy.keys():
        return _nested("measured", accuracy)
    try:
        lines = _comparisons(accuracy, full)
    except (KeyError, TypeError, ValueError, AttributeError):  # the field is free
        return _nested("measured", accuracy)
    return [("measured" if n == 0 else "", line) for n, line in enumerate(lines)]


def _comparisons(accuracy: dict, full: bool) -> list[str]:
    """The lines of a comparison, or of those of several molecules, each after its name."""
    if "rows" in accuracy:
        return _comparison(accuracy, full)
    lines = []
    for one in accuracy["molecules"]:
        seen = "other MD of it in training" if one["in_training"] else "not in training"
        first, *more = _comparison(one, full)
        lines += [f"{one['name']}, {seen}: {first}", *more]
    return lines


def _comparison(accuracy: dict, full: bool) -> list[str]:
    from openmm_scoredyn.comparison.report import format_estimate
    from openmm_scoredyn.comparison.uncertainty import Estimate

    sides = [
        f"{accuracy[side]['length_ns']:.0f} ns ({accuracy[side]['name']})"
        for side in ("candidate", "reference")
    ]
    lines = [" against ".join(sides)]
    rows = [row for row in accuracy["rows"] if row["group"] != "Geometry"]
    if rows and not full:
        verdicts = Counter(row["verdict"] for row in rows)
        lines.append(", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()) + " (--full)")
    for row in rows if full else ():
        ours, theirs = (format_estimate(Estimate.from_dict(row[side])) for side in ("candidate", "reference"))
        lines.append(
            f"{row['quantity']}: {ours} against {theirs} {row['unit']}, {row['verdict']}".replace(" ,", ",")
        )
    geometry = [row["verdict"] for row in accuracy["rows"] if row["group"] == "Geometry"]
    if geometry:
        lines.append(
            f"geometry: {sum(verdict != 'differs' for verdict in geometry)} of {len(geometry)} agree"
        )
    return [*lines, *(map(str, accuracy.get("notes", [])) if full else ())]


def _nested(title: str, values: dict, prefix: str = "") -> list[tuple[str, str]]:
    """One row per leaf; the title stands in the first alone."""
    rows = []
    for key, value in values.items():
        if isinstance(value, dict):
            rows += _nested("", value, f"{prefix}{key}.")
        else:
            rows.append(("", f"{prefix}{key}: {value}"))
    return [(title, rows[0][1]), *rows[1:]] if rows else []
