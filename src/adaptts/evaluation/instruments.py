"""All measures of an utterance: of what was predicted for it, and of how it sounds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adaptts.corpora import audio
from adaptts.corpora.audio import Waveform
from adaptts.corpora.manifest import SILENCE
from adaptts.evaluation import recognition
from adaptts.evaluation.distortion import DECIBELS, mel_cepstral_alignment, mel_distortion
from adaptts.evaluation.level import flaw
from adaptts.evaluation.measure import Measure, NotMeasurableError, missing, take
from adaptts.evaluation.prosody import (
    duration_error,
    f0_rmse,
    phone_pitch,
    pitch_error,
    voicing_error,
)
from adaptts.evaluation.recognition import Listener
from adaptts.evaluation.speaker import Embedding, SpeakerEncoder, mean_embedding, similarity
from adaptts.features import prosody
from adaptts.features.store import FeatureStore

# Recordings that a speaker is enrolled by, of the support sets: never a query.
ENROLMENT_UTTERANCES = 10

PREDICTED = ("mel_distortion", "pitch_error", "duration_error")
ALIGNED = ("mcd", "f0_rmse", "vuv_error")
HEARD = (*recognition.METRICS, "similarity")  # and METRICS of every further recogniser

# From natural-log mel magnitudes [frames, mels] to [samples].
Vocoder = Callable[[NDArray[np.floating]], NDArray[np.floating]]


@dataclass(frozen=True)
class Reading:
    """An utterance as features: of a recording, or of a synthesised sound."""

    mel_cepstra: NDArray[np.floating]  # [frames, order + 1], c0 first
    f0_hz: NDArray[np.floating]  # [frames], 0 where unvoiced


@dataclass(frozen=True)
class Prediction:
    """What a model says about an utterance before it is sound."""

    mel: NDArray[np.floating]  # [frames, mels] natural log of magnitudes
    durations_frames: NDArray[np.floating]  # [phones]
    pitch_hz: NDArray[np.floating]  # [phones], 0 where unvoiced


@dataclass(frozen=True)
class Sound:
    """A waveform, and which utterance of the corpus it should resemble."""

    waveform: Waveform  # [samples] at the corpus' rate
    utterance: str


@dataclass(frozen=True)
class Heard:
    """What is heard in a sound."""

    measures: list[Measure]  # one for each of HEARD
    similarities: dict[str, float]  # by enrolled speaker; empty where there is no voice


@dataclass(frozen=True)
class Instruments:
    """Whatever measures, opened once for many utterances of the same corpus."""

    store: FeatureStore
    listener: Listener
    encoder: SpeakerEncoder
    enrolled: Mapping[str, Embedding]  # by speaker

    @classmethod
    def open(
        cls, corpus: Path, store: FeatureStore, episodes: pd.DataFrame, listener: Listener
    ) -> Self:
        """Enrol the test speakers of `episodes` by recordings in the folder `corpus`."""
        encoder = SpeakerEncoder()
        enrolled = {}
        for speaker, utterances in enrolment(episodes).items():
            recordings = [record(corpus, store, utterance) for utterance in utterances]
            embeddings = encoder.embed(recordings, store.sampling_rate)
            enrolled[speaker] = mean_embedding([each for each in embeddings if each is not None])
        return cls(store, listener, encoder, enrolled)

    def measure_prediction(self, said: Prediction, utterance: str) -> list[Measure]:
        """Mel distortion, and the errors of pitch and duration of each phone."""
        store = self.store
        durations = store.durations(utterance)
        pitch_hz = phone_pitch(store.f0(utterance), durations)
        spoken = store.phones(utterance) != store.inventory.index(SILENCE)
        frame_ms = 1000 * store.params.hop_samples / store.sampling_rate
        return [
            *take(["mel_distortion"], lambda: [mel_distortion(said.mel, store.mel(utterance))]),
            *take(["pitch_error"], lambda: [pitch_error(said.pitch_hz, pitch_hz)]),
            *take(
                ["duration_error"],
                lambda: [duration_error(said.durations_frames, durations, spoken, frame_ms)],
            ),
        ]

    def listen(self, sounds: Sequence[Sound], speaker: str) -> list[Heard]:
        """What is said in each sound, and how much it sounds like `speaker`."""
        waveforms = [sound.waveform for sound in sounds]
        embeddings = self.encoder.embed(waveforms, self.store.sampling_rate)
        return [
            self._listen(sound, embedding, speaker)
            for sound, embedding in zip(sounds, embeddings, strict=True)
        ]

    def _listen(self, sound: Sound, embedding: Embedding | None, speaker: str) -> Heard:
        text = self.store.index.loc[sound.utterance, "text"]
        rate = self.store.sampling_rate
        words = self.listener.measure(sound.waveform, rate, sound.utterance, text)
        if embedding is None:
            reason = flaw(sound.waveform) or "no voice was found"
            return Heard([*words, *missing(["similarity"], reason)], {})
        similarities = {name: similarity(embedding, other) for name, other in self.enrolled.items()}
        return Heard([*words, Measure("similarity", similarities[speaker])], similarities)

    def compare(self, sound: Sound) -> list[Measure]:
        """The values of `ALIGNED`, for a sound beside the recording of its utterance."""
        unheard = flaw(sound.waveform)
        if unheard:
            return missing(ALIGNED, unheard)
        rate, params = self.store.sampling_rate, self.store.params
        world = prosody.analyse(sound.waveform, rate, params)
        said = Reading(prosody.mel_cepstrum(world.envelope, rate, params), world.f0_hz)
        return self.compare_reading(said, sound.utterance)

    def compare_reading(self, said: Reading, utterance: str) -> list[Measure]:
        """The values of `ALIGNED`, for a reading beside the corpus' own of `utterance`."""
        reference = self.reading(utterance)
        try:
            path = mel_cepstral_alignment(said.mel_cepstra, reference.mel_cepstra)
        except NotMeasurableError as error:
            return missing(ALIGNED, str(error))
        return [
            Measure("mcd", DECIBELS * path.distance),
            *take(["f0_rmse"], lambda: [f0_rmse(said.f0_hz, reference.f0_hz, path)]),
            Measure("vuv_error", voicing_error(said.f0_hz, reference.f0_hz, path)),
        ]

    def reading(self, utterance: str) -> Reading:
        """A recording of the corpus as features."""
        return Reading(self.store.mel_cepstra(utterance), self.store.world_f0(utterance))


def record(corpus: Path, store: FeatureStore, utterance: str) -> Waveform:
    """The recording of an utterance, [samples] at the corpus' rate."""
    return audio.read(corpus / store.index.loc[utterance, "path"]).samples[:, 0]


def enrolment(episodes: pd.DataFrame) -> dict[str, list[str]]:
    """The first utterances of each test speaker's support sets, by draw and rank."""
    support = episodes[(episodes["split"] == "test") & (episodes["role"] == "support")]
    support = support.sort_values(["speaker", "draw", "rank"]).drop_duplicates("utterance")
    return {
        str(speaker): rows["utterance"].head(ENROLMENT_UTTERANCES).tolist()
        for speaker, rows in support.groupby("speaker")
    }


def queries(episodes: pd.DataFrame, speaker: str) -> list[str]:
    """The query utterances of a held-out speaker, in the order of the episodes."""
    chosen = (episodes["speaker"] == speaker) & (episodes["role"] == "query")
    return episodes.loc[chosen, "utterance"].tolist()
