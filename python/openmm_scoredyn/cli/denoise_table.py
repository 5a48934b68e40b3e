"""The table that `scoredyn denoise` shows."""

from dataclasses import dataclass

SHOWN_ROWS = 40


@dataclass(frozen=True, eq=False)
class Row:
    """One line of the table: frame, atoms, lengths in Angstrom, and counts by structure or None."""

    frame: int
    atoms: int
    spacing: float
    moved: float
    last_move: float
    iterations: int
    before: dict | None
    after: dict | None


def show_table(rows: list[Row], title: str) -> None:
    """One line per frame, as far as they can be read."""
    from rich.console import Console
    from rich.table import Table

    from openmm_scoredyn.crystals.classify import STRUCTURES

    console = Console()
    names = [
        name
        for name in STRUCTURES
        if any(name in (row.before or {}) or name in (row.after or {}) for row in rows)
    ]
    table = Table(title=title)
    for heading in ("frame", "atoms", "neighbours at, A", "moved by, A", "last step, A", "iterations"):
        table.add_column(heading, justify="right")
    for name in names:
        table.add_column(f"{name}\nbefore, after", justify="right")
    for row in rows[:SHOWN_ROWS]:
        counts = [f"{row.before.get(name, 0)}, {row.after.get(name, 0)}" for name in names]
        table.add_row(
            str(row.frame),
            str(row.atoms),
            f"{row.spacing:.3f}",
            f"{row.moved:.3f}",
            f"{row.last_move:.4f}",
            str(row.iterations),
            *counts,
        )
    console.print(table)
    if len(rows) > SHOWN_ROWS:
        console.print(f"and {len(rows) - SHOWN_ROWS} frames more")
