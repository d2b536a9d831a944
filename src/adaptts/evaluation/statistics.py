"""How far arms differ, and how sure that is.

Everything works on values [..., speakers, utterances, seeds], NaN where there is none (speakers may
have fewer utterances than others; a measure may be missing). Leading axes hold any number of
measurements on the same places, which are resampled alike. Pairs are of the same utterance, said
with the same seed: a difference of two arms is a − b.

Speakers are the unit of inference: a claim is about new speakers, so intervals resample them and
tests exchange the arms speaker by speaker. Seeds are crossed with speakers: a seed is one trained
model, which speaks for everybody. docs/statistics.md tells how often all this is right.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit
from scipy.stats import f, norm, t

Array = NDArray[np.float64]

# With more speakers than this, sign patterns are drawn rather than all tried.
EXACT_SPEAKERS = 14

# Seeds count as different in a test where they would seldom differ so much by chance.
SEEDS_DIFFER = 0.05
BISECTIONS = 40  # of the logarithm of a p-value

# Fewer speakers than these give no interval.
LEAST_SPEAKERS = 3

# Numbers held at once while resampling, 64 MiB of them: many measurements are worked on in parts.
BLOCK_VALUES = 8_000_000


@dataclass(frozen=True)
class Interval:
    """Figures with their confidence intervals, of one shape; NaN where they are undefined."""

    value: Array
    low: Array
    high: Array

    @property
    def apart(self) -> NDArray[np.bool_]:
        """Where the interval excludes 0."""
        return (self.low > 0) | (self.high < 0)


@dataclass(frozen=True)
class Spread:
    """The standard error of means, by analysis of variance, and its degrees of freedom."""

    error: Array
    freedom: Array
    speakers: NDArray[np.intp]  # measured ones
    seeds: NDArray[np.intp]
    of_speakers: Array  # the part of error² that comes of speakers
    of_seeds: Array  # the rest of it
    seeds_alike: Array  # p-value of the F test that seeds have no effect; 1 with one seed


@dataclass(frozen=True)
class Draws:
    """Resamplings of some places: how often each of them is drawn."""

    speakers: Array  # [samples, speakers]
    utterances: Array  # [samples, speakers · utterances]
    seeds: Array  # [samples, seeds]

    def means(self, values: Array, weights: Array | None = None) -> Array:
        """Means of every resampling: [samples, ...] of `values` [..., speakers, utterances, seeds].

        `weights`, of the same shape, are as for `mean`.
        """
        total, weight = _sums(values, weights)
        lead, (places, seeds) = values.shape[:-3], (len(self.utterances.T), len(self.seeds.T))
        flat = [part.reshape(-1, places, seeds) for part in (total, weight)]
        block = max(1, BLOCK_VALUES // (len(self.seeds) * seeds))
        means = [
            _ratio(*(self._totals(part[start : start + block]) for part in flat))
            for start in range(0, max(1, len(flat[0])), block)
        ]
        return np.concatenate(means, axis=1).reshape(len(self.seeds), *lead)

    def of_speakers(self) -> "Draws":
        """The same draws of speakers, for one value of each of them."""
        return Draws(self.speakers, self.speakers, np.ones((len(self.speakers), 1)))

    def _totals(self, parts: Array) -> Array:
        """[samples, measurements] of parts [measurements, places, seeds]."""
        per_seed = np.tensordot(self.utterances, parts, axes=(1, 1))
        return np.einsum("bkr,br->bk", per_seed, self.seeds)


def mean(values: Array, weights: Array | None = None) -> Array:
    """The weighted mean of `values` over all places that are not NaN; NaN if there is none.

    Error counts per word, weighted by the words, give a corpus' error rate.
    """
    total, weight = _sums(values, weights)
    return _ratio(total.sum(axis=(-3, -2, -1)), weight.sum(axis=(-3, -2, -1)))


def draw(
    present: NDArray[np.bool_], seeds: int, samples: int, generator: np.random.Generator
) -> Draws:
    """Resample speakers, utterances within each drawn speaker, and seeds, with replacement.

    present [speakers, utterances]: whether a speaker has that utterance; others are never drawn,
    and a speaker with few utterances gets as many draws as it has. Seeds are drawn once for all
    speakers, because they are crossed with them.
    """
    speakers, utterances = present.shape
    times = generator.multinomial(speakers, np.full(speakers, 1 / speakers), size=samples)
    counts = present.sum(axis=1)
    shares = present / np.maximum(counts, 1)[:, None]
    # A speaker without any utterance is drawn to no effect.
    shares[counts == 0] = 1 / utterances
    drawn = generator.multinomial(times * counts, shares)
    seed = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=samples)
    return Draws(*(part.reshape(samples, -1).astype(float) for part in (times, drawn, seed)))


def bootstrap(
    values: Array,
    samples: int,
    generator: np.random.Generator,
    weights: Array | None = None,
) -> Array:
    """Means [samples, ...] of `samples` resamplings of `values`, as `draw` makes them."""
    _check(values, weights)
    given = ~np.isnan(values).reshape(-1, *values.shape[-3:])
    present = np.asarray(given.any(axis=(0, 3)))
    return draw(present, values.shape[-1], samples, generator).means(values, weights)


def spread(values: Array, weights: Array | None = None) -> Spread:
    """The standard error of `mean`, with speakers and seeds as crossed random effects.

    Of the contributions z of each speaker and seed to the mean, the two-way analysis of variance
    gives mean squares of speakers A, seeds B and their interaction AB; the variance of the mean
    over S speakers and R seeds is (A + max(B − AB, 0)) / SR, with Satterthwaite's (1946) degrees of
    freedom. Utterances are nested in speakers, whose differences hold theirs. With one seed, or
    where seeds do not differ, this is the standard error of speakers' means.
    """
    total, weight = _sums(values, weights)
    centre = mean(values, weights)[..., None, None]
    given = weight.sum(axis=-2)  # [..., speakers, seeds]
    speakers = (given > 0).any(axis=-1).sum(axis=-1)
    seeds = (given > 0).any(axis=-2).sum(axis=-1)
    cells = speakers * seeds
    share = _ratio(cells.astype(float), given.sum(axis=(-2, -1)))[..., None, None]
    z = (total.sum(axis=-2) - np.where(given > 0, centre, 0) * given) * share
    of_speakers = (z.sum(axis=-1) ** 2).sum(axis=-1) / np.maximum(seeds, 1)
    of_seeds = (z.sum(axis=-2) ** 2).sum(axis=-1) / np.maximum(speakers, 1)
    rest = np.maximum((z**2).sum(axis=(-2, -1)) - of_speakers - of_seeds, 0)
    free = np.maximum(speakers - 1, 0).astype(float), np.maximum(seeds - 1, 0).astype(float)
    a, b = _ratio(of_speakers, free[0]), np.nan_to_num(_ratio(of_seeds, free[1]))
    ab = np.nan_to_num(_ratio(rest, free[0] * free[1]))
    # Sums of squares of equal numbers differ from 0 by rounding.
    matter = b > ab + 1e-12 * np.nan_to_num(a)
    variance = np.where(matter, a + b - ab, a)
    noise = a**2 / np.maximum(free[0], 1) + np.where(
        matter, b**2 / np.maximum(free[1], 1) + ab**2 / np.maximum(free[0] * free[1], 1), 0
    )
    freedom = np.where(matter, _ratio(variance**2, noise), free[0])
    with np.errstate(divide="ignore"):
        tail = f.sf(b / np.where(ab > 0, ab, 1e-300), np.maximum(free[1], 1), free[0] * free[1])
    parts = (_ratio(part, cells.astype(float)) for part in (variance, a, variance - a))
    error, from_speakers, from_seeds = parts
    return Spread(
        np.sqrt(error), freedom, speakers, seeds, from_speakers, from_seeds,
        np.where(matter, tail, 1.0),
    )  # fmt: skip


def interval(
    values: Array,
    resampled: Array,
    confidence: float,
    weights: Array | None = None,
    together: int = 1,
) -> Interval:
    """The intervals of the means of `values`, from `resampled` means [samples, ...].

    Percentiles of a bootstrap over few speakers and seeds are too narrow: resampling n of them
    misses the factor n/(n − 1) of a variance and the tails of Student's t (Hesterberg 2015, who
    mends this for one level). So the percentiles' distances from the mean are stretched until a
    normal distribution of the bootstrap's width would reach as far as `spread`'s t interval: the
    bootstrap gives the interval its shape, the analysis of variance its width. With fewer than
    `LEAST_SPEAKERS` there is no interval: there is next to nothing to resample.

    together: of how many intervals all shall hold at once with that confidence. The level of each
    t interval is then Bonferroni's (Dunn 1961); the shape stays that of the single level, beyond
    which samples are few.
    """
    value, level = mean(values, weights), (1 + confidence) / 2
    stretch = _stretch(values, resampled, confidence, weights, together)
    ends = np.quantile(_told(resampled, value), [1 - level, level], axis=0)
    low, high = value + stretch * (ends - value)
    return Interval(value, low, high)


def widened(
    values: Array, resampled: Array, confidence: float, weights: Array | None = None
) -> Array:
    """`resampled` means, moved so far from the means of `values` that their percentiles at this
    confidence are the ends of `interval`; NaN where there is none.
    """
    value = mean(values, weights)
    stretch = _stretch(values, resampled, confidence, weights, 1)
    return value + stretch * (_told(resampled, value) - value)


def _stretch(
    values: Array, resampled: Array, confidence: float, weights: Array | None, together: int
) -> Array:
    """How many times as wide as the percentiles an interval is; NaN where there is none."""
    value, found = mean(values, weights), spread(values, weights)
    single, level = (1 - (1 - confidence) / (2 * count) for count in (1, together))
    reach = t.ppf(level, np.maximum(found.freedom, 1)) * found.error
    width = np.std(_told(resampled, value), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        stretch = np.where(width > 0, reach / (norm.ppf(single) * width), 0)
    return np.where((found.speakers >= LEAST_SPEAKERS) & np.isfinite(value), stretch, np.nan)


def _told(resampled: Array, value: Array) -> Array:
    """A resampling that holds no value at all says nothing."""
    return np.where(np.isfinite(resampled), resampled, value)


def permutation_test(
    differences: Array,
    samples: int,
    generator: np.random.Generator,
    weights: Array | None = None,
) -> Array:
    """Two-sided p-values of paired `differences`, over their leading axes.

    If the arms were alike, each speaker's differences could as well have the other sign. All
    patterns of signs are tried, or `samples` of them where speakers are many. The least p-value
    that S speakers can give is `least_p_value(S)`. NaN if there is no pair.

    Signs are of speakers, so this takes the seeds as they are. Where seeds differ (an F test at
    `SEEDS_DIFFER`), the p-value is not below `_p_by_both`, of a test that knows of them.
    """
    _check(differences, weights)
    total, weight = _sums(differences, weights)
    sums = total.sum(axis=(-2, -1)).reshape(-1, differences.shape[-3])
    # A speaker without a pair adds 0 with either sign.
    signs = _signs(sums.shape[1], samples, generator)
    block = max(1, BLOCK_VALUES // len(signs))
    parts = [_flip(sums[start : start + block], signs) for start in range(0, len(sums), block)]
    p_values = np.concatenate(parts).reshape(differences.shape[:-3])
    p_values = np.where(weight.sum(axis=(-3, -2, -1)) > 0, p_values, np.nan)
    found = spread(differences, weights)
    differ = found.seeds_alike < SEEDS_DIFFER
    by_both = np.where(differ, _p_by_both(mean(differences, weights), found), 0)
    return np.maximum(p_values, by_both)


def _p_by_both(means: Array, found: Spread) -> Array:
    """P-values of `means` that may come of the speakers or of the seeds that were drawn.

    At a level, the bound on a mean is the root of the summed squares of what t tests over speakers
    alone and over seeds alone would allow (Howe 1974): with few seeds, far out.
    """
    low, high = np.full(means.shape, np.log(1e-12)), np.zeros(means.shape)
    seeds, speakers = (np.maximum(count - 1, 1) for count in (found.seeds, found.speakers))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        reach = [stdtrit(free, np.exp(middle) / 2) ** 2 * part for free, part in
                 ((speakers, found.of_speakers), (seeds, found.of_seeds))]  # fmt: skip
        beyond = means**2 >= sum(reach)
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return np.exp(high)


def _flip(sums: Array, signs: Array) -> Array:
    """The share of sign patterns under which each of `sums` [tests, speakers] is as extreme."""
    extreme = np.abs(sums @ signs.T)
    # Sums of the same numbers in another order differ by rounding.
    return np.mean(extreme >= extreme[:, :1] * (1 - 1e-9), axis=1)


def _signs(speakers: int, samples: int, generator: np.random.Generator) -> Array:
    """Patterns of signs [patterns, speakers], the observed one first.

    A pattern and its opposite are as extreme: where all are tried, the first speaker keeps its
    sign. A drawn set holds the observed one, which is possible too: p is never 0.
    """
    if speakers <= EXACT_SPEAKERS:
        return np.array(list(itertools.product((1.0,), *[(1.0, -1.0)] * (speakers - 1))))
    drawn = generator.choice([1.0, -1.0], size=(samples, speakers))
    return np.concatenate([np.ones((1, speakers)), drawn])


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


def speaker_means(values: Array, weights: Array | None = None) -> Array:
    """[..., speakers] of `values` [..., speakers, utterances, seeds]; NaN where there is none."""
    total, weight = _sums(values, weights)
    return _ratio(total.sum(axis=(-2, -1)), weight.sum(axis=(-2, -1)))


def _sums(values: Array, weights: Array | None) -> tuple[Array, Array]:
    """Values times weights, and weights, with 0 for both where a value is NaN."""
    given = ~np.isnan(values)
    weight = np.where(given, 1.0 if weights is None else weights, 0.0)
    return np.where(given, values, 0.0) * weight, weight


def _ratio(total: Array, weight: Array) -> Array:
    total, weight = np.broadcast_arrays(total, weight)
    return np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0)


def _check(values: Array, weights: Array | None) -> None:
    if values.ndim < 3 or 0 in values.shape[-3:]:
        raise ValueError(
            "values must be [..., speakers, utterances, seeds], none of them 0, "
            f"got {list(values.shape)}"
        )
    if weights is not None and weights.shape != values.shape:
        raise ValueError(
            f"weights must be of the values' shape {list(values.shape)}, got {list(weights.shape)}"
        )
