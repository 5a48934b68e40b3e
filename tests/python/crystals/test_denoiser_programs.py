"""Exported denoisers: what they compute, and what is refused at export and at load."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm
import pytest
import torch
from small_denoisers import SMALL

import openmm_scoredyn as sd
from openmm_scoredyn import errors
from openmm_scoredyn.crystals.card import DenoiserCard
from openmm_scoredyn.crystals.checkpoint import DenoiserTraining
from openmm_scoredyn.crystals.export import export_denoiser, pack, write_denoiser
from openmm_scoredyn.crystals.lattices import read_lattice
from openmm_scoredyn.crystals.model import CrystalDenoiser
from openmm_scoredyn.crystals.network import LatticeDenoiser
from openmm_scoredyn.crystals.training import train_denoiser


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


def with_golden(model, golden):
    """The archive of a model with other golden examples in its card."""
    return pack(model.program, replace(model.card, golden=tuple(golden)).to_json())


@pytest.mark.parametrize("number", range(6))
def test_a_program_that_computes_something_else_is_refused(salt, number):
    """Any of the examples refuses alone; the answer of one atom is wrong by 2e-4."""
    CrystalDenoiser(with_golden(salt, salt.card.golden))
    golden = copy.deepcopy(list(salt.card.golden))
    assert len(golden) == 6
    golden[number]["displacements"][4] += 2e-4
    with pytest.raises(errors.ProgramError, match=f"does not compute here .* golden example {number}"):
        CrystalDenoiser(with_golden(salt, golden))


def test_golden_examples_span_lattices_and_noise(salt):
    shortest = [
        min(
            float(np.linalg.norm(row))
            for row, there in zip(np.reshape(g["separations"], (-1, 3)), g["present"])
            if there
        )
        for g in salt.card.golden
    ]
    assert sorted(len(g["kinds"]) for g in salt.card.golden) == [9] * 3 + [14] * 3
    assert max(shortest) > 0.95 and min(shortest) < 0.75


def broken_goldens(golden):
    """Golden examples that are none, one fault each."""
    yield {"kinds": [0]}
    yield golden | {"separations": golden["separations"][:-1]}
    yield golden | {"neighbours": [99.0] * len(golden["neighbours"])}
    yield golden | {"kinds": [7] * len(golden["kinds"])}
    yield golden | {"displacements": [1e300] * len(golden["displacements"])}
    yield golden | {"separations": [None] * len(golden["separations"])}
    yield golden | {"separations": ["a"] * len(golden["separations"])}
    yield golden | {"kinds": []}


def test_a_program_without_its_golden_output_is_refused(salt):
    with pytest.raises(errors.CardError, match="golden is empty"):
        CrystalDenoiser(with_golden(salt, []))
    for broken in broken_goldens(salt.card.golden[0]):
        text = json.dumps({**salt.card.__dict__, "golden": [broken]})
        with pytest.raises(
            errors.CardError,
            match="golden example 0 is not complete.*export the model again|not valid JSON: expected a value",
        ):
            CrystalDenoiser(pack(salt.program, text))


BROKEN_CARDS = {
    "not valid JSON": "{",
    "no JSON object": "[1]",
    "another format version": {"format_version": "3.0"},
    "name has the wrong type": {"name": 3},
    "lattices has the wrong type": {"lattices": "fcc"},
    "cutoff is not valid": {"cutoff": -1.0},
    "iterations has the wrong type": {"iterations": 2.5},
    "no crystal denoiser": {"kind": "denoiser"},
    "golden has the wrong type": {"golden": {"kinds": [0]}},
    "fields are missing": {"licence": None},
}


@pytest.mark.parametrize("sentence", BROKEN_CARDS)
def test_broken_cards_are_refused(salt, sentence):
    change = BROKEN_CARDS[sentence]
    text = change
    if isinstance(change, dict):
        values = json.loads(salt.card.to_json()) | change
        text = json.dumps({key: value for key, value in values.items() if value is not None})
    with pytest.raises(errors.CardError, match=sentence):
        CrystalDenoiser(pack(salt.program, text))


def test_a_deeply_nested_card_is_refused(salt):
    with pytest.raises(errors.CardError, match="not valid JSON: nested too deeply"):
        CrystalDenoiser(pack(salt.program, "[" * 200_000))


def test_a_model_of_dynamics_and_a_denoiser_are_not_taken_for_each_other(tmp_path):
    shipped, dynamics = sd.pretrained("metals"), sd.pretrained("alanine-dipeptide-obc2")
    for source in (dynamics, dynamics.read_bytes()):
        with pytest.raises(
            errors.CardError, match="no crystal denoiser; expected the kind .*crystal_denoiser"
        ):
            sd.CrystalDenoiser(source)
    for source in (shipped, shipped.read_bytes()):
        with pytest.raises(errors.CardError, match="is a crystal denoiser, which knows no dynamics"):
            sd.ScoreModel(source)
        with pytest.raises(openmm.OpenMMException, match="is a crystal denoiser, which knows no dynamics"):
            sd.ScoreDynamicsIntegrator(source)
    with pytest.raises(openmm.OpenMMException, match="cannot read a model from a CrystalDenoiser"):
        sd.ScoreDynamicsIntegrator(sd.CrystalDenoiser(shipped))
    assert not issubclass(sd.CrystalDenoiser, sd.ScoreModel)


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
    with pytest.raises(errors.ProgramError):
        CrystalDenoiser(tmp_path / "model.pt")
    with pytest.raises(errors.ProgramError, match="there is no file"):
        CrystalDenoiser(tmp_path / "absent.pt")
    for other in (tmp_path, Path("/dev/zero")):
        with pytest.raises(errors.ProgramError, match="there is no file|regular file"):
            CrystalDenoiser(other)


def test_a_cut_file_is_refused(salt, tmp_path):
    content = salt.source
    for length in (len(content) // 4, len(content) // 2, len(content) - 30):
        with pytest.raises((errors.ProgramError, errors.CardError)):
            CrystalDenoiser(content[:length])
