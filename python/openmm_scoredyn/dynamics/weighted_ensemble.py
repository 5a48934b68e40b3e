"""Weighted ensembles with WESTPA: all segments of an iteration are one batch.

In `west.cfg`, with the `serial` work manager and a `block_size` as large as an iteration:

    west:
      propagation:
        propagator: openmm_scoredyn.dynamics.weighted_ensemble.ScorePropagator
        block_size: 100000
      scoredyn:
        model: alanine-dipeptide-tip3p
        steps: 2
        seed: 1
        coordinate: coordinate.phi_degrees

The `auxref` of a basis state is a structure file.
"""

import time
from itertools import groupby
from pathlib import Path

import numpy as np
from westpa.core import extloader
from westpa.core.propagators import WESTPropagator

from openmm_scoredyn.dynamics.prepare import fit_structure
from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.molecule.structure import read_structure
from openmm_scoredyn.program.model import ScoreModel

_KEYS = {"model": str, "steps": int, "seed": int, "coordinate": str}
_POSITIONS = "positions"


class ScorePropagator(WESTPropagator):
    """Draws the segments of an iteration, with the noise of (seed, segment, step): the rest of an iteration
    that was interrupted is what it would have been.

    The section `scoredyn` of `west.cfg` says `model`, a path or the name of a shipped model; `steps` of it in
    a segment; `seed`; and `coordinate`, a Python name below the folder of `west.cfg`: a function of frames
    (T, N, 3), nm, to (T, D). The last frame of each segment is kept as the auxiliary data set `positions`.

    Raises
    ------
    SamplingError
        If a setting is missing, unknown or of another type, the model is periodic or needs a longer history,
        or `steps` is no multiple of `pcoord_len` - 1.
    """

    def __init__(self, rc=None):
        super().__init__(rc)
        settings = _checked(self.rc.config.get(["west", "scoredyn"]))
        self.model = ScoreModel(settings["model"])
        capabilities = self.model.card.capabilities
        if capabilities.periodic or capabilities.history_length > 1:
            raise SamplingError(
                f"westpa: {settings['model']} cannot be a propagator; expected a model that is not periodic"
                f" and needs one frame, found periodic {capabilities.periodic} and a history of"
                f" {capabilities.history_length} frames; use another."
            )
        self.steps, self.seed = settings["steps"], settings["seed"]
        self.coordinate = extloader.get_object(settings["coordinate"], path=["."])
        self._structures: dict[str, np.ndarray] = {}

    def get_pcoord(self, state) -> None:
        """Progress coordinate of a basis state."""
        state.pcoord = np.asarray(self.coordinate(self._structure(state)[None]))[0]

    def propagate(self, segments):
        """Draw segments; those with successive numbers together."""
        began = time.process_time(), time.monotonic()
        frames_kept = len(segments[0].pcoord) - 1
        if frames_kept < 1 or self.steps % frames_kept:
            raise SamplingError(
                f"westpa: expected steps in a multiple of pcoord_len - 1, found {self.steps} steps and a"
                f" pcoord_len of {frames_kept + 1}; correct one of them."
            )
        ordered = sorted(segments, key=lambda segment: segment.seg_id)
        # In a run of successive numbers, number less rank is the same.
        for _, run in groupby(enumerate(ordered), key=lambda pair: pair[1].seg_id - pair[0]):
            self._draw([segment for _, segment in run], frames_kept)
        for segment in segments:
            segment.cputime = (time.process_time() - began[0]) / len(segments)
            segment.walltime = (time.monotonic() - began[1]) / len(segments)
        return segments

    def _draw(self, segments, frames_kept: int) -> None:
        first = segments[0]
        frames = self.model.sample(
            self._starts(segments),
            self.steps,
            save_every=self.steps // frames_kept,
            seed=self.seed,
            first_step=(first.n_iter - 1) * self.steps,
            first_replica=first.seg_id,
        )
        values = np.asarray(self.coordinate(frames.reshape(-1, *frames.shape[2:])))
        values = values.reshape(frames_kept, len(segments), -1)
        for number, segment in enumerate(segments):
            segment.pcoord[1:] = values[:, number]
            segment.data[_POSITIONS] = frames[-1, number]
            segment.status = segment.SEG_STATUS_COMPLETE

    def _starts(self, segments) -> np.ndarray:
        """First frames (B, N, 3), nm: the last one of the parent, or the structure of the basis state."""
        starts = np.empty((len(segments), self.model.card.num_particles, 3), np.float32)
        parents = np.array([segment.parent_id for segment in segments])
        going_on = parents >= 0
        if going_on.any():
            data = self.rc.get_data_manager()
            ends = data.get_iter_group(segments[0].n_iter - 1)[f"auxdata/{_POSITIONS}"][:]
            starts[going_on] = ends[parents[going_on]]
        for index in np.flatnonzero(~going_on):
            state = self.initial_states[segments[index].initial_state_id]
            starts[index] = self._structure(self.basis_states[state.basis_state_id])
        return starts

    def _structure(self, basis_state) -> np.ndarray:
        """Positions (N, 3), nm, in the model's order."""
        path = basis_state.auxref
        path = path.decode() if isinstance(path, bytes) else path
        if path not in self._structures:
            _, positions = fit_structure(read_structure(Path(path)), self.model.card, repair=False)
            self._structures[path] = np.asarray(positions, np.float32)
        return self._structures[path]


def _checked(settings) -> dict:
    found = dict(settings or {})
    for name, kind in _KEYS.items():
        if type(found.get(name)) is not kind:
            raise SamplingError(
                "westpa: the section scoredyn of west.cfg lacks something; expected"
                f" {name} as {kind.__name__}, found {found.get(name)!r}; correct it."
            )
    if unknown := sorted(set(found) - set(_KEYS)):
        raise SamplingError(
            f"westpa: the section scoredyn of west.cfg says what is not known; expected {', '.join(_KEYS)},"
            f" found {unknown[0]}; leave it out."
        )
    return found
