"""The parts of the denoiser: lattices, neighbours, spacing, training, export, files."""

import io
import sys

import crystals
import numpy as np
import pytest
import torch

from openmm_scoredyn import errors
from openmm_scoredyn.denoising.card import DenoiserCard, is_crystal_denoiser
from openmm_scoredyn.denoising.checkpoint import load_trained
from openmm_scoredyn.denoising.config import DenoiserTraining
from openmm_scoredyn.denoising.export import export_denoiser, write_denoiser
from openmm_scoredyn.denoising.golden import make_example
from openmm_scoredyn.denoising.lattices import NAMES, face_distances, read_lattice
from openmm_scoredyn.denoising.loss import relative_loss
from openmm_scoredyn.denoising.model import CrystalDenoiser
from openmm_scoredyn.denoising.neighbours import closest_distances, find_neighbours
from openmm_scoredyn.denoising.network import LatticeDenoiser
from openmm_scoredyn.denoising.samples import draw_batch
from openmm_scoredyn.denoising.snapshots import Snapshot, read_snapshots, write_snapshot
from openmm_scoredyn.denoising.spacing import measure_spacing
from openmm_scoredyn.denoising.training import train_denoiser

SMALL = {"width": 8, "vector_width": 4, "edge_width": 8, "layers": 2}
# Nearest neighbours of every atom, on average; of quartz 24 Si with 4 and 48 O with 2.
COORDINATION = {
    "fcc": 12,
    "bcc": 8,
    "hcp": 12,
    "sc": 6,
    "diamond": 4,
    "NaCl": 6,
    "CsCl": 8,
    "ZnS": 4,
    "quartz": 8 / 3,
}


@pytest.mark.parametrize("name", NAMES)
def test_lattices_have_their_coordination(name):
    lattice = read_lattice(name)
    numbers = crystals.neighbour_numbers(lattice.positions, lattice.cell, 1.04)
    assert numbers.mean() == pytest.approx(COORDINATION[name])
    assert face_distances(lattice.cell).min() > 4
    assert (set(lattice.elements) == {""}) == (name in crystals.SHELLS)


def test_a_lattice_from_a_file_or_a_structure(tmp_path):
    from ase.build import bulk
    from ase.io import write

    copper = bulk("Cu", "fcc", a=3.6)
    write(tmp_path / "copper.cif", copper)
    for source in (copper, tmp_path / "copper.cif"):
        lattice = read_lattice(source)
        assert crystals.neighbour_numbers(lattice.positions, lattice.cell, 1.2).tolist() == [12] * len(
            lattice.positions
        )


