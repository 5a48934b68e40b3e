"""Exported denoisers: what they compute, and what is refused at export and at load."""

import numpy as np
import pytest
import torch
from openmm_scoredyn.program.card_json import CARD_FILE
from small_denoisers import SMALL

from openmm_scoredyn import errors
from openmm_scoredyn.crystals.card import DenoiserCard, is_crystal_denoiser
from openmm_scoredyn.crystals.config import DenoiserTraining
from openmm_scoredyn.crystals.export import export_denoiser, write_denoiser
from openmm_scoredyn.crystals.lattices import read_lattice
from openmm_scoredyn.crystals.model import CrystalDenoiser
from openmm_scoredyn.crystals.network import LatticeDenoiser
from openmm_scoredyn.crystals.training import train_denoiser
from openmm_scoredyn.export.scripting import to_bytes


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


def test_a_program_that_computes_something_else_is_refused(salt, tmp_path):
    golden = salt.card.golden | {"displacements": [0.5 + x for x in salt.card.golden["displacements"]]}
    text = salt.card.to_json()
    wrong = DenoiserCard(**{**salt.card.__dict__, "golden": golden}).to_json()
    CrystalDenoiser(to_bytes(salt.program, {CARD_FILE: text}))
    with pytest.raises(errors.ProgramError, match="does not compute here"):
        CrystalDenoiser(to_bytes(salt.program, {CARD_FILE: wrong}))


def test_a_program_without_its_golden_output_is_refused(salt):
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
    with pytest.raises(errors.ProgramError, match="there is no file"):
        CrystalDenoiser(tmp_path / "absent.pt")
