"""The command `scoredyn` as a user meets it: help, and a sentence for every mistake."""

import os
import subprocess
import sys
from pathlib import Path

import programs
import pytest
import typer
from typer.testing import CliRunner

import openmm_scoredyn
from openmm_scoredyn.cli import COMMANDS, app, main

ALANINE = Path(openmm_scoredyn.__file__).parent / "pretrained" / "alanine-dipeptide.pdb"
NAMES = [command.__name__.replace("_", "-") for command in COMMANDS]
ENTRY = "from openmm_scoredyn.cli import main; main()"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with what a user may mistake for something else."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for name in ("junk.pt", "junk.pdb", "junk.npz", "junk.ckpt"):
        (tmp_path / name).write_text("junk\n")
    programs.save_program(tmp_path / "good.pt", programs.OrnsteinUhlenbeck())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def scoredyn(monkeypatch, capsys):
    """Run the command in this process; gives (exit status, last line of stderr). A traceback would be raised
    here.
    """

    def call(arguments):
        monkeypatch.setattr(sys, "argv", ["scoredyn", *arguments.replace("ALANINE", str(ALANINE)).split()])
        with pytest.raises(SystemExit) as exit_info:
            main()
        lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
        return exit_info.value.code, lines[-1] if lines else ""

    return call


@pytest.mark.parametrize("command", ["run m.pt s.pdb", "train d.npz", "denoise m.pt f", "train-denoiser"])
def test_threads_that_would_end_the_process_are_refused(command):
    done = CliRunner().invoke(app, [*command.split(), "--threads", "20000"])
    assert done.exit_code == 2
    assert "'--threads'" in done.output and "256" in done.output


