"""The results of one speaker's voices of one arm."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

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

    def sounds(self, voices: Voices) -> int:
        """How many utterances are heard."""
        return len(self.seeds) * len(self.points(voices)) * len(self.queries)


@dataclass(frozen=True)
class Evaluator:
    """Evaluates voices with the same instruments and vocoder."""

    instruments: Instruments
    vocoder: Vocoder
    # Voices that say the same, such as those that no step has moved, are heard once.
    _heard: dict[tuple[str, bytes], Heard] = field(default_factory=dict)

    def evaluate(self, voices: Voices, task: Task, advance: Callable[[int], object]) -> Results:
        """Measure every point of `voices`; what needs sound at those of `task` alone.

        `advance` is called with the number of utterances heard since the last call.
        """
        task.check(voices)
        audible, headline = task.points(voices), task.headline(voices)
        results = Results()
        self._heard.clear()
        for _, rows in voices.points.groupby(VOICE, sort=False):
            points = [_point(row, task) for _, row in rows.iterrows()]
            said = [_prediction(voices, row) for _, row in rows.iterrows()]
            for point, prediction in zip(points, said, strict=True):
                measures = self.instruments.measure_prediction(prediction, point.utterance)
                results.add(point, measures)
            place = (points[0].shots, points[0].steps)
            if place in audible:
                self._hear(points, said, task, results, by_conventions=place == headline)
                advance(len(points))
        return results

    def _hear(
        self,
        points: list[Point],
        said: list[Prediction],
        task: Task,
        results: Results,
        *,
        by_conventions: bool,
    ) -> None:
        keys = [
            (point.utterance, each.mel.tobytes()) for point, each in zip(points, said, strict=True)
        ]
        kept = task.queries[: task.params.sentences_to_hear]
        sounds = {}
        for point, each, key in zip(points, said, keys, strict=True):
            keep = point.seed == task.seeds[0] and point.utterance in kept
            if key not in self._heard or keep:
                sounds[key] = Sound(self._say(each, point.utterance), point.utterance)
            if keep and not flaw(sounds[key].waveform):
                results.keep(file_name(point), sounds[key].waveform)
            if keep and by_conventions:
                results.add(point, self.instruments.compare_by_conventions(sounds[key]))
        new = [key for key in sounds if key not in self._heard]
        self._heard.update(zip(new, self._measure([sounds[key] for key in new], task), strict=True))
        for point, key in zip(points, keys, strict=True):
            results.add(point, self._heard[key].measures)
            results.compare(point, self._heard[key].similarities)

    def _say(self, prediction: Prediction, utterance: str) -> Waveform:
        if not np.isfinite(prediction.mel).all():
            return np.array([np.nan])
        return finish(self.vocoder(prediction.mel), utterance)

    def _measure(self, sounds: Sequence[Sound], task: Task) -> list[Heard]:
        heard = self.instruments.listen(sounds, task.speaker)
        return [
            Heard([*self.instruments.compare(sound), *each.measures], each.similarities)
            for sound, each in zip(sounds, heard, strict=True)
        ]


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
