"""From log-mel spectrograms back to waveforms: Griffin-Lim, or a network of the user's.

Either is called with a log-mel [frames, mels] as `features.mel` makes them and gives the waveform
[frames · hop_samples] whose frames these are: float32, its peak at most 1, the same each time.
"""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from adaptts.features import mel
from adaptts.features.audio_backend import torchaudio
from adaptts.params import FeatureParams, ModelParams, VocoderFileParams

Vocoder = Callable[[NDArray[np.floating]], NDArray[np.float32]]

# Of the accelerated iteration (Perraudin et al. 2013).
MOMENTUM = 0.99
# What an exported vocoder may say of itself: the name of a file within its own.
SETTINGS = "features.json"
# Frames that an exported vocoder is tried with.
TRIED_FRAMES = (40, 57)


class VocoderError(ValueError):
    """A vocoder cannot be used; the message names its file, the rule and the remedy."""


def open_vocoder(features: FeatureParams, sampling_rate: int, model: ModelParams) -> Vocoder:
    """The vocoder that `model.vocoder` names. Raises `ValueError` where it cannot work."""
    if model.vocoder_file is not None:
        return ExportedVocoder(features, sampling_rate, model.vocoder_file)
    return GriffinLim(features, sampling_rate, model)


class GriffinLim:
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
        _check_log_mel(log_mel, self._params.mels)
        hop = self._params.hop_samples
        waveform = self._griffin_lim(self._magnitudes(self._lengthened(log_mel)).T)
        start = 0 if self._params.mel_centred else hop // 2
        return _within_full_scale(waveform[start : start + len(log_mel) * hop].numpy())

    def _lengthened(self, log_mel: NDArray[np.floating]) -> torch.Tensor:
        """Repeat the last frame: once for the sound behind its centre, or to fill half a window.

        Where the first frame is centred half a hop behind the beginning, it is repeated as well:
        the inverse transform puts the first frame's centre on the first sample.
        """
        hop, n_fft = self._params.hop_samples, self._params.n_fft
        before = 0 if self._params.mel_centred else 1
        missing = max(1, n_fft // (2 * hop) + 2 - len(log_mel))
        return torch.from_numpy(np.pad(log_mel, ((before, missing), (0, 0)), mode="edge")).float()

    def _magnitudes(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Magnitudes [frames, bins] whose mel bands are nearest to those of `log_mel`."""
        bands = torch.minimum(log_mel, self._log_loudest).exp()
        return (bands @ self._inverse).clamp_min(0)


class ExportedVocoder:
    """A network in a file that `torch.export.save` wrote: docs/vocoders.md shows how.

    It takes log-mels [1, mels, frames] of any number of frames and gives samples, [samples] or with
    axes of 1 before, a hop for each frame; one hop fewer, as inverse transforms of centred frames
    have them, is filled up with zeros. Random numbers that it draws are the same in each call.

    Like any file of PyTorch's, one from a stranger could run code of theirs; the SHA-256 in the
    parameters is that of a file that somebody trusts.
    """

    def __init__(
        self, features: FeatureParams, sampling_rate: int, file: VocoderFileParams
    ) -> None:
        path = Path(file.path).expanduser()
        _check_file(path, file.sha256)
        said = {SETTINGS: ""}
        try:
            program = torch.export.load(path, extra_files=said)
        except Exception as error:  # what it raises for a file of another kind is not documented
            raise VocoderError(
                f"{path} is no program of torch.export.save: {error}; see docs/vocoders.md"
            ) from None
        _check_settings(path, said[SETTINGS], features, sampling_rate)
        self._path = path
        self._params = features
        self._network = program.module()
        for frames in TRIED_FRAMES:
            self(np.full((frames, features.mels), math.log(features.mel_floor)))

    @torch.inference_mode()
    def __call__(self, log_mel: NDArray[np.floating]) -> NDArray[np.float32]:
        """As `GriffinLim`. Raises `VocoderError` where the network fails, or gives other shapes."""
        _check_log_mel(log_mel, self._params.mels)
        frames, hop = len(log_mel), self._params.hop_samples
        given = torch.from_numpy(np.ascontiguousarray(log_mel.T)).float()[None]
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                samples = self._network(given)
        except (AssertionError, RuntimeError, TypeError) as error:
            raise VocoderError(
                f"{self._path} fails for log-mels {list(given.shape)}: {error}; export it for "
                f"{self._params.mels} mels and any number of frames, see docs/vocoders.md"
            ) from None
        shape = tuple(getattr(samples, "shape", ()))
        wanted = (frames * hop, (frames - 1) * hop)
        if not shape or shape[-1] not in wanted or math.prod(shape) != shape[-1]:
            raise VocoderError(
                f"{self._path} gives {list(shape)} for log-mels {list(given.shape)}, and must give "
                f"{frames * hop} samples: features.hop_samples for each frame"
            )
        waveform = samples.reshape(-1).float().numpy()
        if not np.isfinite(waveform).all():
            raise VocoderError(f"{self._path} gives samples that are NaN or infinite")
        return _within_full_scale(np.pad(waveform, (0, frames * hop - len(waveform))))


def _check_log_mel(log_mel: NDArray[np.floating], mels: int) -> None:
    if log_mel.ndim != 2 or not len(log_mel) or log_mel.shape[1] != mels:
        raise ValueError(f"a log-mel must be [1 or more frames, {mels}], got {log_mel.shape}")
    if not np.isfinite(log_mel).all():
        raise ValueError("a log-mel must be finite, got NaN or infinity; lower the step size")


def _within_full_scale(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    return waveform / max(1.0, float(np.abs(waveform).max()))


def _check_file(path: Path, sha256: str) -> None:
    if not path.is_file():
        raise VocoderError(f"model.vocoder_file.path names {path}, and there is no such file")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise VocoderError(
            f"{path} has the SHA-256 {found}, model.vocoder_file.sha256 says {sha256}; if it is "
            "the vocoder that you mean, put its own there"
        )


def _check_settings(path: Path, said: str, features: FeatureParams, sampling_rate: int) -> None:
    """Compare the features that a vocoder says it was trained on with those there are."""
    if not said:
        return
    ours = {"sampling_rate": sampling_rate, **asdict(features)}
    try:
        theirs = dict(json.loads(said))
    except ValueError as error:
        raise VocoderError(f"{path}: {SETTINGS} in it is no JSON object: {error}") from None
    unknown = sorted(theirs.keys() - ours.keys())
    if unknown:
        raise VocoderError(
            f"{path}: {SETTINGS} in it names {unknown}, which is neither sampling_rate nor a key "
            "of features; export it without"
        )
    wrong = [
        f"{name} is {ours[name]}, it was trained on {value}"
        for name, value in theirs.items()
        if ours[name] != value
    ]
    if wrong:
        raise VocoderError(
            f"{path} needs other features: {'; '.join(wrong)}; change corpus.sampling_rate and "
            "features in the parameters"
        )
