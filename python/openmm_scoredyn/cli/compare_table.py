"""The table of a comparison, for terminals of 80 columns and more."""

from textwrap import fill

# Characters; what is left of the line is for the names of the quantities.
_NUMBER, _VERDICT, _TARGET = 15, 14, 12


def comparison_table(report, groups: tuple[str, ...] | None = None):
    """The rows of a comparison as a rich table, all of them or those of some groups."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    from openmm_scoredyn.comparison.report import format_estimate

    table = Table(
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        caption="SE: combined standard errors",
    )
    table.add_column("")
    for heading in (report.reference_name, report.candidate_name):
        table.add_column(escape(fill(heading, _NUMBER)), justify="right", no_wrap=True)
    for heading in ("verdict", "target"):
        table.add_column(heading, no_wrap=True)
    heading = ""
    for row in report.rows:
        if groups is None or row.quantity.group in groups:
            if row.quantity.group != heading:
                heading = row.quantity.group
                table.add_row(f"[bold]{heading}[/]")
            numbers = (
                fill(format_estimate(side, row.quantity), _NUMBER) for side in (row.reference, row.candidate)
            )
            name = f"{row.quantity.name}, {row.quantity.unit}" if row.quantity.unit else row.quantity.name
            verdict = row.judgement.replace("standard errors", "SE")
            target = row.target.removesuffix(" to tell")
            table.add_row(name, *numbers, fill(verdict, _VERDICT), fill(target, _TARGET))
    return table
