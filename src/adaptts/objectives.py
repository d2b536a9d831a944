"""What is minimised: the acoustic model's losses, and their weighted sum."""

from collections.abc import Mapping
from dataclasses import asdict

import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn import functional as F

from adaptts.episodes.batch import Batch
from adaptts.models import compilable
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
    absolute = compilable.absolute if torch.compiler.is_compiling() else torch.abs
    values = {
        "mel": absolute(prediction.mel - batch.mel).mean(-1),
        "duration": (prediction.log_duration - torch.log1p(batch.durations)).square(),
        "pitch": (prediction.pitch - batch.pitch).square(),
        "voicing": F.binary_cross_entropy_with_logits(
            prediction.voicing, batch.voicing, reduction="none"
        ),
    }
    masks = _masks(batch)
    return {name: masked_mean(value, masks[name]) for name, value in values.items()}


def shares(piece: Batch, batch: Batch) -> dict[str, Tensor]:
    """What part of each loss's valid places lies in a piece of the batch.

    The losses of all pieces, each weighed so, add up to those of the batch.
    """
    dtype, whole = batch.mel.dtype, _masks(batch)
    return {
        name: mask.sum(dtype=dtype) / whole[name].sum(dtype=dtype).clamp(min=1)
        for name, mask in _masks(piece).items()
    }


def _masks(batch: Batch) -> dict[str, Tensor]:
    """The valid places of each loss."""
    return {
        "mel": batch.frames.mask,
        "duration": batch.phone_mask,
        "pitch": batch.phone_mask & (batch.voicing > 0),
        "voicing": batch.phone_mask,
    }


def weighted_sum(losses: Mapping[str, Tensor], weights: Mapping[str, float | Tensor]) -> Tensor:
    """L = Σ λᵢ Lᵢ over the losses that have a weight."""
    return torch.stack([weight * losses[name] for name, weight in weights.items()]).sum()


def voice_loss(
    acoustic: AcousticModel, voice: Parameters, batch: Batch, weights: LossParams
) -> Tensor:
    """The loss that every arm adapts by, as a function of the parameters of one voice.

    voice: the acoustic model's parameters and the speaker vector [D] under the name SPEAKER.
    """
    return weighted_sum(voice_terms(acoustic, voice, batch), asdict(weights))


def voice_terms(acoustic: AcousticModel, voice: Parameters, batch: Batch) -> dict[str, Tensor]:
    """The `acoustic_losses` of a voice."""
    speaker = voice[SPEAKER].expand(len(batch), -1)
    model = {name: value for name, value in voice.items() if name != SPEAKER}
    return acoustic_losses(functional_call(acoustic, model, (batch, speaker)), batch)


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
