"""`scoredyn export` and `scoredyn info`, as typed."""

import json
import os
import re
from dataclasses import replace

import numpy as np
import pytest
from tiny_models import MOLECULE, DriftingNetwork, OneStepNetwork, tiny_card
from typer.testing import CliRunner

from openmm_scoredyn import training
from openmm_scoredyn.cli import app
from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import CardError, ExportError, ProgramError
from openmm_scoredyn.export import ParityReport, export_program
from openmm_scoredyn.program import model as model_module
from openmm_scoredyn.program.model import ScoreModel, pretrained


def command(*arguments):
    """Output of a command, blanks and line breaks as single blanks; the error that stopped it, if any, is
    raised.
    """
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return re.sub(r"\s+", " ", result.output)


@pytest.fixture
def checkpoint(monkeypatch, tmp_path):
    """A run directory whose checkpoint holds a small network with a parametrisation of its own."""
    loaded = (DriftingNetwork(), tiny_card(symmetric=True), Parametrization("noise", "vp_linear"))
    monkeypatch.setattr(
        training, "load_checkpoint", lambda path: loaded if path == tmp_path else pytest.fail(path)
    )
    return tmp_path


def test_export_writes_a_program_and_shows_parity(checkpoint):
    out = checkpoint / "out.pt"
    output = command("export", checkpoint, out)
    assert "reloaded = scripted" in output
    assert "SE(3) symmetry" in output
    assert f"Wrote {out}" in output
    card = ScoreModel(out).card
    assert card.capabilities.symmetric
    module, trained_card, parametrization = training.load_checkpoint(checkpoint)
    export_program(module, checkpoint / "direct.pt", trained_card, parametrization)
    assert card == ScoreModel(checkpoint / "direct.pt").card, (
        "the parametrisation of the training must be used"
    )


def test_export_drops_a_claim_on_request(checkpoint):
    assert "SE(3)" not in command("export", checkpoint, checkpoint / "out.pt", "--not-symmetric")
    assert not ScoreModel(checkpoint / "out.pt").card.capabilities.symmetric


def test_export_writes_the_format_asked_for(checkpoint, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "openmm_scoredyn.export.export_program",
        lambda *_, format, **__: asked.append(format) or ParityReport(()),
    )
    (checkpoint / "out.pt2").touch()
    command("export", checkpoint, checkpoint / "out.pt2", "--format", "aoti")
    command("export", checkpoint, checkpoint / "out.pt2")
    assert asked == ["aoti", "torchscript"]


def test_precision_asked_for_is_said_not_to_be_measured_until_it_is(checkpoint):
    out = checkpoint / "out.pt"
    asked = ("export", checkpoint, out, "--matmul-precision", "high")
    sentence = "The accuracy at matmul_precision 'high' is not measured"
    assert "not measured" not in command(*asked[:3]) + command("info", out)
    assert sentence in command(*asked)
    output = command("info", out)
    assert "high, matrix products with TF32" in output
    assert sentence in output
    comparison = {"reference": {"length_ns": 1, "name": "MD"}, "candidate": {"length_ns": 2, "name": "model"}}
    intervals = [{"name": "10ps", "step_ps": 10.0}]  # of a model of several lag times
    found = comparison | {"rows": [], "notes": [], "chapman_kolmogorov": intervals, "speeds_ps_per_s": {}}
    (checkpoint / "comparison.json").write_text(json.dumps(found))
    assert sentence not in command(*asked, "--accuracy", checkpoint / "comparison.json") + command(
        "info", out
    )
    kept = ScoreModel(out).card.provenance.accuracy
    assert kept["matmul_precision"] == "high" and kept["chapman_kolmogorov"] == intervals
    assert "speeds_ps_per_s" not in kept


def test_export_that_fails_writes_nothing(checkpoint, monkeypatch):
    monkeypatch.setattr(DriftingNetwork, "latent_type", "invariant")
    with pytest.raises(ExportError, match="SE"):
        command("export", checkpoint, checkpoint / "out.pt")
    assert os.listdir(checkpoint) == []


