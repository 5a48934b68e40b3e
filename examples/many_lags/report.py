#!/usr/bin/env python3
"""A model of a range of lag times against MD, at several of them: table and picture.

    python report.py OUT                                       # the shipped model
    python report.py OUT --model my.pt --lags 1ps 100ps
    python report.py OUT --page ../../docs/reports/many_lags.md

Draws replicas with `scoredyn run`, compares those of each lag with `scoredyn compare`, and all over 100 ps
(Chapman-Kolmogorov). Writes OUT/table.md, OUT/many_lags.json and OUT/chapman_kolmogorov.png; with --page the
table also goes between the marks of that page, and the picture beside it.
"""

import argparse
import json
import shutil
import subprocess
import time
from pathlib import Path

import openmm_scoredyn as sd

REFERENCE = "alanine-dipeptide-obc2"
INTERVAL = "100ps"
SKIPPED_STEPS = 100
# Of one step of 1 ps a replica takes ns to forget where it began.
SKIPPED_PS = 2000.0
BEGIN, END = "<!-- made by examples/many_lags/report.py -->", "<!-- end -->"
ROWS = {
    "Ramachandran JSD (reference: expected by chance)": "Ramachandran JSD, bit (MD: by chance)",
    "alpha_R - beta": "alpha_R - beta, kJ/mol",
    "phi>0 - beta": "phi > 0 - beta, kJ/mol",
    "first passage, beta -> alpha_R": "first passage, beta -> alpha_R, ns",
    "first passage, alpha_R -> beta": "first passage, alpha_R -> beta, ns",
    "first passage, into phi>0": "first passage, into phi > 0, ns",
    "first passage, out of phi>0": "first passage, out of phi > 0, ns",
}


def command(*words: object) -> None:
    """Run scoredyn, which says what fails."""
    subprocess.run(["scoredyn", *map(str, words)], check=True)


def picoseconds(lag: str) -> float:
    """Of a lag time as it is typed."""
    number, unit = (lag[:-2], lag[-2:])
    return float(number) * {"ps": 1.0, "ns": 1000.0}[unit]


def draw(model: str, lag: str, given) -> dict:
    """Replicas of one lag time, and how long they took."""
    folder = given.out / lag
    folder.mkdir(parents=True, exist_ok=True)
    step_ps = picoseconds(lag)
    skipped_ps = max(SKIPPED_STEPS * step_ps, SKIPPED_PS)
    length_ps = skipped_ps + given.steps * step_ps
    structure = Path(str(sd.pretrained(REFERENCE))).with_name("alanine-dipeptide.pdb")
    begun = time.perf_counter()
    options = (
        "--lag",
        lag,
        "--length",
        f"{length_ps:g}ps",
        "--replicas",
        given.replicas,
        "--seed",
        given.seed,
    )
    command("run", model, structure, *options, "--out", folder / f"{lag}.frames")
    seconds = time.perf_counter() - begun
    return {"skipped_ps": skipped_ps, "ns": given.replicas * length_ps / 1000, "seconds": seconds}


def compare(lag: str, others: list[str], skipped_ps: float, given) -> dict:
    """What the comparison of one lag time holds."""
    further = [
        word for other in others for word in ("--chapman-kolmogorov", given.out / other / f"{other}.frames")
    ]
    over = ("--interval", INTERVAL) if others else ()
    folder = given.out / lag
    options = ("--equilibration", f"{skipped_ps:g}ps", "--out", folder / "comparison")
    command("compare", REFERENCE, folder / f"{lag}.frames", *options, *further, *over)
    return json.loads((folder / "comparison" / "comparison.json").read_text())


def rejected(folder: Path) -> tuple[int, int]:
    """Rejected draws and steps of a store of frames."""
    from openmm_scoredyn.dynamics import store_guard

    counts = store_guard(folder) or {}
    return sum(n for cause, n in counts.items() if cause != "steps"), counts["steps"]


def cell(value: dict | None) -> str:
    """Value and error of one side of a row."""
    if value is None or value.get("value") is None:
        return "no event"
    error = "?" if value["error"] is None else f"{value['error']:.2g}"
    return f"{value['value']:.3g} ± {error}"


def markdown(lags: list[str], found: dict, drawn: dict, evaluations: int) -> str:
    """A line for each quantity, a column for each lag time; MD at the spacing of the lag stands above."""
    lines = ["| | " + " | ".join(lags) + " |", "|---" * (len(lags) + 1) + "|"]
    for name, title in ROWS.items():
        sides = [next((r for r in found[lag]["rows"] if r["quantity"] == name), None) for lag in lags]
        for side, who in (("reference", "MD"), ("candidate", "model")):
            cells = [cell(None if row is None else row[side]) for row in sides]
            if side == "candidate":
                cells = [f"{text}, {row['verdict']}" if row else text for text, row in zip(cells, sides)]
            lines.append(f"| {title}: {who} | " + " | ".join(cells) + " |")
    refused = [f"{100 * bad / steps:.3f} %" for bad, steps in (drawn[lag]["rejected"] for lag in lags)]
    lines.append("| rejected draws | " + " | ".join(refused) + " |")
    lines.append(
        "| ps of trajectory per evaluation | "
        + " | ".join(f"{picoseconds(lag) / evaluations:g}" for lag in lags)
        + " |"
    )
    lines.append("| drawn, ns | " + " | ".join(f"{drawn[lag]['ns']:,.0f}" for lag in lags) + " |")
    return "\n".join(lines)


def into_page(page: Path, table: str) -> None:
    """Put the table between the marks of a page."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="alanine-dipeptide-obc2-lags")
    parser.add_argument("--lags", nargs="+", default=["1ps", "10ps", "100ps", "1000ps"])
    parser.add_argument("--steps", type=int, default=2000, help="after those that are left out")
    parser.add_argument("--replicas", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    drawn = {lag: draw(given.model, lag, given) for lag in given.lags}
    within = [lag for lag in given.lags if picoseconds(lag) <= picoseconds(INTERVAL)]
    found = {}
    for lag in given.lags:
        others = within[1:] if lag == within[0] else []
        found[lag] = compare(lag, others, drawn[lag]["skipped_ps"], given)
        drawn[lag]["rejected"] = rejected(given.out / lag / f"{lag}.frames")
    evaluations = sd.ScoreModel(given.model).card.capabilities.denoising_steps
    table = markdown(given.lags, found, drawn, evaluations)
    (given.out / "table.md").write_text(table + "\n", encoding="utf-8")
    (given.out / "many_lags.json").write_text(json.dumps({"drawn": drawn, "compared": found}))
    picture = given.out / within[0] / "comparison" / "chapman_kolmogorov.png"
    shutil.copy(picture, given.out / "chapman_kolmogorov.png")
    print(table)
    if given.page:
        into_page(given.page, table)
        shutil.copy(picture, given.page.with_name("many_lags_chapman_kolmogorov.png"))


if __name__ == "__main__":
    main()
