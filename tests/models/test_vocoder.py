import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_corpus
import torch
import yaml
from scipy.signal import resample_poly
from spoken_corpus import FEATURES, SAMPLING_RATE

from adaptts.features import mel, prosody
from adaptts.models.vocoder import GriffinLim

PAGE = (Path(__file__).parents[2] / "docs" / "vocoders.md").read_text(encoding="utf-8")
BLOCKS = {
    name: yaml.safe_load(block)
    for name, block in re.findall(r"### (.*?)\n.*?```yaml\n(.*?)```", PAGE, re.DOTALL)
}
VOCODERS = {
    name: (block["corpus"]["sampling_rate"], replace(FEATURES, **block["features"]))
    for name, block in BLOCKS.items()
}
MODEL = replace(small_corpus.MODEL, vocoder_iterations=32)


@pytest.fixture(scope="module")
def vocoder() -> GriffinLim:
    return GriffinLim(FEATURES, SAMPLING_RATE, MODEL)


def vowel(f0_hz: float = 140.0) -> np.ndarray:
    """A glide in pitch with three formants."""
    times = np.arange(SAMPLING_RATE) / SAMPLING_RATE
    phase = 2 * np.pi * f0_hz * (times + 0.1 * times**2)
    waveform = np.zeros(SAMPLING_RATE)
    for n in range(1, 40):
        heights = [np.exp(-(((n * f0_hz - formant) / 150) ** 2)) for formant in (600, 1200, 2500)]
        waveform += (sum(heights) + 0.01) * np.sin(n * phase)
    return 0.5 * waveform / np.abs(waveform).max()


def test_copy_synthesis_keeps_mel_and_pitch(vocoder):
    log_mel = mel.log_mel(vowel(), SAMPLING_RATE, FEATURES)
    waveform = vocoder(log_mel)[:SAMPLING_RATE]
    again = mel.log_mel(waveform, SAMPLING_RATE, FEATURES)
    audible = log_mel > log_mel.max() - 6
    assert np.abs(again - log_mel)[audible].mean() < 0.3  # nepers
    pitch = prosody.analyse(vowel(), SAMPLING_RATE, FEATURES).f0_hz[20:-20]
    found = prosody.analyse(waveform, SAMPLING_RATE, FEATURES).f0_hz[20:-20]
    voiced = (pitch > 0) & (found > 0)
    assert voiced.mean() > 0.8  # Griffin-Lim roughens the voice
    assert np.abs(np.log2(found[voiced] / pitch[voiced])).mean() < 0.02


def resampled_vowel(rate: int) -> np.ndarray:
    return resample_poly(vowel(), rate, SAMPLING_RATE)


@pytest.mark.parametrize(("rate", "features"), VOCODERS.values(), ids=VOCODERS)
def test_copies_keep_time_and_mel_with_the_features_of_other_vocoders(rate, features):
    """Frames of which the first is centred half a hop behind the beginning included."""
    waveform = resampled_vowel(rate)
    waveform[: rate // 2] *= 0.01  # an edge to tell time by
    log_mel = mel.log_mel(waveform, rate, features)
    copy = GriffinLim(features, rate, MODEL)(log_mel)
    assert len(copy) == len(log_mel) * features.hop_samples
    again = mel.log_mel(copy[: len(waveform)], rate, features)
    audible = log_mel > log_mel.max() - 6
    assert np.abs(again - log_mel)[audible].mean() < 0.3  # nepers
    power, given = np.square(copy[: len(waveform)]), np.square(waveform)
    smooth = np.ones(rate // 50) / (rate // 50)
    found, expected = (np.convolve(each, smooth, "same") for each in (power, given))
    edges = [np.argmax(each[rate // 4 :] > each.max() / 8) for each in (found, expected)]
    assert abs(edges[0] - edges[1]) < 0.004 * rate  # half a hop is 5.8 ms


@pytest.mark.parametrize("frames", [1, 2, 3, 50])
def test_each_frame_gives_a_hop_of_samples(vocoder, frames):
    waveform = vocoder(mel.log_mel(vowel(), SAMPLING_RATE, FEATURES)[:frames])
    assert waveform.shape == (frames * FEATURES.hop_samples,)
    assert waveform.dtype == np.float32


def test_the_same_log_mel_sounds_the_same_whatever_the_global_generator(vocoder):
    log_mel = mel.log_mel(vowel(), SAMPLING_RATE, FEATURES)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = vocoder(log_mel)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(2)
    np.testing.assert_array_equal(first, GriffinLim(FEATURES, SAMPLING_RATE, MODEL)(log_mel))


@pytest.mark.parametrize("shift", [0.0, 5.0, 60.0, 1e30])
def test_the_peak_is_at_most_1(vocoder, shift):
    waveform = vocoder(mel.log_mel(vowel(), SAMPLING_RATE, FEATURES) + shift)
    assert 0.1 < np.abs(waveform).max() <= 1


def test_silence_stays_silent(vocoder):
    assert np.abs(vocoder(np.full((40, 80), np.log(1e-5)))).max() < 1e-5


def test_half_precision_is_taken(vocoder):
    log_mel = mel.log_mel(vowel(), SAMPLING_RATE, FEATURES).astype(np.float16)
    np.testing.assert_array_equal(vocoder(log_mel), vocoder(log_mel.astype(np.float32)))


@pytest.mark.parametrize("shape", [(0, 80), (10, 79), (80,)])
def test_another_shape_is_refused(vocoder, shape):
    with pytest.raises(ValueError, match=r"must be \[1 or more frames, 80\], got "):
        vocoder(np.zeros(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(vocoder, value):
    with pytest.raises(ValueError, match="must be finite"):
        vocoder(np.full((10, 80), value))


def test_a_hop_of_more_than_half_a_window_is_refused():
    with pytest.raises(ValueError, match=r"hop_samples 600 must be at most half of .* 1024"):
        GriffinLim(replace(FEATURES, hop_samples=600), SAMPLING_RATE, MODEL)
