"""What the stages before the report have left, read and checked once.

Pieces that are absent do not fail the report: they are named in `Results.absent`, which the page
shows at its top. Pieces that are there but break their contract raise `ResultsError`.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adaptts.params import Experiment, SplitParams
from adaptts.reporting import answers

NATURAL, COPY_SYNTHESIS, RETAKE = "natural", "copy_synthesis", "retake"
REFERENCES = (NATURAL, COPY_SYNTHESIS, RETAKE)
TRUNK = "trunk"  # the run that every arm of a seed starts from

KEY = ["arm", "speaker", "seed", "draw", "shots", "steps", "utterance", "metric"]
MEASURES = [*KEY, "value", "note"]
VERIFICATION = ["arm", "speaker", "shots", "steps", "enrolled", "target", "same_text",
                "similarity", "other_text_similarity"]  # fmt: skip
CLIPS = ["arm", "speaker", "utterance", "shots", "steps", "path"]
# Of tuning, by number; least and largest bound the step size. Distortion is NaN if it diverged.
TRIALS = ["arm", "trial", "rule", "step_size", "least", "largest", "anchor", "distortion", "state",
          "chosen"]  # fmt: skip
# Mean distortion of the validation speakers, as the chosen trial adapts to them.
VALIDATION = ["arm", "seed", "shots", "steps", "distortion"]
TRAINING = ["arm", "seed", "step", "utterance_gradients", "loss"]


class ResultsError(ValueError):
    """A file of an earlier stage breaks its contract; the message names file, value and remedy."""


@dataclass(frozen=True)
class Results:
    """All that the report is made from."""

    experiment: Experiment
    measures: pd.DataFrame  # the arms' measures, long: columns MEASURES
    references: pd.DataFrame  # natural, copy-synthesis, retake: the same columns
    verification: pd.DataFrame  # trials of arms and references: columns VERIFICATION
    training: pd.DataFrame  # columns TRAINING and the arms' named losses; arm may be TRUNK
    training_costs: pd.DataFrame  # a row per run: the columns of its cost.json
    voice_costs: pd.DataFrame  # a row per arm and speaker: the columns of its cost.json
    trials: pd.DataFrame  # columns TRIALS
    validation: pd.DataFrame  # columns VALIDATION
    clips: pd.DataFrame  # sound to hear: columns CLIPS; path of the FLAC file
    answers: pd.DataFrame  # of listeners: columns answers.ANSWERS
    texts: dict[str, str]  # utterance → what is said
    utterance_seconds: float  # the mean of the corpus; NaN if it is not known
    recordings: dict[str, int]  # each speaker of the corpus → how many there are
    corpus: dict[str, Any]  # corpus.json
    audit: dict[str, Any]  # audit.json
    retake_note: str  # why there are no retakes, or ""
    absent: list[str]  # what was looked for in vain, a sentence each
    failed: dict[str, str]  # arms without results because they diverged: why
    splits: Sequence[SplitParams] = ()  # of the folds that these are pooled from, if they are

    @property
    def unit(self) -> str:
        """The manifest's column that is adapted to; tables call each of its values a speaker."""
        return self.experiment.split.unit

    @property
    def test_speakers(self) -> list[str]:
        """Who is tested, in any of the folds."""
        return [name for split in self.splits or [self.experiment.split] for name in split.test]

    @cached_property
    def arms(self) -> list[str]:
        """The arms that have measures, in the order of the experiment."""
        there = set(self.measures["arm"])
        return [arm for arm in self.experiment.arms if arm in there]

    @cached_property
    def zero_step_arms(self) -> list[str]:
        """The arms that take no gradient steps: constants in every comparison over steps."""
        return [arm for arm in self.arms if (self.of_arm(arm)["steps"] == 0).all()]

    def of_arm(self, arm: str) -> pd.DataFrame:
        """The measures of one arm."""
        return self.measures[self.measures["arm"] == arm]

    def arms_of(self, *strategies: str) -> list[str]:
        """The arms with measures whose strategy is one of these."""
        settings = self.experiment.strategies
        return [arm for arm in self.arms if settings[arm].get("strategy") in strategies]

    def start_of(self, arm: str) -> str:
        """What an arm's training began with: the trunk, or scratch."""
        return self.experiment.strategies[arm].get("start", "trunk")

    def at(self, shots: int, steps: int) -> pd.DataFrame:
        """The arms' measures at a point of the grid; zero-step arms stand at every step count."""
        table = self.measures[self.measures["shots"] == shots]
        constant = table["arm"].isin(self.zero_step_arms)
        return table[(table["steps"] == steps) | constant]

    def trials_at(self, shots: int, steps: int) -> pd.DataFrame:
        """The trials of verification at a point of the grid, and those of the references."""
        table = self.verification
        constant = table["arm"].isin(self.zero_step_arms)
        here = (table["shots"] == shots) & ((table["steps"] == steps) | constant)
        return table[here | table["arm"].isin(REFERENCES)]


