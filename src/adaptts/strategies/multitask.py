"""Multitask training: auxiliary heads on the decoder, L = Σ λᵢ Lᵢ (Caruana 1997).

λ is fixed, or learned as homoscedastic uncertainty (Kendall et al. 2018).
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Literal, cast

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from adaptts.episodes.batch import Batch
from adaptts.models.acoustic import Prediction
from adaptts.objectives import UncertaintyWeighting, acoustic_losses, masked_mean, weighted_sum
from adaptts.params import STRICT, PositiveReal, Weight
from adaptts.strategies.learner import Learner, Setting
from adaptts.strategies.pretrain_finetune import PretrainFinetune
from adaptts.strategies.strategy import Rates


class PhoneHead(nn.Module):
    """Which phone is each frame of? The language side of the task."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.output = nn.Linear(setting.model.channels, setting.phones)

    def forward(self, prediction: Prediction, batch: Batch) -> Tensor:
        """The cross-entropy per frame."""
        phone = batch.phones.gather(1, batch.frames.phone)
        logits = self.output(prediction.decoded).transpose(1, 2)
        return masked_mean(F.cross_entropy(logits, phone, reduction="none"), batch.frames.mask)


class SpeakerHead(nn.Module):
    """Which training speaker says the utterance?"""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.output = nn.Linear(setting.model.channels, setting.speakers)

    def forward(self, prediction: Prediction, batch: Batch) -> Tensor:
        """The cross-entropy per utterance."""
        valid = batch.frames.mask.unsqueeze(-1).to(prediction.decoded.dtype)
        mean = (prediction.decoded * valid).sum(1) / valid.sum(1)
        return F.cross_entropy(self.output(mean), batch.speaker)


HEADS: Mapping[str, type[nn.Module]] = {"phone": PhoneHead, "speaker": SpeakerHead}


@dataclass(frozen=True, config=STRICT)
class MultitaskParams:
    weighting: Literal["fixed", "uncertainty"]
    # λ of each auxiliary head; with `uncertainty`, where its learning starts.
    auxiliary: Annotated[
        dict[Literal["phone", "speaker"], Annotated[Weight, Field(gt=0)]], Field(min_length=1)
    ]
    # Of the learned weights alone, of which there are few: at the model's rate they hardly move.
    weighting_rate: PositiveReal = 0.02


class Multitask(PretrainFinetune):
    """Adapts as transfer learning does; the heads serve training alone."""

    Params = MultitaskParams
    params: MultitaskParams

    def _weights(self) -> dict[str, float]:
        return {**asdict(self.setting.loss), **self.params.auxiliary}

    def extend(self, learner: Learner) -> None:
        for name in self.params.auxiliary:
            learner.extra[name] = HEADS[name](self.setting)
        if self.params.weighting == "uncertainty":
            learner.extra["weighting"] = UncertaintyWeighting(self._weights())

    def learning_rates(self, learner: Learner, rate: float) -> Rates:
        if self.params.weighting == "fixed":
            return super().learning_rates(learner, rate)
        weights = list(learner.extra["weighting"].parameters())
        of_model = [p for p in learner.parameters() if all(p is not w for w in weights)]
        return [(rate, of_model), (self.params.weighting_rate, weights)]

    def accumulate_gradients(self, learner: Learner, batches: list[Batch]) -> dict[str, float]:
        (batch,) = batches
        prediction = learner.acoustic(batch, learner.speakers(batch.speaker))
        losses = acoustic_losses(prediction, batch)
        for name in self.params.auxiliary:
            losses[name] = learner.extra[name](prediction, batch)
        if self.params.weighting == "uncertainty":
            weighting = cast(UncertaintyWeighting, learner.extra["weighting"])
            loss, weights = weighting(losses), weighting.weights()
        else:
            weights = self._weights()
            loss = weighted_sum(losses, weights)
        loss.backward()
        return {
            "loss": loss.item(),
            **{name: value.item() for name, value in losses.items()},
            **{f"weight_{name}": value for name, value in weights.items()},
        }
