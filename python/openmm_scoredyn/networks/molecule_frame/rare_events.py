"""Training of the gates of a `GatedNetwork`, and what each pair then counts for."""

import logging
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.networks.examples import SHOT_ALONG, Examples
from openmm_scoredyn.networks.molecule_frame.gate import EventGate, rare_events
from openmm_scoredyn.networks.molecule_frame.gated import GatedNetwork
from openmm_scoredyn.networks.molecule_frame.scales import measured
from openmm_scoredyn.networks.protocol import Stage

_LOGGER = logging.getLogger(__name__)
_UPDATES, _BATCH, _LEARNING_RATE, _WEIGHT_DECAY = 6000, 4096, 2e-3, 1e-2
_CHECK_EVERY = 100
# Shares of a batch: hops of phi, and the other paths of each torsion. Every (condition, event or none) is a
# problem of its own, so they are free; hops are few pairs, to which a network soon overfits.
HOP_SHARE, SHOT_SHARE = 0.05, 0.15


def gate_loss(estimates: Tensor, weight: Tensor, happened: Tensor) -> Tensor:
    """Negative log likelihood of pairs (P,): Bernoulli for the event, exponential for the weight given the
    event.

    Its minimum gives the odds and the mean weights, whatever the true distribution of the weights is.
    """
    odds, event, still = estimates.unbind(1)
    bernoulli = functional.binary_cross_entropy_with_logits(odds, happened.to(odds.dtype))
    log_mean = torch.where(happened, event, still)
    return bernoulli + (weight * torch.exp(-log_mean) + log_mean).mean()


def weighted_loss(estimates: Tensor, weight: Tensor, happened: Tensor) -> Tensor:
    """Negative log likelihood of the event itself for weighted pairs (P,).

    For events that are not so rare that their weights would drown everything else. Unlike `gate_loss` it
    learns nothing of the ensembles, so it takes pairs of several at once.
    """
    logit = estimates[:, 0] + estimates[:, 1] - estimates[:, 2]
    return functional.binary_cross_entropy_with_logits(logit, happened.to(logit.dtype), weight)


