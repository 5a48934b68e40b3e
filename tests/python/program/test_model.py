"""ScoreModel: what is loaded, and what is refused and why; the shipped models."""

import json
import pickle

import numpy as np
import pytest
import torch
from tiny_models import start
from torch import Tensor, nn

from openmm_scoredyn.crystals.card import DenoiserCard
from openmm_scoredyn.crystals.model import CrystalDenoiser
from openmm_scoredyn.errors import CardError, ProgramError
from openmm_scoredyn.export.scripting import from_bytes, script, to_bytes
from openmm_scoredyn.program import model as model_module
from openmm_scoredyn.program.card import Card
from openmm_scoredyn.program.model import ScoreModel, pretrained
from openmm_scoredyn.program.transferable import TransferableModel, TransferCard


def with_card(path, **changes) -> bytes:
    """The same program under a card with other fields."""
    return with_text(path, ScoreModel(path).card.with_values(**changes).to_json())


def with_text(path, text: str) -> bytes:
    return to_bytes(from_bytes(path.read_bytes()), {"scoredyn.json": text})


def test_path_and_bytes_give_the_same_model(tiny_program):
    by_path, by_text, by_bytes = (
        ScoreModel(tiny_program),
        ScoreModel(str(tiny_program)),
        ScoreModel(tiny_program.read_bytes()),
    )
    assert by_path.card == by_text.card == by_bytes.card
    assert by_path.card.name == "tiny"
    assert by_path.sha256 == by_bytes.sha256
    assert len(by_path.sha256) == 64
    assert by_path.source == tiny_program.read_bytes()


def test_pickle_gives_a_model_that_draws_the_same(tiny_model):
    again = pickle.loads(pickle.dumps(tiny_model))
    np.testing.assert_array_equal(again.sample(start(), 2, seed=4), tiny_model.sample(start(), 2, seed=4))


def test_missing_file_and_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(ProgramError, match="there is no file at"):
            ScoreModel(path)


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_truncated_file_is_refused(tiny_program, kept):
    data = tiny_program.read_bytes()
    with pytest.raises(
        ProgramError, match="not an archive of openmm-scoredyn: it does not end as one, or is truncated"
    ):
        ScoreModel(data[: int(kept * len(data)) if kept < 1 else kept])


def test_other_files_are_refused(tmp_path):
    text, weights = tmp_path / "text.pt", tmp_path / "weights.pt"
    text.write_text("REMARK not a model\n" * 100)
    torch.save({"weight": torch.zeros(3)}, weights)
    with pytest.raises(ProgramError, match="not an archive of openmm-scoredyn"):
        ScoreModel(text)
    with pytest.raises(ProgramError, match="written by another program"):
        ScoreModel(weights)


def test_archive_without_a_card_is_refused(tiny_program):
    with pytest.raises(ProgramError, match="scoredyn.json"):
        ScoreModel(to_bytes(from_bytes(tiny_program.read_bytes()), {}))


def test_program_of_a_later_format_is_refused(tiny_program):
    text = json.dumps(json.loads(ScoreModel(tiny_program).card.to_json()) | {"format_version": "3.0"})
    with pytest.raises(CardError, match="format version 3.0"):
        ScoreModel(with_text(tiny_program, text))


def test_program_without_its_method_is_refused(tiny_program):
    class NoAdvance(nn.Module):
        @torch.jit.export
        def condition(
            self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
        ) -> list[Tensor]:
            return [history]

        @torch.jit.export
        def denoise(self, latent: Tensor, sigma: Tensor, condition: list[Tensor]) -> Tensor:
            return latent

    data = to_bytes(script(NoAdvance()), {"scoredyn.json": ScoreModel(tiny_program).card.to_json()})
    with pytest.raises(ProgramError, match="has no method `advance`, which its card promises"):
        ScoreModel(data)


def test_card_that_disagrees_with_the_program_is_refused(tiny_program):
    smaller = tuple(
        example | {"latent": example["latent"][:12], "denoised": example["denoised"][:12]}
        for example in ScoreModel(tiny_program).card.golden
    )
    with pytest.raises(ProgramError, match="`denoise`|`advance`"):
        ScoreModel(with_card(tiny_program, latent_size=12, golden=smaller))


@pytest.mark.parametrize("number", [0, 1, -1])
def test_golden_example_that_is_not_reproduced_is_refused(tiny_program, number):
    golden = ScoreModel(tiny_program).card.golden
    assert len(golden) > 2
    assert ScoreModel(with_card(tiny_program, golden=golden)).card.golden == golden
    for part, change in (("denoised", 0.1), ("positions", 0.001)):
        wrong = list(golden)
        wrong[number] = golden[number] | {part: [golden[number][part][0] + change, *golden[number][part][1:]]}
        with pytest.raises(ProgramError, match="does not reproduce the golden"):
            ScoreModel(with_card(tiny_program, golden=tuple(wrong)))


def test_incomplete_golden_example_is_refused(tiny_program):
    first, second, *_ = ScoreModel(tiny_program).card.golden
    second = {key: value for key, value in second.items() if key != "denoised"}
    with pytest.raises(CardError, match="denoised"):
        ScoreModel(with_card(tiny_program, golden=(first, second)))


# shipped models


def test_pretrained_lists_and_finds(tmp_path, monkeypatch):
    monkeypatch.setattr(model_module, "_PRETRAINED", tmp_path)
    for name in ("b.pt", "a.pt", "c.scoredyn", "notes.json"):
        (tmp_path / name).touch()
    assert pretrained() == ("a", "b", "c")
    assert pretrained("b") == tmp_path / "b.pt" and pretrained("c") == tmp_path / "c.scoredyn"
    with pytest.raises(ProgramError, match="no shipped model has that name; expected .* a, b, c, found 'd'"):
        pretrained("d")


def test_every_shipped_model_loads():
    kinds = {
        "metals": (CrystalDenoiser, DenoiserCard),
        "alkanes-tip3p": (TransferableModel.load, TransferCard),
        "bead-chains": (TransferableModel.load, TransferCard),
        "peptides-obc2": (TransferableModel.load, TransferCard),
    }
    for name in pretrained():
        load, card = kinds.get(name, (ScoreModel, Card))
        loaded = load(pretrained(name))
        assert loaded.card.name == name
        assert isinstance(loaded.card, card)


def test_model_loads_where_optimizations_are_off():
    """A setting of the caller's own programs; a network inside the program is frozen with it all the same."""
    with torch.jit.optimized_execution(False):
        assert ScoreModel(pretrained("alanine-dipeptide-tip3p")).card.capabilities.denoising_steps == 2
