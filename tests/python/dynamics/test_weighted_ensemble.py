"""The WESTPA propagator: the rate of a process that is known, noise by segment, the example in short form."""

import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import programs
import pytest

from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.molecule.geometry import dihedral_angles
from openmm_scoredyn.program.model import ScoreModel

pytest.importorskip("westpa")
import h5py
from scipy.stats import norm
from westpa.core.segment import Segment

from openmm_scoredyn.dynamics.weighted_ensemble import ScorePropagator

EXAMPLE = Path(__file__).parents[3] / "examples" / "weighted_ensemble"
SCRIPTS = Path(sys.executable).parent
START = programs.POSITIONS
SPREAD, DECAY = 0.002, 0.6  # of OrnsteinUhlenbeckAtOnce


def displacement(frames):
    """Of the first atom along x in units of its spread, (T, 1): z' = 0.6 z + 0.8 e of unit variance."""
    return (frames[:, 0, :1] - START[0, 0]) / SPREAD


def rate_of_arrival(target, n=2000):
    """Per step, of z' = 0.6 z + 0.8 e at z >= target, when whoever arrives begins again at z = 0."""
    edges = np.linspace(-8, target, n + 1)
    centres, step = (edges[1:] + edges[:-1]) / 2, np.sqrt(1 - DECAY**2)
    stays = np.diff(norm.cdf((edges[None] - DECAY * centres[:, None]) / step), axis=1)
    arrives = norm.sf((target - DECAY * centres) / step)
    chain = stays.copy()
    chain[:, np.abs(centres).argmin()] += arrives
    density = np.full(n, 1 / n)
    for _ in range(200):
        density = density @ chain
    return density @ arrives / density.sum()


@pytest.fixture
def make_propagator(make_program, monkeypatch):
    """A propagator of this module's coordinate, of an iteration after one whose last frames are given."""

    def make(ends=None, module=None, card=None, **changes):
        path = make_program(module or programs.OrnsteinUhlenbeck(), **card or {})
        settings = {"model": path, "steps": 4, "seed": 3, "coordinate": f"{__name__}.displacement"} | changes
        settings = {name: value for name, value in settings.items() if value is not None}
        data = SimpleNamespace(get_iter_group=lambda n_iter: {"auxdata/positions": ends[n_iter]})
        config = SimpleNamespace(get=lambda key: settings if key == ["west", "scoredyn"] else None)
        return ScorePropagator(SimpleNamespace(config=config, get_data_manager=lambda: data))

    return make


def segments(numbers, n_iter, parents):
    return [
        Segment(n_iter=n_iter, seg_id=number, parent_id=parent, pcoord=np.zeros((3, 1), np.float32))
        for number, parent in zip(numbers, parents, strict=True)
    ]


def test_a_segment_goes_on_where_its_parent_ended_with_its_own_noise(make_propagator):
    ends = {6: np.repeat(START[None], 3, axis=0) + np.float32(0.001) * np.arange(3)[:, None, None]}
    propagator = make_propagator(ends)
    parents = [2, 0, 0, 1, 2]
    drawn = propagator.propagate(segments(range(5), 7, parents))
    model = propagator.model
    direct = model.sample(ends[6][parents], 4, save_every=2, seed=3, first_step=24)
    for number, segment in enumerate(drawn):
        np.testing.assert_array_equal(segment.data["positions"], direct[-1, number])
        np.testing.assert_allclose(segment.pcoord[1:], displacement(direct[:, number]))
        assert segment.status == Segment.SEG_STATUS_COMPLETE
    # What is left of an iteration that was interrupted, in any order.
    some = propagator.propagate(segments([4, 0, 1], 7, [2, 2, 0]))
    for segment in some:
        np.testing.assert_array_equal(segment.data["positions"], direct[-1, segment.seg_id])


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model": None}, "expected model as str, found None"),
        ({"steps": "2"}, "expected steps as int, found '2'"),
        ({"step": 2}, "expected model, steps, seed, coordinate, found step; leave it out"),
    ],
)
def test_settings_are_checked(make_propagator, changes, message):
    with pytest.raises(SamplingError, match=message):
        make_propagator(**changes)


def test_models_that_need_more_than_a_frame_are_refused(make_propagator):
    with pytest.raises(SamplingError, match="found periodic False and a history of 2 frames; use another"):
        make_propagator(module=programs.Inertial(), card={"history_length": 2})
    with pytest.raises(SamplingError, match="found periodic True and a history of 1"):
        make_propagator(module=programs.BoxLength(), card={"periodic": True})


