"""All charts of a report: for each place on the page its variants, by metric or by loss."""

import math

import pandas as pd

from adaptts.reporting import error_rates, figures
from adaptts.reporting.comparison import Axis, Comparison
from adaptts.reporting.decision import Decision
from adaptts.reporting.figures import Specification, specify
from adaptts.reporting.metrics import METRICS
from adaptts.reporting.results import COPY_SYNTHESIS, NATURAL, TRAINING, TRUNK, Results

TRAINING_POINTS = 150  # of a run's curve
WEIGHT = "weight_"  # begins the names of the columns that hold a task's weight in the loss
DIGITS = 5  # significant, of a chart's numbers
AXES: tuple[Axis, ...] = ("steps", "shots")

Gallery = dict[str, dict[str, Specification]]  # place → variant → chart


def draw(results: Results, comparison: Comparison, decision: Decision) -> Gallery:
    """Draw every chart."""
    arms = results.experiment.arms
    runs = results.training[results.training["arm"] != TRUNK]
    trunk = results.training[results.training["arm"] == TRUNK]
    return {
        **{axis: _curves(comparison, axis, arms) for axis in AXES},
        "speakers": _speakers(comparison, arms, results.unit),
        "detection": _detection(comparison, arms),
        "ranks": _standings(comparison, arms),
        "front": _front(decision, arms),
        "trunk": _losses(trunk, []),
        "training": _losses(runs, arms),
        "weights": _weights(runs, arms),
    }


def losses(training: pd.DataFrame) -> list[str]:
    """The losses that any of these runs has logged; the whole loss first."""
    others = ("step", "utterance_gradients", "seconds", "arm", "seed", TRAINING[-1])
    named = [str(name) for name in training.columns
             if name not in others and not name.startswith(WEIGHT)]  # fmt: skip
    return [name for name in (TRAINING[-1], *named) if training[name].notna().any()]


def adjusted(training: pd.DataFrame) -> pd.DataFrame:
    """The runs of arms that change the weights of their tasks while they train."""
    columns = [name for name in training.columns if name.startswith(WEIGHT)]
    of_arm = training.groupby("arm")[columns]
    # Means of a constant weight over many steps differ by rounding.
    changes = (of_arm.max() > of_arm.min() * (1 + 1e-6)).any(axis=1)
    return training[training["arm"].isin(changes.index[changes])]


def _losses(runs: pd.DataFrame, arms: list[str]) -> dict[str, Specification]:
    return {name: specify(figures.training(_thin(runs, name), name, arms)) for name in losses(runs)}


def _weights(runs: pd.DataFrame, arms: list[str]) -> dict[str, Specification]:
    """A chart for each task that any arm adjusts the weight of."""
    runs = adjusted(runs)
    columns = [name for name in runs.columns if name.startswith(WEIGHT)]
    ends = (runs[columns].min().min(), runs[columns].max().max())
    return {
        name.removeprefix(WEIGHT): specify(figures.weights(_thin(runs, name), name, arms, ends))
        for name in columns
        if runs[name].notna().any()
    }


def _curves(comparison: Comparison, axis: Axis, arms: list[str]) -> dict[str, Specification]:
    table = comparison.along(axis)
    references = comparison.references[comparison.references["measured"] > 0]
    charts: dict[str, Specification] = {}
    for metric in METRICS:
        own = table[(table["metric"] == metric.name) & table["value"].notna()]
        if own[axis].nunique() < 2:
            continue
        rules = references.loc[references["metric"] == metric.name, ["arm", "value"]]
        chart = figures.curve(
            _rounded(own[["arm", axis, "value", "low", "high"]]), metric, axis, arms,
            comparison.zero_step_arms, _rounded(rules),
        )  # fmt: skip
        charts[metric.name] = specify(chart)
    return charts


def _speakers(comparison: Comparison, arms: list[str], unit: str) -> dict[str, Specification]:
    charts: dict[str, Specification] = {}
    for metric in METRICS:
        own = comparison.speakers[comparison.speakers["metric"] == metric.name]
        own = _rounded(own.dropna(subset=["value"])[["arm", "speaker", "value"]])
        ours = own["arm"].isin(arms)
        if ours.any():
            ceilings = own[own["arm"].isin([NATURAL, COPY_SYNTHESIS])]
            chart = figures.speakers(own[ours], unit, metric, arms, ceilings)
            charts[metric.name] = specify(chart)
    return charts


def _detection(comparison: Comparison, arms: list[str]) -> dict[str, Specification]:
    """One chart, where there are trials of both kinds."""
    table = _rounded(error_rates.detection(comparison.trials))
    equal = _rounded(error_rates.crossings(comparison.trials))
    return {} if table.empty else {"det": specify(figures.detection(table, equal, arms))}


def _standings(comparison: Comparison, arms: list[str]) -> dict[str, Specification]:
    return {
        standing.metric.name: specify(
            figures.standing(
                _rounded(standing.ranks[["arm", "rank", "low", "high"]]),
                standing.cliques,
                standing.metric,
                arms,
            )
        )
        for standing in comparison.standings
    }


def _front(decision: Decision, arms: list[str]) -> dict[str, Specification]:
    if decision.front.empty:
        return {}
    return {"front": specify(figures.front(_rounded(decision.front), decision.quality, arms))}


def _thin(training: pd.DataFrame, loss: str) -> pd.DataFrame:
    """Means over stretches of steps, so that a run has TRAINING_POINTS points at most."""
    parts = []
    for _, run in training.dropna(subset=[loss]).groupby(["arm", "seed"], sort=False):
        stretch = pd.Series(range(len(run)), index=run.index) // math.ceil(
            len(run) / TRAINING_POINTS
        )
        means = run[["utterance_gradients", loss]].groupby(stretch).mean()
        parts.append(means.assign(arm=run["arm"].iloc[0], seed=run["seed"].iloc[0]))
    return _rounded(pd.concat(parts))


def shorten(value: float) -> float | None:
    """A number as a chart or a script needs it; None for NaN."""
    return None if math.isnan(value) else float(f"{value:.{DIGITS}g}")


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(
        **{name: table[name].map(shorten) for name in table.select_dtypes("float").columns}
    )
