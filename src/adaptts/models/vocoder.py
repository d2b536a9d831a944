"""From log-mel spectrograms back to waveforms."""

import numpy as np
import torch
from numpy.typing import NDArray

from adaptts.features import mel
from adaptts.features.audio_backend import torchaudio
from adaptts.params import FeatureParams, ModelParams

# Of the accelerated iteration (Perraudin et al. 2013).
MOMENTUM = 0.99


class Vocoder:
    """Griffin-Lim: the phases that agree best with the magnitudes under the mel spectrogram.

    The magnitudes come from the mel bands by the pseudo-inverse of the filters. The search starts
    from phase zero, so it draws no random numbers: the same log-mel always sounds the same.
    """

    def __init__(self, features: FeatureParams, sampling_rate: int, model: ModelParams) -> None:
        if 2 * features.hop_samples > features.n_fft:
            raise ValueError(
                f"features.hop_samples {features.hop_samples} must be at most half of "
                f"features.n_fft {features.n_fft}, or phases cannot be found; lower it"
            )
        filters = mel.filterbank(sampling_rate, features)
        self._params = features
        self._inverse = torch.from_numpy(np.linalg.pinv(filters)).float()
        # No waveform within ±1 is louder, so larger values, of a model gone wrong, mean no more.
        window = torch.hann_window(features.n_fft)
        loudest = window.sum() * torch.from_numpy(filters.sum(axis=0)).float()
        self._log_loudest = loudest.log()
        self._griffin_lim = torchaudio.transforms.GriffinLim(
            n_fft=features.n_fft,
            n_iter=model.vocoder_iterations,
            hop_length=features.hop_samples,
            power=1.0,
            momentum=MOMENTUM,
            rand_init=False,
        )

    @torch.inference_mode()
    def __call__(self, log_mel: NDArray[np.floating]) -> NDArray[np.float32]:
        """The waveform [frames · hop_samples] of a log-mel [frames, mels]; its peak is at most 1.

        A waveform that would exceed ±1 is scaled down whole. Raises `ValueError` for a log-mel that
        is empty, of another width, or not finite.
        """
        frames = len(log_mel)
        if log_mel.ndim != 2 or not frames or log_mel.shape[1] != self._params.mels:
            raise ValueError(
                f"a log-mel must be [1 or more frames, {self._params.mels}], got {log_mel.shape}"
            )
        if not np.isfinite(log_mel).all():
            raise ValueError("a log-mel must be finite, got NaN or infinity; lower the step size")
        waveform = self._griffin_lim(self._magnitudes(self._lengthened(log_mel)).T)
        waveform = waveform[: frames * self._params.hop_samples].numpy()
        return waveform / max(1.0, float(np.abs(waveform).max()))

    def _lengthened(self, log_mel: NDArray[np.floating]) -> torch.Tensor:
        """Repeat the last frame: once for the sound behind its centre, or to fill half a window."""
        hop, n_fft = self._params.hop_samples, self._params.n_fft
        missing = max(1, n_fft // (2 * hop) + 2 - len(log_mel))
        return torch.from_numpy(np.pad(log_mel, ((0, missing), (0, 0)), mode="edge")).float()

    def _magnitudes(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Magnitudes [frames, bins] whose mel bands are nearest to those of `log_mel`."""
        bands = torch.minimum(log_mel, self._log_loudest).exp()
        return (bands @ self._inverse).clamp_min(0)
