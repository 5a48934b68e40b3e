"""The denoiser as a modifier in an OVITO pipeline, from Python or in OVITO Pro's list of Python modifiers."""

import numpy as np

from openmm_scoredyn.crystals.snapshots import ANGSTROM_PER_NM, ovito_elements
from openmm_scoredyn.errors import DenoisingError, MissingDependencyError

try:
    from ovito.data import DataCollection
    from ovito.pipeline import ModifierInterface
    from traits.api import Bool, Enum, Range, Str
except ImportError:
    raise MissingDependencyError(
        "DenoiseModifier: OVITO's Python package is not installed; expected ovito, found none; install it"
        " with pip install 'openmm-scoredyn[ovito]'."
    ) from None


class DenoiseModifier(ModifierInterface):
    """Strips thermal noise from the positions, which are taken to be in Angstrom.

    The displacement of every particle becomes the property `Thermal Displacement`, from the lattice to where
    the particle was; the nearest-neighbour distance used becomes the attribute `Denoise.spacing`.

    Attributes
    ----------
    model : str, path of a crystal denoiser, or name of a shipped one
    iterations : int; 0 goes on until atoms settle
    only_selected : bool, move the selected particles only
    spacing : float, nearest-neighbour distance in Angstrom; 0 measures it
    device : {"cpu", "cuda"}
    """

    model = Str("metals", label="Model")
    iterations = Range(low=0, high=100, value=0, label="Iterations (0: until atoms settle)")
    only_selected = Bool(False, label="Only selected particles")
    spacing = Range(low=0.0, high=100.0, value=0.0, label="Nearest-neighbour distance (0: measured)")
    device = Enum("cpu", "cuda", label="Device")

    def modify(self, data: DataCollection, **_) -> None:
        """What OVITO calls for every frame.

        Raises
        ------
        DenoisingError
            If the frame cannot be denoised; OVITO shows the sentence.
        """
        cell = np.zeros((3, 3)) if data.cell is None else np.array(data.cell[:, :3]).T
        periodic = (False,) * 3 if data.cell is None else data.cell.pbc
        positions = np.array(data.particles["Position"])
        selection = self._selection(data) if self.only_selected else None
        clean = self._loaded().denoise_frame(
            positions / ANGSTROM_PER_NM,
            cell / ANGSTROM_PER_NM,
            self.iterations or None,
            elements=ovito_elements(data),
            spacing_nm=self.spacing / ANGSTROM_PER_NM or None,
            selection=selection,
            periodic=periodic,
        )
        found = ANGSTROM_PER_NM * clean.positions
        data.particles_.create_property("Thermal Displacement", data=positions - found)
        data.particles_.create_property("Position", data=found)
        data.attributes["Denoise.spacing"] = ANGSTROM_PER_NM * clean.spacing_nm

    def _selection(self, data: DataCollection) -> np.ndarray:
        chosen = data.particles.get("Selection")
        if chosen is None:
            raise DenoisingError(
                "DenoiseModifier: nothing is selected; expected the property Selection, found none; put a"
                " modifier that selects particles before this one, or turn only_selected off."
            )
        return np.asarray(chosen) != 0

    def _loaded(self):
        from openmm_scoredyn.crystals.model import load_denoiser

        wanted = (self.model, self.device)
        kept = getattr(self, "_kept", None)
        if kept is None or kept[0] != wanted:
            kept = (wanted, load_denoiser(self.model).to(self.device))
            self._kept = kept
        return kept[1]
