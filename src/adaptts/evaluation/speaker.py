"""Similarity of speakers by GE2E embeddings.

The encoder is Resemblyzer's (Wan et al. 2018), whose weights ship with it: the mean over windows
of 1.6 s of a unit vector of 256 numbers, none negative. A shorter sound is padded with silence, as
the encoder's authors do; repeating it instead told the speakers of single digits of 0.4 s apart
no better.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from adaptts.corpora.audio import Waveform, resample
from adaptts.evaluation.level import flaw

with warnings.catch_warnings():
    # Raised by Resemblyzer's own imports: webrtcvad reads its version through pkg_resources, and
    # a SciPy function is imported from where it used to be.
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
    warnings.filterwarnings(
        "ignore", message="Please import `binary_dilation`", category=DeprecationWarning
    )
    import resemblyzer

Embedding = NDArray[np.float64]  # [256], of length 1

# Windows a second, and the part of the last one that must hold sound: Resemblyzer's defaults.
WINDOWS_PER_SECOND = 1.3
LEAST_COVERAGE = 0.75

# At once through the encoder: where its cost for one levels off.
BATCH_WINDOWS = 32


class SpeakerEncoder:
    """Makes embeddings; on the CPU, where the same sounds in the same order give the same bits."""

    def __init__(self) -> None:
        self._network = resemblyzer.VoiceEncoder("cpu", verbose=False).eval()

    def embed(self, waveforms: Sequence[Waveform], sampling_rate: int) -> list[Embedding | None]:
        """The embedding of each waveform, of length 1; None where nothing can be heard.

        Waveforms are [samples] at `sampling_rate` Hz, of any level. Long silences are shortened and
        the level is raised to −30 dBFS before, as Resemblyzer does.
        """
        windows = [self._windows(waveform, sampling_rate) for waveform in waveforms]
        vectors = self._encode([window for each in windows for window in each])
        ends = np.cumsum([len(each) for each in windows], dtype=np.int64)
        return [
            mean_embedding(vectors[end - len(each) : end]) if each else None
            for each, end in zip(windows, ends, strict=True)
        ]

    def _windows(self, waveform: Waveform, sampling_rate: int) -> list[NDArray[np.float32]]:
        """Mel spectrograms [160, 40] of 1.6 s each; none where nothing can be heard."""
        if flaw(waveform):
            return []
        samples = resample(waveform, sampling_rate, resemblyzer.sampling_rate)
        spoken = resemblyzer.preprocess_wav(samples.astype(np.float32))
        if len(spoken) == 0:
            # The voice detector misses some short words.
            spoken = samples.astype(np.float32)
        cuts, frames = self._network.compute_partial_slices(
            len(spoken), WINDOWS_PER_SECOND, LEAST_COVERAGE
        )
        padded = np.pad(spoken, (0, max(0, cuts[-1].stop - len(spoken))))
        mel = resemblyzer.wav_to_mel_spectrogram(padded)
        return [mel[window] for window in frames]

    @torch.inference_mode()
    def _encode(self, windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
        """[windows, 256]"""
        batches = [
            self._network(torch.from_numpy(np.stack(windows[start : start + BATCH_WINDOWS])))
            for start in range(0, len(windows), BATCH_WINDOWS)
        ]
        return torch.cat(batches).double().numpy() if batches else np.empty((0, 256))


def mean_embedding(embeddings: NDArray[np.float64] | Sequence[Embedding]) -> Embedding:
    """The mean of [n, 256], brought back to length 1: a speaker, from n utterances.

    Raises `ValueError` if there is none.
    """
    if len(embeddings) == 0:
        raise ValueError("a speaker needs at least one audible utterance to be enrolled by")
    mean = np.mean(embeddings, axis=0)
    return mean / np.linalg.norm(mean)


def similarity(embedding: Embedding, enrolled: Embedding) -> float:
    """Cosine of two embeddings of length 1: 1 for the same voice."""
    return float(embedding @ enrolled)
