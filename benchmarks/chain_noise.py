#!/usr/bin/env python3
"""Independent noise per bead, the published form of one step, beside a full covariance and chain_flow.

    python benchmarks/chain_noise.py [--updates 2000] [--json FILE]

Fu et al. (TMLR 2023) draw the displacement of every bead from a normal of its own. Here that form has the
trunk of chain_flow, and all three are trained for as many updates on the same data (patterned chains of 100
beads, ten beads a super-bead, 25 tau a step) and run for as many steps from the same frames of the held-out
random chains, without a guard. Score-based refinement of the published model is left out: it narrows stiff
directions and changes nothing of how beads move together.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "examples" / "bead_chains"))
from measure import Numbers, against, dynamics, free_diffusion_nm2_per_ps
from trajectories import FRICTION_PER_PS, TAU_PS, load, names

from openmm_scoredyn.networks.chain_flow import ChainFlowConfig
from openmm_scoredyn.networks.chain_flow.chain import Chain
from openmm_scoredyn.networks.chain_flow.network import ChainFlow
from openmm_scoredyn.networks.registry import architecture
from openmm_scoredyn.training.dataset import collect_examples

GROUP, LAG_TAU, BATCH, RATE = 10, 25, 64, 2e-3
REPLICAS, STEPS, LEFT_OUT = 8, 240, 40
LARGEST_NM = 50.0  # from the centre: the length of the stretched chain; what is farther blew up
KEYS = ("rg2_ratio", "rg2_spread_ratio", "emd", "bond_mean_ratio", "bond_spread_ratio", "diffusion_ratio")


class IndependentBeads(ChainFlow):
    """Every bead moves by a mean and noise of its own; the mean is a sum of forces along bonds and pairs."""

    def moves(self, condition: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Mean (B, N, 3) and logarithm of the spread (B, N, 1) of displacements, in usual bond lengths."""
        mean, matrix, _, _ = condition
        push = functional.pad(mean, [0, 0, 1, 1])
        own = matrix.diagonal(dim1=1, dim2=2)
        ends = torch.cat([own[:, :1], own, own[:, -1:]], dim=1)
        return push[:, 1:] - push[:, :-1], 0.5 * (ends[:, 1:] + ends[:, :-1]).unsqueeze(2)

    def start(self, noise: Tensor, condition: list[Tensor]) -> Tensor:
        """Displacements, nm (B, 3 N)."""
        mean, spread = self.moves(condition)
        return (self.scale_nm * (mean + spread.exp() * noise.unflatten(1, [-1, 3]))).flatten(1)

    def latent(self, before: Tensor, after: Tensor, condition: list[Tensor]) -> Tensor:
        """Displacements, nm (B, 3 N), along the chain."""
        return (after - before)[:, self.path].flatten(1)

    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        """Positions one lag later."""
        return history[:, -1] + latent.unflatten(1, [-1, 3])[:, self.back]

    def negative_log_likelihood(self, latent: Tensor, condition: list[Tensor]) -> Tensor:
        """Per coordinate (B,)."""
        mean, spread = self.moves(condition)
        eps = (latent.unflatten(1, [-1, 3]) / self.scale_nm - mean) / spread.exp()
        return (0.5 * eps.square() + spread).mean((1, 2))


def fitted(config: ChainFlowConfig, independent: bool, examples, updates: int):
    """The parameters, and what binds them to a chain."""
    made = architecture("chain_flow")
    torch.manual_seed(1)
    core = made.fit(config, examples)

    known = made.known(core)

    def bind(particles):
        if independent:
            return IndependentBeads(core, Chain.of(particles, known.kinds, max(known.sizes)))
        return made.bind(core, particles)

    bound = [bind(part.particles) for part in examples]
    optimizer = torch.optim.Adam(core.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
    generator = torch.Generator().manual_seed(2)
    for _ in range(updates):
        chosen = int(torch.randint(len(bound), (1,), generator=generator))
        network, part = bound[chosen], examples[chosen]
        batch = part[torch.randint(len(part), (BATCH,), generator=generator)]
        condition = network.condition(*batch.situation)
        clean = network.latent(batch.before, batch.after, condition)
        loss = network.negative_log_likelihood(clean, condition).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(core.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return bind


@torch.no_grad()
def rolled(network, starts: np.ndarray, lag_ps: float, seed: int) -> np.ndarray:
    """Frames (T, R, N, 3), nm."""
    frame, generator = torch.from_numpy(starts), torch.Generator().manual_seed(seed)
    count, box = len(starts), torch.zeros(len(starts), 3, 3)
    lag, temperature = torch.full((count,), lag_ps), torch.full((count,), 300.0)
    found = []
    for _ in range(STEPS):
        history = frame[:, None]
        condition = network.condition(history, box, lag, temperature)
        noise = torch.randn(count, network.latent_size, generator=generator)
        frame = network.advance(network.start(noise, condition), condition, history, box)
        found.append(frame.numpy())
    return np.stack(found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    lag_ps = LAG_TAU * TAU_PS
    training = [load(name, GROUP) for name in names("n100/patterned")]
    examples = collect_examples(training, lag_ps, time_reversal=True)
    held_out = [dynamics(name, GROUP, LAG_TAU) for name in names("n100/random")]
    forms = {
        "independent noise per bead": (False, True),
        "normal, full covariance": (False, False),
        "chain_flow": (True, False),
    }
    table = {}
    for caption, (radial, independent) in forms.items():
        begun = time.process_time()
        config = ChainFlowConfig(radial=radial, friction_per_ps=FRICTION_PER_PS)
        bind = fitted(config, independent, examples, given.updates)
        seconds, rows = time.process_time() - begun, []
        blown_up = 0
        for seed, (md, frames, particles) in enumerate(held_out):
            starts = frames[np.linspace(0, len(frames) - 1, REPLICAS).astype(int)]
            drawn = rolled(bind(particles), starts, lag_ps, seed)
            largest = np.abs(drawn - drawn.mean(axis=2, keepdims=True)).max(axis=(0, 2, 3))
            kept = largest < LARGEST_NM  # false for NaN
            blown_up += int((~kept).sum())
            if not kept.any():
                continue
            drawn = drawn[:, kept]
            free = free_diffusion_nm2_per_ps(sum(particles.masses_amu), FRICTION_PER_PS) * lag_ps
            rows.append(against(md, Numbers(particles, drawn[LEFT_OUT:]), free, 1.0))
        values = {key: np.array([row[key] for row in rows]) for key in KEYS}
        table[caption] = {
            key: [float(v.mean()), float(v.std(ddof=1) / len(v) ** 0.5)] for key, v in values.items()
        }
        table[caption] |= {"training_seconds": seconds, "chains": len(rows), "blown_up": blown_up}
        print(caption, json.dumps(table[caption]), flush=True)
    if given.json:
        given.json.write_text(json.dumps({"updates": given.updates, "forms": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
