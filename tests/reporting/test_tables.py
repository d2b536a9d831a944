from dataclasses import replace

import pytest

from adaptts.reporting import costs, tables
from adaptts.reporting.report import Report
from adaptts.reporting.sanity import Check
from adaptts.reporting.tables import Cell, Column, Grid, Group, Row


def row(grid: Grid, name: str) -> list[Cell]:
    (found,) = [row for row in grid.rows if row.name == name]
    return list(found.cells)


def titles(grid: Grid) -> list[str]:
    return [group.title for group in grid.groups]


def test_the_headline_sets_references_and_zero_step_arms_apart(report: Report) -> None:
    grid = tables.headline(report.results, report.comparison)
    assert [[row.name for row in group.rows] for group in grid.groups] == [
        ["natural", "copy_synthesis"],
        ["average", "prototype"],
        ["pretrain_finetune", "maml"],
    ]


def test_the_headline_marks_best_and_tied(report: Report) -> None:
    grid = tables.headline(report.results, report.comparison)
    heads = [column.title.split("\u00a0")[0] for column in grid.columns[1:]]
    wer = heads.index("WER")
    assert row(grid, "pretrain_finetune")[wer].mark == "best"
    assert row(grid, "maml")[wer].mark == "tie"
    assert row(grid, "average")[heads.index("MCD")].mark == ""
    assert row(grid, "natural")[wer].mark == ""


def test_the_headline_tells_direction_and_unit(report: Report) -> None:
    columns = tables.headline(report.results, report.comparison).columns
    assert ("MCD\u00a0↓", "dB") in [(column.title, column.unit) for column in columns]
    assert ("Similarity\u00a0↑", "") in [(column.title, column.unit) for column in columns]


def test_the_headline_counts_missing_values(report: Report) -> None:
    points = report.comparison.points
    comparison = replace(report.comparison, points=points.assign(missing=2))
    cells = row(tables.headline(report.results, comparison), "maml")
    assert cells[0].warning == "2 missing"


def test_an_arm_without_results_keeps_its_row(report: Report) -> None:
    comparison = replace(report.comparison, arms=["average", "prototype", "pretrain_finetune"])
    grid = tables.headline(report.results, comparison)
    assert titles(grid)[-1] == "Without results"
    assert grid.groups[-1].rows[0].name == "maml"


def test_differences_are_signed_and_bold_when_the_interval_excludes_zero(report: Report) -> None:
    grid = tables.differences(report.comparison)
    average = row(grid, "average")[0]
    assert average.text.startswith("+1.6")
    assert average.mark == "apart"
    assert "p 0.75" in average.lines
    assert "pretrain_finetune" not in [row.name for row in grid.rows]


def test_differences_by_step_end_in_those_of_the_headline(report: Report) -> None:
    by_step = tables.differences_by_step(report.comparison)
    assert [column.title for column in by_step.columns] == ["Arm", "0", "2", "10"]
    at_headline = tables.differences(report.comparison)
    for name in ("average", "maml"):
        last, expected = row(by_step, name)[-1], row(at_headline, name)[0]
        assert (last.text, last.mark) == (expected.text, expected.mark)
        assert last.lines == expected.lines[:1]
    assert row(by_step, "maml")[0].text != row(by_step, "maml")[-1].text


def test_costs_are_printed_in_readable_units(report: Report) -> None:
    cells = row(tables.cost(costs.summarise(report.results)), "maml")
    texts = [cell.text for cell in cells]
    assert texts == [
        "80", "320", "20", "300 MB", "50 ms", "350\u202f000", "1.4 MB", "200 MB",
    ]  # fmt: skip
    assert cells[0].lines == ["12.5 s", "12 s CPU"]
    assert cells[1].lines == ["42.5 s", "41 s CPU", "from trunk"]
    assert cells[2].lines == ["4 each"]
    zero = row(tables.cost(costs.summarise(report.results)), "average")
    assert zero[4].text == "–"