def load(root: Path, experiment: Experiment) -> Results:
    """Read the outputs of all stages below the folder `root`.

    Raises `ResultsError` where a file breaks its contract, or where no arm has results at all.
    """
    absent: list[str] = []
    failed = _failures(root, experiment.arms)
    arms = [arm for arm in experiment.arms if arm not in failed]
    measures = _measures(root, arms, "adapted voices of arm", absent)
    if measures.empty:
        told = "".join(f"; {arm} failed: {reason}" for arm, reason in failed.items())
        raise ResultsError(
            f"no arm of {experiment.arms} has results below {root / 'results'}{told}; "
            "run the evaluate stages first"
        )
    references = _measures(root, ["references"], "measures of", absent)
    manifest = _manifest(root, absent)
    unit = experiment.split.unit
    runs = [(arm, seed) for arm in [TRUNK, *arms] for seed in experiment.seeds]
    return Results(
        experiment=experiment,
        measures=measures,
        references=references,
        verification=_verification(root, [*arms, "references"]),
        training=_training(root, runs, absent),
        training_costs=_training_costs(root, runs, absent),
        voice_costs=_voice_costs(root, arms, absent),
        trials=_trials(root, arms),
        validation=_validation(root, arms),
        clips=_clips(root, experiment, measures, references),
        answers=answers.read(root / "listening/answers.csv"),
        texts=dict(zip(manifest["utterance"], manifest["text"], strict=True)),
        utterance_seconds=_utterance_seconds(root),
        recordings=manifest.groupby(unit).size().to_dict() if unit in manifest else {},
        corpus=_json(root / "data/corpus/corpus.json", absent),
        audit=_json(root / "data/episodes/audit.json", absent),
        retake_note=_json(root / "results/references/references.json", []).get("reason", ""),
        absent=absent,
        failed=failed,
    )


def _failures(root: Path, arms: Sequence[str]) -> dict[str, str]:
    """Why arms have no results, where their stages say so."""
    found = {arm: _json(root / "results" / arm / "failed.json", []) for arm in arms}
    return {
        arm: "; ".join(f"{stage}: {reason}" for stage, reason in reasons.items())
        for arm, reasons in found.items()
        if reasons
    }


def _measures(root: Path, names: Sequence[str], what: str, absent: list[str]) -> pd.DataFrame:
    tables = []
    for name in names:
        path = root / "results" / name / "measures.parquet"
        if path.is_file():
            table = _checked(pd.read_parquet(path), path)
            if name != "references":
                _check_arm(table, name, path)
            tables.append(table)
        else:
            absent.append(f"The {what} {name} are missing: there is no {_short(path, root)}.")
    if not tables:
        return pd.DataFrame({column: pd.Series(dtype=object) for column in MEASURES})
    return pd.concat(tables, ignore_index=True)


def _checked(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    lacking = [column for column in MEASURES if column not in table.columns]
    if lacking:
        raise ResultsError(f"{path} lacks the columns {lacking}; run its stage again")
    twice = table.duplicated(KEY)
    if twice.any():
        row = table.loc[twice, KEY].iloc[0].to_dict()
        raise ResultsError(f"{path} measures {row} twice; run its stage again")
    values = table["value"].to_numpy(dtype=float)
    if np.isinf(values).any():
        row = table.loc[np.isinf(values), KEY].iloc[0].to_dict()
        raise ResultsError(f"{path} holds an infinite value at {row}; missing values are NaN")
    text = {column: table[column].astype(str) for column in ("arm", "speaker", "utterance")}
    return table[MEASURES].assign(value=values, **text)


def _check_arm(table: pd.DataFrame, arm: str, path: Path) -> None:
    strangers = sorted(set(table["arm"]) - {arm})
    if strangers:
        raise ResultsError(f"{path} holds measures of {strangers}, expected {arm} alone")


def _verification(root: Path, names: Sequence[str]) -> pd.DataFrame:
    paths = [root / "results" / name / "verification.parquet" for name in names]
    tables = [pd.read_parquet(path, columns=VERIFICATION) for path in paths if path.is_file()]
    tables = [table for table in tables if not table.empty]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=VERIFICATION)


