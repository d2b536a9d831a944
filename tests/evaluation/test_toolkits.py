import math
from dataclasses import replace
from typing import get_args

import librosa
import numpy as np
import pysptk
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import firwin

from adaptts.evaluation.conventions import (
    ADAPTTS,
    CONVENTIONS,
    ESPNET,
    PYMCD,
    PYMCD_SL,
    VERSA,
    VERSA_DTW,
    ours,
)
from adaptts.evaluation.distortion import mel_cepstral_distortion
from adaptts.evaluation.measure import NotMeasurableError
from adaptts.evaluation.toolkits import distortion, distortions
from adaptts.features import prosody
from adaptts.features.prosody import pyworld
from adaptts.params import ConventionName
from evaluation.conftest import FEATURES
from evaluation.voice_like import RATE, make_sound

ALL = pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=CONVENTIONS)

# The two sounds below by the tools themselves, each reading 16-bit WAVE files of them:
# pymcd 0.2.1 (PyPI) with librosa 0.11.0 and soxr; VERSA's mcd_f0 of commit c398480, on its defaults
# and with dtw=True; and the steps of ESPnet's evaluate_mcd.py (commit de189f2) with pysptk 1.0.1.
# All with fastdtw 0.3.4, pyworld 0.3.5 and numpy 2.4.
RECORDED = {
    "espnet": 5.374237566166936,
    "versa": 10.056273115083856,
    "versa_dtw": 6.106694529680315,
    "pymcd": 8.194919936570873,
    "pymcd_plain": 12.433399549677619,
    "pymcd_sl": 8.936541650287694,
}


@pytest.fixture(scope="module")
def said() -> np.ndarray:
    return make_sound(1.2, 120, 1.0, seed=0)


@pytest.fixture(scope="module")
def read() -> np.ndarray:
    return make_sound(1.1, 190, 1.12, seed=1)


def test_every_convention_but_our_own_can_be_asked_for() -> None:
    assert {*get_args(ConventionName), ADAPTTS.name} == set(CONVENTIONS)


@pytest.mark.parametrize("name", RECORDED)
def test_figures_are_those_of_the_tool(name: str, said, read) -> None:
    assert distortion(CONVENTIONS[name], said, read, RATE) == pytest.approx(
        RECORDED[name], rel=1e-6
    )


# librosa.load, which pymcd calls, imports modules that Python 3.13 drops.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_figures_are_those_of_the_installed_pymcd(said, read, tmp_path) -> None:
    tool = pytest.importorskip("pymcd.mcd")
    paths = [tmp_path / "said.wav", tmp_path / "read.wav"]
    for path, sound in zip(paths, (said, read), strict=True):
        soundfile.write(path, sound, RATE)
    for mode, name in (("dtw", "pymcd"), ("plain", "pymcd_plain"), ("dtw_sl", "pymcd_sl")):
        theirs = tool.Calculate_MCD(MCD_mode=mode).calculate_mcd(str(paths[1]), str(paths[0]))
        assert distortion(CONVENTIONS[name], said, read, RATE) == pytest.approx(theirs, rel=1e-6)


def warp(a: np.ndarray, b: np.ndarray, cells) -> list[tuple[int, int]]:
    """The cheapest path over `cells`, sorted pairs of frames: the recursion as it is written."""
    totals = {(-1, -1): (0.0, None)}
    for i, j in cells:
        cost = math.dist(a[i], b[j])
        before = min(
            ((i - 1, j), (i, j - 1), (i - 1, j - 1)),
            key=lambda cell: totals.get(cell, (math.inf, None))[0],
        )
        totals[i, j] = totals.get(before, (math.inf, None))[0] + cost, before
    path, cell = [], (len(a) - 1, len(b) - 1)
    while cell != (-1, -1):
        path.append(cell)
        cell = totals[cell][1]
    return path[::-1]


def fast_warp(a: np.ndarray, b: np.ndarray) -> list[tuple[int, int]]:
    """FastDTW of radius 1 as Salvador and Chan (2007) describe it, cell by cell."""
    if min(len(a), len(b)) < 3:
        return warp(a, b, [(i, j) for i in range(len(a)) for j in range(len(b))])
    halves = [np.array([(x[k] + x[k + 1]) / 2 for k in range(0, len(x) - 1, 2)]) for x in (a, b)]
    near = {
        (i + di, j + dj) for i, j in fast_warp(*halves) for di in (-1, 0, 1) for dj in (-1, 0, 1)
    }
    fine = {(2 * i + di, 2 * j + dj) for i, j in near for di in (0, 1) for dj in (0, 1)}
    return warp(a, b, sorted((i, j) for i, j in fine if 0 <= i < len(a) and 0 <= j < len(b)))


