"""Stages of `make gpu`: a part that fails or hangs does not stop the others, and what it printed is kept."""

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(tmp_path, script, limit_s=60):
    """A shell script that has the stages; (exit status, lines of stages.txt)."""
    text = f"set -euo pipefail\nsource {ROOT / 'tests' / 'stages.sh'}\n{script}\nstages_passed\n"
    done = subprocess.run(
        ["bash", "-c", text],
        env=os.environ | {"OUT": str(tmp_path), "LIMIT_S": str(limit_s)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, (tmp_path / "stages.txt").read_text().splitlines()


def test_a_failure_is_told_and_the_rest_goes_on(tmp_path):
    status, stages = run(
        tmp_path, "work() { echo begun; false; echo ended; }\nstage first 20 work\nstage second 20 echo done"
    )
    assert status == 1
    assert [line.split(" (")[0] for line in stages] == ["== first: failed with status 1", "== second: passed"]
    assert (tmp_path / "first.txt").read_text() == "begun\n"
    assert (tmp_path / "second.txt").read_text() == "done\n"


def test_what_passes_passes(tmp_path):
    status, stages = run(tmp_path, "work() { echo fine; }\nstage first 20 work")
    assert status == 0
    assert len(stages) == 1


def test_a_stage_that_hangs_is_ended_and_keeps_what_it_printed(tmp_path):
    status, stages = run(tmp_path, "stage hangs 1 bash -c 'echo begun; sleep 60'\nstage second 20 true")
    assert status == 1
    assert [line.split(" (")[0] for line in stages] == ["== hangs: not done within 1 s", "== second: passed"]
    assert (tmp_path / "hangs.txt").read_text() == "begun\n"


def test_no_stage_outlasts_the_whole(tmp_path):
    status, stages = run(tmp_path, "stage hangs 60 sleep 60\nstage late 60 true", limit_s=6)
    assert status == 1
    assert stages[0].startswith("== hangs: not done within 6 s")
    assert stages[1].startswith("== late: left out: 6 s are over")


def test_the_limits_of_the_first_stages_leave_their_time_to_the_tables():
    """Facts, build, probe, first test and tables end before the limit even if each takes all it may."""
    lines = [line.split() for line in (ROOT / "tests" / "gpu.sh").read_text().splitlines()]
    seconds = {words[1]: int(words[2]) for words in lines if words[:1] == ["stage"]}
    assert list(seconds)[:6] == ["facts", "build", "probe", "first_test", "speed", "batches"]
    assert sum(list(seconds.values())[:6]) <= 410
    assert "LIMIT_S:-410" in (ROOT / "tests" / "gpu.sh").read_text()


def test_the_probe_says_that_there_is_no_driver(monkeypatch):
    spec = importlib.util.spec_from_file_location("gpu_probe", ROOT / "tests" / "gpu_probe.py")
    probe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(probe)

    def no_library(name):
        raise OSError(f"{name} is not there")

    monkeypatch.setattr(probe.ctypes, "CDLL", no_library)
    with pytest.raises(SystemExit, match=r"no driver of a GPU is installed: libcuda.so.1 is not there"):
        probe.main()
