#!/usr/bin/env python3
"""Nine molecules by `scoredyn fit`, held against long MD that no part of it saw.

    python own_molecules.py OUT --budget 30min --processes 2      # goes on where it was
    python own_molecules.py OUT --only serine butane
    python own_molecules.py OUT --page ../../docs/reports/own_molecules.md

Writes, for each molecule, OUT/NAME (what `fit` writes), OUT/NAME_long (MD), OUT/NAME_check (comparison page)
and OUT/NAME.json (a column of the table); OUT/table.md; with --page the table also goes between the marks of
that page. Peptides: amber99sb-ildn with OBC, structures by `scoredyn build`. The others: OpenFF Sage 2.3 with
its NAGL charges in vacuum, made once with the OpenFF toolkit, in inputs/.
"""

import argparse
import json
import math
import subprocess
from dataclasses import dataclass
from pathlib import Path

from openmm_scoredyn.comparison import compare, write_report
from openmm_scoredyn.comparison.rows import Row
from openmm_scoredyn.data import load
from openmm_scoredyn.observables import Observations, observables_for

INPUTS = Path(__file__).parent / "inputs"
COPIES, LONG_SEED, EVENTS = 16, 2026, 10
JSD_TIMES_FLOOR, RATES_WITHIN, REJECTED = 1.5, 0.15, 1e-3
BEGIN, END = "<!-- made by examples/own_molecules/own_molecules.py -->", "<!-- end -->"


@dataclass(frozen=True)
class Molecule:
    """What is fitted: a sequence, or a structure and System of inputs/; and how much MD judges it."""

    name: str
    title: str
    sequence: str = ""
    long_ns: float = 100.0

    def arguments(self, out: Path) -> list[str]:
        """Of `fit` and `simulate`."""
        if self.sequence:
            structure = out / f"{self.name}.pdb"
            if not structure.exists():
                scoredyn("build", self.sequence, "-o", str(structure), log=out / f"{self.name}.log")
            return [str(structure)]
        system = ["--system", str(INPUTS / f"{self.name}.xml"), "--solvent", "vacuum"]
        return [str(INPUTS / f"{self.name}.pdb"), *system]


MOLECULES = (
    Molecule("glycine", "ACE-GLY-NME", "ACE-GLY-NME", 200),
    Molecule("valine", "ACE-VAL-NME", "ACE-VAL-NME", 200),
    Molecule("proline", "ACE-PRO-NME", "ACE-PRO-NME", 200),
    Molecule("alanine_alanine", "ACE-ALA-ALA-NME", "ACE-ALA-ALA-NME", 200),
    Molecule("serine", "ACE-SER-NME", "ACE-SER-NME", 200),
    Molecule("butane", "butane"),
    Molecule("cyclohexane", "cyclohexane"),
    Molecule("ibuprofen", "ibuprofen"),
    Molecule("ethylene_glycol", "ethylene glycol"),
)


def scoredyn(*arguments: str, log: Path) -> None:
    """Run the command; what it prints goes to a file."""
    with open(log, "a", encoding="utf-8") as file:
        subprocess.run(["scoredyn", *arguments], stdout=file, stderr=file, check=True)


def fitted(molecule: Molecule, given) -> None:
    """The fit, finished."""
    out = given.out / molecule.name
    if not (out / "verdict.json").exists():
        options = ["--budget", given.budget, "--processes", str(given.processes), "--out", str(out)]
        scoredyn("fit", *molecule.arguments(given.out), *options, log=given.out / f"{molecule.name}.log")


def long_md(molecule: Molecule, given) -> Path:
    """MD of another seed than any of the fit."""
    out = given.out / f"{molecule.name}_long"
    length = f"{molecule.long_ns / COPIES:g}ns"
    options = ["--copies", str(COPIES), "--trajectories", "1", "--length", length, "--seed", str(LONG_SEED)]
    options += ["--equilibration", "100ps", "--out", str(out)]
    scoredyn("simulate", *molecule.arguments(given.out), *options, log=given.out / f"{molecule.name}.log")
    return out


