"""The demo with tiny lengths: every piece of it runs, and leaves what it promises."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import openmm_scoredyn
from openmm_scoredyn.cli import app
from openmm_scoredyn.cli.demo import MODEL, OURS, REFERENCE, STRUCTURE, WATER

SHIPPED = Path(openmm_scoredyn.__file__).parent / "pretrained"
STEPS = 20

pytestmark = pytest.mark.skipif(
    not all((SHIPPED / name).exists() for name in (f"{MODEL}.pt", REFERENCE)),
    reason="no model is shipped yet",
)


def no_progress(done, total):
    """Stands for the bar."""


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """Folder and printed text of a whole demo."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    arguments = ["demo", "--length", f"{STEPS}ps", "--seconds", "1", "--out", str(folder)]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder, result.output


def test_the_tables_name_both_ways_and_their_speeds(output):
    _, text = output
    for expected in (OURS, WATER, "ps/s", "20 ps", "report.html"):
        assert expected in text


def test_the_page_is_complete_and_holds_its_pictures(output):
    folder, _ = output
    page = (folder / "report.html").read_text()
    captions = re.findall(r"<b>Figure \d+\.</b> *(.*?)</figcaption>", page, re.DOTALL)
    assert len(captions) > 3 and all(captions)
    assert "data:image/png;base64," in page
    assert 'src="http' not in page
    assert OURS in page
    assert list(folder.glob("*.png"))


def test_the_numbers_are_stored(output):
    folder, _ = output
    comparison = json.loads((folder / "comparison.json").read_text())
    assert comparison["rows"]
    assert comparison["candidate"]["name"] == OURS


def test_reporters_wrote_every_step(output):
    import mdtraj

    folder, _ = output
    trajectory = mdtraj.load(folder / "alanine-dipeptide.dcd", top=SHIPPED / STRUCTURE)
    assert trajectory.n_frames == STEPS
    assert np.isfinite(trajectory.xyz).all()
    assert len((folder / "log.csv").read_text().splitlines()) == 1 + STEPS // 10


def test_score_dynamics_depends_on_the_seed_alone(tmp_path):
    from openmm_scoredyn.cli.demo_runs import score_dynamics

    first, again, other = (
        score_dynamics(SHIPPED / STRUCTURE, SHIPPED / f"{MODEL}.pt", 5, seed, tmp_path, no_progress)
        for seed in (1, 1, 2)
    )
    assert first.length_ps == 5
    assert np.array_equal(first.positions_nm, again.positions_nm)
    assert not np.array_equal(first.positions_nm, other.positions_nm)
    assert np.abs(np.diff(first.positions_nm, axis=0)).max() > 1e-3, "the molecule must move"


@pytest.mark.parametrize("water", [True, False])
def test_molecular_dynamics_stops_in_time_and_keeps_the_molecule(water):
    from openmm_scoredyn.cli.demo_runs import molecular_dynamics

    run = molecular_dynamics(SHIPPED / STRUCTURE, water, 0.2, 1, no_progress)
    assert run.positions_nm.shape[1:] == (22, 3)
    assert run.length_ps >= 1
    assert run.num_particles > 500 if water else run.num_particles == 22
    extent = np.ptp(run.positions_nm, axis=1)
    assert extent.max() < 1.5, "the molecule is whole in every frame, nm"


def test_a_mistyped_length_is_refused(tmp_path):
    from openmm_scoredyn.errors import SamplingError

    arguments = ["demo", "--length", "ten", "--out", str(tmp_path / "out")]
    with pytest.raises(SamplingError, match="expected a positive number with a unit"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert not (tmp_path / "out").exists()
