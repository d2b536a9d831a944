"""The results of a cross-validation's folds as one experiment's, over all held-out speakers.

No speaker is tested twice, so measures, references, verification and sound stand beside each other.
What is of a fold and not of a speaker (trainings, tuning, the audit) names its fold. The folds'
validation curves are left out: who validates in one fold is tested in another, so that a choice by
them would be judged by the speakers that it was made on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from adaptts.params import Experiment
from adaptts.reporting.answer import listed
from adaptts.reporting.answers import ANSWERS
from adaptts.reporting.results import RETAKE, VALIDATION, Results, ResultsError

TABLES = ("measures", "references", "verification", "training_costs", "voice_costs", "clips")


def pool(experiment: Experiment, folds: Sequence[Results]) -> Results:
    """The results of all folds, in their order; `experiment` is what they are folds of.

    An arm that has failed in one fold is left out of all. Raises ResultsError where a fold was run
    with another split than `experiment` has for it, or no arm has results in every fold.
    """
    for number, (asked, found) in enumerate(zip(experiment.folds, folds, strict=True), 1):
        split = found.experiment.split
        if (split.test, split.validation) != (asked.test, asked.validation):
            raise ResultsError(
                f"fold {number} tests {split.test} and validates {split.validation}, params.yaml "
                f"says {asked.test} and {asked.validation}; run `snakemake --config folds=true`"
            )
    kept, failed = _kept(folds), _failed(folds)
    if not kept:
        told = "; ".join(f"{arm}: {reason}" for arm, reason in failed.items())
        raise ResultsError(f"no arm has results in every fold ({told or 'none has any'})")
    folds = [_of_arms(fold, kept) for fold in folds]
    pooled = {name: _concatenated([getattr(fold, name) for fold in folds]) for name in TABLES}
    retake_note = _retake_note(folds)
    if retake_note:  # a row of some speakers alone is not to be compared with the others
        references = pooled["references"]
        pooled["references"] = references[references["arm"] != RETAKE]
    return replace(
        folds[0],
        experiment=experiment,
        **pooled,
        training=_concatenated(_numbered(folds, "training", "seed")),
        trials=_concatenated(_numbered(folds, "trials", "fold")),
        validation=pd.DataFrame(columns=VALIDATION),
        answers=pd.DataFrame(columns=ANSWERS),  # listeners heard the folds apart, if at all
        audit=_audit(folds),
        absent=[f"Fold {number}: {absent}" for number, absent in _each(folds, "absent")],
        failed=failed,
        retake_note=retake_note,
        splits=[fold.experiment.split for fold in folds],
    )


def _retake_note(folds: Sequence[Results]) -> str:
    """Why folds have no retakes, or ""."""
    numbers: dict[str, list[str]] = {}
    for number, fold in enumerate(folds, 1):
        if fold.retake_note:
            numbers.setdefault(fold.retake_note, []).append(str(number))
    return "; ".join(f"in fold {listed(which)} {note}" for note, which in numbers.items())


def _kept(folds: Sequence[Results]) -> set[str]:
    return set.intersection(*[set(fold.arms) for fold in folds])


def _failed(folds: Sequence[Results]) -> dict[str, str]:
    """Why arms are left out, by arm."""
    reasons: dict[str, list[str]] = {}
    for number, fold in enumerate(folds, 1):
        for arm in fold.experiment.arms:
            if arm not in fold.arms:
                why = fold.failed.get(arm, "it has no results")
                reasons.setdefault(arm, []).append(f"fold {number}: {why}")
    return {arm: "; ".join(told) for arm, told in reasons.items()}


def _of_arms(fold: Results, arms: set[str]) -> Results:
    """The fold without the other arms' measures and sound: means would be of other speakers."""
    gone = set(fold.experiment.arms) - arms
    tables = {
        name: table[~table["arm"].isin(gone)]
        for name in (*TABLES, "training", "trials")
        if len(table := getattr(fold, name))
    }
    return replace(fold, **tables)


def _numbered(folds: Sequence[Results], name: str, column: str) -> list[pd.DataFrame]:
    """A table of each fold with its number as the column `fold`, or beside each seed."""
    tables = []
    for number, fold in enumerate(folds, 1):
        table = getattr(fold, name)
        label = f"fold {number}"
        if column in table:
            label = table[column].astype(str) + f", {label}"
        tables.append(table.assign(**{column: label}))
    return tables


def _concatenated(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]


def _each(folds: Sequence[Results], name: str) -> Iterator[tuple[int, Any]]:
    """Every entry of a list of each fold, and the fold's number."""
    for number, fold in enumerate(folds, 1):
        for entry in getattr(fold, name):
            yield number, entry


def _audit(folds: Sequence[Results]) -> dict[str, Any]:
    """Breaches of each rule in all folds, the first example, and what was relaxed in any."""
    checks: dict[str, dict[str, Any]] = {}
    for number, fold in enumerate(folds, 1):
        for check in fold.audit.get("checks", []):
            whole = checks.setdefault(check["rule"], {**check, "breaches": 0, "example": ""})
            whole["breaches"] += check["breaches"]
            if check["example"] and not whole["example"]:
                whole["example"] = f"fold {number}: {check['example']}"
    relaxed = dict.fromkeys(rule for fold in folds for rule in fold.audit.get("relaxed", []))
    return {**folds[0].audit, "relaxed": list(relaxed), "checks": list(checks.values())}
