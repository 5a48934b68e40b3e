"""The registry of observables: modules of this package, and entry points of other distributions.

An observable is a class in the tuple `OBSERVABLES` of a module here, or an entry point of the group
`openmm_scoredyn.observables`.
"""

import pkgutil
from collections.abc import Sequence
from importlib import import_module, metadata

from openmm_scoredyn import observables
from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.observables.protocol import Observable

GROUP = "openmm_scoredyn.observables"


def registered() -> dict[str, type[Observable]]:
    """Classes of all observables by name."""
    modules = [module.name for module in pkgutil.iter_modules(observables.__path__)]
    own = [
        observable
        for name in modules
        for observable in getattr(import_module(f"{observables.__name__}.{name}"), "OBSERVABLES", ())
    ]
    others = [entry.load() for entry in metadata.entry_points(group=GROUP)]
    return {observable.name: observable for observable in (*own, *others)}


def observable_names() -> tuple[str, ...]:
    """Names of all observables, sorted."""
    return tuple(sorted(registered()))


def observables_for(
    particles: Particles, periodic: bool = False, wanted: Sequence[str] = ()
) -> list[Observable]:
    """The observables of particles.

    Parameters
    ----------
    wanted : names of the registry, or NAME:ARGUMENT, as dihedral:C1-C2-C3-C4; all that see something in these
        particles if empty

    Raises
    ------
    MoleculeError
        If a name is unknown, an argument does not fit the particles, or nothing can be seen in them.
    """
    known = registered()
    if not wanted:
        found = [kind.of(particles, periodic) for kind in known.values()]
        chosen = [observable for observable in found if observable is not None]
        if not chosen:
            raise MoleculeError(
                f"observables: nothing to see in {len(particles)} particle(s) without bonds and box; expected"
                " bonded particles or a periodic box; give one's own with --observable."
            )
        return chosen
    return [_named(text, known, particles, periodic) for text in dict.fromkeys(wanted)]


def _named(text: str, known: dict[str, type[Observable]], particles: Particles, periodic: bool) -> Observable:
    name, separator, argument = text.partition(":")
    if name not in known:
        raise MoleculeError(
            f"observables: unknown name; expected one of {', '.join(sorted(known))}, dihedral:A-B-C-D or"
            f" distance:A-B, found {text!r}; correct it."
        )
    if separator:
        return known[name].parse(argument, particles)
    observable = known[name].of(particles, periodic)
    if observable is None:
        raise MoleculeError(
            f"observables: {name} sees nothing in these particles; expected what it is for, found"
            f" {len(particles)} particles of residues {list(dict.fromkeys(particles.residue_names))[:8]}"
            f" {'in' if periodic else 'without'} a box; leave it out, or give atoms as in NAME:A-B."
        )
    return observable
