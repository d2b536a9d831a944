"""The blocks of docs/vocoders.md give the mels that the vocoders they name were trained on.

Their front ends are restated here with librosa's and torchaudio's filters, in float64: the error of
float32, in which they are run, is relative to the loudest bin and reaches 3e-4 in faint bands.
"""

import re
from dataclasses import replace
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
import yaml

from adaptts.corpora import audio
from adaptts.corpora.readers import READERS
from adaptts.features import durations, extraction, mel, prosody
from adaptts.features.audio_backend import torchaudio
from adaptts.features.store import FeatureStore
from adaptts.params import CorpusParams, FeatureParams, parse

PAGE = (Path(__file__).parents[2] / "docs" / "vocoders.md").read_text(encoding="utf-8")
BLOCKS = {
    name: yaml.safe_load(block)
    for name, block in re.findall(r"### (.*?)\n.*?```yaml\n(.*?)```", PAGE, re.DOTALL)
}
OWN = {"f0_min_hz": 60.0, "f0_max_hz": 500.0, "mel_cepstrum_order": 24, "frame_period_ms": 5.0,
       "alignment_pooled_iterations": 0, "alignment_iterations": 8}  # fmt: skip


def rate_of(name: str) -> int:
    return BLOCKS[name]["corpus"]["sampling_rate"]


def features_of(name: str) -> FeatureParams:
    return parse(FeatureParams, {**OWN, **BLOCKS[name]["features"]}, "features")


@pytest.fixture(scope="module")
def speech(corpus) -> np.ndarray:
    return audio.read_mono(corpus.folder / corpus.table["path"][0], 16000)


def at(rate: int, speech: np.ndarray) -> np.ndarray:
    resampled = audio.resample(speech, 16000, rate, "soxr")
    return audio.finish(resampled, rate, "u")


def hifi_gan(waveform: np.ndarray, rate: int, mels: int, highest_hz: float) -> np.ndarray:
    n_fft, hop = 1024, 256
    filters = librosa.filters.mel(
        sr=rate, n_fft=n_fft, n_mels=mels, fmin=0, fmax=highest_hz, dtype=np.float64
    )
    reach = (n_fft - hop) // 2
    padded = torch.nn.functional.pad(
        torch.from_numpy(waveform)[None, None], (reach, reach), mode="reflect"
    )[0]
    window = torch.hann_window(n_fft, dtype=torch.float64)
    spectrum = torch.stft(
        padded, n_fft, hop, n_fft, window, center=False, onesided=True, return_complex=True
    )
    magnitudes = torch.sqrt(spectrum.real**2 + spectrum.imag**2 + 1e-9)
    return torch.log(torch.clamp(torch.from_numpy(filters) @ magnitudes, min=1e-5))[0].T.numpy()


def vocos(waveform: np.ndarray) -> np.ndarray:
    """With librosa's filters for torchaudio's, which are the same but rounded to float32."""
    spectrum = torchaudio.transforms.Spectrogram(
        n_fft=1024, hop_length=256, center=True, power=1, wkwargs={"dtype": torch.float64}
    )
    filters = librosa.filters.mel(
        sr=24000, n_fft=1024, n_mels=100, htk=True, norm=None, dtype=np.float64
    )
    mels = torch.from_numpy(filters) @ spectrum(torch.from_numpy(waveform))
    return torch.log(torch.clip(mels, min=1e-7)).T.numpy()


def tacotron(waveform: np.ndarray) -> np.ndarray:
    spectrum = np.abs(librosa.stft(waveform, n_fft=1024, hop_length=256, pad_mode="reflect"))
    filters = librosa.filters.mel(
        sr=22050, n_fft=1024, n_mels=80, fmin=0, fmax=8000, dtype=np.float64
    )
    return np.log(np.maximum(filters @ spectrum, 1e-5)).T


FRONT_ENDS = {
    "HiFi-GAN, 22.05 kHz": lambda waveform: hifi_gan(waveform, 22050, 80, 8000),
    "Vocos, 24 kHz": vocos,
    "BigVGAN v2, 24 kHz": lambda waveform: hifi_gan(waveform, 24000, 100, 12000),
    "WaveGlow and Tacotron 2, 22.05 kHz": tacotron,
}


