"""Which arm is best by a metric, and which others are told apart from it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from adaptts.evaluation import statistics
from adaptts.evaluation.statistics import Draws
from adaptts.reporting.metrics import Metric
from adaptts.reporting.panel import Sample


@dataclass(frozen=True)
class Verdict:
    """Arms by one metric, beside the one with the best mean.

    An arm that lacks values which another arm has is never the best: sounds that failed cannot
    speak for it, and what it lacks would flatter its mean. It is still compared, on the utterances
    that it shares with the best. An arm is in neither set where no interval can be given, or where
    it lacks values and is better than the best.
    """

    arms: tuple[str, ...] = ()  # that have a value
    best: str | None = None  # None: every arm lacks something
    tied: frozenset[str] = frozenset()  # the interval of the difference from the best holds 0
    worse: frozenset[str] = frozenset()  # it excludes 0
    lacking: dict[str, int] = field(default_factory=dict)  # values that another arm has
    of: int = 0  # places at which any arm has a value

    @property
    def others(self) -> int:
        """How many arms there are beside the best."""
        return len(self.arms) - 1

    @property
    def pairs(self) -> int:
        """Pairs of arms: so many intervals hold together."""
        return len(self.arms) * self.others // 2


def judge(
    metric: Metric, arms: Sequence[str], sample: Sample, draws: Draws, confidence: float
) -> Verdict | None:
    """The verdict on `arms` by a `sample` of the metric, a point for each; None without a value.

    The best arm is known only afterwards, so it could be any, and so could the pair that lies
    furthest apart: the intervals hold for all pairs of arms at once.
    """
    measured = ~np.isnan(sample.values)  # [arms, speakers, utterances, seeds]
    anywhere = measured.any(axis=0)
    if not anywhere.any():
        return None
    gaps = (anywhere & ~measured).sum(axis=(1, 2, 3))
    some = [place for place in range(len(arms)) if gaps[place] < anywhere.sum()]
    told = Verdict(
        arms=tuple(arms[place] for place in some),
        lacking={arms[place]: int(gaps[place]) for place in some if gaps[place]},
        of=int(anywhere.sum()),
    )
    means = statistics.mean(sample.values, sample.weights)
    whole = [place for place in some if not gaps[place]]
    if not whole:
        return told
    best = min(whole, key=lambda place: means[place] * (1 if metric.lower_is_better else -1))
    told = replace(told, best=arms[best])
    others = [place for place in some if place != best]
    if not others:
        return told
    values = sample.values[others] - sample.values[best]
    weights = None if sample.weights is None else sample.weights[others]
    found = statistics.interval(
        values, draws.means(values, weights), confidence, weights, together=told.pairs
    )
    names = np.array([arms[place] for place in others], dtype=object)
    tied = (found.low <= 0) & (found.high >= 0)
    worse = found.low > 0 if metric.lower_is_better else found.high < 0
    chosen = {"tied": tied, "worse": worse}
    return replace(told, **{name: frozenset(names[where]) for name, where in chosen.items()})
