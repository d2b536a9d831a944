"""What captions say of intervals: of which kind they are, how many, or why there are none."""

from dataclasses import dataclass

from adaptts.evaluation.statistics import LEAST_SPEAKERS
from adaptts.reporting.answer import counted
from adaptts.reporting.comparison import Comparison
from adaptts.reporting.results import Results

ENOUGH_SEEDS = 3  # for tests to hold their level: docs/statistics.md


@dataclass(frozen=True)
class Inference:
    """Sentences for the captions of a report."""

    headline: str
    differences: str
    differences_by_step: str
    ranks: str
    standings: str
    curves: str
    beside: str  # at the end of a sentence, after means of the test speakers

    @classmethod
    def of(cls, results: Results, comparison: Comparison) -> "Inference":
        """With fewer than `LEAST_SPEAKERS` all of them say that there are no intervals."""
        unit, speakers = results.unit, len(results.test_speakers)
        none = f"There are no intervals: {counted(speakers, f'test {unit}')} are too few for them."
        if speakers < LEAST_SPEAKERS:
            untold = f"{none} Whether arms differ by chance cannot be told."
            return cls(untold, none, none, none, none, none, "")
        report, confidence = results.experiment.report, f"{comparison.confidence:.0%}"
        pairs = max((verdict.pairs for verdict in comparison.verdicts.values()), default=0)
        at_once = f"for all {pairs} pairs of arms at once (Bonferroni)" if pairs > 1 else "alone"
        apart = f"Bold: the {confidence} interval excludes 0."
        return cls(
            headline=(
                f"≈ marks arms that are not told apart from the best: the {confidence} interval of "
                f"their paired difference, which holds {at_once}, holds 0. Small: single "
                f"{confidence} intervals over {counted(speakers, unit)} (hierarchical bootstrap of "
                f"{unit}s, sentences and seeds, {report.bootstrap_samples} samples, widened for "
                f"few {unit}s).{_seeds(results)}"
            ),
            differences=f"{apart} {_single(len(comparison.differences), comparison)}",
            differences_by_step=f"{apart} {_single(len(comparison.by_step), comparison)}",
            ranks=f"Lines: single {confidence} intervals.",
            standings=(
                f"Small: single {confidence} intervals, and how often an arm without missing "
                f"values has the best mean when {unit}s, sentences and seeds are resampled."
            ),
            curves=f"Bands: {confidence} intervals over {unit}s, each a single one.",
            beside=f", with single {confidence} intervals",
        )


def _seeds(results: Results) -> str:
    """What the intervals are worth with so few trainings."""
    count = len(results.experiment.seeds)
    if count >= ENOUGH_SEEDS:
        return ""
    if count == 1:
        return " With one seed they are about these trained models, and tell nothing of others."
    return " Two seeds hardly tell how much seeds matter: where they do, intervals are too narrow."


def _single(count: int, comparison: Comparison) -> str:
    """What so many uncorrected intervals are worth."""
    share = 1 - comparison.confidence
    return (
        f"These are {counted(count, 'single interval')}, not corrected for their number: where "
        f"nothing differs, {share:.0%} of them exclude 0."
    )
