"""The registry of analyses: modules of this package, and entry points of other distributions.

An analysis is a class in the tuple `ANALYSES` of a module here, or an entry point of the group
`openmm_scoredyn.analyses`.
"""

import pkgutil
from collections.abc import Sequence
from importlib import import_module, metadata

from openmm_scoredyn.comparison import analyses
from openmm_scoredyn.comparison.analyses.protocol import Analysis
from openmm_scoredyn.errors import TrajectoryError

GROUP = "openmm_scoredyn.analyses"


def registered() -> dict[str, type[Analysis]]:
    """Classes of all analyses by name."""
    modules = sorted(module.name for module in pkgutil.iter_modules(analyses.__path__))
    own = [
        analysis
        for name in modules
        for analysis in getattr(import_module(f"{analyses.__name__}.{name}"), "ANALYSES", ())
    ]
    others = [entry.load() for entry in metadata.entry_points(group=GROUP)]
    # Suites last: they say again, in others' units, what stands above them.
    return {analysis.name: analysis for analysis in sorted((*own, *others), key=lambda one: one.suite)}


def suite_names() -> tuple[str, ...]:
    """Names of the suites, sorted."""
    return tuple(sorted(name for name, kind in registered().items() if kind.suite))


def chosen_analyses(suites: Sequence[str] = ()) -> list[Analysis]:
    """All analyses that are always made, and the suites that are asked for.

    Raises
    ------
    TrajectoryError
        If there is no such suite.
    """
    unknown = [name for name in suites if name not in suite_names()]
    if unknown:
        raise TrajectoryError(
            f"compare: unknown suite; expected one of {', '.join(suite_names())}, found {unknown[0]!r};"
            " correct it."
        )
    return [kind() for name, kind in registered().items() if not kind.suite or name in suites]
