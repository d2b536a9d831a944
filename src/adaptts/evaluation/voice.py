"""The results of one speaker's voices of one arm."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from adaptts.adaptation import Voices
from adaptts.corpora.audio import Waveform
from adaptts.evaluation.instruments import Heard, Instruments, Prediction, Sound, Vocoder
from adaptts.evaluation.level import finish, flaw
from adaptts.evaluation.measure import Point
from adaptts.evaluation.results import Results
from adaptts.params import EvaluationParams, PointParams

VOICE = ["seed", "draw", "shots", "steps"]  # columns that tell a speaker's voices apart


@dataclass(frozen=True)
class Task:
    """Which voices are evaluated, and where."""

    arm: str
    speaker: str
    queries: Sequence[str]  # the utterances of the episode
    seeds: Sequence[int]
    params: EvaluationParams

    def check(self, voices: Voices) -> None:
        """Raise `ValueError` unless every voice says the queries, and every point is there."""
        where = f"voices of arm {self.arm} for speaker {self.speaker}"
        remedy = "run the adapt stage again"
        for voice, rows in voices.points.groupby(VOICE, sort=False):
            said = rows["utterance"].tolist()
            if sorted(said) != sorted(self.queries):
                lacking = sorted(set(self.queries) - set(said))
                surplus = sorted(set(said) - set(self.queries))
                key = ", ".join(f"{k} {v}" for k, v in zip(VOICE, voice, strict=True))
                raise ValueError(
                    f"{where}: each voice must say each query utterance once, but that of {key} "
                    f"says {len(said)} for {len(self.queries)}, lacks {lacking} and has "
                    f"{surplus} beside them; {remedy}"
                )
        there = set(voices.points[["seed", "shots", "steps"]].itertuples(index=False, name=None))
        asked = {(seed, *point) for seed in self.seeds for point in self.points(voices)}
        if not asked <= there:
            raise ValueError(
                f"{where} lack (seed, shots, steps) {sorted(asked - there)}, "
                f"where evaluation.points asks for sound; {remedy}"
            )

    def points(self, voices: Voices) -> set[tuple[int, int]]:
        """The (shots, steps) at which there is sound; a voice that takes no steps has only 0."""
        return {self._place(point, voices) for point in self.params.points}

    def headline(self, voices: Voices) -> tuple[int, int]:
        """The one of `points` whose sounds are compared by other conventions as well."""
        return self._place(self.params.headline, voices)

    def _place(self, point: PointParams, voices: Voices) -> tuple[int, int]:
        takes_steps = (voices.points["steps"] > 0).any()
        return point.shots, point.steps if takes_steps else 0

    def keeps(self, point: Point) -> bool:
        """Whether the sound of a point is kept, to be heard by people."""
        heard = self.queries[: self.params.sentences_to_hear]
        return point.seed == self.seeds[0] and point.utterance in heard


@dataclass(frozen=True)
class Evaluator:
    """Evaluates voices with the same instruments and vocoder."""

    instruments: Instruments
    vocoder: Vocoder

    def evaluate(self, voices: Voices, task: Task, utterance: str) -> Results:
        """Measure what each of `voices` says for one of the queries.

        What needs sound is measured at the points of `task` alone.
        """
        audible = task.points(voices)
        results = Results()
        heard: dict[bytes, Heard] = {}
        for _, row in voices.points[voices.points["utterance"] == utterance].iterrows():
            point, said = _point(row, task), _prediction(voices, row)
            results.add(point, self.instruments.measure_prediction(said, utterance))
            if (point.shots, point.steps) in audible:
                self._hear(point, said, task, voices, heard, results)
        return results

    def _hear(
        self,
        point: Point,
        said: Prediction,
        task: Task,
        voices: Voices,
        heard: dict[bytes, Heard],
        results: Results,
    ) -> None:
        """Measure a sound, unless another voice said the same, such as one that no step moved.

        `heard`: by the hash of what is said, what was heard before.
        """
        key = hashlib.sha256(said.mel.tobytes()).digest()
        keep = task.keeps(point)
        if key not in heard or keep:
            sound = Sound(self._say(said, point.utterance), point.utterance)
            if keep and not flaw(sound.waveform):
                results.keep(file_name(point), sound.waveform)
            if keep and (point.shots, point.steps) == task.headline(voices):
                results.add(point, self.instruments.compare_by_conventions(sound))
            if key not in heard:
                heard[key] = self._measure(sound, task.speaker)
        results.add(point, heard[key].measures)
        results.compare(point, heard[key].trials)

    def _say(self, prediction: Prediction, utterance: str) -> Waveform:
        if not np.isfinite(prediction.mel).all():
            return np.array([np.nan])
        if len(prediction.mel) == 0:
            return np.empty(0)
        return finish(self.vocoder(prediction.mel), utterance)

    def _measure(self, sound: Sound, speaker: str) -> Heard:
        heard = self.instruments.listen(sound, speaker)
        return Heard([*self.instruments.compare(sound), *heard.measures], heard.trials)


def file_name(point: Point) -> str:
    """The name of a voice's sound."""
    return f"{point.speaker}-{point.utterance}-{point.shots}-{point.steps}-{point.seed}.flac"


def _point(row: pd.Series, task: Task) -> Point:
    return Point(
        task.arm,
        task.speaker,
        int(row["seed"]),
        int(row["draw"]),
        int(row["shots"]),
        int(row["steps"]),
        str(row["utterance"]),
    )


def _prediction(voices: Voices, row: pd.Series) -> Prediction:
    return Prediction(voices.mel(row), voices.durations(row), voices.pitch(row))
