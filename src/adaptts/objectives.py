"""What is minimised: the acoustic model's losses, and their weighted sum."""

from collections.abc import Mapping
from dataclasses import asdict

import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn import functional as F

from adaptts.episodes.batch import Batch
from adaptts.models import plain
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
    absolute = plain.absolute if torch.compiler.is_compiling() else torch.abs
    mel = absolute(prediction.mel - batch.mel).mean(-1)
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


def voice_losses(
    acoustic: AcousticModel,
    shared: Parameters,
    own: Parameters,
    batches: Batch,
    weights: LossParams,
) -> Tensor:
    """The `voice_loss` of each of V voices in one pass, [V].

    shared: what of the parameters all voices have in common. own: the others of each voice, [V, …].
    batches: one of each voice, as `adaptts.episodes.batch.stack` makes them.
    """

    def loss(own: Parameters, *batch: Tensor) -> Tensor:
        return voice_loss(acoustic, {**shared, **own}, Batch.from_tensors(batch), weights)

    return vmap(loss)(own, *batches.tensors())