def test_info_shows_the_card(tmp_path):
    card = tiny_card(
        name="chlorine",
        solvent="vacuum",
        training_data={"fingerprint": "abc", "nested": {"pairs": 12}},
        accuracy={"jsd": 0.0123},
        symmetric=True,
    )
    export_program(DriftingNetwork(), tmp_path / "m.pt", card)
    output = command("info", tmp_path / "m.pt", "--verify", "--full")
    for text in (
        "chlorine", "1 ps at 300 K", "MOL, 5 atoms, BrCClFH", "vacuum", "not periodic", "bonds within 90%: 4",
        "chiral centres: 1",
        "SE(3), checked at export",
        "dpmpp_2m with 10 denoising steps",
        "fingerprint: abc",
        "nested.pairs: 12", "jsd: 0.0123", "Golden triple reproduced",
    ):  # fmt: skip
        assert text in output, text
    assert ScoreModel(tmp_path / "m.pt").sha256 in output.replace(" │ │ │ ", "").replace(" ", "")


def test_info_names_all_that_a_model_knows(tmp_path):
    known = {"lag_times_ps": (1.0, 2.0, 5.0), "temperatures_K": (280.0, 320.0), "temperature_range": True}
    export_program(DriftingNetwork(), tmp_path / "m.pt", tiny_card(**known))
    assert "1, 2 or 5 ps at 280 to 320 K" in command("info", tmp_path / "m.pt")
    export_program(DriftingNetwork(), tmp_path / "m.pt", tiny_card(**known, recommended_lag_time_ps=2.0))
    assert "1, 2 or 5 ps (2 unless asked) at 280 to 320 K" in command("info", tmp_path / "m.pt")
    card = tiny_card(denoising_steps=0, has_start=True)
    export_program(OneStepNetwork(), tmp_path / "m.pt", card)
    assert "in one step from 15 normals" in command("info", tmp_path / "m.pt")


def test_info_tells_a_comparison_in_sentences(tmp_path):
    def row(group, verdict):
        estimates = {side: {"value": value, "error": 0.25, "samples": 9.0} for side, value in SIDES}
        return {"group": group, "quantity": "crossings", "unit": "1/ns", "verdict": verdict} | estimates

    SIDES = (("reference", 12.5), ("candidate", 11.5))
    accuracy = {
        "reference": {"name": "MD", "length_ns": 200.0},
        "candidate": {"name": "model", "length_ns": 512.3},
        "rows": [row("Kinetics", "differs"), row("Geometry", "agrees"), row("Geometry", "differs")],
        "notes": ["No draw was rejected."],
    }
    export_program(DriftingNetwork(), tmp_path / "m.pt", tiny_card(accuracy=accuracy))
    short = command("info", tmp_path / "m.pt")
    assert "512 ns (model) against 200 ns (MD)" in short and "geometry: 1 of 2 agree" in short
    assert "1 differs (--full)" in short and "crossings" not in short and "No draw" not in short
    output = command("info", tmp_path / "m.pt", "--full")
    for text in (
        "512 ns (model) against 200 ns (MD)", "crossings: 11.50 ± 0.25 against 12.50 ± 0.25 1/ns, differs",
        "geometry: 1 of 2 agree", "No draw was rejected.",
    ):  # fmt: skip
        assert text in output, text


def test_info_finds_shipped_models_by_name(tmp_path, monkeypatch):
    export_program(DriftingNetwork(), tmp_path / "shipped.pt", tiny_card(name="shipped"))
    monkeypatch.setattr(model_module, "_PRETRAINED", tmp_path)
    assert "Golden triple reproduced" in command("info", "shipped", "--verify")


def test_equal_residues_are_both_named_by_info_and_models(tmp_path, monkeypatch):
    residues = {"residue_names": ("ALA",) * 5, "residue_indices": (0, 0, 0, 1, 1)}
    card = tiny_card(particles=replace(MOLECULE, **residues), solvent="vacuum")
    export_program(DriftingNetwork(), tmp_path / "dialanine.pt", card)
    monkeypatch.setattr(model_module, "_PRETRAINED", tmp_path)
    assert "ALA-ALA, 5 atoms, BrCClFH" in command("info", "dialanine")
    assert command("models") == "dialanine ALA-ALA, 5 atoms, 1 ps a step, 300 K, vacuum "