def mean_distance(a: np.ndarray, b: np.ndarray, path) -> float:
    """The formula in decibels, pair by pair."""
    return sum(10 / math.log(10) * math.sqrt(2 * sum((a[i] - b[j]) ** 2)) for i, j in path) / len(
        path
    )


def test_espnet_is_its_published_definition(said, read) -> None:
    window = pysptk.sptk.hamming(1024)

    def analyse(sound: np.ndarray) -> np.ndarray:
        pcm = (sound * 2**15).astype(np.int16)
        frames = [pcm[k : k + 1024] * window for k in range(0, len(pcm) - 1023, 256)]
        return np.array([pysptk.mcep(x, 23, 0.42, eps=1e-6, etype=1) for x in frames])

    a, b = analyse(said), analyse(read)
    expected = mean_distance(a, b, fast_warp(a, b))
    assert distortion(ESPNET, said, read, RATE) == pytest.approx(expected, rel=1e-6)


def test_versa_is_its_published_definition(said, read) -> None:
    taps = firwin(255, 70 / 8000, pass_zero=False)

    def analyse(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = np.convolve(sound * 32767, taps)[: len(sound)]
        f0, times = pyworld.harvest(x, RATE, f0_floor=40, f0_ceil=800, frame_period=5)
        envelope = pyworld.cheaptrick(x, f0, times, RATE, fft_size=1024)
        power = np.array([(s[0] + 2 * s[1:-1].sum() + s[-1]) / 1024 for s in envelope])
        loud = 10 * np.log10(power / power.mean()) > -20
        return pysptk.sp2mc(envelope, 39, 0.466), loud

    (a, loud_a), (b, loud_b) = analyse(said), analyse(read)
    both = min(len(a), len(b))
    one_by_one = mean_distance(a, b, [(k, k) for k in range(both)])
    assert distortion(VERSA, said, read, RATE) == pytest.approx(one_by_one, rel=1e-6)
    assert 0 < loud_a.sum() < len(a)
    a, b = a[loud_a], b[loud_b]
    warped = mean_distance(a, b, fast_warp(a, b))
    assert distortion(VERSA_DTW, said, read, RATE) == pytest.approx(warped, rel=1e-6)


def test_ours_is_the_mcd_of_the_pipeline(said, read) -> None:
    ceps = []
    for sound in (said, read):
        world = prosody.analyse(sound, RATE, FEATURES)
        ceps.append(prosody.mel_cepstrum(world.envelope, RATE, FEATURES))
    expected = mel_cepstral_distortion(*ceps)
    assert distortion(ADAPTTS, said, read, RATE) == pytest.approx(expected, rel=1e-9)
    assert ours(FEATURES) == ADAPTTS


def test_another_analysis_shows_in_the_version() -> None:
    other = ours(replace(FEATURES, mel_cepstrum_order=30))
    assert other.analysis.order == 30
    assert other.version == "1, with c1…c30, 5 ms and F0 from 60 to 500 Hz"


def test_pymcd_counts_the_power_spectrum_twice() -> None:
    # Handing it over as the power that it is halves every distance.
    world = replace(PYMCD.analysis.spectrum, power_as_magnitude=None)
    right = replace(PYMCD, analysis=replace(PYMCD.analysis, spectrum=world))
    # Loud, so that what is added to the squares is nothing beside them.
    pair = [1e4 * make_sound(0.5, pitch, 1.0, pitch, 22050) for pitch in (120, 180)]
    halved = distortion(right, *pair, 22050)
    assert 2 * halved == pytest.approx(distortion(PYMCD, *pair, 22050), rel=1e-3)


@ALL
def test_a_sound_is_at_no_distance_from_itself(convention, said) -> None:
    assert distortion(convention, said, said.copy(), RATE) == 0


@ALL
def test_both_directions_are_alike(convention, said, read) -> None:
    there, back = distortion(convention, said, read, RATE), distortion(convention, read, said, RATE)
    assert there == pytest.approx(back, rel=1e-9)


@given(gain=st.floats(0.1, 2), swap=st.booleans())
@settings(max_examples=5, deadline=None)
def test_ours_does_not_hear_gain(gain: float, swap: bool) -> None:
    pair = make_sound(0.5, 120, 1.0, 0), make_sound(0.45, 190, 1.1, 1)
    expected = distortion(ADAPTTS, *pair, RATE)
    louder = (gain * pair[0], pair[1]) if swap else (pair[0], gain * pair[1])
    assert distortion(ADAPTTS, *louder, RATE) == pytest.approx(expected, abs=1e-6)


@given(before=st.integers(0, 150), after=st.integers(0, 12000), digital=st.booleans())
@settings(max_examples=6, deadline=None)
def test_ours_does_not_hear_silence_of_whole_frames(before: int, after: int, digital: bool) -> None:
    shift = pad(80 * before, after, digital)
    assert shift == pytest.approx(0, abs=1e-3)


@given(before=st.integers(0, 12000), after=st.integers(0, 12000), digital=st.booleans())
@settings(max_examples=6, deadline=None)
def test_ours_hardly_hears_any_other_silence(before: int, after: int, digital: bool) -> None:
    # Frames fall elsewhere between the pulses of the voice.
    assert pad(before, after, digital) == pytest.approx(0, abs=0.2)


def pad(before: int, after: int, digital: bool) -> float:
    """What that many samples of silence add to a distortion, in dB."""
    a, b = make_sound(0.8, 120, 1.0, 0), make_sound(0.7, 190, 1.1, 1)
    generator = np.random.default_rng(before)
    noise = 0 if digital else 3e-4
    edges = [noise * generator.standard_normal(count) for count in (before, after)]
    padded = np.concatenate([edges[0], a, edges[1]])
    return distortion(ADAPTTS, padded, b, RATE) - distortion(ADAPTTS, a, b, RATE)


def test_a_slower_reading_is_nearer_than_another_voice(said, read) -> None:
    slower = make_sound(1.44, 120, 1.0, seed=0)
    assert distortion(ADAPTTS, slower, said, RATE) < distortion(ADAPTTS, read, said, RATE) / 2


@ALL
@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (np.empty(0), "no sample"),
        (np.zeros(RATE), "silent"),
        (np.full(RATE, np.nan), "not finite"),
        (np.array([0.1, np.inf] * 8000), "not finite"),
    ],
    ids=["empty", "silent", "nan", "infinite"],
)
def test_bad_sounds_are_missing_with_the_reason(convention, sound, reason, said) -> None:
    for pair in ((sound, said), (said, sound)):
        with pytest.raises(NotMeasurableError, match=reason):
            distortion(convention, *pair, RATE)
        (measured,) = distortions([convention], *pair, RATE)
        assert math.isnan(measured.value)
        assert reason in measured.note


