import itertools
import math

import librosa
import numpy as np
import pysptk
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptts.evaluation.distortion import (
    DECIBELS,
    SILENCE_BELOW_PEAK_DB,
    align,
    cepstral_speech,
    mel_cepstral_alignment,
    mel_cepstral_distortion,
    mel_distortion,
    speech,
)
from adaptts.evaluation.instruments import record
from adaptts.evaluation.measure import NotMeasurableError
from adaptts.features import prosody
from evaluation.conftest import FEATURES

# Sums of some hundred float64 distances, in another order.
ROUNDING = 1e-9

sizes = st.integers(1, 12)
seeds = st.integers(0, 2**32 - 1)


def vectors(seed: int, frames: int, dimensions: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, dimensions))


def cepstra(seed: int, frames: int) -> np.ndarray:
    """Mel-cepstra of speech all through: c0 differs by too little to be silent."""
    values = 0.1 * vectors(seed, frames, 25)
    values[:, 0] += 2
    return values


def enumerate_paths(rows: int, columns: int) -> list[list[tuple[int, int]]]:
    """All monotonic paths from (0, 0) to the last place."""
    if rows == columns == 1:
        return [[(0, 0)]]
    before = [(rows - 1, columns - 1), (rows - 1, columns), (rows, columns - 1)]
    return [
        [*path, (rows - 1, columns - 1)]
        for r, c in before
        if r > 0 and c > 0
        for path in enumerate_paths(r, c)
    ]