def test_frames_that_are_no_part_of_the_steps_are_refused(make_propagator):
    propagator = make_propagator(steps=3)
    with pytest.raises(SamplingError, match="expected steps in a multiple of pcoord_len - 1, found 3 steps"):
        propagator.propagate(segments([0], 1, [-1]))


def write_structure(path):
    names = ("C", "H", "F", "CL", "BR")
    lines = [
        f"HETATM{i + 1:5d}  {name:<3s} MOL A   1    "
        + "".join(f"{10 * x:8.3f}" for x in START[i])
        + f"{'':22s}{element:>2s}\n"
        for i, (name, element) in enumerate(zip(names, programs.TYPES))
    ]
    path.write_text("".join(lines) + "END\n")


def run_westpa(folder, target):
    for command in (
        [
            "w_init",
            "--bstate",
            "start,1,start.pdb",
            "--tstate",
            f"arrived,{target}",
            "--segs-per-state",
            "20",
        ],
        ["w_run", "--serial"],
    ):
        done = subprocess.run(
            [SCRIPTS / command[0], *command[1:]], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    return h5py.File(folder / "west.h5", "r")


def arrivals(file, first):
    """Weight that arrived in each iteration from `first` on."""
    numbers = range(first, file.attrs["west_current_iteration"])
    groups = [file[f"iterations/iter_{number:08d}/seg_index"][:] for number in numbers]
    recycled = Segment.SEG_ENDPOINT_RECYCLED
    return np.array([group["weight"][group["endpoint_type"] == recycled].sum() for group in groups])


@pytest.mark.slow
def test_the_rate_of_a_process_that_is_known(make_program, tmp_path):
    """Once in 32,850 steps, from 60,000 in 260 iterations; the error is that of blocks."""
    target = 4.0
    (tmp_path / "model.pt").write_bytes(
        Path(make_program(programs.OrnsteinUhlenbeckAtOnce(DECAY, SPREAD))).read_bytes()
    )
    (tmp_path / "known.py").write_text(
        f"START, SPREAD = {float(START[0, 0])!r}, {SPREAD}\n"
        "def displacement(frames):\n    return (frames[:, 0, :1] - START) / SPREAD\n"
    )
    write_structure(tmp_path / "start.pdb")
    text = (EXAMPLE / "west.cfg").read_text()
    edges = [-100, -1, 0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, target, 100]
    before, _, rest = text.partition("boundaries:")
    text = before + f"boundaries: [{edges}]\n" + rest[rest.index("      bin_target") :]
    for old, new in (
        ("bin_target_counts: 40", "bin_target_counts: 20"),
        ("max_total_iterations: 1500", "max_total_iterations: 300"),
        ("steps: 2", "steps: 1"),
        ("alanine-dipeptide-tip3p", "model.pt"),
        ("coordinate.phi_degrees", "known.displacement"),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "west.cfg").write_text(text)
    blocks = arrivals(run_westpa(tmp_path, target + 1), 41)[:260].reshape(13, 20).mean(axis=1)
    rate, error = blocks.mean(), blocks.std(ddof=1) / np.sqrt(len(blocks))
    assert 0 < error < 0.35 * rate
    assert rate == pytest.approx(rate_of_arrival(target), abs=4 * error)


def test_the_example_runs(tmp_path):
    """In short form: three iterations; what is stored belongs together."""
    for name in ("west.cfg", "coordinate.py", "start.pdb"):
        shutil.copy(EXAMPLE / name, tmp_path)
    config = tmp_path / "west.cfg"
    config.write_text(config.read_text().replace("max_total_iterations: 1500", "max_total_iterations: 3"))
    file = run_westpa(tmp_path, 60)
    groups = [file[f"iterations/iter_{number:08d}"] for number in (1, 2, 3)]
    model = ScoreModel("alanine-dipeptide-tip3p")
    for before, group in pairwise(groups):
        ends, index = before["auxdata/positions"][:], group["seg_index"][:]
        assert len(index) > 20 and index["weight"].sum() == pytest.approx(1)
        frames = group["auxdata/positions"][:]
        phi = np.degrees(dihedral_angles(frames, [[4, 6, 8, 14]]))
        np.testing.assert_allclose((phi - group["pcoord"][:, -1] + 180) % 360 - 180, 0, atol=1e-3)
        going_on = index["parent_id"] >= 0
        first_step = 2 * (int(group.name[-1]) - 1)
        starts = ends[index["parent_id"]][going_on]
        assert going_on.all(), "nobody arrives within 6 ps"
        direct = model.sample(starts, 2, save_every=2, seed=1, first_step=first_step)[0]
        np.testing.assert_array_equal(frames, direct)
