"""How well a threshold on similarity tells trials of one speaker from trials of two.

A trial holds an utterance against an enrolled speaker: a target where it is theirs. Whoever is
resampled brings all their trials, of both kinds: `speaker_weights`.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from adaptts.evaluation.statistics import LEAST_SPEAKERS

Array = NDArray[np.float64]

# Of the detection cost: how rare targets are, as in the VoxCeleb challenges (VoxSRC); a miss and a
# false alarm cost the same.
TARGET_SHARE = 0.05


def equal_error_rate(same: NDArray[np.floating], different: NDArray[np.floating]) -> float:
    """The error rate in % of a verifier whose threshold makes both of its errors alike.

    `same` and `different` are similarities of pairs from one speaker and from two. Between two
    thresholds the rates are taken as linear. Raises `ValueError` if either is empty.
    """
    return float(equal_error_rates(*_tradeoff(same, different))[0])


def error_tradeoff(
    same: NDArray[np.floating], different: NDArray[np.floating]
) -> tuple[Array, Array]:
    """False rejections and false acceptances, as parts of 1, as the threshold rises.

    The first point accepts all pairs, the last rejects all. Raises `ValueError` if `same` or
    `different` is empty.
    """
    rejected, accepted = _tradeoff(same, different)
    return rejected[0], accepted[0]


def _tradeoff(same: NDArray[np.floating], different: NDArray[np.floating]) -> tuple[Array, Array]:
    if len(same) == 0 or len(different) == 0:
        raise ValueError(
            f"verification needs pairs of both kinds, got {len(same)} from one speaker and "
            f"{len(different)} from two"
        )
    similarities = np.concatenate([same, different])
    target = np.arange(len(similarities)) < len(same)
    return weighted_tradeoff(similarities, target, np.ones((1, len(similarities))))


def weighted_tradeoff(
    similarities: NDArray[np.floating], target: NDArray[np.bool_], weights: Array
) -> tuple[Array, Array]:
    """`error_tradeoff` of trials [N] that count by `weights` [B, N], for each b: [B, points] twice.

    NaN where targets or others have no weight.
    """
    order = np.argsort(similarities, kind="stable")
    ordered = similarities[order]
    # Equal similarities fall below a threshold together.
    last = np.flatnonzero(np.append(ordered[1:] > ordered[:-1], True))
    parts = []
    for kind in (target, ~target):
        below = np.cumsum(weights[:, order] * kind[order], axis=1)
        total = below[:, -1:]
        share = np.divide(below[:, last], total, out=np.full((len(weights), len(last)), np.nan),
                          where=total > 0)  # fmt: skip
        parts.append(np.concatenate([np.zeros_like(total), share], axis=1))
    rejected, accepted = parts[0], 1 - parts[1]
    return rejected, accepted


def equal_error_rates(rejected: Array, accepted: Array) -> Array:
    """The equal error rate in % of each trade-off [B, points]; NaN where it is undefined."""
    gaps = rejected - accepted
    after = np.argmax(gaps >= 0, axis=1)
    rows = np.arange(len(gaps))
    part = gaps[rows, after - 1] / (gaps[rows, after - 1] - gaps[rows, after])
    low, high = rejected[rows, after - 1], rejected[rows, after]
    return 100 * (low + part * (high - low))


def detection_costs(rejected: Array, accepted: Array) -> Array:
    """The least detection cost of each trade-off [B, points], over all thresholds (NIST's minDCF).

    P(target) · misses + (1 − P(target)) · false alarms, in parts of what it costs to decide
    without listening: 0 is perfect, 1 is no use.
    """
    costs = TARGET_SHARE * rejected + (1 - TARGET_SHARE) * accepted
    return costs.min(axis=1) / min(TARGET_SHARE, 1 - TARGET_SHARE)


def speaker_weights(
    speaker: NDArray[np.intp],
    enrolled: NDArray[np.intp],
    samples: int,
    generator: np.random.Generator,
) -> Array:
    """How much each trial [N] counts in `samples` resamplings of the speakers: [samples, N].

    As many speakers are drawn with replacement as there are. Each drawn one brings its own
    utterances and its enrolment: a target counts as often as its speaker is drawn, another trial
    as often as its two speakers meet. `speaker` and `enrolled` are numbers of speakers.
    """
    count = int(max(speaker.max(), enrolled.max())) + 1
    draws = generator.integers(count, size=(samples, count))
    times = np.stack([np.bincount(draw, minlength=count) for draw in draws]).astype(np.float64)
    return times[:, speaker] * np.where(speaker == enrolled, 1.0, times[:, enrolled])


def resampled_interval(resampled: Array, confidence: float, speakers: int) -> tuple[float, float]:
    """The expanded percentile interval of figures of resampled speakers (Hesterberg 2015).

    NaN with fewer than `LEAST_SPEAKERS`. A resampling that has no value is left out.
    """
    usable = resampled[np.isfinite(resampled)]
    if speakers < LEAST_SPEAKERS or len(usable) == 0:
        return float("nan"), float("nan")
    reach = t.ppf((1 + confidence) / 2, speakers - 1) * np.sqrt(speakers / (speakers - 1))
    low, high = np.quantile(usable, [norm.cdf(-reach), norm.cdf(reach)])
    return float(low), float(high)
