"""The API reference: one page a part of the package, with every public name of it.

Public are the names in `__all__` of the package and of its parts, and the modules named here, which users of
the package import from.
"""

import importlib
import inspect

PACKAGE = "openmm_scoredyn"

# Part -> modules of it that are public as a whole, beside its `__all__`.
PARTS = {
    "errors": ("errors",),
    "units": ("units",),
    "divergence": ("divergence",),
    "molecule": ("molecule.particles", "molecule.geometry", "molecule.peptides", "molecule.building"),
    "coarse": (),
    "data": ("data.frame_store",),
    "program": ("program.card", "program.model", "program.transferable"),
    "dynamics": ("dynamics.reporters", "dynamics.mcmc_move"),
    "observables": ("observables.protocol", "observables.statistics", "observables.chains"),
    "comparison": (
        "comparison.analyses",
        "comparison.blocks",
        "comparison.distribution",
        "comparison.macrostates",
        "comparison.states",
        "comparison.tica",
        "comparison.uncertainty",
        "comparison.rows",
        "comparison.report",
    ),
    "diffusion": ("diffusion.parametrization", "diffusion.noise_levels"),
    "networks": ("networks.protocol", "networks.registry", "networks.known", "networks.examples"),
    "training": ("training.checkpoint",),
    "reference": ("reference.physics", "reference.lanes_engine"),
    "export": (),
    "fitting": (),
    "each": (),
    "crystals": (
        "crystals.model",
        "crystals.reporter",
        "crystals.card",
        "crystals.checkpoint",
        "crystals.training",
        "crystals.export",
    ),
}


def navigation() -> list:
    """Title and page, the whole package first."""
    return [{PACKAGE: "api/README.md"}, *({part: f"api/{part}.md"} for part in PARTS)]


def pages() -> dict[str, str]:
    """Page of the site -> its text, for mkdocstrings."""
    return {"api/README.md": _package_page()} | {f"api/{part}.md": _part_page(part) for part in PARTS}


def _package_page() -> str:
    package = importlib.import_module(PACKAGE)
    homes = {name: home for name, home in package._HOMES.items() if not name.startswith("_")}
    elsewhere = [name for name, home in homes.items() if _has_page(home, name)]
    rows = [
        f"| [`{name}`][{PACKAGE}.{homes[name]}.{name}] | {_first_line(getattr(package, name))} |"
        for name in elsewhere
    ]
    rows += [
        f"| [`{PACKAGE}.{part}`]({part}.md) | {_first_line(importlib.import_module(f'{PACKAGE}.{part}'))} |"
        for part in PARTS
    ]
    names = [f"::: {PACKAGE}.{home}.{name}" for name, home in homes.items() if name not in elsewhere]
    head = f"# {PACKAGE}\n\n{_summary(package)}\n\n    import openmm_scoredyn as sd\n"
    table = "## On pages of their own\n\n| name | |\n|---|---|\n" + "\n".join(rows)
    return "\n\n".join([head, *names, table]) + "\n"


def _has_page(home: str, name: str) -> bool:
    """Whether the page of a part shows a name of the package: what is shown twice has no one address."""
    part = home.partition(".")[0]
    return home in PARTS.get(part, ()) or (
        home in PARTS and name in getattr(importlib.import_module(f"{PACKAGE}.{home}"), "__all__", ())
    )


def _part_page(part: str) -> str:
    module = importlib.import_module(f"{PACKAGE}.{part}")
    names = [f"::: {PACKAGE}.{part}.{name}" for name in getattr(module, "__all__", ())]
    whole = [
        f"::: {PACKAGE}.{name}\n    options: {{show_root_toc_entry: false, show_root_heading: false}}"
        for name in PARTS[part]
    ]
    return "\n\n".join([f"# {PACKAGE}.{part}", _summary(module), *names, *whole]) + "\n"


def _summary(what) -> str:
    return inspect.cleandoc(what.__doc__ or "")


def _first_line(what) -> str:
    return " ".join(_summary(what).split("\n\n")[0].split())
