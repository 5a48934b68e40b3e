"""Files damaged at random: refused in one sentence, never another result, a traceback or no answer."""

from functools import partial
from itertools import chain
from pathlib import Path

import openmm
import pytest
import torch
from mutant_uses import (
    denoise,
    draw,
    draw_shipped,
    load_integrator_xml,
    load_openmm_checkpoint,
    load_state_xml,
    make_context,
    read_checkpoint,
)
from mutants import classify, cut_short, random_places, regions, single_bits
from programs import OrnsteinUhlenbeck

from openmm_scoredyn import ScoreDynamicsIntegrator
from openmm_scoredyn.program.archive import write_checkpoint
from openmm_scoredyn.program.model import pretrained

MANY = 1000
WAYS = {"random place": random_places, "regions": regions, "single bits": single_bits, "cut short": cut_short}


@pytest.fixture
def program(make_program) -> bytes:
    return Path(make_program(OrnsteinUhlenbeck())).read_bytes()


@pytest.fixture
def checkpoint(tmp_path) -> bytes:
    torch.manual_seed(1)
    network = torch.nn.Linear(20, 20)
    write_checkpoint({"state_dict": network.state_dict(), "global_step": 7}, tmp_path / "run.ckpt")
    return (tmp_path / "run.ckpt").read_bytes()


def require_all_refused(use, data: bytes, mutants, count: int, record_property) -> None:
    counts, oddities = classify(use, data, mutants)
    record_property("outcomes", dict(counts))
    print(dict(counts))
    assert counts == {"refused": count}, oddities[:5]


def test_damaged_files(program, checkpoint, record_property):
    for use, data in ((draw, program), (read_checkpoint, checkpoint)):
        mutants = chain.from_iterable(way(data, 100, seed=1) for way in WAYS.values())
        require_all_refused(use, data, mutants, 100 * len(WAYS), record_property)


def test_the_harness_sees_what_is_not_refused():
    """Of a use that reads numbers and looks at nothing."""
    counts, _ = classify(_trusting, b"0123456789" * 10, random_places(b"0123456789" * 10, 60, seed=2))
    assert counts["other result"] > 0 and counts["traceback"] > 0 and counts["same result"] > 0
    assert counts["refused"] == 0 and sum(counts.values()) == 60
    assert classify(_ends_the_process, b"x" * 9, single_bits(b"x" * 9, 2, seed=1))[0] == {"crash": 2}


def _trusting(data: bytes) -> str:
    return str(int(data[:50].decode()))


def _ends_the_process(data: bytes) -> str:
    import os

    if data != b"x" * 9:
        os._exit(1)
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_many_damaged_score_programs(way, record_property):
    data = pretrained("alanine-dipeptide-obc2").read_bytes()
    require_all_refused(draw_shipped, data, WAYS[way](data, MANY, seed=11), MANY, record_property)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_many_damaged_denoisers(way, record_property):
    data = pretrained("metals").read_bytes()
    require_all_refused(denoise, data, WAYS[way](data, MANY, seed=21), MANY, record_property)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_many_damaged_checkpoints(way, checkpoint, record_property):
    require_all_refused(
        read_checkpoint, checkpoint, WAYS[way](checkpoint, MANY, seed=31), MANY, record_property
    )


def files_of_openmm(program: bytes) -> dict:
    """What is done with them, and a checkpoint, a State and an integrator, of a context after three steps."""
    context = make_context(program)
    context.getIntegrator().step(3)
    state = context.getState(positions=True, velocities=True, parameters=True, integratorParameters=True)
    integrator = ScoreDynamicsIntegrator(program)
    integrator.setRandomNumberSeed(9)
    return {
        "checkpoint": (partial(load_openmm_checkpoint, program), context.createCheckpoint()),
        "state": (partial(load_state_xml, program), openmm.XmlSerializer.serialize(state).encode()),
        "integrator": (load_integrator_xml, openmm.XmlSerializer.serialize(integrator).encode()),
    }


def require_none_silent(kind: str, program: bytes, count: int, seed: int, record_property) -> None:
    """No other result, traceback, crash or hang, whatever OpenMM itself refuses or drops."""
    use, data = files_of_openmm(program)[kind]
    head = head_of_checkpoint(data) if kind == "checkpoint" else b""
    mutants = (head + rest for rest in random_places(data[len(head) :], count, seed))
    counts, oddities = classify(use, data, mutants)
    record_property("outcomes", dict(counts))
    print(kind, dict(counts), sorted({odd for odd in oddities if " by OpenMM: " not in odd})[:10])
    assert sum(counts.values()) == count and counts["refused"] > count / 4
    silent = [odd for odd in oddities if " by OpenMM: " not in odd]
    assert not silent, silent[:10]
    # Only where its name <IntegratorParameters> is gone, or the XML around it is broken.
    assert counts["dropped by OpenMM"] < 0.05 * count


def head_of_checkpoint(data: bytes) -> bytes:
    """OpenMM's own head: platform, numbers of particles and of parameters."""
    return data[: data.index(b"Reference") + len(b"Reference") + 8]


@pytest.mark.parametrize("kind", ["checkpoint", "state", "integrator"])
def test_damaged_files_of_openmm(kind, program, record_property):
    require_none_silent(kind, program, 100, 42, record_property)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["checkpoint", "state", "integrator"])
def test_many_damaged_files_of_openmm(kind, program, record_property):
    require_none_silent(kind, program, MANY, 41, record_property)


@pytest.mark.slow
def test_heads_of_damaged_checkpoints(program, record_property):
    """OpenMM reads as many parameters as the head says, before it comes to what is ours: a large number keeps
    it busy. Nothing gives another result.
    """
    use, data = files_of_openmm(program)["checkpoint"]
    head = head_of_checkpoint(data)
    mutants = (changed + data[len(head) :] for changed in random_places(head, 40, seed=43))
    counts, oddities = classify(use, data, mutants, patience_s=15.0)
    record_property("outcomes", dict(counts))
    print("head", dict(counts), sorted(set(oddities))[:10])
    assert counts["other result"] == 0 and counts["refused"] > 20
