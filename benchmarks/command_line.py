"""What the command lines of benchmarks of one model have in common."""

import argparse
from pathlib import Path

import torch

import openmm_scoredyn as sd


def of_a_model(document: str, model: str, rounds: int) -> argparse.ArgumentParser:
    """MODEL and --rounds, with these defaults, of a script with this docstring."""
    arguments = argparse.ArgumentParser(description=document.splitlines()[0])
    arguments.add_argument("model", nargs="?", default=model)
    arguments.add_argument("--rounds", type=int, default=rounds)
    return arguments


def parse(arguments: argparse.ArgumentParser) -> argparse.Namespace:
    """The options, `model` as a path, that of a shipped one for its name; torch then works on one thread."""
    options = arguments.parse_args()
    torch.set_num_threads(1)
    named = Path(options.model)
    options.model = named if named.exists() else sd.pretrained(options.model)
    return options