@given(seeds, st.integers(1, 5), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_the_alignment_is_the_cheapest_of_all(seed: int, rows: int, columns: int) -> None:
    a, b = vectors(seed, rows), vectors(seed + 1, columns)
    found = align(a, b)
    costs = np.linalg.norm(a[:, None] - b, axis=2)
    cheapest = min(sum(costs[p] for p in path) for path in enumerate_paths(rows, columns))
    assert found.distance * len(found.predicted) == pytest.approx(cheapest, rel=ROUNDING)


@given(seeds, sizes, sizes)
@settings(max_examples=50, deadline=None)
def test_paths_are_monotonic_and_reach_both_ends(seed: int, rows: int, columns: int) -> None:
    path = align(vectors(seed, rows), vectors(seed + 1, columns))
    steps = np.stack([np.diff(path.predicted), np.diff(path.reference)])
    assert (path.predicted[0], path.reference[0]) == (0, 0)
    assert (path.predicted[-1], path.reference[-1]) == (rows - 1, columns - 1)
    assert ((steps == 0) | (steps == 1)).all()
    assert (steps.sum(axis=0) > 0).all()


@given(seeds, sizes, sizes)
@settings(max_examples=50, deadline=None)
def test_the_distance_is_that_along_the_path(seed: int, rows: int, columns: int) -> None:
    a, b = vectors(seed, rows), vectors(seed + 1, columns)
    path = align(a, b)
    along = np.linalg.norm(a[path.predicted] - b[path.reference], axis=1)
    assert path.distance == pytest.approx(along.mean(), rel=ROUNDING)


def test_the_alignment_is_librosas() -> None:
    a, b = vectors(0, 80), vectors(1, 95)
    totals, path = librosa.sequence.dtw(a.T, b.T, metric="euclidean")
    found = align(a, b)
    assert found.distance * len(path) == pytest.approx(totals[-1, -1], rel=ROUNDING)
    assert np.array_equal(np.stack([found.predicted, found.reference], axis=1), path[::-1])


@given(seeds, st.integers(1, 30))
@settings(max_examples=20, deadline=None)
def test_the_distortion_from_itself_is_nothing(seed: int, frames: int) -> None:
    same = cepstra(seed, frames)
    assert mel_cepstral_distortion(same, same) == 0
    assert mel_distortion(vectors(seed, frames, 20), vectors(seed, frames, 20)) == 0


@given(seeds, st.integers(2, 20), st.data())
@settings(max_examples=20, deadline=None)
def test_repeated_frames_cost_nothing(seed: int, frames: int, data: st.DataObject) -> None:
    repeats = data.draw(st.lists(st.integers(1, 3), min_size=frames, max_size=frames))
    slow = np.repeat(cepstra(seed, frames), repeats, axis=0)
    assert mel_cepstral_distortion(slow, cepstra(seed, frames)) == 0


def test_the_level_counts_neither_in_path_nor_in_sum() -> None:
    quiet = cepstra(0, 20)
    loud = quiet + np.eye(25)[0] * np.linspace(0, 1, 20)[:, None]
    assert mel_cepstral_distortion(loud, quiet) == 0
    mel = vectors(0, 20, 20)
    assert mel_distortion(mel + 1.5, mel) == pytest.approx(0, abs=ROUNDING)


def test_one_coefficient_apart_is_the_constant_by_hand() -> None:
    # 10√2/ln 10 = 6.1418…: 0.1 in one coefficient of every frame.
    flat = np.tile(np.eye(25)[0], (7, 1))
    assert mel_cepstral_distortion(flat + 0.1 * np.eye(25)[3], flat) == pytest.approx(
        0.61418514, abs=1e-7
    )


def test_both_distortions_are_of_one_scale() -> None:
    # The same ripple of the spectrum, 0.2 cos 3ω in ln|H|, in either's terms.
    angles = np.pi * (np.arange(80) + 0.5) / 80
    flat = np.zeros((9, 80))
    rippled = flat + 0.2 * np.cos(3 * angles)
    assert mel_distortion(rippled, flat) == pytest.approx(0.2 * DECIBELS, rel=ROUNDING)
    # … which is its root mean square in dB.
    rms_db = np.sqrt(np.mean((20 / math.log(10) * 0.2 * np.cos(3 * angles)) ** 2))
    assert mel_distortion(rippled, flat) == pytest.approx(rms_db, rel=ROUNDING)


def test_the_whole_convention_against_pysptk_and_librosa(store, corpus) -> None:
    first, second = store.index.index[:2]
    envelopes = []
    for utterance in (first, second):
        samples = record(corpus, store, utterance)
        envelopes.append(prosody.analyse(samples, 16000, FEATURES).envelope)
    alpha = pysptk.util.mcepalpha(16000)
    ours = [prosody.mel_cepstrum(envelope, 16000, FEATURES) for envelope in envelopes]
    theirs = [pysptk.sp2mc(envelope, 24, alpha) for envelope in envelopes]
    cut = [each[cepstral_speech(each), 1:] for each in theirs]
    totals, path = librosa.sequence.dtw(cut[0].T, cut[1].T, metric="euclidean")
    expected = 10 * math.sqrt(2) / math.log(10) * totals[-1, -1] / len(path)
    assert alpha == pytest.approx(0.41)
    # pysptk goes by an FFT and recursive warping, ours by their matrix.
    assert mel_cepstral_distortion(*ours) == pytest.approx(expected, rel=1e-6)


def test_silence_at_the_ends_is_left_out() -> None:
    said = cepstra(0, 20)
    silence = cepstra(1, 15)
    silence[:, 0] -= SILENCE_BELOW_PEAK_DB * math.log(10) / 20 + 2
    padded = np.concatenate([silence[:5], said, silence[5:]])
    assert cepstral_speech(padded) == slice(5, 25)
    assert mel_cepstral_distortion(padded, said) == 0
    path = mel_cepstral_alignment(padded, said)
    assert (path.predicted[0], path.predicted[-1]) == (5, 24)
    assert (path.reference[0], path.reference[-1]) == (0, 19)


def test_pauses_inside_stay() -> None:
    levels = np.log(10) / 20 * np.array([-60.0, 0, -70, -39, -41, -80])
    assert speech(np.tile(levels[:, None], 8)) == slice(1, 4)


def test_trimming_finds_the_speech_that_the_synthesiser_knows(store) -> None:
    utterance = store.index.index[0]
    frames = np.cumsum(store.durations(utterance))
    heard = speech(store.mel(utterance))
    # Windows of 64 ms see a sound up to two frames before its first.
    assert abs(heard.start - frames[0]) <= 2
    assert abs(heard.stop - frames[-2]) <= 3


@pytest.mark.parametrize(
    ("frames", "reason"),
    [(np.empty((0, 25)), "no frame"), (np.full((4, 25), np.nan), "not finite")],
)
def test_what_cannot_be_compared_says_why(frames: np.ndarray, reason: str) -> None:
    for pair in itertools.permutations([frames, cepstra(0, 5)]):
        with pytest.raises(NotMeasurableError, match=reason):
            mel_cepstral_distortion(*pair)
        with pytest.raises(NotMeasurableError, match=reason):
            mel_distortion(*pair)


def test_too_few_mels_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 13 mels"):
        mel_distortion(np.zeros((4, 13)), np.zeros((4, 13)))