def test_costs_of_an_arm_without_any_are_dashes(report: Report) -> None:
    results = report.results
    known = results.training_costs["arm"] != "maml"
    costs_table = costs.summarise(replace(results, training_costs=results.training_costs[known]))
    for cell in row(tables.cost(costs_table), "maml")[:4]:
        assert cell.text == "–"
        assert not cell.lines


def test_adaptation_seconds_are_per_step_of_all_runs(report: Report) -> None:
    table = costs.summarise(report.results).set_index("arm")
    assert table.at["maml", "adaptation_seconds_per_step"] == pytest.approx(0.05)
    assert table.at["maml", "rule"] == "adam"
    assert table.at["maml", "step_size"] == 0.002


def test_costs_in_json_have_no_nan(report: Report) -> None:
    values = costs.as_json(costs.summarise(report.results))
    assert values["average"]["adaptation_seconds_per_step"] is None


def test_tuning_shows_every_trial_and_the_chosen_one(report: Report) -> None:
    grid = tables.tuning(report.results)
    assert [cell.mark for cell in row(grid, "maml")] == ["", "best", ""]
    assert [cell.text for cell in row(grid, "average")] == ["–"] * 3


def test_a_diverged_trial_is_called_so(report: Report) -> None:
    trials = report.results.trials.assign(distortion=float("nan"), state="diverged")
    grid = tables.tuning(replace(report.results, trials=trials))
    assert row(grid, "maml")[0].text == "diverged"


def test_the_terminal_table_fits_in_100_columns(report: Report) -> None:
    text = tables.text(tables.headline(report.results, report.comparison))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert any(line.startswith("pretrain_finetune") and "2.45*" in line for line in lines)


def test_the_terminal_table_shortens_long_names() -> None:
    cells = [Cell("1.00", mark="tie")] * 3
    grid = Grid("", [Column("Arm"), *[Column("A B\u00a0↓")] * 3],
                [Group("", [Row("n" * 60, cells)])])  # fmt: skip
    lines = tables.text(grid, width=40).splitlines()
    assert max(map(len, lines)) == 40
    assert "n…" in lines[-1]
    assert lines[-1].endswith("1.00~")
    assert len(lines) == 4


def test_markdown_shows_any_name_literally() -> None:
    grid = tables.pairs("x", ["Name", "Text"], [["a|b_c", "<b>*x*</b>\nnew"]])
    lines = tables.markdown(grid).splitlines()
    assert lines[-1] == "| a\\|b\\_c | \\<b\\>\\*x\\*\\</b\\> new |"


def test_markdown_marks_best_and_tied(report: Report) -> None:
    text = tables.markdown(tables.headline(report.results, report.comparison))
    assert "**2.45**" in text
    assert "≈ 13.3" in text
    assert "copy\\_synthesis" in text


def test_checks_keep_their_order_and_are_counted() -> None:
    checks = [Check("a", "pass", "1"), Check("b", "flag", "2"), Check("c", "skipped", "3")]
    grid = tables.sanity(checks)
    assert grid.caption == "3 checks, 1 flagged"
    assert [row.cells[0].mark for row in grid.rows] == ["pass", "flag", "skipped"]


@pytest.mark.parametrize(
    ("low", "high", "text"), [(1.0, 2.0, "1.00–2.00"), (-2.0, -1.0, "−2.00 to −1.00")]
)
def test_a_span_is_never_ambiguous(low: float, high: float, text: str) -> None:
    assert tables.span(lambda value: f"{value:.2f}".replace("-", "−"), low, high) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0123, "12 ms"), (3.14159, "3.14 s"), (250.4, "250 s"), (float("nan"), "–")],
)
def test_times_have_few_digits(value: float, text: str) -> None:
    assert tables.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(12, "12 B"), (1_400_000, "1.4 MB"), (2.5e9, "2.5 GB"), (float("nan"), "–")]
)
def test_sizes_have_a_fitting_unit(value: float, text: str) -> None:
    assert tables.size(value) == text


def test_a_difference_that_rounds_to_nothing_has_no_sign(report: Report) -> None:
    differences = report.comparison.differences.assign(difference=-1e-4)
    grid = tables.differences(replace(report.comparison, differences=differences))
    assert row(grid, "maml")[0].text == "0.00"
