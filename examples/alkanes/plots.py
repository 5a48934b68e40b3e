"""Pictures of the report: torsion free energies, rates along the chain, end-to-end distances."""

from pathlib import Path

import matplotlib
import numpy as np
from measure import KT_KJ_PER_MOL, Series

matplotlib.use("Agg")
from matplotlib import pyplot as plt

MD, MODEL = "#444444", "#d1495b"
BINS = 72


def draw(found: dict[str, dict], out: Path) -> None:
    """One file for each picture, a panel for each molecule."""
    for name, panel in (("torsions", _torsions), ("rates", _rates), ("end_to_end", _end_to_end)):
        figure, axes = plt.subplots(1, len(found), figsize=(3.2 * len(found), 3), squeeze=False)
        for axis, (molecule, one) in zip(axes[0], found.items()):
            panel(axis, one)
            axis.set_title(molecule)
        axes[0, -1].legend(frameon=False, fontsize=6)
        figure.tight_layout()
        figure.savefig(out / f"alkanes_{name}.png", dpi=110)
        plt.close(figure)


def _torsions(axis, one: dict) -> None:
    """Free energy of each torsion over the angle, those at one place together."""
    edges = np.linspace(-180, 180, BINS + 1)
    for side, colour, style in (("md", MD, "-"), ("model", MODEL, "--")):
        series: Series = one[side]
        for number, (place, columns) in enumerate(series.parts.places.items()):
            counts, _ = np.histogram(np.degrees(series.torsions[:, columns]), edges)
            counts = counts + counts[::-1]  # the two hands are alike
            with np.errstate(divide="ignore"):
                energy = -KT_KJ_PER_MOL * np.log(counts / counts.max())
            label = f"{side.upper() if side == 'md' else side}" if number == 0 else None
            axis.plot(
                (edges[1:] + edges[:-1]) / 2, energy + 4 * number, style, color=colour, lw=1, label=label
            )
            axis.text(-175, 4 * number + 0.3, place, fontsize=7)
    axis.set_xlabel("torsion, degrees")
    axis.set_ylabel("free energy, kJ/mol (places 4 apart)")


def _rates(axis, one: dict) -> None:
    """Hops out of trans and between gauche wells, over the place in the chain, with standard errors."""
    for kind, marker in (("trans to gauche", "o"), ("gauche to gauche", "s")):
        rows = [row for row in one["rows"] if row.quantity.name.startswith(kind)]
        places = [int(row.quantity.name.rsplit(" ", 1)[1]) for row in rows]
        for side, colour, shift in (("reference", MD, -0.05), ("candidate", MODEL, 0.05)):
            found = [getattr(row, side) for row in rows]
            axis.errorbar(
                np.array(places) + shift,
                [estimate.value for estimate in found],
                [estimate.error for estimate in found],
                fmt=marker,
                color=colour,
                ms=4,
                label=f"{'MD' if side == 'reference' else 'model'}, {kind}",
            )
    axis.set_xlabel("place, from the end of the chain")
    axis.set_ylabel("hops per ns in the well")
    axis.set_xticks(sorted(set(places)))
    axis.set_xlim(0.5, max(places) + 0.5)
    axis.set_ylim(bottom=0)


def _end_to_end(axis, one: dict) -> None:
    """Distribution of the distance of the chain's ends."""
    both = np.concatenate([one["md"].size_nm[:, 0], one["model"].size_nm[:, 0]])
    edges = np.linspace(both.min(), both.max(), 80)
    for side, colour in (("md", MD), ("model", MODEL)):
        label = "MD" if side == "md" else side
        axis.hist(one[side].size_nm[:, 0], edges, density=True, histtype="step", color=colour, label=label)
    axis.set_xlabel("end-to-end distance, nm")
    axis.set_ylabel("density, 1/nm")
