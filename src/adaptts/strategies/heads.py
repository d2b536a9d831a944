"""Auxiliary tasks: small heads on the acoustic model that serve training alone.

Each is linear, so that what it needs must be made by the model that the voices share.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adaptts.episodes.batch import Batch
from adaptts.models.acoustic import Prediction
from adaptts.objectives import masked_mean
from adaptts.strategies.learner import Setting


class Head(ABC, nn.Module):
    def __init__(self, setting: Setting, outputs: int) -> None:
        super().__init__()
        self.output = nn.Linear(setting.model.channels, outputs)

    @abstractmethod
    def forward(self, prediction: Prediction, batch: Batch) -> Tensor:
        """The task's loss."""


class PhoneHead(Head):
    """Which phone is each frame of? The language side, from the decoder."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, setting.phones)

    def forward(self, prediction: Prediction, batch: Batch) -> Tensor:
        """The cross-entropy per frame."""
        phone = batch.phones.gather(1, batch.frames.phone)
        logits = self.output(prediction.decoded).transpose(1, 2)
        return masked_mean(F.cross_entropy(logits, phone, reduction="none"), batch.frames.mask)


class SpeakerHead(Head):
    """Which training speaker says the utterance? From the decoder's mean over frames."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, setting.speakers)

    def forward(self, prediction: Prediction, batch: Batch) -> Tensor:
        """The cross-entropy per utterance."""
        return self._classify(prediction.decoded, batch.frames.mask, batch.speaker)

    def _classify(self, hidden: Tensor, mask: Tensor, speaker: Tensor) -> Tensor:
        """hidden: [B, L, C]; mask: [B, L]; speaker: [B]."""
        valid = mask.unsqueeze(-1).to(hidden.dtype)
        return F.cross_entropy(self.output((hidden * valid).sum(1) / valid.sum(1)), speaker)


class ReversedSpeakerHead(SpeakerHead):
    """The head learns to tell the speaker, and the encoder to hide who it is.

    Domain-adversarial training (Ganin and Lempitsky 2015). It stands on the encoder, which need
    not know the speaker: the decoder's layers and the predictors are told. What the decoder makes
    has to sound like the speaker.
    """

    def forward(self, prediction: Prediction, batch: Batch) -> Tensor:
        """The cross-entropy per utterance."""
        hidden = reverse_gradient(prediction.encoded)
        return self._classify(hidden, batch.phone_mask, batch.speaker)


class EnergyHead(Head):
    """How loud is each phone? From the encoder, beside duration and pitch (FastSpeech 2)."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, 1)

    def forward(self, prediction: Prediction, batch: Batch) -> Tensor:
        """The squared error per phone."""
        error = self.output(prediction.encoded).squeeze(-1) - phone_energy(batch)
        return masked_mean(error.square(), batch.phone_mask)


def reverse_gradient(hidden: Tensor) -> Tensor:
    """The very same values, with the gradient's sign turned."""
    return 2 * hidden.detach() - hidden


def phone_energy(batch: Batch) -> Tensor:
    """The energy of each phone, [B, N]: the mean of its normalised log-mel, over frames and bands.

    0 where there is no phone.
    """
    frame = batch.mel.mean(-1) * batch.frames.mask
    total = torch.zeros_like(batch.durations).scatter_add(1, batch.frames.phone, frame)
    return total / batch.durations.clamp(min=1)


HEADS: Mapping[str, Callable[[Setting], Head]] = {
    "energy": EnergyHead,
    "phone": PhoneHead,
    "speaker": SpeakerHead,
    "speaker_reversed": ReversedSpeakerHead,
}


def known_head(name: str) -> str:
    """The name itself. Raises ValueError if there is no such head."""
    if name not in HEADS:
        raise ValueError(f"no auxiliary head {name!r}; choose among {sorted(HEADS)}")
    return name
