"""What is minimised: the acoustic model's losses, and the weighting of several tasks."""

from collections.abc import Mapping
from dataclasses import asdict

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from adaptts.episodes.batch import Batch
from adaptts.models.acoustic import SPEAKER, AcousticModel, Parameters, Prediction
from adaptts.params import LossParams


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean over valid places; 0 where nothing is valid."""
    weight = mask.to(values.dtype)
    return (values * weight).sum() / weight.sum().clamp(min=1)


def acoustic_losses(prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
    """The four losses of the acoustic model, each a mean over its valid places.

    mel: absolute error of the normalised log-mel. duration: squared error of log(1 + frames).
    pitch: squared error of the normalised log F0, over voiced phones. voicing: cross-entropy.
    """
    mel = (prediction.mel - batch.mel).abs().mean(-1)
    duration = (prediction.log_duration - torch.log1p(batch.durations)).square()
    pitch = (prediction.pitch - batch.pitch).square()
    voicing = F.binary_cross_entropy_with_logits(
        prediction.voicing, batch.voicing, reduction="none"
    )
    return {
        "mel": masked_mean(mel, batch.frames.mask),
        "duration": masked_mean(duration, batch.phone_mask),
        "pitch": masked_mean(pitch, batch.phone_mask & (batch.voicing > 0)),
        "voicing": masked_mean(voicing, batch.phone_mask),
    }


def weighted_sum(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """L = Σ λᵢ Lᵢ over the losses that have a weight."""
    return torch.stack([weight * losses[name] for name, weight in weights.items()]).sum()


def voice_loss(
    acoustic: AcousticModel, voice: Parameters, batch: Batch, weights: LossParams
) -> Tensor:
    """The loss that every arm adapts by, as a function of the parameters of one voice.

    voice: the acoustic model's parameters and the speaker vector [D] under the name SPEAKER.
    """
    speaker = voice[SPEAKER].expand(len(batch), -1)
    model = {name: value for name, value in voice.items() if name != SPEAKER}
    prediction = functional_call(acoustic, model, (batch, speaker))
    return weighted_sum(acoustic_losses(prediction, batch), asdict(weights))


class UncertaintyWeighting(nn.Module):
    """Task weights learned as homoscedastic uncertainty (Kendall et al. 2018, equation 10).

    L = Σ exp(−sᵢ) Lᵢ + sᵢ / 2 with sᵢ = log σᵢ², starting at exp(−sᵢ) = λᵢ.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.names = list(weights)
        initial = torch.tensor([weights[name] for name in self.names])
        self.log_variance = nn.Parameter(-initial.log())

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        stacked = torch.stack([losses[name] for name in self.names])
        return ((-self.log_variance).exp() * stacked + self.log_variance / 2).sum()

    def weights(self) -> dict[str, float]:
        """The present weight exp(−sᵢ) of each task."""
        values = (-self.log_variance.detach()).exp().tolist()
        return dict(zip(self.names, values, strict=True))
