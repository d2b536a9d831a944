"""What listeners say: who of them is heard, and each arm's figures with intervals."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from adaptts.evaluation import statistics
from adaptts.evaluation.statistics import Array
from adaptts.params import ReportParams
from adaptts.reporting.answer import counted, listed
from adaptts.reporting.answers import ANCHOR, MID_ANCHOR, Key
from adaptts.reporting.results import NATURAL, REFERENCES, Results
from adaptts.reporting.tables import DASH, Cell, Column, Grid, Group, Row, span

# ITU-R BS.1534-3, 4.1.2: whoever rates the hidden reference below 90 in more than 15 % of the
# trials is not counted. Here the same share holds for the catches of ab, and one slip alone leaves
# nobody out: of few trials it is more than that share. The other half of the rule, on ratings of
# the mid anchor above 90, is not applied: at 16 kHz that anchor lacks an eighth of the band, which
# in speech an attentive listener may miss.
LEAST_REFERENCE, MOST_SLIPS, LEAST_SLIPS = 90, 0.15, 2

# Intervals end where the scale does.
RANGES = {"acr": (1, 5), "mushra": (0, 100), "ab": (0, 100)}
# For each arm: part is acr, mushra, mushra_difference (from the baseline, paired) or ab (the share
# that prefers the arm to the baseline, in percent; ties count half). p and p_holm are of ab.
OPINIONS = ["part", "arm", "value", "low", "high", "listeners", "answers", "p", "p_holm"]


@dataclass(frozen=True)
class Kind:
    """How one of the parts stands in the table."""

    part: str
    column: Column  # {} in its title stands for the baseline
    digits: int
    nothing: float = np.nan  # the value that says nothing for an arm nor against it
    sign: str = ""

    def text(self, value: float) -> str:
        """A value without a sign of its own unless it is negative."""
        return f"{value:z.{self.digits}f}".replace("-", "−")


KINDS = (
    Kind("acr", Column("MOS\u00a0↑", "1 to 5", "Mean opinion score (ITU-T P.800)"), 2),
    Kind("mushra", Column("MUSHRA\u00a0↑", "0 to 100", "Beside the recording (ITU-R BS.1534)"), 1),
    Kind(
        "mushra_difference",
        Column("MUSHRA minus {}", "", "Of the same sentence, by the same listener"),
        1, nothing=0, sign="+",
    ),
    Kind("ab", Column("Preferred to {}", "% of votes", "Half of each tie counts"), 0, nothing=50),
)  # fmt: skip


@dataclass(frozen=True)
class Opinions:
    """The outcome of a listening test."""

    table: pd.DataFrame  # columns OPINIONS
    baseline: str | None
    listeners: int  # who are counted
    excluded: dict[str, str]  # listener → why not
    catches: dict[str, int]  # part → trials that a listener is screened by, the fewest

    def grid(self, confidence: float) -> Grid:
        """A row for each arm and reference."""
        found = {(row["arm"], row["part"]): row for row in self.table.to_dict("records")}
        kinds = [kind for kind in KINDS if (self.table["part"] == kind.part).any()]
        heads = [replace(kind.column, title=kind.column.title.format(self.baseline))
                 for kind in kinds]  # fmt: skip
        rows = [
            Row(arm, [_cell(kind, found.get((arm, kind.part))) for kind in kinds])
            for arm in self.table["arm"].unique()
        ]
        heard = counted(self.listeners, "listener")
        return Grid(
            f"Listening test: means and {confidence:.0%} intervals, {heard}",
            [Column("Arm"), *heads],
            [Group("", rows)],
        )

    def caption(self, unit: str) -> str:
        """How to read the table."""
        names = {"mushra": "sets with the hidden reference", "ab": "pairs of reference and anchor"}
        rests = listed([f"{count} {names[part]}" for part, count in self.catches.items()])
        screened = (
            f" Left out: {len(self.excluded)} who missed the reference in more than "
            f"{MOST_SLIPS:.0%} of a listener's {rests}, and {LEAST_SLIPS} times at least."
        )
        return (
            f"Intervals resample {unit}s, their sentences and listeners; with fewer than "
            f"{statistics.LEAST_SPEAKERS} of either there are none; where all agree, they have no "
            f"width, and the number of answers tells more. Bold: the interval excludes 0, or 50 %. "
            f"p: exact sign test, a vote for each listener, Holm-corrected over the arms."
            f"{screened if self.catches else ''}"
        )


def _cell(kind: Kind, row: Mapping[Hashable, Any] | None) -> Cell:
    if row is None:
        return Cell(DASH)
    lines = [] if np.isnan(row["low"]) else [span(kind.text, row["low"], row["high"])]
    lines += [] if np.isnan(row["p_holm"]) else [f"p {row['p_holm']:.2g}"]
    lines.append(counted(row["answers"], "answer"))
    apart = row["low"] > kind.nothing or row["high"] < kind.nothing
    sign = kind.sign if row["value"] > 0 else ""
    return Cell(sign + kind.text(row["value"]), lines, "apart" if apart else "")


def screen(answers: pd.DataFrame) -> dict[str, str]:
    """Listeners who do not hear what everybody should, and why each is left out."""
    natural = answers[answers["arm"] == NATURAL]
    rules = {
        "mushra": (LEAST_REFERENCE, f"rated the hidden reference below {LEAST_REFERENCE}"),
        "ab": (1, "did not choose the reference beside the anchor"),
    }
    excluded: dict[str, str] = {}
    for part, (least, slip) in rules.items():
        rows = natural[natural["part"] == part]
        for listener, values in rows.groupby("listener")["value"]:
            slips = int((values < least).sum())
            if slips >= LEAST_SLIPS and slips > MOST_SLIPS * len(values):
                reason = f"{slip} in {slips} of {len(values)} trials"
                excluded[str(listener)] = "; ".join(
                    filter(None, [excluded.get(str(listener)), reason])
                )
    return excluded


def _catches(answers: pd.DataFrame) -> dict[str, int]:
    """How many trials a listener is screened by: part → the fewest."""
    natural = answers[(answers["arm"] == NATURAL) & answers["part"].isin(["mushra", "ab"])]
    counts = natural.groupby(["part", "listener"]).size()
    return {str(part): int(own.min()) for part, own in counts.groupby("part", sort=False)}


def of_test(results: Results, key: Key) -> Opinions | None:
    """What listeners say of the test with this key; None if there are no answers to it.

    Answers to a test with other sounds stay unused.
    """
    answers = results.answers
    own = answers[answers["sounds"] == key.test.sounds]
    experiment = results.experiment
    return None if own.empty else summarise(own, experiment.arms, experiment.report)


def summarise(answers: pd.DataFrame, arms: Sequence[str], params: ReportParams) -> Opinions:
    """Screen listeners and estimate every arm's figures; `arms` gives their order."""
    excluded = screen(answers)
    heard = answers[~answers["listener"].isin(excluded)]
    votes = heard[(heard["part"] == "ab") & (heard["arm"] != NATURAL)]
    baseline = str(votes["other"].iloc[0]) if len(votes) else None
    estimate = _Estimate(params)
    order = [*REFERENCES, MID_ANCHOR, ANCHOR, *arms]
    rows = []
    for part in ("acr", "mushra"):
        own = heard[heard["part"] == part]
        rows += [estimate.row(part, arm, own[own["arm"] == arm]) for arm in _in(own, order)]
    differences = _differences(heard[heard["part"] == "mushra"], baseline)
    rows += [estimate.row("mushra_difference", arm, differences[differences["arm"] == arm])
             for arm in _in(differences, order)]  # fmt: skip
    share = votes.assign(value=100 * votes["value"])
    preferred = _in(share, order)
    tests = np.array([sign_test(votes[votes["arm"] == arm]) for arm in preferred])
    adjusted = statistics.holm(tests)
    for arm, p, p_holm in zip(preferred, tests, adjusted, strict=True):
        row = estimate.row("ab", arm, share[share["arm"] == arm])
        rows.append({**row, "p": p, "p_holm": p_holm})
    table = pd.DataFrame(rows, columns=OPINIONS)
    listeners = heard["listener"].nunique()
    return Opinions(table, baseline, listeners, excluded, _catches(answers))


