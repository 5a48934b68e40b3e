"""`scoredyn export`: a training checkpoint, or a score program of another format, becomes a score program."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from openmm_scoredyn.cli.duration import optional
from openmm_scoredyn.cli.options import AsJson
from openmm_scoredyn.units import parse_duration

_DRAWS = ("solver", "denoising_steps", "recommended_lag_time_ps")  # what accuracy is measured with


def export(
    trained: Annotated[
        Path,
        typer.Argument(
            metavar="TRAINED",
            help=(
                "A run directory or checkpoint of `scoredyn train`; or a score program (NAME.pt) or the name"
                " of a shipped "
                "model, to write it in another format, as `scoredyn export alanine-dipeptide-tip3p fast.pt2"
                " --format aoti`."
            ),
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="What to write: NAME.pt, NAME.pt2 for aoti, or NAME.scoredyn of a transferable network.",
        ),
    ],
    format: Annotated[
        Literal["torchscript", "aoti"],
        typer.Option(help="aoti: native code for this machine (AOTInductor), faster; needs g++."),
    ] = "torchscript",
    device: Annotated[
        Literal["cpu", "cuda"],
        typer.Option(help="What aoti compiles for; a torchscript program runs on any."),
    ] = "cpu",
    symmetric: Annotated[
        bool | None,
        typer.Option(
            "--symmetric/--not-symmetric",
            help="Claim SE(3) symmetry and check it; default: as the card says.",
        ),
    ] = None,
    solver: Annotated[str | None, typer.Option(help="Solver the card recommends; default: trig_2m.")] = None,
    denoising_steps: Annotated[
        int | None, typer.Option(min=1, help="Network evaluations per step the card recommends; default: 8.")
    ] = None,
    lag_time: Annotated[
        str | None,
        typer.Option(
            "--lag-time",
            "--lag",
            help="Lag time the card recommends, of several that the model knows; default: the shortest.",
        ),
    ] = None,
    matmul_precision: Annotated[
        Literal["highest", "high", "medium"] | None,
        typer.Option(
            help="high: products with TF32 on a GPU; medium: bfloat16 on a processor, too; default: highest."
        ),
    ] = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Export a run that has not made all its updates.")
    ] = False,
    accuracy: Annotated[
        Path | None,
        typer.Option(help="comparison.json of `scoredyn compare`, written into the card as measured."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Export a trained model, and show that the exported program gives what the network gives.

    Example: scoredyn export runs/alanine alanine.pt
    """
    from openmm_scoredyn.cli.info import precision_note
    from openmm_scoredyn.cli.train_check import checked_accuracy
    from openmm_scoredyn.export import export_program

    changes = {
        "solver": solver,
        "denoising_steps": denoising_steps,
        "recommended_lag_time_ps": optional(parse_duration, lag_time),
        "matmul_precision": matmul_precision,
    }
    changes = {name: value for name, value in changes.items() if value is not None}
    drawn_as_checked = accuracy is None and not changes
    if out.suffix == ".scoredyn":
        _export_transferable(trained, out, changes, unfinished, drawn_as_checked)
        return
    module, card, parametrization = _load(trained, unfinished)
    if drawn_as_checked and trained.is_dir() and (measured := checked_accuracy(trained)):
        card = card.with_values(accuracy=measured)
    before, card = card.capabilities, card.with_values(**changes)
    if any(getattr(before, name) != getattr(card.capabilities, name) for name in _DRAWS):
        card = card.with_values(accuracy={})  # what it says was measured with other draws
    if accuracy is not None:
        card = card.with_values(
            accuracy=_read_comparison(accuracy) | {"matmul_precision": card.capabilities.matmul_precision}
        )
    report = export_program(
        module,
        out,
        card,
        parametrization,
        format=format,
        device=device,
        symmetric=symmetric,
    )
    if as_json:
        typer.echo(parity_json(out, report))
        return
    console = Console()
    console.print(_parity_table(card.name, report))
    if trained.is_dir():
        from openmm_scoredyn.training.checkpoint import overfitting

        if sentence := overfitting(trained):
            console.print(sentence, soft_wrap=True)
    console.print(f"Wrote {out} ({out.stat().st_size / 1e6:.1f} MB).", soft_wrap=True)
    if note := precision_note(card):
        console.print(note, soft_wrap=True)


