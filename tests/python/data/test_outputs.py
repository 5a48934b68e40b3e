"""One process an output, and nothing left behind by those that were killed."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from openmm_scoredyn.data.atomic import sentences_of_the_disk, write_text_atomically
from openmm_scoredyn.data.lock import exclusive
from openmm_scoredyn.errors import OutputError

HOLD = """
import sys, time
from openmm_scoredyn.data.lock import exclusive
with exclusive(sys.argv[1], "run"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds traj.dcd."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "traj.dcd")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_other_process_is_named_and_its_death_frees_the_output(tmp_path, holder):
    with (
        pytest.raises(
            OutputError, match=rf"traj.dcd is being written by process {holder.pid} on .*wait until"
        ),
        exclusive(tmp_path / "traj.dcd", "run"),
    ):
        pytest.fail("two processes hold one output")
    with exclusive(tmp_path / "other.dcd", "run"):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert list(tmp_path.glob(".*.lock")), "nothing tidies up after SIGKILL"
    with exclusive(tmp_path / "traj.dcd", "run"):
        pass
    assert not list(tmp_path.glob(".*"))


def test_only_one_of_many_gets_it(tmp_path):
    """Processes that lock, write and leave, over and over: no two are ever inside together."""
    script = (
        "import os, sys, time\nfrom openmm_scoredyn.data.lock import exclusive\n"
        "from openmm_scoredyn.errors import OutputError\ndone = 0\nwhile done < 20:\n    try:\n"
        "        with exclusive(sys.argv[1], 'run'):\n            os.mkdir(sys.argv[1] + '.inside')\n"
        "            time.sleep(0.001)\n            os.rmdir(sys.argv[1] + '.inside')\n            done +="
        " 1\n"
        "    except OutputError:\n        pass\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "x")]) for _ in range(3)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]


@pytest.mark.parametrize("look", [1, 2])
def test_a_lock_that_vanishes_while_it_is_looked_at_is_asked_for_again(tmp_path, monkeypatch, look):
    """Another process may remove the file at any time, between any two looks."""
    looks, plain = [], os.stat

    def vanishing(path, *more, **options):
        if str(path).endswith(".lock"):
            looks.append(path)
            if len(looks) == look:
                os.unlink(path)
        return plain(path, *more, **options)

    monkeypatch.setattr(os, "stat", vanishing)
    with exclusive(tmp_path / "x", "run"):
        assert list(tmp_path.glob(".*.lock"))
    assert not list(tmp_path.glob(".*.lock"))


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    with (
        pytest.raises(
            OutputError, match="run: cannot write .*missing/x.dcd; No such file or directory; check"
        ),
        exclusive(tmp_path / "missing" / "x.dcd", "run"),
    ):
        pass


def test_what_killed_writers_left_is_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = socket.gethostname()
    dead = tmp_path / f".a[1].json.{host}-{ended.pid}-0.tmp"
    kept = [
        tmp_path / f".a[1].json.{host}-{os.getpid()}-99.tmp",  # at work
        tmp_path / f".a[1].json.elsewhere-{ended.pid}-0.tmp",  # of another machine
        tmp_path / f".a[1].json.x.{host}-{ended.pid}-0.tmp",  # of another file
    ]
    for path in (dead, *kept):
        path.write_text("half")
    write_text_atomically(tmp_path / "a[1].json", "whole")
    assert not dead.exists() and all(path.exists() for path in kept)
    assert (tmp_path / "a[1].json").read_text() == "whole"


def test_a_killed_writer_is_tidied_up_after(tmp_path):
    script = (
        "import sys, time\nfrom openmm_scoredyn.data.atomic import write_atomically\n"
        "write_atomically(sys.argv[1], lambda f: (f.write(b'half'), print('in', flush=True),"
        " time.sleep(60)))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "t.npz")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "in\n"
    process.kill()
    process.wait()
    time.sleep(0.05)
    assert len(list(tmp_path.glob(".t.npz.*.tmp"))) == 1
    write_text_atomically(tmp_path / "t.npz", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["t.npz"]


def test_writers_of_others_speak_our_language(tmp_path):
    with (
        pytest.raises(OutputError, match=r"demo: cannot write .*log.csv; No space left on device; check"),
        sentences_of_the_disk("demo", tmp_path),
    ):
        raise OSError(28, "No space left on device", str(tmp_path / "log.csv"))
