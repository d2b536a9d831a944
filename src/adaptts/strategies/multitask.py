"""Multitask training: auxiliary heads on the model, L = Σ λᵢ Lᵢ (Caruana 1997).

The tasks are the acoustic model's own (mel, duration, pitch, voicing) and those of the heads; how
λ comes about is the weighting's matter.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Literal, Self, cast

from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor

from adaptts.episodes.batch import Batch
from adaptts.models.convolution import ConditionalBlock
from adaptts.objectives import acoustic_losses
from adaptts.params import STRICT, Positive, PositiveReal, Weight
from adaptts.strategies.heads import HEADS, known_head
from adaptts.strategies.learner import Learner
from adaptts.strategies.pretrain_finetune import PretrainFinetune
from adaptts.strategies.strategy import Rates
from adaptts.strategies.weighting import DynamicAverage, Fixed, GradNorm, Uncertainty, Weighting

# What the weightings that have settings are set by, unless the arm says otherwise.
WEIGHTING_SETTINGS: Mapping[str, Mapping[str, float]] = {
    "uncertainty": {"weighting_rate": 0.02},
    "dwa": {"epoch_steps": 25, "temperature": 2.0},
    "gradnorm": {"weighting_rate": 0.02, "alpha": 1.5},
}


@dataclass(frozen=True, config=STRICT)
class MultitaskParams:
    weighting: Literal["fixed", "sum", "uncertainty", "dwa", "gradnorm"]
    # λ of each auxiliary head; with `uncertainty`, where its learning starts. The acoustic model's
    # own tasks have those of training.loss. The other weightings set λ of all tasks, from 1 on.
    auxiliary: Annotated[
        dict[Annotated[str, AfterValidator(known_head)], PositiveReal], Field(min_length=1)
    ]
    # `uncertainty` and `gradnorm`: of the learned weights alone, of which there are few: at the
    # model's rate they hardly move.
    weighting_rate: PositiveReal | None = None
    epoch_steps: Positive | None = None  # `dwa`: training steps that count as an epoch
    temperature: PositiveReal | None = None  # `dwa`: higher is more even
    alpha: Weight | None = None  # `gradnorm`: higher favours the tasks that learn slowly

    @model_validator(mode="after")
    def check_weights(self) -> Self:
        if self.weighting in ("sum", "dwa", "gradnorm") and set(self.auxiliary.values()) != {1.0}:
            raise ValueError(
                f"weighting {self.weighting!r} starts every task at λ = 1, got auxiliary "
                f"{self.auxiliary}; write 1.0 for each"
            )
        return self

    @model_validator(mode="after")
    def check_used(self) -> Self:
        known = {name for settings in WEIGHTING_SETTINGS.values() for name in settings}
        used = WEIGHTING_SETTINGS.get(self.weighting, {})
        unused = sorted(n for n in known - set(used) if getattr(self, n) is not None)
        if unused:
            raise ValueError(
                f"{unused} set nothing of weighting {self.weighting!r}; remove them, or choose "
                "the weighting that they belong to"
            )
        return self

    def weighting_settings(self) -> dict[str, float]:
        """What the weighting is set by."""
        defaults = WEIGHTING_SETTINGS.get(self.weighting, {})
        given = {name: getattr(self, name) for name in defaults}
        return {name: defaults[name] if given[name] is None else given[name] for name in defaults}


class Multitask(PretrainFinetune):
    """Adapts as transfer learning does; the heads serve training alone."""

    Params = MultitaskParams
    params: MultitaskParams

    def extend(self, learner: Learner) -> None:
        for name in self.params.auxiliary:
            learner.extra[name] = HEADS[name](self.setting)
        learner.extra["weighting"] = self._make_weighting()

    def _make_weighting(self) -> Weighting:
        params, settings = self.params, self.params.weighting_settings()
        given = {**asdict(self.setting.loss), **params.auxiliary}
        tasks = list(given)
        match params.weighting:
            case "fixed":
                return Fixed(given)
            case "sum":
                return Fixed(dict.fromkeys(tasks, 1.0))
            case "uncertainty":
                return Uncertainty(given)
            case "dwa":
                return DynamicAverage(tasks, int(settings["epoch_steps"]), settings["temperature"])
            case "gradnorm":
                return GradNorm(tasks, settings["alpha"])

    def learning_rates(self, learner: Learner, rate: float) -> Rates:
        weights = list(learner.extra["weighting"].parameters())
        of_model = [p for p in learner.parameters() if all(p is not w for w in weights)]
        if not weights:
            return [(rate, of_model)]
        return [(rate, of_model), (self.params.weighting_settings()["weighting_rate"], weights)]

    def accumulate_gradients(self, learner: Learner, batches: list[Batch]) -> dict[str, float]:
        (batch,) = batches
        weighting = cast(Weighting, learner.extra["weighting"])
        prediction = learner.acoustic(batch, learner.speakers(batch.speaker))
        losses = acoustic_losses(prediction, batch)
        for name in self.params.auxiliary:
            losses[name] = learner.extra[name](prediction, batch)
        weights = weighting.weights()
        loss = weighting(losses)
        weighting.observe(losses, last_shared_layer(learner))
        loss.backward()
        return {
            "loss": loss.item(),
            **{name: value.item() for name, value in losses.items()},
            **{f"weight_{name}": value for name, value in weights.items()},
        }


def last_shared_layer(learner: Learner) -> Tensor:
    """The last weights that every task depends on: those of the encoder's output.

    Duration, pitch and voicing, and the heads on the encoder, branch off there; mel and the heads
    on the decoder lie behind it.
    """
    return cast(ConditionalBlock, learner.acoustic.encoder[-1]).output.weight
