"""A perceptron over the molecule's internal coordinates, with gates for rare events where asked for."""

from dataclasses import dataclass, fields

from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.networks.examples import Examples
from openmm_scoredyn.networks.molecule_frame import rare_events
from openmm_scoredyn.networks.molecule_frame.conformation import ConformationLatent
from openmm_scoredyn.networks.molecule_frame.gate import EVENTS, EventGate
from openmm_scoredyn.networks.molecule_frame.gated import GatedNetwork
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates
from openmm_scoredyn.networks.molecule_frame.lags import LagRange, fit_lag_range
from openmm_scoredyn.networks.molecule_frame.network import LagRangeNetwork, MoleculeFrameNetwork
from openmm_scoredyn.networks.molecule_frame.scales import ConformationScales, fit_scales
from openmm_scoredyn.networks.protocol import Architecture, load_weights, only

MOST_PAIRS = 1_000_000  # that scales are fitted to, evenly spread: more would need memory and tell nothing


@dataclass(frozen=True)
class MoleculeFrameConfig:
    """Width, number of residual blocks, and gates for rare events of peptides, learnt from shot paths."""

    width: int = 256
    blocks: int = 4
    gates: bool = False


class MoleculeFrame(Architecture):
    """Entry of the registry."""

    config = MoleculeFrameConfig
    lag_range = True
    rounded = True

    def fit(self, config, examples):
        """A fresh network, its scales fitted to ordinary motion, of which shot paths hold too little."""
        examples = only(examples, "molecule_frame")
        usual = examples if examples.shot.all() else examples[~examples.shot]
        usual = usual[:: -(-len(usual) // MOST_PAIRS)]
        pairs = InternalCoordinates(examples.particles), usual.before, usual.after
        lag = usual.lag_time_ps
        if not _many_lags(usual):
            return _build(config, ConformationLatent(examples.particles, fit_scales(*pairs)))
        lags = fit_lag_range(*pairs, lag)
        scales = fit_scales(*pairs, lags.spread(lag).double(), lag < 2 * lag.min())
        return _build(config, ConformationLatent(examples.particles, scales), lags)

    def restore(self, config, particles, weights):
        """The network of a state dict."""
        prefix = "inner.conformation." if config.gates else "conformation."
        scales = ConformationScales(**{f.name: weights[prefix + f.name] for f in fields(ConformationScales)})
        ranged = "lags.ends" in weights
        lags = LagRange(weights["lags.ends"], weights["lags.growth"]) if ranged else None
        return load_weights(_build(config, ConformationLatent(particles, scales), lags), weights)

    def check(self, config, examples):
        """Refuse shot paths for a network without gates, and gates without the paths they are fitted to."""
        pairs = only(examples, "molecule_frame")
        rare_events.require_fit(config.gates, pairs)
        if config.gates and _many_lags(pairs):
            ends = f"{float(pairs.lag_time_ps.min()):g} to {float(pairs.lag_time_ps.max()):g} ps"
            raise TrainingError(
                f"train: gates are fitted at one lag time; expected one with gates, found {ends}; train at"
                " one, or leave out the gates and the paths."
            )

    def prepare(self, network, training, held_out, stage):
        """Fit the gates, and share the examples out among what happens in them."""
        if not isinstance(network, GatedNetwork):
            return training, held_out
        ours, theirs = rare_events.prepare(network, training[0], held_out[0], stage)
        return [ours], [theirs]


def _many_lags(pairs: Examples) -> bool:
    return bool(pairs.lag_time_ps.min() < pairs.lag_time_ps.max())


def _build(config: MoleculeFrameConfig, conformation: ConformationLatent, lags: LagRange | None = None):
    if lags is not None:
        return LagRangeNetwork(lags, conformation, config.width, config.blocks)
    if not config.gates:
        return MoleculeFrameNetwork(conformation, config.width, config.blocks)
    inner = MoleculeFrameNetwork(conformation, config.width, config.blocks, flags=EVENTS)
    features = conformation.features(conformation.origin[None]).shape[1]
    return GatedNetwork(inner, [EventGate(features) for _ in range(EVENTS)])


ARCHITECTURE = MoleculeFrame()
