"""All measures on one grid: what arms say in the place of each other, on the same places."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adaptts.evaluation.statistics import Array
from adaptts.reporting.metrics import METRICS, Metric
from adaptts.reporting.results import ResultsError

Point = tuple[str, int, int]  # arm, shots, steps
NAMED = 3  # places that an error names


@dataclass(frozen=True)
class Sample:
    """One metric's values, [points, speakers, utterances, seeds], and what each of them weighs."""

    values: Array
    weights: Array | None

    def at(self, point: int | list[int]) -> "Sample":
        """Those of one point, [speakers, utterances, seeds], or of some."""
        return Sample(self.values[point], None if self.weights is None else self.weights[point])


@dataclass(frozen=True)
class Panel:
    """Measures of some points; utterances are numbered within their speakers."""

    points: list[Point]  # in the order of the measures
    speakers: list[str]
    present: NDArray[np.bool_]  # [speakers, utterances]: whether a speaker has that one
    seeds: int
    counts: pd.DataFrame  # rows of each arm, shots, steps and metric: columns measured, missing
    _values: dict[str, Array]  # measure → [points, speakers, utterances, seeds]; NaN: no value

    @classmethod
    def lay(cls, measures: pd.DataFrame) -> "Panel":
        """Lay out `measures`, which have at least one row."""
        place = ["arm", "shots", "steps"]
        point = measures.groupby(place, sort=False).ngroup().to_numpy()
        speaker, speakers = pd.factorize(measures["speaker"].astype(str), sort=True)
        seed, seeds = pd.factorize(measures["seed"], sort=True)
        pairs = pd.DataFrame({"speaker": speaker, "utterance": measures["utterance"].to_numpy()})
        utterance = pairs.groupby("speaker")["utterance"].rank("dense").to_numpy(dtype=int) - 1
        shape = (point.max() + 1, len(speakers), utterance.max() + 1, len(seeds))
        present = np.zeros(shape[1:3], dtype=bool)
        present[speaker, utterance] = True
        value = measures["value"].to_numpy(dtype=float)
        values = {}
        for name, rows in measures.groupby("metric", sort=False).indices.items():
            array = np.full(shape, np.nan)
            array[point[rows], speaker[rows], utterance[rows], seed[rows]] = value[rows]
            values[str(name)] = array
        grouped = measures.groupby([*place, "metric"], sort=False)["value"]
        counts = pd.DataFrame({"measured": grouped.count()})
        counts["missing"] = grouped.size() - counts["measured"]
        points = [
            (str(arm), int(shots), int(steps))
            for arm, shots, steps in measures[place].drop_duplicates().itertuples(index=False)
        ]
        return cls(points, list(speakers), present, len(seeds), counts, values)

    def sample(self, metric: Metric) -> Sample:
        """The values of `metric` at every point; NaN throughout where it is not measured."""
        if metric.ratio is None:
            return Sample(self._of(metric.name), None)
        errors, total = map(self._of, metric.ratio)
        weights = np.where(np.isnan(errors) | np.isnan(total), 0.0, total)
        rates = np.divide(100 * errors, total, out=np.full(total.shape, np.nan), where=weights > 0)
        return Sample(rates, weights)

    def find(self, arm: str, shots: int, steps: int) -> int | None:
        """The number of a point; steps 0 stand in where an arm takes none at all."""
        own = [point for point in self.points if point[0] == arm]
        taken = 0 if all(point[2] == 0 for point in own) else steps
        point = (arm, shots, taken)
        return self.points.index(point) if point in own else None

    def measured(self) -> list[tuple[Point, Metric]]:
        """Every point and metric that there are rows of, missing values included."""
        there = set(self.counts.index)
        return [
            (point, metric)
            for point in self.points
            for metric in METRICS
            if (*point, metric.name) in there
        ]

    def _of(self, name: str) -> Array:
        shape = (len(self.points), *self.present.shape, self.seeds)
        return self._values.get(name, np.full(shape, np.nan))


def check_queries(measures: pd.DataFrame) -> None:
    """Raises ResultsError if arms were not measured on the same utterances with the same seeds."""
    place = ["speaker", "utterance", "seed"]
    sets = {
        str(arm): set(rows[place].drop_duplicates().itertuples(index=False, name=None))
        for arm, rows in measures.groupby("arm", sort=False)
    }
    all_of_them = set[tuple].union(set(), *sets.values())
    for arm, own in sets.items():
        lacking = sorted(all_of_them - own)
        if lacking:
            named = ", ".join(
                f"{utterance} of {speaker} with seed {seed}"
                for speaker, utterance, seed in lacking[:NAMED]
            )
            more = f" and {len(lacking) - NAMED} more" if len(lacking) > NAMED else ""
            raise ResultsError(
                f"arms must be measured on the same utterances with the same seeds, but {arm} "
                f"lacks {named}{more}, which another arm has; run the adapt and evaluate stages "
                f"of {arm} again, or take it out of arms"
            )
