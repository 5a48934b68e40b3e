"""`scoredyn fit` of several molecules: options, folders, failures, killed workers."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alanine import PDB
from typer.testing import CliRunner

from openmm_scoredyn import each
from openmm_scoredyn.cli import app
from openmm_scoredyn.errors import ClusterError, SamplingError
from openmm_scoredyn.fitting import Verdict, fit_each

VERDICT = Verdict("met", ("A", "B"), (), (), 0.0, ("more MD",))


@pytest.fixture
def stub(monkeypatch, tmp_path):
    """In the place of the command: `bad` fails, every other structure has the verdict above."""
    script = tmp_path / "stub.py"
    script.write_text(
        "import json, pathlib, sys\n"
        "command, structure, _, out, *options = sys.argv[1:]\n"
        "print(command, *options)\n"
        "if pathlib.Path(structure).stem == 'bad': sys.exit('scoredyn: it is bad.')\n"
        "pathlib.Path(out).mkdir()\n"
        f"(pathlib.Path(out) / 'verdict.json').write_text({json.dumps(VERDICT.to_dict())!r})\n"
    )
    original = subprocess.Popen

    def popen(command, **options):
        assert command[:3] == [sys.executable, "-m", "openmm_scoredyn.cli.beside_worker"]
        return original([sys.executable, str(script), *command[3:]], **options)

    monkeypatch.setattr(each.subprocess, "Popen", popen)


def test_each_has_a_folder_and_one_that_fails_keeps_none_from_being_fitted(stub, tmp_path):
    out = tmp_path / "fits"
    with ThreadPoolExecutor(1) as executor:
        found = list(fit_each(["bad.pdb", "good.pdb"], out, ["--budget", "1h"], executor))
    assert sorted(found) == [("bad", None, "scoredyn: it is bad."), ("good", VERDICT, "")]
    assert (out / "good.log").read_text() == "fit --budget 1h\n"


def test_the_command_says_a_line_of_each_and_fails_with_one(stub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = [
        "--out",
        "fits",
        "--budget",
        "1h",
        "--force-field",
        "a.xml",
        "--force-field",
        "b.xml",
        "--strip",
    ]
    result = CliRunner().invoke(app, ["fit", "good.pdb", "fine.pdb", *options])
    assert result.exit_code == 0
    assert f"good: {VERDICT.sentence()}" in result.output and "fine: " in result.output
    said = Path("fits/good.log").read_text().split()
    assert said[said.index("--budget") :][:2] == ["--budget", "1h"]
    assert [said[i + 1] for i, word in enumerate(said) if word == "--force-field"] == ["a.xml", "b.xml"]
    assert "--strip" in said and "--repair" not in said and "--solvent" not in said
    result = CliRunner().invoke(app, ["fit", "bad.pdb", "better.pdb", "--out", "others"])
    assert result.exit_code == 1
    assert "bad: failed; scoredyn: it is bad." in result.output and "better: Targets met" in result.output


def test_what_several_cannot_share_is_refused(tmp_path):
    with ThreadPoolExecutor(1) as executor, pytest.raises(SamplingError, match="have one name.* found a;"):
        list(fit_each(["a.pdb", "b/a.sdf"], tmp_path, [], executor))
    result = CliRunner().invoke(
        app, ["fit", "a.pdb", "b.pdb", "--system", "a.xml", "--out", str(tmp_path / "out")]
    )
    assert isinstance(result.exception, SamplingError)
    assert "these belong to one structure" in str(result.exception)
    with pytest.raises(ClusterError, match="another openmm-scoredyn; expected 0, found"):
        each._run_one("fit", "a.pdb", str(tmp_path), (), "0")
    with pytest.raises(ClusterError, match="cannot see .*none"):
        each._run_one("fit", "a.pdb", str(tmp_path / "none"), (), each.__version__)


def test_the_command_itself_says_what_was_wrong(tmp_path):
    """No stub here: the process that waits for its worker ends by itself, with the sentence last."""
    bad = tmp_path / "bad.pdb"
    bad.write_text("nothing of a structure\n")
    with ThreadPoolExecutor(1) as executor:
        (found,) = fit_each([bad], tmp_path / "fits", [], executor)
    assert found.verdict is None and found.failure.startswith("scoredyn: ") and "bad.pdb" in found.failure


def test_a_fit_ends_with_its_worker(tmp_path):
    """Killed, so that nothing of it can tell the process that it started."""
    code = (
        "import sys\n"
        "from openmm_scoredyn import each\n"
        f"each._run_one('fit', {str(PDB)!r}, {str(tmp_path)!r}, ('--budget', '600s'), each.__version__)"
    )
    worker = subprocess.Popen([sys.executable, "-c", code])
    lock = tmp_path / Path(PDB).stem / ".lock"
    try:
        wait_for(lock.exists)
        fit = child_of(worker.pid)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        wait_for(lambda: not Path(f"/proc/{fit}").exists())
    finally:
        worker.kill()
        worker.wait()


def child_of(parent: int) -> int:
    (child,) = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return int(child)


def wait_for(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.1)
