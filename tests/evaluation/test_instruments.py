import numpy as np
import pytest

from adaptts.corpora.manifest import SILENCE
from adaptts.evaluation.instruments import (
    ALIGNED,
    HEARD,
    PREDICTED,
    VOICE,
    Prediction,
    Reading,
    Sound,
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
    assert found.pop("f0_correlation") == pytest.approx(1, abs=1e-6)
    # The store keeps its cepstra as float32.
    assert found == pytest.approx(dict.fromkeys(found, 0), abs=1e-3)


def test_the_level_of_a_sound_does_not_count(instruments, store, corpus) -> None:
    utterance = store.index.index[0]
    quiet = Sound(record(corpus, store, utterance) / 8, utterance)
    # CheapTrick adds a trace of noise, which is less small beside a quiet sound.
    assert values(instruments.compare(quiet))["mcd"] == pytest.approx(0, abs=0.05)


def test_everything_is_measured_of_a_sound(instruments, store, corpus, episodes) -> None:
    for utterance in queries(episodes, TEST[0]):
        sound = Sound(record(corpus, store, utterance), utterance)
        heard = instruments.listen(sound, TEST[0])
        assert tuple(each.metric for each in heard.measures) == HEARD
        scores = {trial.enrolled: trial.similarity for trial in heard.trials}
        assert set(scores) == set(TEST)
        assert max(scores, key=scores.__getitem__) == TEST[0]
        found = values(heard.measures)
        assert found["similarity"] == scores[TEST[0]]
        assert found["identification"] == 100
        assert 0 < found["clipped"] < 0.1


def test_other_sounds_beside_it_do_not_change_what_is_heard(
    instruments, store, corpus, episodes
) -> None:
    sounds = [Sound(record(corpus, store, name), name) for name in queries(episodes, TEST[0])]
    together = [instruments.listen(sound, TEST[0]) for sound in sounds]
    assert [instruments.listen(sound, TEST[0]) for sound in reversed(sounds)] == together[::-1]


def test_silence_deletes_every_word_and_fails_every_trial(instruments, episodes) -> None:
    heard = instruments.listen(Sound(np.zeros(9000), queries(episodes, TEST[0])[0]), TEST[0])
    assert values(heard.measures)["wer"] == 100
    assert {trial.enrolled for trial in heard.trials} == set(TEST)
    assert np.isnan([trial.similarity for trial in heard.trials]).all()


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


PITCH = ("f0_rmse", "f0_correlation", "f0_mean_error", "f0_range_error")


def sound_of(kind: str, recording: np.ndarray) -> np.ndarray:
    hiss = np.diff(np.random.default_rng(0).normal(size=20000), 8)  # no bass to take for a pitch
    return {
        "a recording": recording,
        "clipped": np.clip(8 * recording, -0.6, 0.6),
        "very long": np.tile(recording, 20),
        "one sample": np.array([0.5]),
        "unvoiced": hiss / 200,
        "silent": np.zeros(9000),
        "empty": np.empty(0),
        "NaN": np.where(np.arange(len(recording)) == 99, np.nan, recording),
        "infinite": np.where(np.arange(len(recording)) == 99, np.inf, recording),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "missing", "reason"),
    [
        ("a recording", set(), ""),
        ("clipped", set(), ""),
        ("very long", set(), ""),
        ("one sample", {*PITCH}, "voiced in"),
        ("unvoiced", {*PITCH}, "voiced in"),
        ("silent", {*ALIGNED, *VOICE, "clipped"}, "the sound is silent"),
        ("empty", {*ALIGNED, *VOICE, "clipped"}, "the sound is empty"),
        ("NaN", {*ALIGNED, *HEARD}, "not finite"),
        ("infinite", {*ALIGNED, *HEARD}, "not finite"),
    ],
)
def test_every_sound_is_measured_or_missing_with_a_reason(
    instruments, store, corpus, episodes, kind, missing, reason
) -> None:
    utterance = queries(episodes, TEST[0])[0]
    sound = Sound(sound_of(kind, record(corpus, store, utterance)), utterance)
    heard = instruments.listen(sound, TEST[0])
    measures = [*instruments.compare(sound), *heard.measures]
    assert [each.metric for each in measures] == [*ALIGNED, *HEARD]
    gone = {each.metric for each in measures if np.isnan(each.value)}
    assert gone == missing
    assert all(reason in each.note for each in measures if each.metric in gone)
    assert len(heard.trials) == len(TEST)
    unheard = {np.isnan(trial.similarity) for trial in heard.trials}
    assert unheard == {"similarity" in missing}


def test_cut_off_peaks_are_counted(instruments, store, corpus, episodes) -> None:
    utterance = queries(episodes, TEST[0])[0]
    recording = record(corpus, store, utterance)
    whole, cut = (
        values(instruments.listen(Sound(each, utterance), TEST[0]).measures)["clipped"]
        for each in (recording, np.clip(4 * recording, -0.6, 0.6))
    )
    assert cut > 10 * whole
    assert cut == pytest.approx(100 * np.mean(np.abs(4 * recording) >= 0.99 * 0.6))
