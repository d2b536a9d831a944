"""What could not be measured: how many values of which arm and metric, and why."""

import pandas as pd

from adaptts.reporting.results import Results

COLUMNS = ["arm", "metric", "reason", "missing", "of"]


def tabulate(results: Results) -> pd.DataFrame:
    """A row for each arm (or reference), metric and reason: columns COLUMNS.

    `missing` of `of` values, over all points at which the metric was taken.
    """
    every = pd.concat([results.references, results.measures], ignore_index=True)
    taken = every.groupby(["arm", "metric"]).size()
    gone = every[every["value"].isna()]
    reasons = gone["note"].where(gone["note"] != "", "no reason given")
    counts = gone.assign(reason=reasons).groupby(["arm", "metric", "reason"], sort=False).size()
    rows = [
        (arm, metric, reason, int(count), int(taken[arm, metric]))
        for (arm, metric, reason), count in counts.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)
