from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fabricated import PROVENANCE, validation_distortion

from adaptts.reporting.advice import reached as steps_table
from adaptts.reporting.advice import recommended
from adaptts.reporting.decision import decide, not_dominated, steps_to_reach
from adaptts.reporting.report import Report


def curve(arm: str, values: dict[int, float], shots: int = 5) -> list[dict]:
    return [{"arm": arm, "shots": shots, "steps": steps, "value": value}
            for steps, value in values.items()]  # fmt: skip


def reached(values: dict[int, float], threshold: float) -> float:
    none = np.full((1, len(values)), np.nan)
    table = steps_to_reach(pd.DataFrame(curve("maml", values)), [threshold], none, 0.95)
    assert table[["low", "high"]].isna().all(axis=None)
    return table["steps"].item()


def test_steps_to_a_threshold_lie_on_the_line_between_measured_steps() -> None:
    values = {0: 8.0, 10: 4.0, 20: 3.0}
    assert reached(values, 6.0) == 5
    assert reached(values, 4.0) == 10
    assert reached(values, 3.25) == 18  # 17.5: steps are whole
    assert reached(values, 9.0) == 0


def test_what_is_never_reached_is_said_so() -> None:
    assert reached({0: 8.0, 10: 4.0}, 3.0) == np.inf


def test_the_first_crossing_counts_and_gaps_are_bridged() -> None:
    assert reached({0: 8.0, 10: 2.0, 20: 5.0}, 5.0) == 5
    assert reached({0: 8.0, 5: np.nan, 10: 4.0}, 6.0) == 5


def test_steps_to_a_threshold_have_the_interval_of_the_resampled_curves() -> None:
    summary = pd.DataFrame(curve("maml", {0: 8.0, 10: 4.0}))
    # Parallel curves, which reach 6 dB after 3, 5 and 7 steps, or, one in a hundred, never.
    shifts = np.repeat([-0.8, 0.0, 0.8, 9.0], [30, 39, 30, 1])
    resampled = summary["value"].to_numpy() + shifts[:, None]
    (row,) = steps_to_reach(summary, [6.0], resampled, 0.95).to_dict("records")
    assert (row["steps"], row["low"], row["high"]) == (5, 3, 7)
    (row,) = steps_to_reach(summary, [6.0], resampled, 0.99).to_dict("records")
    assert row["high"] == np.inf


def test_the_table_of_steps_has_whole_steps_and_their_interval(report: Report) -> None:
    grid = steps_table(report.decision, report.comparison)
    (cells,) = [row.cells for row in grid.rows if row.name == "pretrain_finetune"]
    own = report.decision.reached.query("arm == 'pretrain_finetune' and shots == 5")
    assert [cell.text for cell in cells] == [f"{steps:.0f}" for steps in own["steps"]]
    assert (own["low"] <= own["steps"]).all()
    assert (own["steps"] <= own["high"]).all()
    assert (own["low"] < own["high"]).any()
    assert all(len(cell.lines) == 1 for cell in cells)


def heard(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["quality", "similarity", "compute", "shots"])


def test_points_that_another_beats_are_not_on_the_front() -> None:
    table = heard([(6.0, 0.8, 1.0, 5), (6.5, 0.7, 1.0, 5), (6.5, 0.9, 2.0, 5), (8.0, 0.6, 0.0, 1)])
    assert not_dominated(table) == [True, False, True, True]


def test_equal_points_and_equal_times_do_not_beat_each_other() -> None:
    table = heard([(6.0, 0.8, 1.0, 5), (6.0, 0.8, 1.05, 5), (5.9, 0.8, 1.05, 5)])
    assert not_dominated(table) == [False, False, True]
    assert not_dominated(heard([(6.0, 0.8, 1.0, 5)] * 2)) == [True, True]


def test_every_option_costs_what_was_measured(report: Report) -> None:
    options = report.decision.options
    assert len(options) == 2 * (2 + 2 * 3)
    assert options["speech"].to_numpy() == pytest.approx(0.05 * options["shots"])
    stepping = options["arm"].isin(["maml", "pretrain_finetune"])
    assert options["compute"].to_numpy() == pytest.approx(0.05 * options["steps"] * stepping)


def test_the_choice_is_the_validation_speakers(report: Report) -> None:
    options = report.decision.options
    # The test speakers would choose another arm; they are not asked.
    flattered = options["arm"] == "maml"
    decision = replace(
        report.decision, options=options.assign(value=options["value"].mask(flattered, 0.0))
    )
    option = decision.recommend(1.0, 1.0)
    assert option is not None
    assert (option["arm"], option["shots"], option["steps"]) == ("pretrain_finetune", 5, 10)
    expected = validation_distortion("pretrain_finetune", 5, 10)
    assert option["validation"] == pytest.approx(expected)
    point = report.comparison.value("pretrain_finetune", "mel_distortion")
    assert option["value"] == pytest.approx(point)


def test_budgets_bind(report: Report) -> None:
    decision = report.decision
    for speech, compute in ((0.05, 0.5), (0.3, 0.1), (0.06, 0.0)):
        option = decision.recommend(speech, compute)
        assert option is not None
        assert option["speech"] <= speech + 1e-6
        assert option["compute"] <= compute + 1e-6
        affordable = decision.options.query(
            "speech <= @speech + 1e-6 and compute <= @compute + 1e-6"
        )
        assert option["validation"] == affordable["validation"].min()
    assert decision.recommend(0.01, 10) is None


def test_without_validation_curves_nothing_is_recommended(report: Report, tmp_path) -> None:
    bare = replace(report.results, validation=report.results.validation.iloc[:0])
    assert recommended(decide(bare, report.comparison)).rows == []
    Report.make(bare).write(tmp_path, PROVENANCE)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Nothing is recommended: there are no validation curves" in page


def test_the_front_holds_the_best_of_quality(report: Report) -> None:
    front = report.decision.front
    best = front.loc[front["quality"].idxmin()]
    assert best["front"]
    assert not front.loc[front["arm"] == "average", "front"].any()


def test_an_arm_without_its_times_is_no_option(report: Report) -> None:
    costs = report.results.voice_costs
    known = replace(report.results, voice_costs=costs[costs["arm"] != "maml"])
    options = decide(known, report.comparison).options
    assert set(options.loc[options["arm"] == "maml", "steps"]) == {0}