def test_every_vocoder_of_the_page_is_held_against_its_front_end():
    assert set(FRONT_ENDS) == set(BLOCKS)


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_mels_are_those_of_the_vocoder(name, speech):
    waveform = at(rate_of(name), speech)
    ours = mel.log_mel(waveform, rate_of(name), features_of(name))
    theirs = FRONT_ENDS[name](waveform)
    assert ours.shape == theirs.shape
    # Ours are stored in float32.
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_vocos_own_transform_gives_them_to_the_rounding_of_its_filters(speech):
    waveform = at(24000, speech)
    transform = torchaudio.transforms.MelSpectrogram(
        24000, n_fft=1024, hop_length=256, n_mels=100, center=True, power=1
    )
    theirs = torch.log(torch.clip(transform(torch.from_numpy(waveform).float()), min=1e-7)).T
    ours = mel.log_mel(waveform, 24000, features_of("Vocos, 24 kHz"))
    np.testing.assert_allclose(ours, theirs.numpy(), atol=5e-4)


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_silence_lies_at_the_vocoders_floor(name):
    silence = np.zeros(rate_of(name))
    ours = mel.log_mel(silence, rate_of(name), features_of(name))
    np.testing.assert_allclose(ours, FRONT_ENDS[name](silence), atol=1e-6)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("samples", [1024, 1025, 1279, 1280, 30000])
def test_frames_are_counted_as_they_are_made(name, samples):
    features = features_of(name)
    frames = mel.log_mel(np.zeros(samples), rate_of(name), features)
    assert len(frames) == mel.frame_count(samples, features)


def test_a_sound_that_moves_by_half_a_hop_has_the_same_frames_either_way():
    """What is centred half a hop later sees the sound half a hop later."""
    centred = features_of("WaveGlow and Tacotron 2, 22.05 kHz")
    later = replace(centred, mel_centred=False)
    waveform = np.random.default_rng(0).normal(0, 0.1, 30000)
    early = mel.log_mel(waveform, 22050, centred)
    late = mel.log_mel(waveform[centred.hop_samples // 2 :][:-500], 22050, centred)
    ours = mel.log_mel(waveform, 22050, later)
    inner = slice(4, 100)
    np.testing.assert_allclose(ours[inner], late[inner], atol=1e-6)
    assert np.abs(ours[inner] - early[inner]).max() > 0.1


def test_a_phone_has_the_frames_whose_centres_it_holds():
    # Centres at 0.5, 1.5, … frames; the phones end at 1.4, 3.5 and 5 frames.
    found = durations.from_times("u", np.array([1.4, 3.5, 5.0]) / 100, 5, 100.0, first_centre=0.5)
    assert found.tolist() == [1, 2, 2]


def test_pitch_is_taken_at_the_frames_centres(params):
    later = replace(params, mel_centred=False, hop_samples=240)
    f0_hz = np.arange(100.0)  # WORLD's frames, each 5 ms; ours 15 ms
    assert prosody.at_mel_frames(f0_hz, 3, 16000, later).tolist() == [2, 4, 8]  # 7.5 is a tie
    centred = replace(later, mel_centred=True)
    assert prosody.at_mel_frames(f0_hz, 3, 16000, centred).tolist() == [0, 3, 6]


@pytest.mark.parametrize("name", ["HiFi-GAN, 22.05 kHz", "Vocos, 24 kHz"])
def test_features_are_extracted_at_the_vocoders_rate(name, tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    values = CorpusParams(
        reader="synthetic",
        sampling_rate=rate_of(name),
        seed=1,
        utterances_per_speaker=1,
        speakers=["m8", "f3"],
    )
    READERS["synthetic"].prepare(values, corpus, tmp_path)
    (tmp_path / "features").mkdir()
    extraction.extract(corpus, features_of(name), tmp_path / "features", 1)
    store = FeatureStore.open(tmp_path / "features")
    assert store.sampling_rate == rate_of(name)
    for utterance in store.index.index:
        frames = len(store.mel(utterance))
        assert store.mel(utterance).shape[1] == features_of(name).mels
        assert store.durations(utterance).sum() == frames == len(store.f0(utterance))
        assert (store.f0(utterance) > 0).mean() > 0.3
