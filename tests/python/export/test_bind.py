"""One model for many molecules: trained on three alkanes, exported, bound to others, run, refused."""

import json
import zipfile
from dataclasses import replace

import alkanes
import numpy as np
import openmm
import pytest
import torch
from alanine import alanine_molecule, alanine_positions, alanine_topology
from openmm import app
from typer.testing import CliRunner

import openmm_scoredyn as sd
from openmm_scoredyn.cli import app as cli
from openmm_scoredyn.errors import CardError, MoleculeError, ProgramError, ScoreDynError, TrainingError
from openmm_scoredyn.export.binding import bind_particles
from openmm_scoredyn.molecule.structure import select_atoms
from openmm_scoredyn.networks.known import Known
from openmm_scoredyn.program.transferable import TransferableModel
from openmm_scoredyn.training import NetworkChoice, OptimizationConfig, TrainingConfig, train
from openmm_scoredyn.training.checkpoint import best_checkpoint, read_checkpoint
from openmm_scoredyn.training.config import DistillationConfig

TRAINED = ("propane", "pentane", "isobutane")
PICOSECONDS = 400
# Hardly trains.
STILL = TrainingConfig(
    optimization=OptimizationConfig(updates=1, batch_size=16, learning_rate=1e-12), split="time"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run on three alkanes, with their force field."""
    trajectories = [alkanes.simulate(name, PICOSECONDS, seed) for seed, name in enumerate(TRAINED, 1)]
    config = TrainingConfig(
        name="alkanes",
        network=NetworkChoice.of("zmatrix_transformer", width=32, heads=2, condition_blocks=1, blocks=1),
        optimization=OptimizationConfig(
            updates=1600,
            batch_size=128,
            learning_rate=3e-3,
            warmup_updates=20,
            validation_every=400,
            ema_decay=0.98,
        ),
        split="time",
    )
    folder = tmp_path_factory.mktemp("alkanes")
    train(trajectories, folder, config)
    return folder


@pytest.fixture(scope="module")
def model(run):
    path = run / "alkanes.scoredyn"
    result = CliRunner().invoke(cli, ["export", str(run), str(path)])
    assert result.exit_code == 0, result.exception
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "openmm-scoredyn" / "bound"


def bound(model, name: str, **options):
    made = alkanes.topology(name)
    return sd.bind(model, made, alkanes.system(made), **options)


def test_training_lowers_the_held_out_loss(run):
    losses = [loss for _, loss in read_checkpoint(run).held_out_loss]
    assert losses[-1] < losses[0] < 1.1  # 1 is the loss of a network that says nothing


def test_the_file_holds_weights_and_descriptions_and_no_code(model):
    assert sorted(zipfile.ZipFile(model).namelist()) == ["card.json", "sha256.json", "weights.safetensors"]
    card = json.loads(zipfile.ZipFile(model).read("card.json"))
    assert [molecule["particles"] for molecule in card["molecules"]] == [11, 17, 14]
    assert card["provenance"]["network"]["name"] == "zmatrix_transformer"


def test_an_unseen_molecule_is_bound_and_its_steps_look_like_its_dynamics(model):
    """Butane, which no training saw: lengths and angles of its draws against MD."""
    program = bound(model, "butane")
    trajectory = alkanes.simulate("butane", 300, 9)
    before, after = trajectory.segments[0][:-1], trajectory.segments[0][1:]
    draws = 10  # of every frame: enough to tell rates of one and of three per cent apart
    drawn = program.sample(np.tile(before, (draws, 1, 1)), 1, seed=1)[0]
    assert program.num_rejected_steps <= 0.02 * len(drawn)

    def measured(frames):
        from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates

        return InternalCoordinates(trajectory.molecule)(torch.as_tensor(frames)).numpy()

    found, expected = measured(drawn), measured(after)
    stiff = slice(0, 2 * 14 - 3)
    spread = expected[:, stiff].std(0)
    np.testing.assert_allclose(found[:, stiff].mean(0), expected[:, stiff].mean(0), atol=0.4 * spread.max())
    moving = spread > 1e-4
    ratio = found[:, stiff].std(0)[moving] / spread[moving]
    assert 0.7 < np.median(ratio) < 1.3


def test_it_runs_in_a_simulation_and_does_not_depend_on_the_order_of_atoms(model):
    made = alkanes.topology("butane")
    system = alkanes.system(made)
    program = sd.bind(model, made, system)
    integrator = sd.ScoreDynamicsIntegrator(program)
    simulation = app.Simulation(made, system, integrator, openmm.Platform.getPlatformByName("Reference"))
    simulation.context.setPositions(alkanes.positions(alkanes.molecule("butane")))
    simulation.step(20)
    positions = simulation.context.getState(positions=True).getPositions(asNumpy=True)
    assert np.isfinite(positions._value).all()
    assert simulation.context.getTime()._value == pytest.approx(20.0)


def test_a_larger_molecule_is_bound_and_its_card_says_so(model):
    binding = bound(model, "hexane").card.provenance.training_data["binding"]
    assert (binding["particles"], binding["largest_in_training"]) == (20, 17)
    assert binding["extrapolation"].startswith("20 particles, 1.2 times the largest in training")
    binding = bound(model, "butane").card.provenance.training_data["binding"]
    assert binding["extrapolation"] == "none in size"


def test_a_bound_program_is_kept_and_found_again_and_a_damaged_one_is_made_again(model, cache, monkeypatch):
    first = bound(model, "butane")
    (kept,) = cache.iterdir()
    monkeypatch.setattr("openmm_scoredyn.export.binding.bind_file", None)
    assert bound(model, "butane").sha256 == first.sha256
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parents[1]))
    kept.write_bytes(b"damaged")
    assert bound(model, "butane").card == first.card


def test_the_guard_knows_bonds_angles_and_contacts_of_the_molecule(model):
    rules = bound(model, "butane").card.guard
    assert len(rules.bond_lengths_nm) == 13 and rules.bond_lengths_nm[0] == pytest.approx(0.153, abs=0.003)
    assert len(rules.angles) == 24 and rules.contacts
    assert rules.stereocentres == ()
    # A longer molecule may move as much farther: 8 bonds from end to end in hexane, 7 in pentane.
    longer, trained = (bound(model, name).card.guard.max_displacement_nm for name in ("hexane", "pentane"))
    assert longer == pytest.approx(trained * 7 / 6) and rules.max_displacement_nm == trained


@pytest.mark.parametrize(
    "change, message",
    [
        ({"oxygen": 1}, "never saw a particle like BUT:O1, O with 2 bonds; expected C4, H1"),
        (
            {"carbons": 250000.0},
            "another force field; expected bond C4-C4 of .*, found .* and 250000",
        ),
        ({"hydrogen_amu": 1.008}, "has another mass than in training"),
        ({"system": False}, "expected a System, found none"),
        ({"solvent": True}, "another solvent or with other forces; expected none .*, found GBSAOBCForce"),
        ({"ring": True}, "never saw a bond C4-C4 in a ring; expected no ring, found PEN:C0 to PEN:C1"),
        ({"apart": True}, "expected bonds that connect all 28 particles, found particle 14"),
        ({"name": "isopentane"}, "is a stereocentre, which bonds alone do not tell|never saw"),
    ],
)
def test_what_it_was_not_trained_for_is_refused(model, change, message):
    made = alkanes.topology(change.get("name", "butane"), change.get("oxygen"))
    if "apart" in change:
        places = [openmm.Vec3(0, 0, 0)] * 14 * openmm.unit.nanometer
        twice = app.Modeller(made, places)
        twice.add(made, places)
        made = twice.topology
    if "ring" in change:
        made = alkanes.ring()
    options = {name: change[name] for name in ("carbons", "hydrogen_amu") if name in change}
    system = None
    if change.get("system", True):
        system = alkanes.system(made, **options)
    if "solvent" in change:
        system.addForce(openmm.GBSAOBCForce())
    with pytest.raises(MoleculeError, match=message):
        sd.bind(model, made, system)


@pytest.fixture(scope="module")
def blind(tmp_path_factory):
    """A model of whole picometres that does not read the force field, and knows it; hardly trained."""
    trajectory = alkanes.simulate(TRAINED[0], PICOSECONDS, 1)
    rounded = replace(trajectory, segments=tuple(s.round(3) for s in trajectory.segments))
    config = TrainingConfig(
        network=NetworkChoice.of("zmatrix_transformer", width=16, heads=2, blocks=1, read_force_field=False),
        optimization=OptimizationConfig(updates=2, batch_size=16),
        split="time",
    )
    folder = tmp_path_factory.mktemp("blind")
    train([rounded], folder, config)
    path = folder / "blind.scoredyn"
    result = CliRunner().invoke(cli, ["export", str(folder), str(path)])
    assert result.exit_code == 0, result.exception
    return path


def test_a_model_that_does_not_read_the_force_field_needs_none_and_refuses_others(blind):
    made = alkanes.topology("butane")
    assert sd.bind(blind, made).card.num_particles == 14
    with pytest.raises(MoleculeError, match="another force field; expected bond C4-C4"):
        sd.bind(blind, made, alkanes.system(made, carbons=250000.0))
    assert sd.bind(blind, made, alkanes.system(made)).card.num_particles == 14


def test_training_goes_on_from_an_exported_model(run, model, tmp_path):
    """On a molecule of other size, with another shape asked for; its rate is too low to change anything."""
    further = train([alkanes.simulate("ethane", PICOSECONDS, 4)], tmp_path / "run", STILL, start_from=model)
    ours, theirs = read_checkpoint(further), best_checkpoint(run)
    assert ours.config.network == theirs.config.network != STILL.network
    assert ours.weights.keys() == theirs.weights.keys()
    for name, value in theirs.weights.items():
        torch.testing.assert_close(ours.weights[name], value, rtol=0, atol=1e-6)


def _rows_of_kinds(weights):
    _, known = Known.from_tensor(weights["known"])
    return dict(zip([*known["groups"], *known["surroundings"]], weights["kind.weight"], strict=True))


def _bound_branched(model):
    branched = alkanes.positions(alkanes.molecule("isobutane"))
    return sd.bind(model, alkanes.topology("isobutane"), positions=branched)


def test_training_on_a_molecule_that_the_network_does_not_know_keeps_its_weights(blind, tmp_path):
    """Propane has no carbon with one hydrogen, isobutane none with two."""
    with pytest.raises(MoleculeError, match="the model never saw"):
        _bound_branched(blind)
    further = train([alkanes.simulate("isobutane", 100, 4)], tmp_path / "run", STILL, start_from=blind)
    ours, theirs = read_checkpoint(further), best_checkpoint(blind.parent)
    for name, value in theirs.weights.items():
        if name not in ("known", "kind.weight"):
            torch.testing.assert_close(ours.weights[name], value, rtol=0, atol=1e-6)
    new, old = (_rows_of_kinds(one.weights) for one in (ours, theirs))
    assert {"C4 H1", "C4 H1 H1"} == {name for name in new.keys() ^ old.keys() if "(" not in name}
    torch.testing.assert_close(new["C4 H1 H1 H1"], old["C4 H1 H1 H1"], rtol=0, atol=1e-6)
    assert new["C4 H1"].abs().max() < 1e-6, "what is new begins as nothing"
    out = tmp_path / "isobutane.scoredyn"
    assert CliRunner().invoke(cli, ["export", str(tmp_path / "run"), str(out)]).exit_code == 0
    assert _bound_branched(out).card.num_particles == 14
    with pytest.raises(MoleculeError, match="never saw"):
        sd.bind(out, alkanes.topology("propane"))


def test_what_the_network_does_not_know_is_said_before_it_is_trained_on(blind, tmp_path, caplog):
    known, new = (alkanes.simulate(name, 100, 4) for name in ("propane", "isobutane"))
    train([known], tmp_path / "known", STILL, start_from=blind)
    assert "does not know" not in caplog.text
    train([known, new], tmp_path / "new", STILL, start_from=blind)
    assert "alone (ISO:C1 has another mass than in training)." in caplog.text


def test_a_student_learns_no_molecule_that_its_teacher_does_not_know(blind, tmp_path):
    config = replace(STILL, distillation=DistillationConfig(2))
    with pytest.raises(MoleculeError, match="bind: ISO:C1 has another mass than in training"):
        train([alkanes.simulate("isobutane", 100, 4)], tmp_path / "run", config, start_from=blind)


def test_a_range_of_lag_times_is_not_learnt_by_a_network_of_one(blind, tmp_path):
    config = replace(STILL, longest_lag_time_ps=4.0)
    with pytest.raises(TrainingError, match="which is made for one, found a range; give --lag likewise"):
        train([alkanes.simulate("isobutane", 100, 4)], tmp_path / "run", config, start_from=blind)


def test_what_no_training_can_go_on_from_is_refused(model, tmp_path):
    damaged = tmp_path / "damaged.scoredyn"
    damaged.write_bytes(model.read_bytes()[:-500])
    for source, message in (
        (damaged, "is damaged or no transferable model"),
        ("alkanes-tip", "did you mean alkanes-tip3p?"),
        (sd.pretrained("alanine-dipeptide-obc2"), "expected a checkpoint of `scoredyn train`"),
    ):
        with pytest.raises(ScoreDynError, match=message):
            train([alkanes.simulate("ethane", 60, 4)], tmp_path / "run", TrainingConfig(), start_from=source)


def test_export_writes_the_lag_time_that_it_is_told_to_recommend_if_the_model_knows_it(blind, tmp_path):
    out = tmp_path / "other.scoredyn"
    asked = ["export", str(blind.parent), str(out)]
    for options, message in (
        (("--lag", "2ps"), "recommended_lag_time_ps is 2, which lag_times_ps does not hold"),
        (("--solver", "euler"), "euler"),
    ):
        with pytest.raises(CardError, match=message):
            CliRunner().invoke(cli, [*asked, *options], catch_exceptions=False)
        assert not out.exists()
    CliRunner().invoke(cli, [*asked, "--lag", "1ps"], catch_exceptions=False)
    assert sd.bind(out, alkanes.topology("butane")).card.capabilities.recommended_lag_time_ps == 1.0
    assert "recommended" not in zipfile.ZipFile(blind).read("card.json").decode()


def test_constrained_bonds_have_the_length_of_the_constraint_whatever_the_data_were_rounded_to(blind):
    butane = alkanes.molecule("butane")
    start = alkanes.positions(butane)[None].repeat(20, 0)
    drawn = sd.bind(blind, alkanes.topology("butane")).sample(start, 1, seed=1, guard=False)[0]
    lengths = [
        np.linalg.norm(drawn[:, i] - drawn[:, j], axis=1) for i, j, _ in butane.force_field.constraints
    ]
    np.testing.assert_allclose(lengths, 0.109, atol=1e-5)


def test_info_and_wrong_uses_of_a_transferable_model(model):
    shown = CliRunner().invoke(cli, ["info", str(model)])
    assert shown.exit_code == 0, shown.exception
    for text in ("transferable model", "PEN C5H12", "C4-H1", "1 ps at 300 K"):
        assert text in shown.output
    as_json = CliRunner().invoke(cli, ["info", str(model), "--json"])
    assert json.loads(as_json.output)["molecules"][0]["particles"] == 11
    refused = CliRunner().invoke(cli, ["info", str(model), "--verify"])
    assert "holds weights and no program" in str(refused.exception)
    with pytest.raises(ProgramError, match="is a transferable model; expected a program for one molecule"):
        sd.ScoreModel(model)
    with pytest.raises(openmm.OpenMMException, match="is a transferable model"):
        sd.ScoreDynamicsIntegrator(str(model))


def test_damaged_files_are_refused(model, tmp_path):
    content = bytearray(model.read_bytes())
    generator = np.random.default_rng(1)
    whole = TransferableModel.load(model)
    silent = 0
    for place in generator.integers(0, len(content), 200):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        (tmp_path / "damaged.scoredyn").write_bytes(damaged)
        try:
            found = TransferableModel.load(tmp_path / "damaged.scoredyn")
        except (ProgramError, CardError):
            continue
        same = found.card == whole.card and all(
            torch.equal(found.weights[name], value) for name, value in whole.weights.items()
        )
        silent += not same
    assert silent == 0
    with pytest.raises(ProgramError, match="is no file"):
        TransferableModel.load(tmp_path / "none.scoredyn")


def test_a_model_of_one_molecule_is_matched():
    """Matching and equality, atom by atom, is what binding means there."""
    names, topology = alanine_molecule().atom_names, alanine_topology()
    bound_to = sd.bind("alanine-dipeptide-obc2", topology)
    assert bound_to.card.particles.atom_names == names
    order = [1, 0, *range(2, len(names))]
    exchanged, _ = select_atoms(topology, alanine_positions(), order)
    with pytest.raises(MoleculeError, match="another order than the model's; expected ACE:H1 as atom 0"):
        sd.bind("alanine-dipeptide-obc2", exchanged)
    part, _ = select_atoms(topology, alanine_positions(), order[:-1])
    with pytest.raises(MoleculeError, match="is not the model's"):
        sd.bind("alanine-dipeptide-obc2", part)


def test_the_command_writes_a_program_that_holds_all_it_needs(model, tmp_path):
    made = alkanes.topology("butane")
    (tmp_path / "system.xml").write_text(openmm.XmlSerializer.serialize(alkanes.system(made)))
    with open(tmp_path / "butane.pdb", "w") as file:
        app.PDBFile.writeFile(made, alkanes.positions(alkanes.molecule("butane")) * 10, file)
    arguments = ["bind", str(model), str(tmp_path / "butane.pdb"), "--out", str(tmp_path / "butane.pt")]
    result = CliRunner().invoke(cli, [*arguments, "--system", str(tmp_path / "system.xml")])
    assert result.exit_code == 0, result.exception
    assert "14 particles; extrapolation: none in size" in result.output
    assert sd.ScoreModel(tmp_path / "butane.pt").card.num_particles == 14
    refused = CliRunner().invoke(cli, [*arguments, "--system", str(tmp_path / "butane.pdb")])
    assert isinstance(refused.exception, MoleculeError)


def test_a_simulation_and_a_run_bind_by_themselves(model, tmp_path):
    made = alkanes.topology("butane")
    (tmp_path / "system.xml").write_text(openmm.XmlSerializer.serialize(alkanes.system(made)))
    positions = alkanes.positions(alkanes.molecule("butane"))
    simulation = sd.prepare(
        made, str(model), positions=positions, system=alkanes.system(made), platform="Reference", seed=1
    )
    simulation.step(5)
    state = simulation.context.getState(positions=True, energy=True)
    assert np.isfinite(state.getPotentialEnergy()._value)
    with open(tmp_path / "butane.pdb", "w") as file:
        app.PDBFile.writeFile(made, positions * 10, file)
    arguments = [
        "run",
        str(model),
        str(tmp_path / "butane.pdb"),
        "--length",
        "5ps",
        "--platform",
        "Reference",
    ]
    arguments += ["--system", str(tmp_path / "system.xml"), "--out", str(tmp_path / "run.dcd")]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.exception
    assert (tmp_path / "run.dcd").stat().st_size > 5 * 14 * 12


def test_models_of_one_description_and_other_weights_are_told_apart(model):
    """Also where neither came from a file."""
    loaded = TransferableModel.load(model)
    butane = alkanes.molecule("butane")
    start = np.asarray(alkanes.positions(butane), dtype=np.float32)[None]
    drawn = []
    for factor in (1.0, 0.5):
        weights = loaded.weights | {"outlet.weight": factor * loaded.weights["outlet.weight"]}
        bound = bind_particles(TransferableModel(loaded.card, weights), butane)
        drawn.append(bound.sample(start, 1, seed=1, guard=False))
    assert not np.array_equal(*drawn)