def fit_gate(
    gate: EventGate,
    training: tuple[Tensor, ...],
    held_out: tuple[Tensor, ...],
    seed: int,
    further: bool = False,
    loss_of=gate_loss,
) -> None:
    """Fit the estimates to pairs, in place, keeping what does best on held-out ones.

    Parameters
    ----------
    training, held_out : features (P, F), weight (P,) and whether the event happened (P,)
    seed : of the batches
    further : the gate was fitted to other dynamics of the molecule before, and only its last layer is fitted
        again: a few hundred shot hops are enough for that, and all of it would overfit to them.
    loss_of : `gate_loss`, for shot pairs of one ensemble, or `weighted_loss`
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
        loss = loss_of(gate.estimates(features), weight, happened)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(fitted, 1.0)
        optimizer.step()
        schedule.step()
        if update % _CHECK_EVERY == 0:
            with torch.no_grad():
                now = float(loss_of(gate.estimates(held_out[0]), *held_out[1:]))
            if now < best:
                best, kept = now, {name: value.clone() for name, value in gate.state_dict().items()}
    gate.load_state_dict(kept)
    gate.requires_grad_(False)


def share_out(pairs: Examples, events: Tensor, estimates: Tensor) -> Examples:
    """The pairs with the weights with which a gated network is trained on them.

    Given the condition and what happened, pairs that were shot count for their weight, along phi in units of
    its mean. A hop among the others is a single one of great weight, has no place there, and is left out.

    Parameters
    ----------
    events : (P, 2) bool, hops over a barrier of phi and far turns of psi
    estimates : (P, 3), of the gate of hops
    """
    hop, along_phi = events[:, 0], pairs.ensemble == SHOT_ALONG["phi"]
    relative = pairs.weight * torch.exp(-torch.where(hop, estimates[:, 1], estimates[:, 2]))
    weight = torch.where(along_phi, relative, pairs.weight).double()
    weight[hop & ~along_phi] = 0
    parts = [(hop & along_phi, HOP_SHARE)]
    parts += [(~hop & (pairs.ensemble == number), SHOT_SHARE) for number in SHOT_ALONG.values()]
    parts = [(part, share) for part, share in parts if part.any()]
    parts.append((~pairs.shot & ~hop, 1 - sum(share for _, share in parts)))
    for part, share in parts:
        weight[part] *= share / weight[part].sum().clamp(min=1e-30)
    return replace(pairs, weight=weight.float())


def require_fit(gates: bool, pairs: Examples) -> None:
    """Refuse shot paths for a network without gates, and pairs that gates cannot be fitted to.

    Raises
    ------
    TrainingError
        Without gates, if a pair was shot; with gates, if no pair was shot along phi, none of these shows a
        hop, or there are no others.
    """
    if not gates:
        if pairs.shot.any():
            raise TrainingError(
                "train: only gates learn from paths that were shot; expected a network with gates, found one"
                f" without and {int(pairs.shot.sum())} pairs of paths; add --set gates=true (in Python"
                " NetworkChoice.of('molecule_frame', gates=True)), or leave the paths out."
            )
        return
    along_phi = pairs[pairs.ensemble == SHOT_ALONG["phi"]]
    if not len(along_phi):
        raise TrainingError(
            "train: how probable hops of phi are is learnt from paths shot along phi; expected paths shot"
            f" along phi, found {int(pairs.shot.sum())} pairs of paths along psi and"
            f" {int((~pairs.shot).sum())} others; add paths made with scoredyn simulate --shooting, or train"
            " a network without gates on data without paths."
        )
    if len(along_phi) == len(pairs):
        raise TrainingError(
            "train: how probable far turns of psi are is learnt from all but the paths shot along phi;"
            " expected pairs that were not shot along phi, found none; add free or steered trajectories."
        )
    if not rare_events(pairs.particles, along_phi.before, along_phi.after)[:, 0].any():
        raise TrainingError(
            f"train: expected paths over a barrier of phi among the {len(along_phi)} pairs of paths shot"
            " along phi, found none; simulate more with --shooting, or leave these out."
        )


def prepare(
    network: GatedNetwork, training: Examples, held_out: Examples, stage: Stage
) -> tuple[Examples, Examples]:
    """Fit the gates, in place, share the pairs out, and label them with what happened.

    Hops are learnt from pairs that were shot along phi, far turns from all others. The pairs must be as
    `require_fit` asks. In distillation the teacher says what happens, and how often; gates of an interrupted
    run are taken instead of being fitted again.
    """
    parts = [
        replace(part, labels=rare_events(part.particles, part.before, part.after))
        for part in (training, held_out)
    ]
    features = [_features(network, part) for part in parts]
    if not stage.distilling:
        if stage.interrupted is None:
            _fit_gates(_gates(network), parts, features, stage.seed, stage.further)
        else:
            fitted = cast(GatedNetwork, stage.interrupted).gates
            network.gates.requires_grad_(False).load_state_dict(fitted.state_dict())
    with torch.no_grad():
        ours, theirs = (_gates(network)[0].estimates(seen) for seen in features)
    return share_out(parts[0], parts[0].labels, ours), share_out(parts[1], parts[1].labels, theirs)


def _gates(network: GatedNetwork) -> list[EventGate]:
    return [cast(EventGate, gate) for gate in network.gates]


def _fit_gates(gates: list[EventGate], parts, features, seed: int, further: bool) -> None:
    """Fit both gates to the first of two parts, keeping what does best on the second."""
    shot = [part.ensemble == SHOT_ALONG["phi"] for part in parts]
    _LOGGER.info("Fitting how probable hops of phi and far turns of psi are; this takes a few minutes.")
    hops: list[tuple[Tensor, ...]] = []
    turns: list[tuple[Tensor, ...]] = []
    for part, along_phi, seen in zip(parts, shot, features):
        happened = part.labels
        still = ~happened[:, 0] & ~along_phi
        hops.append((seen[along_phi], part.weight[along_phi], happened[along_phi, 0]))
        turns.append((seen[still], part.weight[still], happened[still, 1]))
    fit_gate(gates[0], hops[0], hops[1], seed, further)
    fit_gate(gates[1], turns[0], turns[1], seed, loss_of=weighted_loss)


def _features(network, pairs: Examples) -> Tensor:
    with torch.no_grad():
        conformation = network.inner.conformation
        return conformation.features(measured(conformation.coordinates, pairs.before))