def _parity_table(name: str, report) -> Table:
    """The largest differences between the program and the network."""
    table = Table(title=f"{name}: largest differences")
    for heading in ("check", "latents", "allowed", "positions (nm)", "allowed"):
        table.add_column(heading, justify="left" if heading == "check" else "right")
    for check in report.checks:
        latents, positions = check.tolerance
        table.add_row(
            check.name,
            f"{check.latents:.1e}",
            f"{latents:.0e}",
            f"{check.positions_nm:.1e}",
            f"{positions:.0e}",
        )
    return table


def parity_json(out: Path, report) -> str:
    """The table of differences."""
    checks = [
        {
            "check": check.name,
            "latents": check.latents,
            "positions_nm": check.positions_nm,
            "allowed": list(check.tolerance),
        }
        for check in report.checks
    ]
    return json.dumps({"file": str(out), "bytes": out.stat().st_size, "checks": checks}, indent=1)


def _export_transferable(
    trained: Path, out: Path, changes: dict, unfinished: bool, drawn_as_checked: bool
) -> None:
    """Write the model of a run of a transferable network."""
    from dataclasses import replace

    from openmm_scoredyn.cli.train_check import checked_accuracy
    from openmm_scoredyn.errors import ExportError
    from openmm_scoredyn.program.transferable import TransferableModel, TransferCard
    from openmm_scoredyn.training.checkpoint import best_checkpoint, overfitting, require_finished

    if not unfinished:
        require_finished(trained)
    checkpoint = best_checkpoint(trained)
    if not isinstance(checkpoint.card, TransferCard):
        raise ExportError(
            f"export: the network of {trained} is made for one molecule; expected a transferable one for a"
            " .scoredyn file, found"
            f" {checkpoint.config.network.name}; export it to NAME.pt."
        )
    card = replace(checkpoint.card, capabilities=checkpoint.card.capabilities | changes)
    _require_valid(card.capabilities_of(1))
    if drawn_as_checked and trained.is_dir() and (measured := checked_accuracy(trained)):
        card = replace(card, provenance=replace(card.provenance, accuracy=measured))
    TransferableModel(card, checkpoint.weights).save(out)
    if sentence := overfitting(trained):
        typer.echo(sentence)
    typer.echo(f"Wrote {out} ({out.stat().st_size / 1e6:.1f} MB). Next: scoredyn bind {out} molecule.pdb")


def _require_valid(capabilities) -> None:
    """Refuse with a `CardError` what no program can be capable of, which binding would refuse later."""
    from openmm_scoredyn.molecule.particles import Particles
    from openmm_scoredyn.program.card import Card
    from openmm_scoredyn.program.guard_rules import GuardRules

    one = Particles(("C",), (12.011,), ("C",), ("ONE",), (0,), ())
    Card(name="one", capabilities=capabilities, particles=one, guard=GuardRules())


def _load(trained: Path, unfinished: bool):
    from openmm_scoredyn.errors import ExportError
    from openmm_scoredyn.export.restore import restore_program
    from openmm_scoredyn.program.card import Card
    from openmm_scoredyn.program.model import pretrained
    from openmm_scoredyn.training import load_checkpoint
    from openmm_scoredyn.training.checkpoint import require_finished

    shipped = not trained.exists() and str(trained) in pretrained()
    program = pretrained(str(trained)) if shipped else trained
    if program.suffix in (".pt", ".pt2"):
        return restore_program(program)
    if not unfinished:
        require_finished(trained)
    network, card, parametrization = load_checkpoint(trained)
    if not isinstance(card, Card):
        raise ExportError(
            f"export: the network of {trained} knows many molecules; expected NAME.scoredyn to write, found"
            " another ending; give one, and bind it to a molecule."
        )
    return network, card, parametrization


def _read_comparison(path: Path) -> dict:
    from openmm_scoredyn.errors import ExportError

    try:
        comparison = json.loads(path.read_text())
        kept = {key: comparison[key] for key in ("reference", "candidate", "rows", "notes")}
        intervals = comparison.get("chapman_kolmogorov")  # of models of several lags
        return kept | ({"chapman_kolmogorov": intervals} if intervals else {})
    except (OSError, ValueError, KeyError) as error:
        raise ExportError(
            f"export: cannot read {path} ({type(error).__name__}: {error}); expected the comparison.json that"
            " `scoredyn compare` writes; run it on trajectories of this model."
        ) from None
