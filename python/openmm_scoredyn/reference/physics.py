"""Force field, solvent and dynamics of the reference simulation."""

import math
from dataclasses import dataclass

from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.reference.solvents import EXPLICIT, WATER, force_field_for, require_solvent_in, spelled

_POSITIVE = (
    "temperature_K",
    "timestep_fs",
    "hydrogen_mass_amu",
    "friction_per_ps",
    "cutoff_nm",
    "padding_nm",
    "pressure_bar",
    "npt_ps",
)
# A truncated octahedron of width 2 padding allows a cutoff of 0.82 padding; the volume fluctuates.
_CUTOFF_PER_PADDING = 0.75
# Water has to arrange itself around the solute where it was pulled to.
_HOLD_IN_WATER_PS = 5.0


@dataclass(frozen=True)
class Physics:
    """Force field and dynamics of the reference simulation.

    The defaults are those of the shipped model's data: implicit solvent through the fast `GBSAOBCForce`,
    heavy hydrogens and constrained X-H bonds for a step of 4 fs. The centre of mass moves freely, as the
    model has to learn real dynamics. `Physics.in_solvent("tip3p")` has the defaults of a box of water.

    Attributes
    ----------
    force_field : files of OpenMM or paths
    solvent : one of `solvents.WATER` for a periodic box of it, one of `solvents.IMPLICIT`, or "vacuum", in
    letters of either
        case; any other text that begins with implicit or vacuum describes, for the record, what the force
        field makes
    platform : on CPU each process has one thread
    cutoff_nm, padding_nm : nm, of PME, and of the box around the solute; for a box of water only
    pressure_bar, npt_ps : bar and ps, of the run that sets the box; the mean volume of its second half is
    kept
    own_system : the System comes with the structure, with the water around it if any; `force_field` names its
        files, and what sets the box has no effect
    """

    force_field: tuple[str, ...] = ("amber99sbildn.xml", "amber99_obc.xml")
    solvent: str = "implicit (OBC)"
    temperature_K: float = 300.0
    friction_per_ps: float = 10.0
    timestep_fs: float = 4.0
    hydrogen_mass_amu: float = 3.0
    platform: str = "Reference"
    cutoff_nm: float = 0.8
    padding_nm: float = 1.1
    pressure_bar: float = 1.0
    npt_ps: float = 500.0
    own_system: bool = False

    def __post_init__(self):
        object.__setattr__(self, "solvent", spelled(self.solvent))
        if not self.own_system:
            require_solvent_in(self.force_field, self.solvent)
        for name in _POSITIVE:
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise SamplingError(
                    f"simulate: {name} must be positive; found {getattr(self, name)}; give another value."
                )
        if self.cutoff_nm > _CUTOFF_PER_PADDING * self.padding_nm + 1e-9:
            raise SamplingError(
                "simulate: the box is too small for the cutoff; expected a cutoff of at most"
                f" {_CUTOFF_PER_PADDING * self.padding_nm:.3g} nm at a padding of {self.padding_nm:g} nm,"
                f" found {self.cutoff_nm:g} nm; change one of them."
            )

    @classmethod
    def in_solvent(cls, solvent: str, **changes) -> "Physics":
        """The defaults of a solvent, with changes; without a force field among them the solvent must be known
        by name.
        """
        if "force_field" not in changes:
            changes["force_field"] = force_field_for(solvent)
        if spelled(solvent) in WATER or spelled(solvent).startswith(EXPLICIT):
            changes = {"friction_per_ps": 1.0, "platform": "CPU"} | changes
        return cls(solvent=solvent, **changes)

    @property
    def in_water(self) -> bool:
        """Whether the solute is in a periodic box of water."""
        return self.solvent in WATER or self.solvent.startswith(EXPLICIT)

    @property
    def makes_box(self) -> bool:
        """Whether water is put around the solute."""
        return self.in_water and not self.own_system

    @property
    def hold_ps(self) -> float:
        """How long the solute is held where it was steered to, before it is let go, ps."""
        return _HOLD_IN_WATER_PS if self.in_water else 0.0

    @property
    def exact_restart(self) -> bool:
        """Whether the platform's own checkpoint holds its random numbers too."""
        return self.platform == "Reference"