def test_the_transferable_model_of_peptides_says_what_it_is():
    trained, lags = "136 molecules of 19 to 61 particles", "1 to 1000 ps (100 unless asked)"
    line = f"peptides-obc2 transferable, trained on {trained}; {lags} a step, 310 K, implicit (OBC2)"
    assert line in command("models")
    shown = re.sub(r"[\s│]+", " ", command("info", "peptides-obc2"))
    for text in (
        "kind transferable model; a run binds it to its molecule",
        f"step {lags} at 310 K, history of 1",
        f"molecules {trained} bonds C3-C3,",
        "conditions implicit (OBC2), amber14/protein.ff14SB.xml",
        "draws trig_2m with 4 denoising steps",
    ):
        assert text in shown, text
    names = [
        molecule["name"] for molecule in json.loads(command("info", "peptides-obc2", "--json"))["molecules"]
    ]
    assert len(names) == 136 and "ACE-ALA-NME C6H12N2O2" in names and "CYS-CYS C6H12N2O3S2" in names


def test_info_counts_the_rules_of_the_guard():
    rules = "angles: 36, chiral centres: 1, cis or trans torsions: 8, closest contacts: 14"
    output = " ".join(command("info", "alanine-dipeptide-obc2").replace("│", " ").split())
    assert f"bonds within 15%: 21, {rules}, 0.74 nm a step" in output


def test_info_of_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(ProgramError, match="there is no file"):
        command("info", tmp_path / "missing.pt")


def test_a_program_is_exported_anew(tmp_path):
    """The same network and card: the steps are those of the file it came from, bit for bit."""
    first, again = ScoreModel(pretrained("alanine-dipeptide-tip3p")), tmp_path / "again.pt"
    assert "reloaded = scripted" in command("export", "alanine-dipeptide-tip3p", again)
    second = ScoreModel(again)
    assert second.card.provenance.accuracy == first.card.provenance.accuracy
    assert second.card.capabilities.denoising_steps == 2
    start = np.asarray(first.card.golden[0]["history"], np.float32).reshape(1, 22, 3).repeat(3, 0)
    np.testing.assert_array_equal(*(model.sample(start, 20, seed=4) for model in (first, second)))
    command("export", again, tmp_path / "four.pt", "--denoising-steps", 4)
    assert ScoreModel(tmp_path / "four.pt").card.provenance.accuracy == {}, (
        "which was measured with two evaluations"
    )


def test_programs_that_hold_no_network_of_ours_are_not_exported_anew(checkpoint):
    command("export", checkpoint, checkpoint / "out.pt")
    with pytest.raises(
        ExportError, match="tiny does not say which network it holds; .* export it from its checkpoint"
    ):
        command("export", checkpoint / "out.pt", checkpoint / "again.pt")
    with pytest.raises(CardError, match="is a crystal denoiser, which knows no dynamics"):
        command("export", "metals", checkpoint / "again.pt")
    assert not (checkpoint / "again.pt").exists()


def test_a_network_that_is_computed_otherwise_is_not_exported_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "openmm_scoredyn.networks.molecule_frame.network.MoleculeFrameNetwork.predict_seen",
        lambda self, x, *_: 0 * x,
    )
    with pytest.raises(
        ExportError, match="computes the network of alanine-dipeptide-tip3p otherwise; expected the golden"
    ):
        command("export", "alanine-dipeptide-tip3p", tmp_path / "again.pt")


def test_a_run_directory_goes_before_a_shipped_model_of_its_name(checkpoint, monkeypatch):
    run = checkpoint / "alanine-dipeptide-tip3p"
    run.mkdir()
    asked = []
    loaded = training.load_checkpoint(checkpoint)
    monkeypatch.setattr(training, "load_checkpoint", lambda path: asked.append(path) or loaded)
    monkeypatch.chdir(checkpoint)
    command("export", run.name, "out.pt")
    assert [str(path) for path in asked] == [run.name]