def _manifest(root: Path, absent: list[str]) -> pd.DataFrame:
    path = root / "data/corpus/manifest.csv"
    if not path.is_file():
        absent.append(f"The texts are missing: there is no {_short(path, root)}.")
        return pd.DataFrame(columns=["utterance", "text"])
    # Everything is text: a speaker may be called 01, a sentence may be "NA".
    return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")


def _utterance_seconds(root: Path) -> float:
    path = root / "data/corpus/manifest.csv"
    table = pd.read_csv(path, encoding="utf-8") if path.is_file() else pd.DataFrame()
    return float(table["seconds"].mean()) if "seconds" in table.columns else np.nan


def _training(root: Path, runs: Sequence[tuple[str, int]], absent: list[str]) -> pd.DataFrame:
    tables = []
    for arm, seed in runs:
        path = root / "models" / arm / str(seed) / "training.csv"
        if not path.is_file():
            absent.append(f"A training curve is missing: there is no {_short(path, root)}.")
            continue
        table = pd.read_csv(path)
        lacking = [name for name in TRAINING[2:] if name not in table.columns]
        if lacking:
            raise ResultsError(f"{path} lacks the columns {lacking}; run its stage again")
        tables.append(table.assign(arm=arm, seed=seed))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=TRAINING)


def _training_costs(root: Path, runs: Sequence[tuple[str, int]], absent: list[str]) -> pd.DataFrame:
    rows = []
    for arm, seed in runs:
        cost = _json(root / "models" / arm / str(seed) / "cost.json", absent)
        if cost:
            rows.append({**cost, "arm": arm, "seed": seed})
    return pd.DataFrame(rows, columns=None if rows else ["arm", "seed"])


def _voice_costs(root: Path, arms: Sequence[str], absent: list[str]) -> pd.DataFrame:
    rows = []
    for arm in arms:
        path = root / "results" / arm / "costs.json"
        for cost in _json(path, absent if path.parent.is_dir() else []) or []:
            rows.append({**cost, "arm": arm})
    return pd.DataFrame(rows, columns=None if rows else ["arm", "speaker"])


def _trials(root: Path, arms: Sequence[str]) -> pd.DataFrame:
    # Arms without gradient steps have nothing to tune, and so no trials.
    tables = []
    for arm in arms:
        path = root / "tuning" / arm / "trials.csv"
        if path.is_file() and path.stat().st_size:
            table = pd.read_csv(path)
            if not table.empty:
                tables.append(table.assign(arm=arm, chosen=table["chosen"].astype(bool)))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=TRIALS)


def _validation(root: Path, arms: Sequence[str]) -> pd.DataFrame:
    # Absent where tuning was done before it kept them: then nothing is recommended.
    paths = [root / "tuning" / arm / "validation.csv" for arm in arms]
    tables = [pd.read_csv(path) for path in paths if path.is_file()]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=VALIDATION)


def _clips(
    root: Path, experiment: Experiment, measures: pd.DataFrame, references: pd.DataFrame
) -> pd.DataFrame:
    """Find the sound of every sentence by the name that it must have."""
    sentences = [
        (str(speaker), str(utterance))
        for speaker, utterance in pd.concat([measures, references])[["speaker", "utterance"]]
        .drop_duplicates()
        .itertuples(index=False)
    ]
    rows = [
        (arm, speaker, utterance, shots, steps, path)
        for speaker, utterance in sentences
        for arm, shots, steps, path in _candidates(root, experiment, speaker, utterance)
        if path.is_file()
    ]
    return pd.DataFrame(rows, columns=CLIPS)


def _candidates(
    root: Path, experiment: Experiment, speaker: str, utterance: str
) -> Iterator[tuple[str, int, int, Path]]:
    for name in REFERENCES:
        yield name, 0, 0, root / "results/references/audio" / f"{speaker}-{utterance}-{name}.flac"
    points = {(point.shots, steps) for point in experiment.evaluation.points
              for steps in (0, point.steps)}  # fmt: skip
    for arm in experiment.arms:
        for shots, steps in sorted(points):
            name = f"{speaker}-{utterance}-{shots}-{steps}-{experiment.seeds[0]}.flac"
            yield arm, shots, steps, root / "results" / arm / "audio" / name


def _json(path: Path, absent: list[str]) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        absent.append(f"There is no {'/'.join(path.parts[-4:])}.")
        return {}
    except json.JSONDecodeError as error:
        raise ResultsError(f"{path} is not JSON: {error}; run its stage again") from None


def _short(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
