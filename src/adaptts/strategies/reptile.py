"""Reptile (Nichol et al. 2018, algorithm 2): the initial weights move towards the adapted ones.

A task's utterances are not divided into support and query: each inner step takes the next
minibatch of them. More than one step, on minibatches that differ, is what sets it apart from
training on all speakers at once.
"""

from typing import Self

import torch
from pydantic import model_validator
from pydantic.dataclasses import dataclass

from adaptts.episodes.batch import Batch, stack
from adaptts.episodes.sampler import Sampler
from adaptts.params import STRICT, FixedRule, Positive
from adaptts.strategies.learner import Learner
from adaptts.strategies.maml import InnerLoopParams, Maml


@dataclass(frozen=True, config=STRICT)
class ReptileParams(InnerLoopParams):
    inner_rule: FixedRule  # Adam too, since nothing is differentiated through the steps
    minibatch: Positive  # utterances of an inner step

    @model_validator(mode="after")
    def check_minibatch(self) -> Self:
        if self.minibatch > self.support:
            raise ValueError(
                f"minibatch must not exceed support, got {self.minibatch} and {self.support}"
            )
        return self


class Reptile(Maml):
    """The outer gradient is θ − φ, the way back from the adapted weights, as a mean over tasks.

    Nichol et al. divide it by the inner rate, or hand it to Adam as it is. AdamW does not see its
    scale; but clipping does, which bounds how much one task counts beside the others, and θ − φ
    is mostly within the bound.
    """

    Params = ReptileParams
    params: ReptileParams
    second_order = False

    def draw(self, sampler: Sampler, step: int, utterances: int) -> list[Batch]:
        """The minibatches of each task, in turn: round and round through its utterances."""
        params = self.params
        places = range(params.inner_steps * params.minibatch)
        batches = []
        for task in sampler.episode(step, params.tasks, params.support, 0):
            order = [task.support[place % params.support] for place in places]
            batches += [
                sampler.utterances.batch(order[start : start + params.minibatch])
                for start in places[:: params.minibatch]
            ]
        return batches

    def accumulate_gradients(self, learner: Learner, batches: list[Batch]) -> dict[str, float]:
        params, initial, total = self.params, self.initial(learner), 0.0
        starts = range(0, len(batches), params.inner_steps)
        tasks = [batches[start : start + params.inner_steps] for start in starts]
        if self.together(learner):
            tasks = [[stack(minibatches) for minibatches in zip(*tasks, strict=True)]]
        for minibatches in tasks:
            *_, (adapted, loss) = self.inner_loop(learner, iter(minibatches))
            with torch.no_grad():
                away = {name: initial[name] - value for name, value in adapted.items()}
                back = [
                    value.sum_to_size(initial[name].shape) / params.tasks
                    for name, value in away.items()
                ]
            torch.autograd.backward([initial[name] for name in adapted], back)
            total += loss.item() / params.tasks
        return {"loss": total}
