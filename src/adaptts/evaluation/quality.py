"""How good a sound is, as TorchAudio-SQUIM predicts it (Kumar et al. 2023): optional.

One network predicts STOI, wide-band PESQ and SI-SDR from the sound alone; another an opinion score
beside any clean recording (Manocha and Kumar 2022), which here is one of the speaker, with another
text. They were trained on enhanced and on synthesised English. Their weights are no part of
torchaudio and are never downloaded from here: whoever wants these measures puts them into torch
hub's folder or one of their own, for which `find_weights` says how.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import nn

from adaptts.corpora.audio import Waveform, resample
from adaptts.evaluation.level import flaw
from adaptts.evaluation.measure import NotMeasurableError
from adaptts.features.audio_backend import torchaudio
from adaptts.params import EvaluationParams

METRICS = ("squim_stoi", "squim_pesq", "squim_si_sdr", "squim_mos")

RATE = 16000  # Hz, of what the networks were trained on
LEAST_SAMPLES = 400  # that the narrower of them needs: one frame of wav2vec 2.0

OBJECTIVE, SUBJECTIVE = "squim_objective_dns2020.pth", "squim_subjective_bvcc_daps.pth"
SOURCE = "https://download.pytorch.org/torchaudio/models"


def find_weights(params: EvaluationParams) -> list[Path]:
    """The files of weights that the parameters ask for; none where they ask for no prediction.

    Raises ValueError where one is missing.
    """
    if params.predicted_quality == "none":
        return []
    hub = Path(torch.hub.get_dir()) / "torchaudio" / "models"
    folder = Path(params.weights) if params.weights else hub
    for name in (OBJECTIVE, SUBJECTIVE):
        if not (folder / name).is_file():
            raise ValueError(
                f"evaluation.predicted_quality: squim needs the weights {folder / name}, which are "
                f"missing; download {SOURCE}/{name} to there, name the folder that has them under "
                "evaluation.weights, or set predicted_quality: none"
            )
    return [folder / OBJECTIVE, folder / SUBJECTIVE]


@dataclass(frozen=True)
class QualityPredictor:
    """Both networks, and a recording of each speaker to listen to beside the sound."""

    objective: nn.Module
    subjective: nn.Module
    references: Mapping[str, Waveform]  # at RATE

    @classmethod
    def open(
        cls, params: EvaluationParams, references: Mapping[str, Waveform], sampling_rate: int
    ) -> Self | None:
        """None where the parameters ask for no prediction; `references` are at `sampling_rate`.

        Raises ValueError where weights are missing or not those of the networks.
        """
        paths = find_weights(params)
        if not paths:
            return None
        models, (objective, subjective) = torchaudio.models, paths
        return cls(
            _load(models.squim_objective_base, objective),
            _load(models.squim_subjective_base, subjective),
            {name: resample(each, sampling_rate, RATE) for name, each in references.items()},
        )

    @torch.inference_mode()
    def predict(
        self, waveform: Waveform, sampling_rate: int, speaker: str
    ) -> tuple[float, float, float, float]:
        """The values of `METRICS` for [samples].

        Raises `NotMeasurableError` where nothing can be heard or a prediction is not finite.
        """
        reason = flaw(waveform)
        if reason:
            raise NotMeasurableError(reason)
        samples = resample(waveform, sampling_rate, RATE)
        if len(samples) < LEAST_SAMPLES:
            raise NotMeasurableError(
                f"the sound has {len(samples)} samples at {RATE} Hz, SQUIM needs {LEAST_SAMPLES}"
            )
        sound, reference = (
            torch.from_numpy(np.asarray(each, dtype=np.float32))[None]
            for each in (samples, self.references[speaker])
        )
        predicted = [*self.objective(sound), self.subjective(sound, reference)]
        values = [float(each) for each in predicted]
        if not np.isfinite(values).all():
            raise NotMeasurableError("what SQUIM predicts is not finite")
        stoi, pesq, si_sdr, mos = values
        return stoi, pesq, si_sdr, mos


def _load(make: Callable[[], nn.Module], path: Path) -> nn.Module:
    network = make()
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # of many kinds, for a damaged archive
        raise ValueError(
            f"{path} does not hold the weights of TorchAudio-SQUIM ({str(error).splitlines()[0]}); "
            f"download {SOURCE}/{path.name} anew"
        ) from error
    return network.eval()
