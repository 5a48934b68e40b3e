"""All statistics that need positions, not only phi and psi."""

from collections.abc import Sequence

from openmm_scoredyn.comparison.blocks import cut
from openmm_scoredyn.comparison.bootstrap import Estimate
from openmm_scoredyn.comparison.geometry_model import GeometryModel
from openmm_scoredyn.comparison.measurement import Quantity
from openmm_scoredyn.comparison.motions import internal_motions
from openmm_scoredyn.comparison.tumbling import ROTATION, TRANSLATION, tumbling
from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.molecule.geometry import phi_psi

MOTIONS, TUMBLING = "Rotors and end-to-end distance", "Rotation and translation of the molecule"
_SPACE = {TRANSLATION: "nm^2/ns", ROTATION: "ps"}


def structure_estimates(
    model: GeometryModel, trajectories: Sequence[Trajectory], seed: int = 0
) -> dict[str, Estimate]:
    """Geometry, internal motions and tumbling of unsteered trajectories, by name; `model` was fitted on the
    reference.
    """
    blocks = cut([phi_psi(segment, t.molecule) for t in trajectories for segment in t.segments])
    return (
        model.evaluate(trajectories, blocks, seed)
        | internal_motions(trajectories, blocks, seed)
        | tumbling(trajectories, blocks, seed)
    )


def structure_quantities(estimates: dict[str, Estimate]) -> dict[Quantity, Estimate]:
    """Give them units and tolerances: 0.5 pm for bonds, 0.5 degrees for angles, 0.02 for autocorrelations."""
    return {_quantity(name): estimate for name, estimate in estimates.items()}


def _quantity(name: str) -> Quantity:
    if name in _SPACE:
        return Quantity(TUMBLING, name, _SPACE[name], 0.10, ratio=True)
    if name.startswith("end-to-end distance,"):
        return Quantity(MOTIONS, name, "nm", absolute_tolerance=0.0005, of_frames=True)
    if name.startswith(("methyl", "end-to-end")):
        return Quantity(MOTIONS, name, "", absolute_tolerance=0.02, of_frames=True)
    if name.startswith("bond"):
        return Quantity("Geometry", name, "nm", absolute_tolerance=0.0005, of_frames=True)
    degrees = name.startswith(("angle", "improper"))
    return Quantity(
        "Geometry", name, "deg" if degrees else "", absolute_tolerance=0.5 if degrees else 0.0, of_frames=True
    )
