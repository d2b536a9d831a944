from dataclasses import replace

import pytest

from adaptts.reporting.captions import Inference
from adaptts.reporting.report import Report


@pytest.mark.parametrize(
    ("seeds", "told"),
    [
        ([0], "With one seed they are about these trained models"),
        ([0, 1], "Two seeds hardly tell how much seeds matter"),
        ([0, 1, 2], ""),
    ],
)
def test_few_seeds_are_told_of(report: Report, seeds: list[int], told: str) -> None:
    experiment = replace(report.results.experiment, seeds=seeds)
    caption = Inference.of(replace(report.results, experiment=experiment), report.comparison)
    assert told in caption.headline
    assert ("seed" in caption.headline.partition("widened")[2]) == bool(told)
