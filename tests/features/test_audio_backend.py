import pytest
import torch

from adaptts.features.audio_backend import torchaudio


def test_transforms_work_without_the_extension():
    spectrogram = torchaudio.transforms.Spectrogram(n_fft=16, hop_length=8)(torch.ones(64))
    assert spectrogram.shape == (9, 9)


def test_what_needs_the_extension_says_so():
    if torchaudio._extension._IS_TORCHAUDIO_EXT_AVAILABLE:
        pytest.skip("torchaudio's extension loads here")
    with pytest.raises(RuntimeError, match="needs torchaudio's compiled extension"):
        torchaudio.functional.forced_align(torch.zeros(1, 2, 3), torch.ones(1, 1, dtype=torch.int))