def checked(molecule: Molecule, given) -> dict:
    """A column of the table."""
    verdict = json.loads((given.out / molecule.name / "verdict.json").read_text())
    reference, drawn = load([long_md(molecule, given)]), load([given.out / molecule.name / "replicas.frames"])
    observables = observables_for(reference[0].molecule)
    sides = [Observations.from_trajectories(part, observables) for part in (reference, drawn)]
    names = {"reference_name": "long MD", "candidate_name": molecule.name}
    report = compare(*sides, observables, **names, seed=1)
    write_report(report, given.out / f"{molecule.name}_check")
    return {"verdict": verdict, "budget": given.budget, "processes": given.processes} | against(
        report.rows, verdict["met"]
    )


def against(rows: tuple[Row, ...], met: list[str]) -> dict:
    """What the long MD says: divergences over their floors, rates, and which targets that the fit calls met
    it refutes.
    """
    divergences = {
        row.quantity.name.split(" JSD")[0].rstrip(":"): row.candidate.value / row.reference.value
        for row in rows
        if row.quantity.group == "Distribution" and row.target
    }
    rates = {
        row.quantity.name: agrees(row)
        for row in rows
        if row.quantity.group == "Kinetics" and row.target and row.reference.samples >= EVENTS
    }
    judged = {f"{row.quantity.group}: {row.quantity.name}": row.target for row in rows if row.target}
    return {
        "divergences": divergences,
        "rates": rates,
        "refuted": [name for name in met if judged.get(name) == "missed"],
    }


def agrees(row: Row) -> bool:
    """Whether a first passage time is within RATES_WITHIN, or two standard errors, of that of MD."""
    if not (math.isfinite(row.candidate.value) and row.candidate.value > 0 and row.candidate.samples > 0):
        return False
    apart = abs(row.candidate.value / row.reference.value - 1)
    return apart <= RATES_WITHIN or abs(row.difference) <= 2


def table(found: dict[str, dict]) -> str:
    """Of all columns, by title, as Markdown."""
    columns = (
        "budget",
        "verdict of `fit`: met, missed, undecided",
        "met that the long MD refutes",
        "Ramachandran divergence over its floor (asked 1.5)",
        "torsions, the largest",
        "rates of hops seen ten times (asked all)",
        "rejected (asked 0.1 %)",
    )
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for title, one in found.items():
        verdict, rates, apart = one["verdict"], one["rates"], one["divergences"]
        planes = {name: ratio for name, ratio in apart.items() if "Ramachandran" in name}
        others = {name: ratio for name, ratio in apart.items() if name not in planes}
        counts = ", ".join(str(len(verdict[kind])) for kind in ("met", "missed", "undecided"))
        cells = (
            title,
            f"{one['budget']} x {one['processes']}",
            f"{verdict['word']}: {counts}",
            marked(str(len(one["refuted"])), not one["refuted"]),
            largest(planes),
            largest(others),
            marked(f"{sum(rates.values())} of {len(rates)}", all(rates.values())),
            marked(f"{verdict['rejected_share']:.2%}", verdict["rejected_share"] <= REJECTED),
        )
        lines.append(f"| {' | '.join(cells)} |")
    costs = [f"- {title}. {' '.join(one['verdict']['cost'])}" for title, one in found.items()]
    return "\n".join([*lines, "", *costs]) + "\n"


def marked(text: str, good: bool) -> str:
    """A cell, with a mark where its target is missed."""
    return text if good else f"{text} **missed**"


def largest(ratios: dict[str, float]) -> str:
    """The largest divergence over its floor, and what it is of."""
    if not ratios:
        return ""
    name = max(ratios, key=ratios.__getitem__)
    of = name.removesuffix("Ramachandran").rstrip(": ")
    label = f" ({of})" if of else ""
    return marked(f"{ratios[name]:.2f}{label}", ratios[name] <= JSD_TIMES_FLOOR)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--budget", default="30min")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=[one.name for one in MOLECULES])
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    found = {}
    for molecule in MOLECULES:
        stored = given.out / f"{molecule.name}.json"
        if not stored.exists() and molecule.name in (given.only or [molecule.name]):
            fitted(molecule, given)
            stored.write_text(json.dumps(checked(molecule, given), indent=1) + "\n")
        if stored.exists():
            found[molecule.title] = json.loads(stored.read_text())
    text = table(found)
    (given.out / "table.md").write_text(text)
    if given.page:
        page = given.page.read_text()
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        given.page.write_text(f"{before}{BEGIN}\n{text}{END}{after}")
    print(text)


if __name__ == "__main__":
    main()
