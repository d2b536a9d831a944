"""One measured value, and the long table that all values go into."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import pandas as pd


class NotMeasurableError(ValueError):
    """A measure is undefined on this sound; the message says why."""


@dataclass(frozen=True)
class Point:
    """What was measured: one utterance as one voice says it."""

    arm: str
    speaker: str
    seed: int  # -1 for references
    draw: int  # -1 for references
    shots: int
    steps: int
    utterance: str


@dataclass(frozen=True)
class Measure:
    """A value; NaN is a missing one, and `note` then says why."""

    metric: str
    value: float
    note: str = ""

    def __post_init__(self) -> None:
        if math.isinf(self.value):
            raise ValueError(
                f"{self.metric} must be finite, or NaN where missing, got {self.value}; raise "
                "NotMeasurableError with the reason instead"
            )
        if math.isnan(self.value) and not self.note:
            raise ValueError(f"{self.metric} is NaN; a missing value needs a note that says why")


COLUMNS = [*Point.__dataclass_fields__, *Measure.__dataclass_fields__]


def take(metrics: Sequence[str], measure: Callable[[], Sequence[float]]) -> list[Measure]:
    """Return what `measure` returns, a value for each of `metrics`.

    Where it raises `NotMeasurableError`, each of them is missing for that reason.
    """
    try:
        values = measure()
    except NotMeasurableError as error:
        return missing(metrics, str(error))
    return [Measure(metric, value) for metric, value in zip(metrics, values, strict=True)]


def missing(metrics: Sequence[str], reason: str) -> list[Measure]:
    """Each of `metrics` as a missing value."""
    return [Measure(metric, math.nan, reason) for metric in metrics]


def tabulate(measured: Iterable[tuple[Point, Sequence[Measure]]]) -> pd.DataFrame:
    """The long table, one row per point and metric, in the order given."""
    rows = [
        {**asdict(point), **asdict(measure)} for point, measures in measured for measure in measures
    ]
    whole = {"seed": "int64", "draw": "int64", "shots": "int64", "steps": "int64"}
    return pd.DataFrame(rows, columns=COLUMNS).astype({**whole, "value": "float64"})
