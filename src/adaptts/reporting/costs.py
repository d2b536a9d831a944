"""The ledger: what each arm costs in training, tuning, adapting, keeping a voice."""

from typing import Any

import numpy as np
import pandas as pd

from adaptts.reporting.results import Results

SPENT = ["utterance_gradients", "wall_seconds", "cpu_seconds"]
# Means over the seeds: of the arm's own training, of the trunk if it began there, of both.
TRAINING = [
    *SPENT, *[f"trunk_{key}" for key in SPENT], *[f"total_{key}" for key in SPENT],
    "steps", "utterance_gradients_per_step", "peak_memory_bytes", "parameters",
]  # fmt: skip
COLUMNS = [
    "arm", "start", "seeds", *TRAINING, "trials", "rule", "step_size",
    "adaptation_seconds_per_step", "adapted_parameters", "bytes_per_voice",
    "adaptation_peak_memory_bytes",
]  # fmt: skip


def summarise(results: Results) -> pd.DataFrame:
    """A row per arm of the experiment, columns COLUMNS; NaN (or "") where nothing is known.

    Training figures are means over seeds and folds; the trunk counts for each arm that starts from
    it. Trials are those of one search: every fold has its own.
    Seconds are of the machine that ran the stages, memory is of the whole process.
    """
    rows = []
    for arm in results.experiment.arms:
        trials = results.trials[results.trials["arm"] == arm]
        chosen = trials[trials["chosen"]]
        runs = trials["fold"].nunique() if "fold" in trials else 1
        rows.append(
            {
                "arm": arm,
                "start": results.start_of(arm),
                **_training(results, arm),
                "trials": len(trials) // max(1, runs),
                # Folds choose each for itself.
                "rule": " or ".join(chosen["rule"].unique()) if len(chosen) else "",
                "step_size": float(chosen["step_size"].iloc[0]) if len(chosen) == 1 else np.nan,
                **_adaptation(results, arm),
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def _training(results: Results, run: str) -> dict[str, float]:
    table = results.training_costs[results.training_costs["arm"] == run]
    found = {key: _mean(table, key) for key in TRAINING}
    return {"seeds": len(table), **found}


def _adaptation(results: Results, arm: str) -> dict[str, float]:
    table = results.voice_costs[results.voice_costs["arm"] == arm]
    runs = [run for runs in table.get("runs", []) for run in runs]
    seconds, steps = (sum(run[key] for run in runs) for key in ("adaptation_seconds", "steps"))
    return {
        "adaptation_seconds_per_step": seconds / steps if steps else np.nan,
        "adapted_parameters": _mean(table, "adapted_parameters"),
        "bytes_per_voice": _mean(table, "bytes_per_voice"),
        "adaptation_peak_memory_bytes": _mean(table, "peak_memory_bytes"),
    }


def _mean(table: pd.DataFrame, column: str) -> float:
    return float(table[column].mean()) if column in table.columns and len(table) else np.nan


def as_json(costs: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """arm → figure → value, None where nothing is known."""
    rows = costs.astype(object).where(costs.notna(), None).to_dict("records")
    return {row.pop("arm"): row for row in rows}
