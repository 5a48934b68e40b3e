"""What the page says about each picture and table: definitions, and what the error bars mean."""

from openmm_scoredyn.comparison.geometry_model import BROKEN_BOND_TOLERANCE
from openmm_scoredyn.comparison.measurement import MARKOV_PASSAGES
from openmm_scoredyn.comparison.structure import MOTIONS, TUMBLING
from openmm_scoredyn.comparison.timescales import CLUSTERS, REPORTED_LAG_PS

PICTURES = {
    "ramachandran": (
        "Free energy of phi and psi, -RT ln p in bins of 7.2 degrees, relative to the lowest bin; and the"
        " difference of the two, aligned on the bins that both visit. Dotted: the basins whose populations"
        " are given. Grey: never visited."
    ),
    "populations": (
        "Share of frames in each basin, and free energies relative to beta, -RT ln(p / p_beta). Beta is beta"
        " and polyproline II together. Bars: one standard error."
    ),
    "passage_times": (
        "Mean first passage times between core sets. Bars: one standard error of the logarithm. An open"
        " triangle is a lower bound: the time that was waited for in vain."
    ),
    "transition_paths": (
        "Left: mean time from the last frame in one core to the first in the other; it cannot be shorter than"
        " the frame spacing. Right: share of paths last seen over each saddle, and of those seen over none"
        " because they crossed between two frames. Bars: one standard error."
    ),
    "autocorrelation": "Normalised autocorrelation, mean removed. Bands: one standard error.",
    "rotors": (
        "Methyl rotors: <cos(chi(t) - chi(0))>, hydrogens told apart. End-to-end distance, between the two"
        " heavy atoms most bonds apart: mean removed, 1 at time 0. Bars: one standard error."
    ),
    "timescales": (
        f"Implied time scales -lag / ln(eigenvalue) of reversible Markov state models of {CLUSTERS} clusters"
        " of phi and psi, fitted on the reference and applied to both. Bars: one standard error of the"
        " logarithm, by bootstrap over blocks. Bands: median and central 68 % of the Bayesian posterior, one"
        f" transition counted per lag, sampled thoroughly at {REPORTED_LAG_PS:g} ps. Where a curve is flat,"
        " the model is Markovian."
    ),
    "chapman_kolmogorov": (
        "Probability to be in each basin one interval after being in another. Each model composes the"
        " interval of its own steps. Bars: one standard error. The axis is linear below 0.001."
    ),
}

GROUPS = {
    "Distribution": (
        "Jensen-Shannon divergence of the two Ramachandran histograms in bits (base 2, 50 x 50 bins, 0 to 1)."
        " Beside it the floor: what two samples of the reference, as long as these two, would show; of the"
        " candidate, where it was at phi > 0 more often than a reference with fewer than ten stays, and that"
        " floor is higher."
    ),
    "Populations": (
        "Share of frames. Independent samples: separate visits. With fewer than ten the error is at least"
        " that of so many."
    ),
    "Free energies": (
        "-RT ln(p / p_beta). Independent samples: separate visits to the rarer basin. With fewer than ten the"
        " error is at least that of so many visits with exponential stays."
    ),
    "Kinetics": (
        "Between core sets, away from the barriers: a molecule belongs to the core it was last in, so that a"
        " visit to a barrier is no crossing. A passage time is the time spent last in the source, over the"
        " number of passages. Independent samples: passages. &ldquo;&gt; t&rdquo;: none in t, a bound and no"
        " number."
    ),
    MARKOV_PASSAGES: (
        "Where fewer than ten passages were counted on one side: the same by Markov state models at a lag of"
        f" {REPORTED_LAG_PS:g} ps, between the clusters that lie in the cores. A visit shorter than the lag"
        " may be missed, on both sides alike, so that the times are comparable but longer than those"
        " counted. Independent samples: passages counted. Error: the larger of bootstrap and posterior."
    ),
    "Transition paths": "Independent samples: paths. See the picture for definitions.",
    "Autocorrelation": "Of sin and cos of the dihedrals, mean removed.",
    "Implied time scales": (
        "Error: the larger of bootstrap and Bayesian posterior, which stand side by side in the table of all"
        " lags. Independent samples: length over time scale."
    ),
    "Geometry": (
        "Mean and spread over frames; hydrogens of one atom together. An improper is the angle between the"
        " planes of the first three and the last three of its atoms, 0 for a planar centre, of opposite sign"
        " in the mirror image. Broken: any bond off its reference mean by more than"
        f" {100 * BROKEN_BOND_TOLERANCE:g} %. Inverted: any chiral centre of the other hand."
    ),
    MOTIONS: "See the picture for definitions.",
    TUMBLING: (
        "Diffusion of the centroid: mean squared displacement in 10 ps over 6 t. Rotation: the frame of N, CA"
        " and C keeps exp(-t / tau) of its orientation. &ldquo;not seen&rdquo;: the frames are held or"
        " superposed, and nothing is claimed."
    ),
}
