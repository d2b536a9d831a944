"""Model-agnostic meta-learning (Finn et al. 2017), for speech as in Meta-TTS (Huang et al. 2022).

Each episode adapts to a training speaker's support set by the inner loop, and moves the initial
weights so that the adapted ones do well on other utterances of that speaker.
"""

from collections.abc import Iterator
from dataclasses import field
from itertools import chain, islice, repeat
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from adaptts.compilation import FEWER_FRAMES, PIECE_FRAMES, compiled_voice_loss
from adaptts.episodes.batch import Batch, stack
from adaptts.episodes.sampler import Sampler
from adaptts.inner_loop import DivergedError, Parameters, UpdateRule, descend, make_rule
from adaptts.models.acoustic import SPEAKER
from adaptts.models.adapted import choose, known_subset
from adaptts.objectives import voice_loss, voice_losses
from adaptts.params import STRICT, Positive, PositiveReal
from adaptts.strategies.learner import Learner
from adaptts.strategies.strategy import Rates, Strategy


@dataclass(frozen=True, config=STRICT)
class InnerLoopParams:
    """What every strategy that meta-trains through gradient steps is set by."""

    parameters: Annotated[str, AfterValidator(known_subset)]  # which adapt in the inner loop
    inner_steps: Positive
    inner_rate: PositiveReal
    outer_rate: PositiveReal
    tasks: Positive  # speakers per outer step
    support: Positive  # utterances of each
    # All tasks of an outer step in one pass, not one after another. None: on a GPU alone, where it
    # is quicker; it takes the memory of all of them.
    together: bool | None = field(default=None, kw_only=True)


@dataclass(frozen=True, config=STRICT)
class FirstOrderParams(InnerLoopParams):
    inner_rule: Literal["sgd", "preconditioned_sgd"]  # Adam's first step has no derivative
    query: Positive  # utterances of each


@dataclass(frozen=True, config=STRICT)
class MamlParams(FirstOrderParams):
    # Inner steps when their gradient comes by: half of the memory, a third to a half more time;
    # with training.compile, which does so anyway, a few utterances at a time.
    recompute: bool = field(default=False, kw_only=True)


class Maml(Strategy):
    """Second order: the outer gradient goes through every inner step."""

    Params = MamlParams
    params: MamlParams
    second_order: bool = True

    def extend(self, learner: Learner) -> None:
        """The initial speaker vector is learned with the other initial weights."""
        speaker = learner.average_speaker().detach().clone()
        learner.extra["initial"] = nn.ParameterDict({SPEAKER: nn.Parameter(speaker)})

    def learning_rates(self, learner: Learner, rate: float) -> Rates:
        return [(self.params.outer_rate, list(learner.parameters()))]

    def draw(self, sampler: Sampler, step: int, utterances: int) -> list[Batch]:
        """Support and query of each task, in turn."""
        params = self.params
        tasks = sampler.episode(step, params.tasks, params.support, params.query)
        parts = [part for task in tasks for part in (task.support, task.query)]
        return [sampler.utterances.batch(part) for part in parts]

    def accumulate_gradients(self, learner: Learner, batches: list[Batch]) -> dict[str, float]:
        total, supports, queries = 0.0, batches[::2], batches[1::2]
        if self.together(learner):
            supports, queries = [stack(supports)], [stack(queries)]
        # Each with its own backward pass: its graph is all that memory holds.
        for support, query in zip(supports, queries, strict=True):
            loss = self.task_loss(learner, support, query) / self.params.tasks
            if not torch.isfinite(loss):
                raise DivergedError(
                    f"the loss on the query is {loss.item()} after the inner loop; choose an "
                    f"inner_rate below {self.params.inner_rate} or a smaller outer_rate"
                )
            loss.backward()
            total += loss.item()
        return {"loss": total}

    def together(self, learner: Learner) -> bool:
        """Whether all tasks of an outer step are taken in one pass."""
        chosen = self.params.together
        return learner.device.type != "cpu" if chosen is None else chosen

    def task_loss(self, learner: Learner, support: Batch, query: Batch) -> Tensor:
        """The loss on the query after the inner steps on the support, a number to minimise.

        Of stacked batches, it is the sum over tasks.
        """
        steps = zip(self.query_weights(), self.inner_loop(learner, repeat(support)), strict=True)
        return torch.stack(
            [
                weight * self.loss(learner, adapted, query)
                for weight, (adapted, _) in steps
                if weight
            ]
        ).sum()

    @property
    def recompute(self) -> bool:
        """Whether memory is worth more than time in the second derivatives."""
        return self.second_order and self.params.recompute

    def query_weights(self) -> list[float]:
        """How much the query's loss counts after each of the inner steps: at the end alone."""
        return [0.0] * (self.params.inner_steps - 1) + [1.0]

    def inner_loop(
        self, learner: Learner, support: Iterator[Batch]
    ) -> Iterator[tuple[Parameters, Tensor]]:
        """What adapts after each of the inner steps, and the loss that the step started from.

        support: a batch for each step; of stacked ones, all parameters are stacked too, and the
        loss is the sum. Raises DivergedError when the loss is not finite.
        """
        first = next(support)
        support = chain([first], support)
        start = choose(self.initial(learner), self.params.parameters)
        if first.stacked:
            start = {name: value.expand(len(first), *value.shape) for name, value in start.items()}
        compiled = self.setting.compile and not first.stacked
        steps = descend(
            lambda adapted: self.loss(learner, adapted, next(support)),
            start,
            self.inner_rule(learner),
            differentiable=True,
            second_order=self.second_order,
            # A compiled loss does so anyway, see there.
            recompute=self.recompute and not compiled,
        )
        try:
            yield from islice(steps, self.params.inner_steps)
        except DivergedError as error:
            raise DivergedError(f"{error}: inner_rate is {self.params.inner_rate}") from error

    def inner_rule(self, learner: Learner) -> UpdateRule:
        return make_rule(self.params.inner_rule, self.params.inner_rate, self.preconditioner)

    def loss(self, learner: Learner, adapted: Parameters, batch: Batch) -> Tensor:
        """The loss of a voice, of which what has not adapted is as at the start; or their sum."""
        initial, weights = self.initial(learner), self.setting.loss
        if self.setting.compile and not batch.stacked:
            own = {**initial, **adapted}
            frames = FEWER_FRAMES if self.recompute else PIECE_FRAMES
            return compiled_voice_loss(learner.acoustic, {}, own, batch, weights, frames)
        if not batch.stacked:
            return voice_loss(learner.acoustic, {**initial, **adapted}, batch, weights)
        shared = {name: value for name, value in initial.items() if name not in adapted}
        return voice_losses(learner.acoustic, shared, adapted, batch, weights).sum()

    def initial(self, learner: Learner) -> Parameters:
        return learner.voice(learner.extra["initial"].get_parameter(SPEAKER))

    def voice(self, learner: Learner, support: Batch) -> Parameters:
        return self.initial(learner)
