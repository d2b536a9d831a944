from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fabricated import make_experiment

from adaptts.reporting.comparison import compare
from adaptts.reporting.report import Report
from adaptts.reporting.results import Results
from adaptts.reporting.sanity import Check, examine

Change = Callable[[Results], Results]


def find(checks: list[Check], words: str) -> Check:
    found = [check for check in checks if words in check.check]
    assert len(found) == 1, [check.check for check in checks]
    return found[0]


def examined(results: Results) -> list[Check]:
    return examine(results, compare(results))


def with_measures(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    return lambda results: replace(results, measures=change(results.measures.copy()))


def of(table: pd.DataFrame, arm: str, metric: str = "mel_distortion") -> pd.Series:
    return (table["arm"] == arm) & (table["metric"] == metric)


def without_a_row(table: pd.DataFrame) -> pd.DataFrame:
    place = of(table, "maml") & (table["steps"] == 10) & (table["shots"] == 5)
    return table.drop(index=table.index[place][0])


def with_a_gap(table: pd.DataFrame) -> pd.DataFrame:
    first = table.index[of(table, "maml", "f0_rmse")][0]
    table.loc[first, ["value", "note"]] = [np.nan, "nothing is voiced"]
    return table


def worse_than_the_floor(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[of(table, "maml", "mcd"), "value"] = 99.0
    return table


def better_than_the_vocoder(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[of(table, "maml", "mcd"), "value"] = 1.0
    return table


def rising_with_steps(table: pd.DataFrame) -> pd.DataFrame:
    place = of(table, "maml") & (table["steps"] == 10)
    table.loc[place, "value"] = 7.0
    return table


def rising_with_shots(table: pd.DataFrame) -> pd.DataFrame:
    place = of(table, "maml") & (table["shots"] == 1)
    table.loc[place, "value"] = 0.5
    return table


def quarrelling_seeds(table: pd.DataFrame) -> pd.DataFrame:
    place = of(table, "maml") & (table["seed"] == 1)
    table.loc[place, "value"] += 9.0
    return table


def another_start(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[of(table, "average"), "value"] += 1e-3
    return table


def deaf_recogniser(results: Results) -> Results:
    references = results.references.copy()
    references.loc[of(references, "natural", "word_errors"), "value"] = 3
    return replace(results, references=references)


def unequal_budgets(results: Results) -> Results:
    costs = results.training_costs.copy()
    costs.loc[costs["arm"] == "maml", "total_utterance_gradients"] *= 1.03
    return replace(results, training_costs=costs)


def unequal_trials(results: Results) -> Results:
    return replace(results, trials=results.trials.iloc[:-1])


def chosen_at_the_edge(results: Results) -> Results:
    trials = results.trials.copy()
    own = trials["arm"] == "maml"
    trials.loc[own & trials["chosen"], "step_size"] = 0.0049
    return replace(results, trials=trials)


def test_a_sound_comparison_raises_no_flag(report: Report) -> None:
    assert {check.outcome for check in report.checks} == {"pass"}


@pytest.mark.parametrize(
    ("words", "change", "number"),
    [
        ("measured every speaker", with_measures(without_a_row), "maml 23"),
        ("No value is missing", with_measures(with_a_gap), "f0_rmse: 1 (nothing is voiced)"),
        ("MCD: no adapted arm is worse", with_measures(worse_than_the_floor), "maml 99.00"),
        ("MCD: no arm is better", with_measures(better_than_the_vocoder), "maml 1.00"),
        ("falls with steps", with_measures(rising_with_steps), "maml −"),
        ("falls with shots", with_measures(rising_with_shots), "maml −"),
        ("Seeds agree", with_measures(quarrelling_seeds), "maml 9"),
        ("Before the first step", with_measures(another_start), "0.001 dB"),
        ("understands most words", deaf_recogniser, "mistakes 60.0% of them: by its error rates"),
        ("Training budgets", unequal_budgets, "maml 330"),
        ("as many trials", unequal_trials, "maml 2"),
        ("inside the space", chosen_at_the_edge, "maml adam 0.0049"),
    ],
)
def test_what_is_wrong_is_flagged_with_its_numbers(
    results: Results, words: str, change: Change, number: str
) -> None:
    check = find(examined(change(results)), words)
    assert check.outcome == "flag"
    assert number in check.finding


def test_budgets_within_one_percent_pass(results: Results) -> None:
    costs = results.training_costs.copy()
    costs.loc[costs["arm"] == "maml", "total_utterance_gradients"] *= 1.009
    check = find(examined(replace(results, training_costs=costs)), "Training budgets")
    assert check.outcome == "pass"


def test_a_ceiling_that_falls_short_within_the_intervals_passes(results: Results) -> None:
    references = results.references.copy()
    heard = (references["arm"] == "natural") & (references["metric"] == "word_errors")
    references.loc[heard & (references["utterance"] == "s0_1"), "value"] = 1
    check = find(examined(replace(results, references=references)), "WER: copy_synthesis")
    assert check.outcome == "pass"
    assert check.finding == "natural 1.7%, copy_synthesis 0.0%; the intervals overlap."
    references.loc[heard, "value"] = 1
    check = find(examined(replace(results, references=references)), "WER: copy_synthesis")
    assert check.outcome == "flag"


def test_an_absent_arm_is_flagged(results: Results) -> None:
    measures = results.measures[results.measures["arm"] != "maml"]
    check = find(examined(replace(results, measures=measures)), "measured every speaker")
    assert check.outcome == "flag"
    assert "maml 0" in check.finding


def test_what_cannot_be_checked_says_so(results: Results) -> None:
    measures = results.measures[results.measures["seed"] == 0]
    one_seed = replace(
        results,
        experiment=make_experiment(seeds=[0]),
        measures=measures[measures["arm"] != "average"],
        training_costs=results.training_costs.iloc[:0],
        trials=results.trials.iloc[:0],
        references=results.references[results.references["arm"] != "natural"],
    )
    checks = examined(one_seed)
    assert find(checks, "understands most words").outcome == "skipped"
    assert "one seed" in find(checks, "Seeds agree").finding
    for words in ("Seeds agree", "Before the first step", "Training budgets", "inside the space"):
        assert find(checks, words).outcome == "skipped"


def test_an_arm_from_scratch_needs_no_start_like_one_from_the_trunk(results: Results) -> None:
    settings = {arm: {"strategy": arm} for arm in results.experiment.arms}
    settings["pretrain_finetune"]["start"] = "scratch"
    apart = replace(results, experiment=make_experiment(strategies=settings))
    assert find(examined(apart), "Before the first step").outcome == "skipped"
