"""A bias along a torsion that makes barriers likelier than basins, found by metadynamics and
then kept fixed.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from openmm_scoredyn.data.atomic import write_text_atomically
from openmm_scoredyn.errors import TrajectoryError
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.system import build_reference_system, langevin_simulation
from openmm_scoredyn.units import GAS_CONSTANT_KJ_PER_MOL_K

_HARMONICS = 10
METADYNAMICS_PS = 4000.0
METADYNAMICS_IN_WATER_PS = 1000.0  # a quarter of an hour on a processor; the bias need not be exact
_HILL_WIDTH_RAD = 0.2
_HILL_HEIGHT_KJ_PER_MOL = 1.0
_HILL_EVERY_PS = 0.2
_BIAS_FACTOR = 12.0
# Higher barriers stay: nothing crosses them in the times of interest, and shots from there would be wasted.
_HIGHEST_KT = 12.0
# Beyond flat: a path crosses only if it is shot from near the top. Of 1,000 paths of alanine dipeptide 21 did
# at 1.0, 74 at 1.2, 137 at 1.5.
_OVERCOMPENSATION = 1.5


@dataclass(frozen=True)
class TorsionBias:
    """Periodic energy of one torsion, kJ/mol: sum over k of cosines[k] cos((k+1) theta) + sines[k] sin((k+1)
    theta).
    """

    cosines: tuple[float, ...]
    sines: tuple[float, ...]

    def energy(self, angle: np.ndarray) -> np.ndarray:
        """kJ/mol at angles in radians, of any shape."""
        phase = np.multiply.outer(np.asarray(angle, dtype=float), np.arange(1, len(self.cosines) + 1))
        return np.cos(phase) @ np.array(self.cosines) + np.sin(phase) @ np.array(self.sines)

    def boltzmann_factor(self, angle: np.ndarray, temperature_K: float) -> np.ndarray:
        """exp(-energy / kT), the density of the biased ensemble over that of the free one, up
        to a constant.
        """
        return np.exp(-self.energy(angle) / (GAS_CONSTANT_KJ_PER_MOL_K * temperature_K))

    def force(self, atoms: tuple[int, ...]):
        """As an OpenMM force on four atoms."""
        import openmm

        terms = [
            f"{value!r}*{name}({order}*theta)"
            for name, values in (("cos", self.cosines), ("sin", self.sines))
            for order, value in enumerate(values, start=1)
        ]
        force = openmm.CustomTorsionForce("+".join(terms))
        force.addTorsion(*atoms, [])
        return force

    @classmethod
    def opposing(cls, free_energy_kJ_per_mol: np.ndarray) -> "TorsionBias":
        """The bias opposite to an energy (K,) at K even angles from -pi on."""
        angle = np.linspace(-np.pi, np.pi, len(free_energy_kJ_per_mol), endpoint=False)
        order = np.arange(1, _HARMONICS + 1)[:, None]
        cosines, sines = (
            -2 * np.mean(wave(order * angle) * free_energy_kJ_per_mol, axis=1) for wave in (np.cos, np.sin)
        )
        return cls(tuple(map(float, cosines)), tuple(map(float, sines)))

    def save(self, path: Path) -> None:
        """Write as JSON, atomically."""
        write_text_atomically(path, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "TorsionBias":
        """Inverse of `save`.

        Raises
        ------
        TrajectoryError
            If the file is not readable.
        """
        try:
            fields = json.loads(path.read_text())
            return cls(tuple(fields["cosines"]), tuple(fields["sines"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrajectoryError(
                f"simulate: the bias in {path} cannot be read ({error!r}); expected what `scoredyn simulate`"
                " wrote; give another file, or delete it to find a bias again."
            ) from None


def find_bias(
    topology, positions, physics: Physics, atoms: tuple[int, ...], seed: int, own=None
) -> TorsionBias:
    """The bias that fills the basins of the torsion of four atoms, by well-tempered metadynamics (Barducci et
    al. 2008).

    It need not be exact: whoever samples with it knows it, and weighs by it.

    Parameters
    ----------
    topology, positions : of everything, water and box included where there is water
    own : System that came with the topology, or None
    """
    import openmm
    from openmm import unit
    from openmm.app import Metadynamics
    from openmm.app.metadynamics import BiasVariable

    system = build_reference_system(topology, physics, own)
    torsion = openmm.CustomTorsionForce("theta")
    torsion.addTorsion(*atoms, [])
    variable = BiasVariable(torsion, -np.pi, np.pi, _HILL_WIDTH_RAD, periodic=True)
    frequency = round(_HILL_EVERY_PS * 1000 / physics.timestep_fs)
    metadynamics = Metadynamics(
        system, [variable], physics.temperature_K, _BIAS_FACTOR, _HILL_HEIGHT_KJ_PER_MOL, frequency
    )
    simulation = langevin_simulation(topology, positions, system, physics, seed)
    duration_ps = METADYNAMICS_IN_WATER_PS if physics.in_water else METADYNAMICS_PS
    metadynamics.step(simulation, round(duration_ps * 1000 / physics.timestep_fs))
    # The grid holds both ends of the period.
    free_energy = metadynamics.getFreeEnergy().value_in_unit(unit.kilojoule_per_mole)[:-1]
    highest = _HIGHEST_KT * GAS_CONSTANT_KJ_PER_MOL_K * physics.temperature_K
    return TorsionBias.opposing(_OVERCOMPENSATION * np.minimum(free_energy - free_energy.min(), highest))
