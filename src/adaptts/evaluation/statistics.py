"""How far two arms differ, and how sure that is.

Everything works on paired values in an array [speakers, utterances, seeds], NaN where there is
none (speakers may have fewer utterances than others; a measure may be missing). Pairs are of the
same utterance, said with the same seed: `difference` of two arms is a − b.

Speakers are the unit of inference: a claim is about new speakers, so intervals resample them and
tests exchange the arms speaker by speaker.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

Array = NDArray[np.float64]

# With more speakers than this, sign patterns are drawn rather than all tried.
EXACT_SPEAKERS = 14

# Fewer speakers than these give no interval.
LEAST_SPEAKERS = 3

# Numbers held at once while resampling, 64 MiB of them: large grids are worked on in parts.
BLOCK_VALUES = 8_000_000


@dataclass(frozen=True)
class Interval:
    """A figure with its confidence interval; NaN where it is undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two arms a and b on the same utterances."""

    difference: Interval  # mean of a − b, in the metric's unit
    improvement: Interval  # probability that a is better than b on an utterance, 0 … 1
    p_value: float  # two-sided, of no difference between the arms on any speaker
    pairs: int  # utterances and seeds measured for both


def mean(values: Array, weights: Array | None = None) -> float:
    """The weighted mean of `values` over all places that are not NaN; NaN if there is none.

    Error counts per word, weighted by the words, give a corpus' error rate.
    """
    total, weight = _sums(values, weights)
    return float(_ratio(total.sum(), weight.sum()))


def bootstrap(
    values: Array,
    samples: int,
    generator: np.random.Generator,
    weights: Array | None = None,
) -> Array:
    """Means of `samples` resamplings of `values` [speakers, utterances, seeds].

    Speakers are drawn with replacement, then utterances within each drawn speaker. Seeds are drawn
    once for all, because they are crossed with speakers: a seed is one trained model, which speaks
    for everybody. `weights`, of the same shape, are as for `mean`.
    """
    _check(values, weights)
    total, weight = _sums(values, weights)
    # Utterances that some speaker does not have are never drawn for that speaker.
    present = (weight > 0).any(axis=2)
    places = np.argsort(~present, axis=1, kind="stable")
    counts = np.maximum(present.sum(axis=1), 1)
    block = max(1, BLOCK_VALUES // max(1, values.size))
    means = [
        _resample(total, weight, places, counts, min(block, samples - start), generator)
        for start in range(0, samples, block)
    ]
    return np.concatenate(means)


def _resample(
    total: Array,
    weight: Array,
    places: NDArray[np.intp],
    counts: NDArray[np.intp],
    samples: int,
    generator: np.random.Generator,
) -> Array:
    speakers, utterances, seeds = total.shape
    speaker = generator.integers(speakers, size=(samples, speakers))
    rank = generator.random((samples, speakers, utterances)) * counts[speaker][..., None]
    # A speaker with few utterances gets as many draws as it has utterances.
    drawn = np.arange(utterances) < counts[speaker][..., None]
    utterance = places[speaker[..., None], rank.astype(np.intp)]
    seed = generator.integers(seeds, size=(samples, seeds))
    rows = speaker[:, :, None, None], utterance[..., None], seed[:, None, None, :]
    keep = drawn[..., None]
    sums = (total[rows] * keep).sum(axis=(1, 2, 3))
    return _ratio(sums, (weight[rows] * keep).sum(axis=(1, 2, 3)))


def interval(estimate: float, resampled: Array, confidence: float, speakers: int) -> Interval:
    """The expanded percentile interval of `resampled` estimates (Hesterberg 2015).

    Percentiles of a bootstrap over few speakers are too narrow: they miss the factor n/(n − 1) of a
    variance and the tails of Student's t. Taking them further out mends both. With fewer
    than `LEAST_SPEAKERS` there is no interval: the bootstrap has next to nothing to resample.
    """
    usable = resampled[np.isfinite(resampled)]
    if speakers < LEAST_SPEAKERS or len(usable) == 0:
        return Interval(estimate, np.nan, np.nan)
    reach = t.ppf((1 + confidence) / 2, speakers - 1) * np.sqrt(speakers / (speakers - 1))
    low, high = np.quantile(usable, [norm.cdf(-reach), norm.cdf(reach)])
    return Interval(estimate, float(low), float(high))


def permutation_test(
    differences: Array,
    samples: int,
    generator: np.random.Generator,
    weights: Array | None = None,
) -> float:
    """The two-sided p-value of paired `differences` [speakers, utterances, seeds].

    If the arms were alike, each speaker's differences could as well have the other sign. All
    patterns of signs are tried, or `samples` of them where speakers are many. The least p-value
    that S speakers can give is `least_p_value(S)`. NaN if there is no pair.
    """
    _check(differences, weights)
    total, weight = _sums(differences, weights)
    sums = total.sum(axis=(1, 2))[weight.sum(axis=(1, 2)) > 0]
    if len(sums) == 0:
        return np.nan
    if len(sums) <= EXACT_SPEAKERS:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(sums))))
    else:
        drawn = generator.choice([1.0, -1.0], size=(samples, len(sums)))
        # The pattern that was observed is one of the possible ones: p is never 0.
        signs = np.concatenate([np.ones((1, len(sums))), drawn])
    extreme = np.abs(signs @ sums)
    # Sums of the same numbers in another order differ by rounding.
    return float(np.mean(extreme >= extreme[0] * (1 - 1e-9)))


def least_p_value(speakers: int) -> float:
    """What `permutation_test` gives where all of `speakers` agree; no smaller one is possible."""
    return min(1.0, 2.0 ** (1 - speakers))


def holm(p_values: Array) -> Array:
    """Holm's adjustment of `p_values` [tests]: below α, the family-wise error rate is below α.

    NaN stays NaN and is no test.
    """
    adjusted = np.full(len(p_values), np.nan)
    tested = np.flatnonzero(np.isfinite(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1)
    return adjusted


def improvements(differences: Array, lower_is_better: bool) -> Array:
    """1 where a is better than b, ½ where equal, 0 where worse, NaN where there is no pair.

    Their mean is the probability of improvement (Agarwal et al. 2021), here of pairs.
    """
    better = -differences if lower_is_better else differences
    return np.where(np.isnan(better), np.nan, (np.sign(better) + 1) / 2)


def compare(
    a: Array,
    b: Array,
    lower_is_better: bool,
    samples: int,
    confidence: float,
    generator: np.random.Generator,
    weights: Array | None = None,
) -> Comparison:
    """Compare two arms measured on the same [speakers, utterances, seeds].

    `samples` is of the bootstrap and, where speakers are many, of the test.
    """
    if a.shape != b.shape:
        raise ValueError(
            f"paired values must be of the same speakers, utterances and seeds, got shapes "
            f"{list(a.shape)} and {list(b.shape)}; pair them first"
        )
    differences = a - b
    better = improvements(differences, lower_is_better)
    speakers = int((~np.isnan(differences)).any(axis=(1, 2)).sum())

    def with_interval(values: Array, value_weights: Array | None) -> Interval:
        resampled = bootstrap(values, samples, generator, value_weights)
        return interval(mean(values, value_weights), resampled, confidence, speakers)

    return Comparison(
        difference=with_interval(differences, weights),
        improvement=with_interval(better, None),
        p_value=permutation_test(differences, samples, generator, weights),
        pairs=int((~np.isnan(differences)).sum()),
    )


def _sums(values: Array, weights: Array | None) -> tuple[Array, Array]:
    """Values times weights, and weights, with 0 for both where a value is NaN."""
    given = ~np.isnan(values)
    weight = np.where(given, 1.0 if weights is None else weights, 0.0)
    return np.where(given, values, 0.0) * weight, weight


def _ratio(total: Array, weight: Array) -> Array:
    return np.divide(total, weight, out=np.full(np.shape(total), np.nan), where=weight > 0)


def _check(values: Array, weights: Array | None) -> None:
    if values.ndim != 3 or 0 in values.shape:
        raise ValueError(
            "values must be [speakers, utterances, seeds], none of them 0, "
            f"got {list(values.shape)}"
        )
    if weights is not None and weights.shape != values.shape:
        raise ValueError(
            f"weights must be of the values' shape {list(values.shape)}, got {list(weights.shape)}"
        )
