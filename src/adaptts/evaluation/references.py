"""What the arms are held against: the recordings, the vocoder alone, and second readings.

natural         the query recordings themselves, as they are heard
copy_synthesis  their own mel frames through the vocoder: what a perfect model would sound like
retake          another recording of the same text by the same speaker (in the same accent, where
                accents are adapted to), compared with the query: how far two natural readings are
                apart
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from adaptts.corpora.manifest import normalise_text
from adaptts.evaluation.distortion import mel_distortion
from adaptts.evaluation.instruments import Instruments, Prediction, Sound, Vocoder, record
from adaptts.evaluation.level import finish
from adaptts.evaluation.measure import Measure, Point, missing, take
from adaptts.evaluation.prosody import phone_pitch
from adaptts.evaluation.results import Results

NATURAL, COPY_SYNTHESIS, RETAKE = "natural", "copy_synthesis", "retake"


@dataclass(frozen=True)
class Speaker:
    """A held-out speaker, and what of them is measured."""

    name: str
    queries: Sequence[str]  # utterances
    heard: Sequence[str]  # the queries whose sounds are kept


def measure_natural(
    speaker: Speaker, instruments: Instruments, corpus: Path, results: Results
) -> None:
    """Add what is heard in the recordings in the folder `corpus`."""
    sounds = [
        Sound(record(corpus, instruments.store, utterance), utterance)
        for utterance in speaker.queries
    ]
    _listen(NATURAL, speaker, instruments, sounds, results)


def measure_copies(
    speaker: Speaker, instruments: Instruments, vocoder: Vocoder, results: Results
) -> None:
    """Add what is heard in the vocoder's copies, and how far they are from the recordings."""
    sounds = [
        Sound(finish(vocoder(instruments.store.mel(utterance)), utterance), utterance)
        for utterance in speaker.queries
    ]
    for sound in sounds:
        point = _point(COPY_SYNTHESIS, speaker.name, sound.utterance)
        results.add(point, instruments.compare(sound))
        if sound.utterance in speaker.heard:
            results.add(point, instruments.compare_by_conventions(sound))
    _listen(COPY_SYNTHESIS, speaker, instruments, sounds, results)


def measure_retakes(speaker: Speaker, unit: str, instruments: Instruments, results: Results) -> int:
    """Add how far other recordings of the queries' texts are from the queries; return how many."""
    retakes = find_retakes(instruments.store.index, unit, speaker.queries)
    for query, retake in retakes.items():
        point = _point(RETAKE, speaker.name, query)
        results.add(point, compare_retake(instruments, retake, query))
        if query in speaker.heard:
            recording = record(instruments.corpus, instruments.store, retake)
            results.add(point, instruments.compare_by_conventions(Sound(recording, query)))
    return len(retakes)


def find_retakes(index: pd.DataFrame, unit: str, queries: Iterable[str]) -> dict[str, str]:
    """Another recording of each query's text by its speaker, the first in `index`, where any is.

    `index`, by utterance, has the columns speaker and text, and `unit`, the column that is adapted
    to, whose value must be the query's too. Texts are compared by their words.
    """
    alike = index[list({"speaker", unit})].assign(text=index["text"].map(normalise_text))
    found = {}
    for query in queries:
        same = (alike == alike.loc[query]).all(axis=1)
        others = [utterance for utterance in index.index[same] if utterance != query]
        if others:
            found[query] = others[0]
    return found


def compare_retake(instruments: Instruments, retake: str, query: str) -> list[Measure]:
    """How far the recording `retake` is from the recording `query`, of sound and of each phone."""
    store = instruments.store
    measures = instruments.compare_reading(instruments.reading(retake), query)
    if store.phones(retake).tolist() != store.phones(query).tolist():
        # A speaker pauses here in one reading and there in another.
        distance = take(
            ["mel_distortion"], lambda: [mel_distortion(store.mel(retake), store.mel(query))]
        )
        reason = f"the phones of {retake} are other ones"
        return [*measures, *distance, *missing(["pitch_error", "duration_error"], reason)]
    durations = store.durations(retake)
    pitch_hz = phone_pitch(store.f0(retake), durations)
    said = Prediction(store.mel(retake), durations.astype(np.float64), pitch_hz)
    return [*measures, *instruments.measure_prediction(said, query)]


def _listen(
    arm: str,
    speaker: Speaker,
    instruments: Instruments,
    sounds: Sequence[Sound],
    results: Results,
) -> None:
    for sound in sounds:
        heard = instruments.listen(sound, speaker.name)
        point = _point(arm, speaker.name, sound.utterance)
        results.add(point, heard.measures)
        results.compare(point, heard.trials)
        if sound.utterance in speaker.heard:
            results.keep(f"{speaker.name}-{sound.utterance}-{arm}.flac", sound.waveform)


def _point(arm: str, speaker: str, utterance: str) -> Point:
    return Point(arm, speaker, seed=-1, draw=-1, shots=0, steps=0, utterance=utterance)