def test_help_is_quick():
    """Modules loaded, not seconds: torch alone takes several of these."""
    code = (
        f"import sys\nsys.argv = ['scoredyn', '--help']\ntry:\n    {ENTRY}\nfinally:\n    heavy = {{'torch',"
        " 'openmm', 'numpy', 'matplotlib', 'mdtraj', 'lightning'} & sys.modules.keys()\n    assert not"
        " heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in NAMES:
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_help_of_a_command_has_an_example_that_parses(name):
    result = CliRunner().invoke(app, [name, "--help"], terminal_width=300)
    assert result.exit_code == 0, result.output
    words = result.output.split("Example: ")[1].split("Options:")[0].split("Arguments:")[0].split()
    assert words[:2] == ["scoredyn", name]
    typer.main.get_command(app).commands[name].make_context(name, words[2:])


def test_version_is_shown():
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.output == f"openmm-scoredyn {openmm_scoredyn.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "simulate missing.pdb --out md",
            "cannot read missing.pdb; No such file or directory; check the path",
        ),
        ("simulate junk.pdb --out md", "junk.pdb is not a readable PDB structure"),
        ("simulate ALANINE --out md --length soon", "expected a positive number with a unit"),
        ("simulate ALANINE --out md --length 0.1ps", "expected at least 2, found 1"),
        ("simulate ALANINE --out md --trajectories 0", "expected at least 1, found 0"),
        ("simulate ALANINE --out md --seed -3", "expected a seed from 0 to 2^32 - 1, found -3"),
        ("simulate ALANINE --out md --temperature -3", "Temperature: expected a positive number with a unit"),
        ("simulate ALANINE --out md --timestep 3fs", "the frame spacing must be a multiple of the time step"),
        ("simulate ALANINE --out md --solvent spce", "expected tip3p, implicit or vacuum, found 'spce'"),
        (
            "simulate ALANINE --out md --solvent vacuum --force-field nothing.xml",
            'Could not locate file "nothing.xml"',
        ),
        ("simulate ALANINE --out file/md", "cannot create the folder file/md"),
        (
            "simulate ALANINE --out md --shooting --length 5ps",
            "expected none of --length, found --length 5ps; set --spacing",
        ),
        (
            "simulate ALANINE --out md --length 1ps --segments 3",
            "expected none of --segments, found --segments 3; leave",
        ),
        ("train missing --out md --distil-to 2", "distillation needs a teacher"),
        ("train missing --out md", "cannot read missing; No such file or directory"),
        ("train empty --out md", "no npz file or store of frames in the folder empty"),
        ("train junk.npz --out md", "junk.npz is not a readable npz file"),
        ("export missing out.pt", "found no checkpoint at missing; expected a .ckpt file or the directory"),
        ("export empty out.pt", "found no checkpoint at empty"),
        ("export junk.ckpt out.pt", "cannot read junk.ckpt; expected a checkpoint of `scoredyn train`"),
        ("info missing.pt", "there is no file at missing.pt; give the path of a score program"),
        (
            "info junk.pt",
            "not an archive of openmm-scoredyn: it does not end as one, or is truncated",
        ),
        ("run missing.pt ALANINE --length 9ps --out md.dcd", "there is no file at missing.pt"),
        ("run good.pt missing.pdb --length 9ps --out md.dcd", "cannot read missing.pdb"),
        ("run good.pt junk.pdb --length 9ps --out md.dcd", "junk.pdb is not a readable PDB structure"),
        ("run good.pt ALANINE --length 9ps --out md.dcd", "expected residues MOL, found ACE-ALA-NME"),
        ("run good.pt ALANINE --length soon --out md.dcd", "write for instance 10ns"),
        ("run good.pt ALANINE --length 1.5ps --out md.dcd", "expected a multiple of 1 ps, found 1.5ps"),
        ("run good.pt ALANINE --length 9ps --out none/md.dcd", "the folder none does not exist"),
        ("run good.pt ALANINE --length 9ps --out md.dcd --solver euler", "found 'euler'"),
        ("run good.pt ALANINE --length 9ps --out md.dcd --denoising-steps 0", "denoising steps is 0"),
        (
            (
                "run good.pt ALANINE --length 9ps --replicas 2 --out md.frames --platform CPU --force-field"
                " amber99_obc.xml"
            ),
            "found --platform CPU, --force-field amber99_obc.xml; leave",
        ),
        (
            "run good.pt ALANINE --length 9ps --out md.frames --platform CPU",
            "--force-field, found --platform CPU; leave",
        ),
        (
            "compare missing gone --out md --length 1ns --friction 10",
            "found --length 1ns, --friction 10.0; give --langevin",
        ),
        (
            "compare missing gone --out md --suite mgden",
            "unknown suite; expected one of mdgen, found 'mgden'",
        ),
        ("compare empty --out md", "expected a reference and a candidate, found 1 paths"),
        ("simulate ALANINE --out md --cluster slurm", "cluster: there is no such cluster; expected local"),
        ("simulate ALANINE --out md --cluster local --processes 2", "the cluster says how many trajectories"),
        ("compare missing empty --out md", "no npz file or store of frames in the folder empty"),
        ("compare missing gone --out md", "cannot read gone; No such file or directory"),
        ("compare junk.npz junk.npz --out md", "junk.npz is not a readable npz file"),
        ("compare empty empty --langevin ALANINE --out md", "expected the candidate alone beside --langevin"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(folder, scoredyn, arguments, message):
    before = sorted(os.listdir(folder))
    status, line = scoredyn(arguments)
    assert status == 1
    assert line.startswith("scoredyn: ")
    assert message in line
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nonsense", "No such command 'nonsense'"),
        ("run good.pt", "Missing argument 'STRUCTURE'"),
        ("demo --seconds 0", "greater than or equal to 1"),
        ("simulate ALANINE --out md --start sixty", "expected phi,psi in degrees, as 60,-90; found 'sixty'"),
        ("run good.pt ALANINE --length 9ps --out md.dcd --seed -1", "greater than or equal to 1"),
    ],
)
def test_a_mistyped_command_is_refused_by_the_parser(folder, scoredyn, arguments, message):
    status, line = scoredyn(arguments)
    assert status == 2
    assert message in line


def test_the_real_process_exits_with_one_line(tmp_path):
    code = f"import sys; sys.argv = ['scoredyn', 'info', 'missing.pt']; {ENTRY}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert (
        done.stderr
        == "scoredyn: ScoreProgram: there is no file at missing.pt; give the path of a score program.\n"
    )


def test_an_error_of_ours_is_not_hidden(monkeypatch):
    """Only messages written for the user become one sentence; a defect keeps its traceback."""

    def broken():
        raise ZeroDivisionError("defect")

    monkeypatch.setattr("openmm_scoredyn.cli.app", broken)
    with pytest.raises(ZeroDivisionError):
        main()
