from dataclasses import replace

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptts.corpora import audio
from adaptts.features import mel
from adaptts.features.audio_backend import torchaudio

RATE = 16000


@pytest.fixture(scope="module")
def waveform(corpus):
    return audio.read_mono(corpus.folder / corpus.table["path"][0], RATE)


def test_agrees_with_torchaudio(waveform, params):
    transform = torchaudio.transforms.MelSpectrogram(
        RATE,
        n_fft=params.n_fft,
        hop_length=params.hop_samples,
        n_mels=params.mels,
        f_min=params.mel_min_hz,
        f_max=params.mel_max_hz,
        power=1.0,
    )
    theirs = transform(torch.from_numpy(waveform).float()).T.numpy()
    ours = np.exp(mel.log_mel(waveform, RATE, params))
    # torchaudio computes in float32, whose error is relative to the loudest band.
    np.testing.assert_allclose(ours, np.maximum(theirs, 1e-5), rtol=1e-5, atol=1e-5)


def test_agrees_with_librosa(waveform, params):
    theirs = librosa.feature.melspectrogram(
        y=waveform,
        sr=RATE,
        n_fft=params.n_fft,
        hop_length=params.hop_samples,
        n_mels=params.mels,
        fmin=params.mel_min_hz,
        fmax=params.mel_max_hz,
        power=1.0,
        htk=True,
        norm=None,
        pad_mode="reflect",
        dtype=np.float64,
    )
    np.testing.assert_allclose(
        mel.log_mel(waveform, RATE, params), np.log(np.maximum(theirs.T, 1e-5)), atol=1e-5
    )


@settings(max_examples=30, deadline=None)
@given(samples=st.integers(513, 5000))
def test_frame_count_is_the_number_of_frames(params, samples):
    frames = mel.log_mel(np.zeros(samples), RATE, params)
    assert len(frames) == mel.frame_count(samples, params)


def test_silence_lies_at_the_floor(params):
    assert (mel.log_mel(np.zeros(4000), RATE, params) == np.log(np.float32(1e-5))).all()


def test_a_waveform_shorter_than_half_a_window_is_refused(params):
    with pytest.raises(ValueError, match=r"512 samples are too few.*n_fft 1024"):
        mel.log_mel(np.zeros(512), RATE, params)


def test_filters_without_a_bin_are_refused(params):
    with pytest.raises(ValueError, match=r"features.mels 80 hold no bin.*n_fft than 256"):
        mel.filterbank(RATE, replace(params, n_fft=256))
