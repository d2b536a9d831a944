"""Means and scales of the features, from the training utterances alone."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from adaptts.features.store import FeatureStore, StoreError

# Below these a mean is certain but a scale is noise: a mel band that never changes, a monotone.
LEAST_MEL_SCALE = 1e-3
LEAST_LOG_F0_SCALE = 1e-2


@dataclass(frozen=True)
class Normalisation:
    """Means and scales that a model subtracts and divides by."""

    mel_mean: NDArray[np.float32]  # [mels], of the log-mel
    mel_scale: NDArray[np.float32]  # [mels], standard deviations
    log_f0_mean: float  # of ln(Hz) over voiced frames
    log_f0_scale: float

    def save(self, path: Path) -> None:
        values = {name: np.asarray(value).tolist() for name, value in asdict(self).items()}
        path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises `StoreError` if the file is missing or holds something else."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                mel_mean=np.array(values["mel_mean"], np.float32),
                mel_scale=np.array(values["mel_scale"], np.float32),
                log_f0_mean=float(values["log_f0_mean"]),
                log_f0_scale=float(values["log_f0_scale"]),
            )
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StoreError(
                f"{path} is missing or holds no normalisation ({error!r}); run the stage episodes"
            ) from None


class Moments:
    """The mean and the standard deviation of values that come in parts."""

    def __init__(self) -> None:
        self.count = 0
        self.sum = self.square_sum = np.zeros(())

    def add(self, values: NDArray[np.floating]) -> None:
        """values: [n] or [n, M], of which M means are taken."""
        values = values.astype(np.float64)
        self.count += len(values)
        self.sum = self.sum + values.sum(axis=0)
        self.square_sum = self.square_sum + np.square(values).sum(axis=0)

    def mean_and_scale(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        mean = np.asarray(self.sum / self.count)
        # Rounding can push the variance of a constant a little below 0.
        return mean, np.sqrt(np.maximum(self.square_sum / self.count - mean**2, 0))


def measure(store: FeatureStore, utterances: Iterable[str]) -> Normalisation:
    """The normalisation over all frames of `utterances`; no other one has a part in it.

    Raises ValueError if there is none, or none with a voiced frame.
    """
    names = sorted(set(utterances))
    mel, log_f0 = Moments(), Moments()
    for utterance in names:
        f0_hz = store.f0(utterance).astype(np.float64)
        mel.add(store.mel(utterance))
        log_f0.add(np.log(f0_hz[f0_hz > 0]))
    if not log_f0.count:
        raise ValueError(
            f"{len(names)} training utterances have no voiced frame; widen features.f0_min_hz to "
            "f0_max_hz or look at the recordings"
        )
    mel_mean, mel_scale = mel.mean_and_scale()
    log_f0_mean, log_f0_scale = log_f0.mean_and_scale()
    return Normalisation(
        mel_mean=mel_mean.astype(np.float32),
        mel_scale=np.maximum(mel_scale, LEAST_MEL_SCALE).astype(np.float32),
        log_f0_mean=float(log_f0_mean),
        log_f0_scale=max(float(log_f0_scale), LEAST_LOG_F0_SCALE),
    )
