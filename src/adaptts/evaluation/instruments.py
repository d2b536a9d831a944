"""All measures of an utterance: of what was predicted for it, and of how it sounds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adaptts.corpora import audio
from adaptts.corpora.audio import Waveform
from adaptts.corpora.manifest import SILENCE
from adaptts.episodes.trials import read_enrolment
from adaptts.evaluation import quality, recognition
from adaptts.evaluation.contours import (
    energy_error,
    f0_correlation,
    f0_moment_errors,
    rate_error,
)
from adaptts.evaluation.conventions import CONVENTIONS, Convention
from adaptts.evaluation.distortion import (
    DECIBELS,
    Alignment,
    mel_cepstral_alignment,
    mel_distortion,
)
from adaptts.evaluation.enrolment import Trial, Verification, identified
from adaptts.evaluation.level import clipped_share, flaw
from adaptts.evaluation.measure import Measure, NotMeasurableError, missing, take
from adaptts.evaluation.prosody import (
    duration_error,
    f0_rmse,
    phone_pitch,
    pitch_error,
    voicing_error,
)
from adaptts.evaluation.quality import QualityPredictor
from adaptts.evaluation.recognition import Listener
from adaptts.evaluation.speaker import SpeakerEncoder
from adaptts.evaluation.toolkits import distortions
from adaptts.features import prosody
from adaptts.features.store import FeatureStore
from adaptts.params import EvaluationParams

PREDICTED = ("mel_distortion", "pitch_error", "duration_error")
CONTOURS = ("f0_correlation", "f0_mean_error", "f0_range_error", "energy_error", "rate_error")
ALIGNED = ("mcd", "f0_rmse", "vuv_error", *CONTOURS)
VOICE = ("similarity", "identification")
HEARD = (*recognition.METRICS, *VOICE, "clipped")  # and METRICS of every further recogniser

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

    measures: list[Measure]  # one for each of HEARD, and of quality.METRICS where predicted
    trials: list[Trial]  # against each enrolled speaker; none where there is no voice


@dataclass(frozen=True)
class Instruments:
    """Whatever measures, opened once for many utterances of the same corpus."""

    store: FeatureStore
    listener: Listener
    encoder: SpeakerEncoder
    verification: Verification
    predictor: QualityPredictor | None
    corpus: Path  # the folder with the recordings
    conventions: Sequence[Convention] = ()  # of MCD, beside the default

    @classmethod
    def open(
        cls,
        corpus: Path,
        store: FeatureStore,
        episodes: Path,
        listener: Listener,
        params: EvaluationParams,
    ) -> Self:
        """Enrol the test speakers by recordings in the folder `corpus`.

        `episodes` is the folder of the tables that say by which.
        """
        encoder = SpeakerEncoder()
        verification = Verification.open(
            episodes, store.index, lambda name: record(corpus, store, name), encoder,
            store.sampling_rate,
        )  # fmt: skip
        first = read_enrolment(episodes / "enrolment.parquet").drop_duplicates("speaker")
        known = {
            speaker: record(corpus, store, name)
            for speaker, name in zip(first["speaker"], first["utterance"], strict=True)
        }
        predictor = QualityPredictor.open(params, known, store.sampling_rate)
        conventions = [CONVENTIONS[name] for name in params.conventions]
        return cls(store, listener, encoder, verification, predictor, corpus, conventions)

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

    def listen(self, sound: Sound, speaker: str) -> Heard:
        """What is said in a sound, how much it sounds like `speaker`, and whether it is whole."""
        text = self.store.index.loc[sound.utterance, "text"]
        rate = self.store.sampling_rate
        words = self.listener.measure(sound.waveform, rate, sound.utterance, text)
        clipped = take(["clipped"], lambda: [clipped_share(sound.waveform)])
        whole = [*clipped, *self._predict(sound, speaker)]
        # Each sound alone: what else is embedded at once would change the last bits.
        (embedding,) = self.encoder.embed([sound.waveform], rate)
        trials = self.verification.attempt(embedding, sound.utterance, text)
        if embedding is None:
            reason = flaw(sound.waveform) or "no voice was found"
            return Heard([*words, *missing(VOICE, reason), *whole], trials)
        alike = Measure("similarity", self.verification.similarity(embedding, speaker))
        found = take(["identification"], lambda: [identified(trials)])
        return Heard([*words, alike, *found, *whole], trials)

    def _predict(self, sound: Sound, speaker: str) -> list[Measure]:
        predictor, rate = self.predictor, self.store.sampling_rate
        if predictor is None:
            return []
        return take(quality.METRICS, lambda: predictor.predict(sound.waveform, rate, speaker))

    def compare(self, sound: Sound) -> list[Measure]:
        """The values of `ALIGNED`, for a sound beside the recording of its utterance."""
        unheard = flaw(sound.waveform)
        if unheard:
            return missing(ALIGNED, unheard)
        rate, params = self.store.sampling_rate, self.store.params
        world = prosody.analyse(sound.waveform, rate, params)
        said = Reading(prosody.mel_cepstrum(world.envelope, rate, params), world.f0_hz)
        return self.compare_reading(said, sound.utterance)

    def compare_by_conventions(self, sound: Sound) -> list[Measure]:
        """The MCD by each of `conventions`, of a sound beside the recording of its utterance."""
        if not self.conventions:
            return []
        recording = record(self.corpus, self.store, sound.utterance)
        return distortions(self.conventions, sound.waveform, recording, self.store.sampling_rate)

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
            *self._contours(said, reference, path),
        ]

    def _contours(self, said: Reading, reference: Reading, path: Alignment) -> list[Measure]:
        f0_hz, cepstra = (said.f0_hz, reference.f0_hz), (said.mel_cepstra, reference.mel_cepstra)
        warping = prosody.mel_warping(self.store.sampling_rate)
        return [
            *take(["f0_correlation"], lambda: [f0_correlation(*f0_hz, path)]),
            *take(["f0_mean_error", "f0_range_error"], lambda: f0_moment_errors(*f0_hz)),
            Measure("energy_error", energy_error(*cepstra, path, warping)),
            Measure("rate_error", rate_error(path)),
        ]

    def reading(self, utterance: str) -> Reading:
        """A recording of the corpus as features."""
        return Reading(self.store.mel_cepstra(utterance), self.store.world_f0(utterance))


def record(corpus: Path, store: FeatureStore, utterance: str) -> Waveform:
    """The recording of an utterance, [samples] at the corpus' rate."""
    return audio.read(corpus / store.index.loc[utterance, "path"]).samples[:, 0]


def queries(episodes: pd.DataFrame, speaker: str) -> list[str]:
    """The query utterances of a held-out speaker, in the order of the episodes."""
    chosen = (episodes["speaker"] == speaker) & (episodes["role"] == "query")
    return episodes.loc[chosen, "utterance"].tolist()
