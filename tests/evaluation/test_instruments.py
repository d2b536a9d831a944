import numpy as np
import pytest

from adaptts.corpora.manifest import SILENCE
from adaptts.evaluation import instruments as module
from adaptts.evaluation.instruments import (
    ALIGNED,
    HEARD,
    PREDICTED,
    Prediction,
    Reading,
    Sound,
    enrolment,
    queries,
    record,
)
from adaptts.evaluation.measure import Measure
from adaptts.evaluation.prosody import phone_pitch
from evaluation.conftest import TEST


def values(measures: list[Measure]) -> dict[str, float]:
    return {measure.metric: measure.value for measure in measures}


def truth(store, utterance: str) -> Prediction:
    durations = store.durations(utterance)
    pitch_hz = phone_pitch(store.f0(utterance), durations)
    return Prediction(store.mel(utterance), durations.astype(np.float32), pitch_hz)


def test_a_perfect_prediction_has_no_error(instruments, store) -> None:
    utterance = store.index.index[0]
    found = values(instruments.measure_prediction(truth(store, utterance), utterance))
    assert list(found) == list(PREDICTED)
    assert found == pytest.approx(dict.fromkeys(PREDICTED, 0), abs=1e-6)


def test_errors_of_a_prediction_are_those_put_in(instruments, store) -> None:
    utterance = store.index.index[0]
    right = truth(store, utterance)
    wrong = Prediction(right.mel, right.durations_frames + 1, right.pitch_hz * 2)
    found = values(instruments.measure_prediction(wrong, utterance))
    # One frame of 256 samples at 16 kHz, one octave.
    assert found["duration_error"] == pytest.approx(16)
    assert found["pitch_error"] == pytest.approx(12)


def test_durations_of_silence_do_not_count(instruments, store) -> None:
    utterance = store.index.index[0]
    right = truth(store, utterance)
    silent = store.phones(utterance) == store.inventory.index(SILENCE)
    assert silent.any()
    wrong = Prediction(right.mel, right.durations_frames + 9 * silent, right.pitch_hz)
    assert values(instruments.measure_prediction(wrong, utterance))["duration_error"] == 0


def test_a_diverged_prediction_is_missing_with_its_reasons(instruments, store) -> None:
    utterance = store.index.index[0]
    right = truth(store, utterance)
    wrong = Prediction(right.mel * np.nan, right.durations_frames * np.nan, right.pitch_hz * 0)
    measures = instruments.measure_prediction(wrong, utterance)
    assert np.isnan([each.value for each in measures]).all()
    assert [each.note for each in measures] == [
        "the prediction holds values that are not finite",
        "no phone is voiced in the prediction",
        "the predicted duration is not finite",
    ]


def test_a_recording_is_not_far_from_itself(instruments, store, corpus) -> None:
    utterance = store.index.index[0]
    found = values(instruments.compare(Sound(record(corpus, store, utterance), utterance)))
    assert list(found) == list(ALIGNED)
    # The store keeps its cepstra as float32.
    assert found == pytest.approx(dict.fromkeys(ALIGNED, 0), abs=1e-3)


def test_the_level_of_a_sound_does_not_count(instruments, store, corpus) -> None:
    utterance = store.index.index[0]
    quiet = Sound(record(corpus, store, utterance) / 8, utterance)
    # CheapTrick adds a trace of noise, which is less small beside a quiet sound.
    assert values(instruments.compare(quiet))["mcd"] == pytest.approx(0, abs=0.05)


def test_everything_is_measured_of_a_sound(instruments, store, corpus) -> None:
    utterance = next(name for name, row in store.index.iterrows() if row["speaker"] == TEST[0])
    (heard,) = instruments.listen([Sound(record(corpus, store, utterance), utterance)], TEST[0])
    assert tuple(each.metric for each in heard.measures) == HEARD
    assert set(heard.similarities) == set(TEST)
    assert max(heard.similarities, key=heard.similarities.__getitem__) == TEST[0]
    assert values(heard.measures)["similarity"] == heard.similarities[TEST[0]]


@pytest.mark.parametrize(
    ("waveform", "reason"),
    [(np.zeros(9000), "the sound is silent"), (np.array([np.nan]), "the sound is not finite")],
)
def test_what_cannot_be_heard_is_missing(instruments, store, waveform, reason) -> None:
    sound = Sound(waveform, store.index.index[0])
    (heard,) = instruments.listen([sound], TEST[0])
    measures = [*instruments.compare(sound), heard.measures[-1]]
    assert [each.metric for each in measures] == [*ALIGNED, "similarity"]
    assert {each.note for each in measures} == {reason}
    assert heard.similarities == {}


def test_silence_deletes_every_word(instruments, store) -> None:
    (heard,) = instruments.listen([Sound(np.zeros(9000), store.index.index[0])], TEST[0])
    assert values(heard.measures)["wer"] == 100


def test_tiny_sounds_are_measured(instruments, store) -> None:
    click = Sound(np.array([0.0, 0.5, 0.0]), store.index.index[0])
    found = instruments.compare(click)
    assert [each.metric for each in found] == list(ALIGNED)
    assert np.isnan(values(found)["f0_rmse"])


def test_unvoiced_speech_has_no_pitch_but_a_distance(instruments, store) -> None:
    utterance = store.index.index[0]
    reading = instruments.reading(utterance)
    whispered = Reading(reading.mel_cepstra, np.zeros_like(reading.f0_hz))
    measures = instruments.compare_reading(whispered, utterance)
    found = values(measures)
    assert found["mcd"] == 0
    assert found["vuv_error"] > 30
    assert np.isnan(found["f0_rmse"])
    assert measures[1].note == "no frame is voiced in the prediction"


def test_speakers_are_enrolled_by_support_utterances_alone(episodes) -> None:
    found = enrolment(episodes)
    assert sorted(found) == sorted(TEST)
    for speaker, utterances in found.items():
        assert 0 < len(utterances) <= module.ENROLMENT_UTTERANCES
        assert len(set(utterances)) == len(utterances)
        assert set(utterances).isdisjoint(queries(episodes, speaker))
        first_draw = episodes[(episodes["speaker"] == speaker) & (episodes["draw"] == 0)]
        assert utterances[: len(first_draw)] == [*first_draw.sort_values("rank")["utterance"]]