@ALL
def test_a_clipped_sound_is_measured(convention, said, read) -> None:
    clipped = np.clip(10 * said, -1, 1)
    assert math.isfinite(distortion(convention, clipped, read, RATE))


@ALL
@pytest.mark.parametrize("samples", [1, 79, 80, 1024])
def test_a_single_frame_is_measured_or_has_a_reason(convention, samples: int, said) -> None:
    sound = said[3000 : 3000 + samples]
    (measured,) = distortions([convention], sound, sound, RATE)
    if convention is ESPNET and samples < 1024:
        assert "less than one window" in measured.note
    else:
        assert measured.value == 0


def test_what_a_convention_does_not_cover_is_missing(said, read) -> None:
    with pytest.raises(NotMeasurableError, match="defined at 16000, .* not at 8000"):
        distortion(ESPNET, said, read, 8000)
    with pytest.raises(NotMeasurableError, match="241 of them with 101 differ by too much"):
        distortion(VERSA, said, read[: RATE // 2], RATE)


@ALL
def test_sounds_of_two_rates_are_compared_at_the_lower_one(convention, said, read) -> None:
    finer = librosa.resample(read, orig_sr=RATE, target_sr=48000)
    coarser = librosa.resample(finer, orig_sr=48000, target_sr=RATE)
    expected = distortion(convention, said, coarser, RATE)
    assert distortion(convention, said, finer, RATE, 48000) == expected
    assert distortion(convention, finer, said, 48000, RATE) == pytest.approx(expected, rel=1e-9)


def test_stereo_is_refused(said) -> None:
    with pytest.raises(ValueError, match="must be mono"):
        distortion(ADAPTTS, np.stack([said, said]), said, RATE)


def test_the_length_penalty_is_the_quotient_of_the_lengths(said, read) -> None:
    # 241 and 221 frames of 5 ms.
    plain, penal = (distortion(each, said, read, RATE) for each in (PYMCD, PYMCD_SL))
    assert penal / plain == pytest.approx(241 / 221, rel=1e-9)


def test_conventions_are_measured_together_as_alone(said, read) -> None:
    chosen = [ESPNET, VERSA, VERSA_DTW, PYMCD]
    measured = distortions(chosen, said, read, RATE)
    assert [each.metric for each in measured] == [f"mcd_{each.name}" for each in chosen]
    alone = [distortion(each, said, read, RATE) for each in chosen]
    assert [each.value for each in measured] == alone
