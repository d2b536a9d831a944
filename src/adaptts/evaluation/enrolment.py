"""The test speakers as recordings of theirs sound, and the trials of verification against them.

Who is enrolled by what, and which utterance is tried against whom, is drawn with the episodes
(`adaptts.episodes.trials`); here it is read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from adaptts.corpora.audio import Waveform
from adaptts.corpora.manifest import normalise_text
from adaptts.episodes.trials import read_enrolment, read_trials
from adaptts.evaluation.measure import NotMeasurableError
from adaptts.evaluation.speaker import Embedding, SpeakerEncoder, mean_embedding, similarity


@dataclass(frozen=True)
class Enrolled:
    """A speaker, by some of their utterances."""

    embeddings: Sequence[Embedding]
    texts: Sequence[str]  # what each of them says

    def prototype(self, without: str | None = None) -> Embedding | None:
        """The mean of the embeddings, or of those that say something else than `without`.

        None where there is none.
        """
        chosen = [
            embedding
            for embedding, text in zip(self.embeddings, self.texts, strict=True)
            if text != without
        ]
        return mean_embedding(chosen) if chosen else None


@dataclass(frozen=True)
class Trial:
    """A sound held against an enrolled speaker."""

    enrolled: str
    target: bool  # whether the sound should be that speaker
    same_text: bool  # whether the speaker is enrolled by the sound's text too
    similarity: float
    # With the speaker as enrolled by other texts alone; NaN where there are none.
    other_text_similarity: float


@dataclass(frozen=True)
class Verification:
    """Tries sounds against the enrolled speakers."""

    speakers: Mapping[str, Enrolled]
    trials: pd.DataFrame  # of the episodes, indexed by utterance

    @classmethod
    def open(
        cls,
        episodes: Path,
        index: pd.DataFrame,
        record: Callable[[str], Waveform],
        encoder: SpeakerEncoder,
        sampling_rate: int,
    ) -> Self:
        """Enrol the test speakers as the tables in the folder `episodes` say.

        `index`, by utterance, has the column text; `record` gives an utterance's recording, at
        `sampling_rate` Hz. Raises ValueError where nothing can be heard of a speaker.
        """
        speakers = {}
        for speaker, rows in read_enrolment(episodes / "enrolment.parquet").groupby("speaker"):
            names = rows["utterance"].tolist()
            embeddings = encoder.embed([record(name) for name in names], sampling_rate)
            heard = [
                (each, normalise_text(index.loc[name, "text"]))
                for name, each in zip(names, embeddings, strict=True)
                if each is not None
            ]
            if not heard:
                raise ValueError(
                    f"nothing can be heard in any of the {len(names)} recordings that {speaker} is "
                    f"enrolled by, first {names[0]}; leave them out of the corpus"
                )
            speakers[str(speaker)] = Enrolled(*map(list, zip(*heard, strict=True)))
        trials = read_trials(episodes / "trials.parquet").set_index("utterance")
        return cls(speakers, trials)

    def similarity(self, embedding: Embedding, speaker: str) -> float:
        """Cosine of an embedding and the speaker's prototype."""
        return _cosine(embedding, self.speakers[speaker].prototype())

    def attempt(self, embedding: Embedding | None, utterance: str, text: str) -> list[Trial]:
        """All trials of a sound that should say `text`, as the corpus' `utterance` does.

        Without an embedding, as nothing can be heard, their similarities are NaN.
        """
        return [
            self._attempt(embedding, str(row["enrolled"]), row["target"], row["same_text"], text)
            for row in self.trials.loc[[utterance]].to_dict("records")
        ]

    def _attempt(
        self, embedding: Embedding | None, enrolled: str, target: bool, same_text: bool, text: str
    ) -> Trial:
        if embedding is None:
            return Trial(enrolled, bool(target), bool(same_text), np.nan, np.nan)
        value = self.similarity(embedding, enrolled)
        other = _cosine(embedding, self.speakers[enrolled].prototype(text)) if same_text else value
        return Trial(enrolled, bool(target), bool(same_text), value, other)


def identified(trials: Sequence[Trial]) -> float:
    """100 where the enrolled speaker nearest to the sound is the right one, else 0.

    Closed-set identification in %, among the enrolled speakers. Raises `NotMeasurableError` where
    fewer than two are enrolled.
    """
    if len(trials) < 2:
        raise NotMeasurableError(f"identification needs two enrolled speakers, got {len(trials)}")
    return 100.0 * max(trials, key=lambda trial: trial.similarity).target


def _cosine(embedding: Embedding, prototype: Embedding | None) -> float:
    return float(np.nan) if prototype is None else similarity(embedding, prototype)