@pytest.mark.parametrize("source", ["fc", "damaged.cif", "molecule.xyz"])
def test_what_is_no_lattice_is_refused(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged.cif").write_text("not a cif\n")
    (tmp_path / "molecule.xyz").write_text("1\n\nH 0 0 0\n")
    with pytest.raises(errors.LatticeError, match="expected"):
        read_lattice(source)


def test_neighbours_in_a_skewed_cell_are_those_of_all_pairs():
    generator = np.random.default_rng(4)
    cell = np.array([[2.0, 0.1, 0.0], [0.7, 1.8, 0.2], [-0.4, 0.5, 1.7]])
    positions = generator.random((60, 3)) @ cell
    near = find_neighbours(positions, cell, (True,) * 3, 0.9)
    expected = set()
    for shift in (np.array(list(np.ndindex(5, 5, 5))) - 2) @ cell:
        vectors = positions[None] + shift - positions[:, None]
        lengths = np.linalg.norm(vectors, axis=-1)
        expected |= {
            (i, j, *np.round(vectors[i, j], 4)) for i, j in np.argwhere((lengths > 0) & (lengths < 0.9))
        }
    rows, columns = np.nonzero(near.present)
    found = {
        (i, near.indices[i, k], *np.round(near.separations[i, k].astype(float), 4))
        for i, k in zip(rows, columns)
    }
    assert len(found) == len(expected)
    ordered = np.array(sorted(found)) - np.array(sorted(expected))
    assert np.abs(ordered).max() < 2e-4


def test_the_closest_atom_is_found_where_atoms_are_few():
    positions = np.array([[0.0, 0, 0], [0, 0, 3.0], [0, 0, 3.5]])
    assert closest_distances(positions, np.eye(3) * 60, (True,) * 3)[1:] == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("structure", crystals.SHELLS)
@pytest.mark.parametrize("amplitude", [0.0, 0.08, 0.14])
def test_spacing_is_measured_in_the_heat(structure, amplitude):
    positions, cell = crystals.crystal(structure)
    hot = positions + crystals.waves(positions, cell, crystals.COPPER_NM, amplitude)
    assert measure_spacing(hot, cell, (True,) * 3) == pytest.approx(crystals.COPPER_NM, rel=0.04)


def test_the_network_is_equivariant_before_training():
    torch.manual_seed(3)
    network = LatticeDenoiser(species=2, **SMALL).double().eval()
    vectors, *others = make_example(2)
    others[1] = others[1].double()
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    straight, turned = network(vectors.double(), *others), network(vectors.double() @ turn.T, *others)
    assert float(straight.detach().abs().max()) > 1e-3
    assert float((turned - straight @ turn.T).detach().abs().max()) < 1e-10


def test_an_absent_neighbour_changes_nothing():
    torch.manual_seed(3)
    network = LatticeDenoiser(**SMALL).eval()
    vectors, neighbours, present, kinds = make_example(1)
    other = vectors.clone()
    other[present == 0] = 0.7
    assert torch.equal(
        network(vectors, neighbours, present, kinds), network(other, neighbours, present, kinds)
    )


@pytest.mark.parametrize("kept_atoms", [0, 100])
def test_blocks_of_atoms_do_not_show(kept_atoms):
    torch.manual_seed(3)
    network = LatticeDenoiser(**SMALL).eval()
    example = make_example(1, n_atoms=11)
    whole = network(*example)
    network.block, network.kept_atoms = 4, kept_atoms
    assert torch.allclose(network(*example), whole, atol=1e-6)


def test_a_neighbour_comes_into_view_gradually():
    """No jump at the cutoff: a neighbour 1e-4 inside moves an atom as one outside does."""
    torch.manual_seed(3)
    network = LatticeDenoiser(**SMALL).eval()
    vectors, neighbours, present, kinds = make_example(1)
    answers = []
    for length in (network.cutoff - 1e-4, network.cutoff + 1e-4):
        vectors[0, 0] *= length / vectors[0, 0].norm()
        answers.append(network(vectors, neighbours, present, kinds))
    assert float((answers[0] - answers[1]).detach().abs().max()) < 1e-4


def small(**values):
    return DenoiserTraining(
        **({"lattices": ("diamond",), "updates": 6, "warm_up": 2, "batch": 1} | SMALL | values)
    )


def test_training_goes_on_as_if_unbroken(tmp_path):
    train_denoiser(small(), tmp_path / "whole", save_every=3)
    calls = []

    def interrupt(done, total, loss):
        calls.append(done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_denoiser(small(), tmp_path / "broken", progress=interrupt, save_every=3)
    train_denoiser(small(), tmp_path / "broken", save_every=3)
    assert calls == [3]
    whole, broken = (load_trained(tmp_path / name).network.state_dict() for name in ("whole", "broken"))
    assert all(torch.equal(whole[key], broken[key]) for key in whole)


def test_training_with_other_settings_is_refused(tmp_path):
    train_denoiser(small(), tmp_path, save_every=6)
    with pytest.raises(errors.TrainingError, match="other settings"):
        train_denoiser(small(seed=2), tmp_path)


def test_a_run_begins_with_the_network_of_an_earlier_one(tmp_path):
    train_denoiser(small(), tmp_path / "first", save_every=6)
    further = small(updates=1, learning_rate=1e-9, seed=4)
    train_denoiser(further, tmp_path / "second", start_from=tmp_path / "first")
    first, second = (load_trained(tmp_path / name) for name in ("first", "second"))
    weights = second.network.state_dict()
    assert all(
        torch.allclose(value, weights[key], atol=1e-6) for key, value in first.network.state_dict().items()
    )
    assert [config.seed for config, _ in second.stages] == [1, 4]
    with pytest.raises(errors.TrainingError, match="another shape"):
        train_denoiser(small(width=16), tmp_path / "third", start_from=tmp_path / "first")


def test_training_learns(tmp_path):
    """Sixty updates predict half of the noise of a lattice; predicting nothing leaves all."""
    config = DenoiserTraining(lattices=("diamond",), updates=60, warm_up=5, batch=1, average=0.9)
    train_denoiser(config, tmp_path)
    network = load_trained(tmp_path).network
    batch = draw_batch([read_lattice("diamond")] * 6, ("",), 0.13, config.cutoff, np.random.default_rng(99))
    with torch.no_grad():
        assert float(relative_loss(network, batch, 0.005)) < 0.5
        nothing = float(relative_loss(lambda *_: torch.zeros_like(batch.displacements), batch, 0.005))
    assert 0.5 < nothing < 1.05


@pytest.fixture(scope="module")
def salt(tmp_path_factory):
    """A model of NaCl that has hardly been trained."""
    folder = tmp_path_factory.mktemp("salt")
    config = DenoiserTraining(name="salt", lattices=("NaCl",), updates=2, batch=1, **SMALL)
    train_denoiser(config, folder)
    return CrystalDenoiser(export_denoiser(folder, folder / "salt.pt"))


def test_elements_of_a_model_of_several(salt):
    lattice = read_lattice("NaCl")
    assert salt.card.elements == ("Cl", "Na")
    positions, cell = 0.282 * lattice.positions, 0.282 * lattice.cell
    noisy = positions + 0.01 * np.random.default_rng(1).normal(size=positions.shape)
    one = salt.denoise(noisy, cell, 1, elements=lattice.elements)
    swapped = tuple("Cl" if element == "Na" else "Na" for element in lattice.elements)
    assert np.abs(one - salt.denoise(noisy, cell, 1, elements=swapped)).max() > 1e-6
    with pytest.raises(errors.DenoisingError, match="tells elements apart"):
        salt.denoise(noisy, cell)
    with pytest.raises(errors.DenoisingError, match="does not know K"):
        salt.denoise(noisy, cell, elements=("K",) * len(noisy))


def test_one_element_and_several_do_not_mix(tmp_path):
    with pytest.raises(errors.TrainingError, match="train two models"):
        train_denoiser(DenoiserTraining(lattices=("fcc", "NaCl"), **SMALL), tmp_path)


def test_a_program_that_computes_something_else_is_refused(salt, tmp_path):
    golden = salt.card.golden | {"displacements": [0.5 + x for x in salt.card.golden["displacements"]]}
    text = salt.card.to_json()
    wrong = DenoiserCard(**{**salt.card.__dict__, "golden": golden}).to_json()
    from openmm_scoredyn.card_json import CARD_FILE
    from openmm_scoredyn.export.scripting import to_bytes

    CrystalDenoiser(to_bytes(salt.program, {CARD_FILE: text}))
    with pytest.raises(errors.ProgramError, match="does not compute here"):
        CrystalDenoiser(to_bytes(salt.program, {CARD_FILE: wrong}))


def test_a_program_without_its_golden_output_is_refused(salt):
    from openmm_scoredyn.card_json import CARD_FILE
    from openmm_scoredyn.export.scripting import to_bytes

    text = DenoiserCard(**{**salt.card.__dict__, "golden": {"kinds": [0]}}).to_json()
    with pytest.raises(errors.CardError, match="expected separations, .*, found kinds; export"):
        CrystalDenoiser(to_bytes(salt.program, {CARD_FILE: text}))


def test_a_network_that_knows_directions_is_not_exported(tmp_path):
    class Crooked(LatticeDenoiser):
        def forward(
            self,
            separations: torch.Tensor,
            neighbours: torch.Tensor,
            present: torch.Tensor,
            kinds: torch.Tensor,
        ):
            return separations.sum(1).abs()

    card = DenoiserCard(name="crooked", lattices=("fcc",), cutoff=1.5, sigma_max=0.1)
    with pytest.raises(errors.ExportError, match="turned and mirrored"):
        write_denoiser(Crooked(**SMALL), card, tmp_path / "crooked.pt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 damaged", b"text"])
def test_what_is_no_model_is_refused(content, tmp_path):
    (tmp_path / "model.pt").write_bytes(content)
    assert not is_crystal_denoiser(tmp_path / "model.pt")
    with pytest.raises(errors.ProgramError):
        CrystalDenoiser(tmp_path / "model.pt")
    with pytest.raises(errors.ProgramError, match="cannot read"):
        CrystalDenoiser(tmp_path / "absent.pt")


def test_frames_are_read_as_they_were_written(tmp_path):
    generator = np.random.default_rng(2)
    cell = np.array([[9.0, 0, 0], [1.0, 8.0, 0], [0.5, 0.5, 7.0]])
    frame = Snapshot(
        generator.random((4, 3)) * 7, cell, np.array([True, True, False]), ("Cu", "Cu", "Al", "Cu")
    )
    file = io.BytesIO()
    for _ in range(2):
        write_snapshot(file, frame, ["fcc", "hcp", "other", "bcc"], "frame=1")
    (tmp_path / "two.extxyz").write_bytes(file.getvalue())
    read = list(read_snapshots(tmp_path / "two.extxyz"))
    assert len(read) == 2
    assert read[1].positions == pytest.approx(frame.positions, abs=1e-5)
    assert read[1].cell == pytest.approx(cell)
    assert read[1].periodic.tolist() == [True, True, False]
    assert read[1].elements == frame.elements


def test_a_missing_package_is_one_sentence(monkeypatch):
    from openmm_scoredyn.denoising.classify import classify

    monkeypatch.setitem(sys.modules, "ovito", None)
    with pytest.raises(errors.MissingDependencyError, match="pip install 'openmm-scoredyn"):
        classify(np.zeros((2, 3)), np.eye(3))
    monkeypatch.setitem(sys.modules, "vesin", None)
    with pytest.raises(errors.MissingDependencyError, match="pip install 'openmm-scoredyn"):
        find_neighbours(np.zeros((2, 3)), np.eye(3), (True,) * 3, 1.0)
