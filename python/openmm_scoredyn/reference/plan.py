"""What a reference simulation is to do: which trajectories, how they begin, how long they are."""

import math
import secrets
from dataclasses import asdict, dataclass, field

from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.reference.physics import Physics

# In the order in which `dihedrals.backbone_torsions` gives them.
TORSIONS = ("phi", "psi")


def new_seed() -> int:
    """A seed that no other folder has: the same seed gives the same frames."""
    return 1 + secrets.randbelow(2**31 - 1)


@dataclass(frozen=True)
class SimulationPlan:
    """Which trajectories to make.

    Attributes
    ----------
    n_trajectories : independent trajectories, one file for each copy
    n_segments : segments of one trajectory; more than one only makes sense with steering
    frames_per_segment : frames of a segment, >= 2
    steering : how a segment begins.
        "none" goes on from where the trajectory is; "uniform" first pulls every phi and psi to a target drawn
        uniformly and releases it; "rotamers" does so with every rotatable torsion, those of side chains and
        of molecules that are no peptides too; a pair (phi, psi) in degrees pulls every residue there;
        "shooting" makes every segment one path of two frames, shot both ways (see
        `shooting.ShootingEngine`). After a pull, frame 0 is the moment of release: positions and velocities
        are independent in equilibrium, so even the first pair is an exact draw of the transition density.
    shot_torsion : "phi" or "psi", the barriers of which paths are shot from
    equilibration_ps : ps, before the first frame of a trajectory
    frame_spacing_ps : ps, a multiple of the time step
    frames_per_chunk : frames between two checkpoints
    seed : trajectory i depends on (seed, i) only
    copies : of the molecule, each a trajectory of its own in the store: in one box of water, what a GPU needs
        to be busy; in vacuum or implicit solvent side by side in the vectors of the processor (see
        `lanes.Lanes`), 16 or 8 of which take about as long as one
    """

    n_trajectories: int
    frames_per_segment: int
    n_segments: int = 1
    steering: str | tuple[float, float] = "none"
    shot_torsion: str = "phi"
    equilibration_ps: float = 1000.0
    frame_spacing_ps: float = 1.0
    frames_per_chunk: int = 1000
    seed: int = 1
    copies: int = 1
    physics: Physics = field(default_factory=Physics)

    def __post_init__(self):
        if isinstance(self.steering, list):
            object.__setattr__(self, "steering", tuple(self.steering))
        least = {
            "n_trajectories": 1,
            "n_segments": 1,
            "frames_per_segment": 2,
            "frames_per_chunk": 1,
            "copies": 1,
            "equilibration_ps": 0,
        }
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise SamplingError(
                    f"simulate: {name} is too small; expected at least {bound}, found {getattr(self, name)};"
                    " ask for more."
                )
        if not 0 <= self.seed < 2**32:
            raise SamplingError(
                f"simulate: expected a seed from 0 to 2^32 - 1, found {self.seed}; choose another."
            )
        if self.shot_torsion not in TORSIONS:
            raise SamplingError(
                "simulate: paths are shot from barriers of a torsion of the backbone; expected one of"
                f" {', '.join(TORSIONS)}, found {self.shot_torsion}; choose one of these."
            )
        if self.shot_torsion != "phi" and self.steering != "shooting":
            raise SamplingError(
                "simulate: a torsion to shoot along is for shooting; expected steering shooting, found"
                f" {self.steering}; leave the torsion out."
            )
        if self.steering == "shooting" and (self.frames_per_segment != 2 or self.frames_per_chunk % 2):
            raise SamplingError(
                "simulate: a shot path is a segment of two frames; expected frames_per_segment 2 and an even"
                f" number of frames_per_chunk, found {self.frames_per_segment} and {self.frames_per_chunk};"
                " change them."
            )
        if self.copies > 1:
            self._require_room_for_copies()
        ratio = self.frame_spacing_ps * 1000 / self.physics.timestep_fs
        if not (math.isfinite(ratio) and round(ratio) >= 1 and abs(ratio - round(ratio)) < 1e-6 * ratio):
            raise SamplingError(
                "simulate: the frame spacing must be a multiple of the time step; expected a multiple of"
                f" {self.physics.timestep_fs:g} fs, found {self.frame_spacing_ps * 1000:g} fs; change one of"
                " them."
            )

    def _require_room_for_copies(self) -> None:
        physics = self.physics
        if self.steering == "shooting" or (physics.in_water and not physics.makes_box):
            raise SamplingError(
                "simulate: paths are shot one by one, and a System with its water is simulated as it is;"
                f" expected one copy with solvent {physics.solvent} and steering {self.steering}, found"
                f" {self.copies}; simulate with one."
            )
        if self.side_by_side and physics.platform != "Reference":
            raise SamplingError(
                f"simulate: copies in {physics.solvent} are simulated side by side by this package, on no"
                f" other platform of OpenMM; expected platform Reference, found {physics.platform}; leave it"
                " out, or simulate with one copy."
            )

    @property
    def side_by_side(self) -> bool:
        """Whether the copies are simulated in the vectors of the processor, not by OpenMM."""
        return self.copies > 1 and not self.physics.in_water

    @property
    def grows_by(self) -> str:
        """What of the plan may be larger in a later call, that then goes on: the segments of a trajectory, or
        their frames where there is one segment.
        """
        one = self.steering == "none" or (self.n_segments == 1 and isinstance(self.steering, tuple))
        return "frames_per_segment" if one else "n_segments"

    @property
    def frames_per_trajectory(self) -> int:
        """Frames of one file, all segments together."""
        return self.n_segments * self.frames_per_segment

    def simulated_ps(self, frames: int) -> float:
        """Time, ps, that the first `frames` frames of one file span: nothing comes before the first of a
        segment.
        """
        return (frames - math.ceil(frames / self.frames_per_segment)) * self.frame_spacing_ps

    @property
    def n_chunks(self) -> int:
        """Chunks of one trajectory."""
        return -(-self.frames_per_trajectory // self.frames_per_chunk)

    @property
    def steps_per_frame(self) -> int:
        """Time steps of the dynamics between two frames."""
        return round(self.frame_spacing_ps * 1000 / self.physics.timestep_fs)

    def to_dict(self) -> dict:
        """JSON-ready."""
        return asdict(self)
