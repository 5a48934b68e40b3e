"""The card of a folder of packed trajectories: what they are, how they were made, how much there is."""

import json
from collections import defaultdict
from pathlib import Path

from openmm_scoredyn.data.atomic import write_text_atomically
from openmm_scoredyn.errors import TrajectoryError

FORMAT_VERSION = "1.0"
KINDS = ("unsteered", "steered", "shot")
# What makes two trajectories comparable, in the order of the table.
PHYSICS = (
    "engine",
    "force_field",
    "solvent",
    "temperature_K",
    "integrator",
    "friction_per_ps",
    "timestep_fs",
    "hydrogen_mass_amu",
    "cutoff_nm",
    "pressure_bar",
    "platform",
    "copies",
    "frame_spacing_ps",
    "shot_torsion",
)


def card_path(directory: Path) -> Path:
    """File of the card."""
    return directory / "card.json"


def read_card(directory: Path) -> list[dict]:
    """Entries of the card, one for each file; none where there is no card yet.

    Raises
    ------
    TrajectoryError
        If the card is damaged or of a later version.
    """
    path = card_path(directory)
    if not path.exists():
        return []
    try:
        card = json.loads(path.read_text())
        if card["format_version"].split(".")[0] != FORMAT_VERSION.split(".")[0]:
            raise ValueError(f"format {card['format_version']}")
        return list(card["files"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrajectoryError(
            f"pack: the card {path} cannot be read ({error!r}); expected one of format {FORMAT_VERSION};"
            " restore it, or pack into another folder."
        ) from None


def require_listed(path: Path, sha256: str) -> None:
    """Refuse a packed file that is another than the card beside it says; one that it does not list, or
    without a card, is let through.

    Parameters
    ----------
    path : of the file
    sha256 : of its content, hexadecimal

    Raises
    ------
    TrajectoryError
        If the sums differ, or the card is damaged.
    """
    for entry in read_card(path.parent):
        if entry.get("file") == path.name and entry.get("sha256") != sha256:
            raise TrajectoryError(
                f"Trajectory: {path} is damaged, or another than its card says; expected SHA-256"
                f" {entry.get('sha256')}, found {sha256}; get the file again, or pack it again."
            )


def write_card(directory: Path, entries: list[dict]) -> None:
    """Write card.json, and README.md with the same as tables."""
    card = {"format_version": FORMAT_VERSION, "totals": totals(entries), "files": entries}
    write_text_atomically(card_path(directory), json.dumps(card, indent=1) + "\n")
    write_text_atomically(directory / "README.md", _readme(entries))


def totals(entries: list[dict]) -> dict[str, dict]:
    """Trajectories, segments, ns and bytes of each kind."""
    return {
        kind: {
            "trajectories": sum(entry["kind"] == kind for entry in entries),
            **{
                name: sum(entry[name] for entry in entries if entry["kind"] == kind)
                for name in ("segments", "ns", "bytes")
            },
        }
        for kind in KINDS
    }


def _readme(entries: list[dict]) -> str:
    return "\n".join(
        [
            "# Trajectories",
            "",
            (
                "Packed by `scoredyn pack`: solute only, whole molecules, picometres, the centroid of every"
                " frame at the origin, or where it was in a packed source that keeps it."
            ),
            (
                "`scoredyn train`, `scoredyn compare` and `openmm_scoredyn.data.load` read them. Steered"
                " trajectories began where"
            ),
            (
                "they were pulled to, shot ones are weighted paths over barriers: both are for transitions,"
                " not for populations."
            ),
            "`card.json` holds the same as these tables, and more.",
            "",
            *_table(("kind", "trajectories", "segments", "ns", "bytes"), _total_rows(entries)),
            "",
            *_table(("kind", "trajectories", "ns", "seeds", *PHYSICS), _run_rows(entries)),
            "",
            *_table(
                ("file", "kind", "ns", "sha256"),
                [
                    (entry["file"], entry["kind"], f"{entry['ns']:.4g}", f"`{entry['sha256']}`")
                    for entry in entries
                ],
            ),
            "",
        ]
    )


def _total_rows(entries: list[dict]) -> list[tuple]:
    return [
        (kind, sums["trajectories"], sums["segments"], f"{sums['ns']:.4g}", sums["bytes"])
        for kind, sums in totals(entries).items()
    ]


def _run_rows(entries: list[dict]) -> list[tuple]:
    """One row for all trajectories of one kind and one physics."""
    groups = defaultdict(list)
    for entry in entries:
        groups[entry["kind"], *(entry.get(name, "") for name in PHYSICS)].append(entry)
    return [
        (
            kind,
            len(group),
            f"{sum(entry['ns'] for entry in group):.4g}",
            " ".join(sorted({str(entry.get("seed", "?")) for entry in group})),
            *physics,
        )
        for (kind, *physics), group in groups.items()
    ]


def _table(headings, rows) -> list[str]:
    lines = [headings, ["---"] * len(headings), *rows]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]
