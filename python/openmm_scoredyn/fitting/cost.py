"""What a fit cost, and beyond which length of trajectory it pays."""

import math
from dataclasses import dataclass

from openmm_scoredyn.data import Trajectory
from openmm_scoredyn.dynamics.speed import sampling_speed
from openmm_scoredyn.fitting import md
from openmm_scoredyn.fitting.stages import REPLICAS
from openmm_scoredyn.fitting.work import Work
from openmm_scoredyn.program.model import ScoreModel


@dataclass(frozen=True)
class Cost:
    """Of a fit, on the cores that it was given, and of what is then drawn, on one of them.

    Attributes
    ----------
    core_s : wall time of all stages times the cores, s
    speeds_ps_per_s : (MD, model) in the same solvent by how many molecules are simulated at a time, of all of
        them together: one, and as many as each does best
    """

    core_s: float
    speeds_ps_per_s: dict[str, tuple[float, float]]

    @classmethod
    def of(cls, model: ScoreModel, free: list[Trajectory], work: Work) -> "Cost":
        """Measured here from a frame of the free MD, once for a fit."""
        frame, journal, request = free[0].segments[0][0], work.journal, work.request
        copies = md.copies_of(md.TRAINING, work)

        def measured() -> dict:
            of_md = {count: count * md.md_speed(work.structure, request, count) for count in {1, copies}}
            one, many = of_md[1], of_md[copies]
            speeds = {
                "one": (one, sampling_speed(model, frame, 1)),
                f"{copies} of MD, {REPLICAS} of the model": (many, sampling_speed(model, frame, REPLICAS)),
            }
            return {"core_s": request.processes * journal.spent_s, "speeds_ps_per_s": speeds}

        found = journal.decide("cost", measured)
        speeds = {name: tuple(pair) for name, pair in found["speeds_ps_per_s"].items()}
        return cls(found["core_s"], speeds)

    def break_even_ns(self, name: str) -> float:
        """Length in all beyond which fitting and drawing take less than MD of that length; infinity where
        MD is no slower than the model.
        """
        of_md, of_model = self.speeds_ps_per_s[name]
        saved = 1 / of_md - 1 / of_model
        return self.core_s / saved / 1000 if saved > 0 else math.inf

    def sentences(self) -> tuple[str, ...]:
        """One for each number of molecules."""
        return tuple(
            f"At a time, {name}: {of_md:,.0f} ps a second of MD on one core, {of_model:,.0f} of the model;"
            f" {self._pays(name)}."
            for name, (of_md, of_model) in self.speeds_ps_per_s.items()
        )

    def _pays(self, name: str) -> str:
        length_ns = self.break_even_ns(name)
        if math.isinf(length_ns):
            return "MD is faster"
        length = f"{length_ns / 1000:,.3g} us" if length_ns >= 1000 else f"{length_ns:,.3g} ns"
        return f"with the {self.core_s / 60:.0f} core minutes of the fit it is cheaper beyond {length} in all"