def sign_test(votes: pd.DataFrame) -> float:
    """The exact two-sided p-value of as many listeners for the arm as against it.

    A listener has one vote, the sign of all their answers: those of one listener are not
    independent. Who is undecided does not count; NaN if nobody does.
    """
    leaning = np.sign(votes.groupby("listener")["value"].mean() - 0.5)
    decided = int((leaning != 0).sum())
    return float(binomtest(int((leaning > 0).sum()), decided).pvalue) if decided else np.nan


@dataclass(frozen=True)
class _Estimate:
    params: ReportParams

    def row(self, part: str, arm: str, answers: pd.DataFrame) -> dict[str, object]:
        """A row of OPINIONS, without a test."""
        values = _array(answers)
        ends = self.interval(values)
        if part in RANGES:
            ends = np.clip(ends, *RANGES[part])
        return {
            "part": part,
            "arm": arm,
            "value": float(statistics.mean(values)),
            "low": float(ends[0]),
            "high": float(ends[1]),
            "listeners": answers["listener"].nunique(),
            "answers": len(answers),
            "p": np.nan,
            "p_holm": np.nan,
        }

    def interval(self, values: Array) -> tuple[float, float]:
        """That of the mean of [speakers, utterances, listeners].

        Listeners are crossed with speakers, as seeds are elsewhere: the claim is about new speakers
        and about new listeners. With fewer than `LEAST_SPEAKERS` of either there is none.
        """
        if values.shape[2] < statistics.LEAST_SPEAKERS:
            return np.nan, np.nan
        generator = np.random.default_rng(self.params.seed)
        resampled = statistics.bootstrap(values, self.params.bootstrap_samples, generator)
        found = statistics.interval(values, resampled, self.params.confidence)
        return float(found.low), float(found.high)


def _array(answers: pd.DataFrame) -> Array:
    """The values, [speakers, utterances, listeners], a mean where a listener answered twice."""
    cells = answers.groupby(["speaker", "utterance", "listener"], as_index=False)["value"].mean()
    speakers, speaker = np.unique(cells["speaker"].to_numpy(dtype=str), return_inverse=True)
    listeners, listener = np.unique(cells["listener"].to_numpy(dtype=str), return_inverse=True)
    utterance = cells.groupby("speaker")["utterance"].rank("dense").to_numpy(dtype=int) - 1
    values = np.full((len(speakers), utterance.max() + 1, len(listeners)), np.nan)
    values[speaker, utterance, listener] = cells["value"].to_numpy()
    return values


def _differences(answers: pd.DataFrame, baseline: str | None) -> pd.DataFrame:
    """Every arm minus the baseline in the same trial of the same listener."""
    trial = ["listener", "trial"]
    other = answers.loc[answers["arm"] == baseline, [*trial, "value"]]
    pairs = answers[answers["arm"] != baseline].merge(other, on=trial, suffixes=("", "_baseline"))
    return pairs.assign(value=pairs["value"] - pairs["value_baseline"])


def _in(answers: pd.DataFrame, order: Sequence[str]) -> list[str]:
    there = set(answers["arm"])
    return [arm for arm in order if arm in there]
