"""Training of the gates of a `GatedNetwork`, and what each pair then counts for."""

import logging
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.molecule import Molecule
from openmm_scoredyn.nn import GatedNetwork
from openmm_scoredyn.nn.gate import EventGate, rare_events
from openmm_scoredyn.training.dataset import Pairs

_LOGGER = logging.getLogger(__name__)
_UPDATES, _BATCH, _LEARNING_RATE, _WEIGHT_DECAY = 6000, 4096, 2e-3, 1e-2
_CHECK_EVERY = 100
# Shares of a batch. Every (condition, event or none) is a problem of its own, so they are free; hops are few pairs, soon
# learnt by heart.
HOP_SHARE, SHOT_SHARE = 0.05, 0.15


def gate_loss(estimates: Tensor, weight: Tensor, happened: Tensor) -> Tensor:
    """Negative log likelihood of pairs (P,): Bernoulli for the event, exponential for the weight given the event.

    Its minimum gives the odds and the mean weights, whatever the true distribution of the weights is.
    """
    odds, event, still = estimates.unbind(1)
    bernoulli = functional.binary_cross_entropy_with_logits(odds, happened.to(odds.dtype))
    log_mean = torch.where(happened, event, still)
    return bernoulli + (weight * torch.exp(-log_mean) + log_mean).mean()


def fit_gate(
    gate: EventGate, training: tuple[Tensor, ...], held_out: tuple[Tensor, ...], seed: int, further: bool = False
) -> None:
    """Fit the estimates to shot pairs, in place, keeping what does best on held-out ones.

    Parameters
    ----------
    training, held_out : features (P, F), weight (P,) and whether the event happened (P,)
    seed : of the batches
    further : the gate was fitted to other dynamics of the molecule before, and only its last layer is fitted again: a few
        hundred shot hops are enough for that, and are learnt by heart by all of it.
    """
    generator = torch.Generator().manual_seed(seed)
    gate.requires_grad_(not further)
    gate.layers[-1].requires_grad_(True)
    fitted = [parameter for parameter in gate.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(fitted, lr=_LEARNING_RATE, weight_decay=0.0 if further else _WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _UPDATES)
    best, kept = float("inf"), gate.state_dict()
    for update in range(1, _UPDATES + 1):
        chosen = torch.randint(len(training[0]), (_BATCH,), generator=generator)
        features, weight, happened = (part[chosen] for part in training)
        loss = gate_loss(gate.estimates(features), weight, happened)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(fitted, 1.0)
        optimizer.step()
        schedule.step()
        if update % _CHECK_EVERY == 0:
            with torch.no_grad():
                now = float(gate_loss(gate.estimates(held_out[0]), *held_out[1:]))
            if now < best:
                best, kept = now, {name: value.clone() for name, value in gate.state_dict().items()}
    gate.load_state_dict(kept)
    gate.requires_grad_(False)


def share_out(pairs: Pairs, events: Tensor, estimates: Tensor) -> Pairs:
    """The pairs with the weights with which a gated network is trained on them.

    Given the condition and what happened, pairs that were shot count for their weight, in units of its mean. A hop among
    the others is a single one of great weight, has no place there, and is left out.

    Parameters
    ----------
    events : (P, 2) bool, hops over a barrier of phi and far turns of psi
    estimates : (P, 3), of the gate of hops
    """
    hop = events[:, 0]
    relative = pairs.weight * torch.exp(-torch.where(hop, estimates[:, 1], estimates[:, 2]))
    plain = ~pairs.shot & ~hop
    weight = torch.where(pairs.shot, relative, plain.float()).double()
    parts = ((pairs.shot & hop, HOP_SHARE), (pairs.shot & ~hop, SHOT_SHARE), (plain, 1 - HOP_SHARE - SHOT_SHARE))
    for part, share in parts:
        weight[part] *= share / weight[part].sum().clamp(min=1e-30)
    return replace(pairs, weight=weight.float())


def gate_pairs(
    network, molecule: Molecule, pairs: Pairs, held_out: Pairs, config, further: bool = False
) -> tuple[Pairs, Pairs]:
    """Fit the gates of a `GatedNetwork`, in place, and share the pairs out; `further` as in `fit_gate`.

    Hops are learnt from pairs that were shot, far turns from all without a hop: each is a draw of p(y|x) that counts for its
    weight, whatever ensemble x is from. Other networks are left as they are, and so are their pairs.

    Raises
    ------
    TrainingError
        If no shot path shows a hop.
    """
    if not isinstance(network, GatedNetwork):
        return pairs, held_out
    events = [rare_events(molecule, part.before, part.after) for part in (pairs, held_out)]
    features = [_features(network, part) for part in (pairs, held_out)]
    if not config.distillation:  # which leaves what happens, and how often, to the teacher
        _fit_gates(network, (pairs, held_out), events, features, config.optimization.seed, further)
    with torch.no_grad():
        estimates = [network.gates[0].estimates(seen) for seen in features]
    return share_out(pairs, events[0], estimates[0]), share_out(held_out, events[1], estimates[1])


def _fit_gates(network: GatedNetwork, parts, events, features, seed: int, further: bool) -> None:
    """Fit both gates to the first of two parts, keeping what does best on the second."""
    if not (events[0][:, 0] & parts[0].shot).any():
        raise TrainingError(
            f"train: expected paths over a barrier of phi among the {int(parts[0].shot.sum())} pairs of shot paths, found "
            f"none; simulate more with --shooting, or leave these out."
        )
    _LOGGER.info("Fitting how probable hops of phi and far turns of psi are; this takes a few minutes.")
    hops, turns = ([], [])
    for part, seen, happened in zip(parts, features, events):
        still = ~happened[:, 0]
        hops.append((seen[part.shot], part.weight[part.shot], happened[part.shot, 0]))
        turns.append((seen[still], part.weight[still], happened[still, 1]))
    fit_gate(network.gates[0], *hops, seed, further)
    fit_gate(network.gates[1], *turns, seed)


def _features(network, pairs: Pairs) -> Tensor:
    with torch.no_grad():
        parts = [network.inner.condition(chunk[:, None], torch.zeros(3, 3)) for chunk in pairs.before.split(65536)]
        return torch.cat([network.inner.conformation.features(part) for part in parts])
