"""The training budget, counted alike for every arm.

The unit is the utterance-gradient: what one forward and backward pass of the acoustic model costs
for one utterance. What a step of a strategy costs is read from an instrument, PyTorch's counter of
floating-point operations, while the step is really evaluated, beside plain passes over the same
batches. A second-order episode thus counts its inner steps, its outer step and the derivatives of
derivatives.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from torch.utils.flop_counter import FlopCounterMode

from adaptts.episodes.sampler import Sampler
from adaptts.strategies.learner import Learner
from adaptts.strategies.pretrain_finetune import PretrainFinetune
from adaptts.strategies.strategy import Strategy

STEPS_MEASURED = 4


@dataclass(frozen=True)
class Budget:
    steps: int
    utterance_gradients_per_step: float

    @property
    def utterance_gradients(self) -> float:
        return self.steps * self.utterance_gradients_per_step


def plan(
    utterance_gradients: int,
    strategy: Strategy,
    learner: Learner,
    sampler: Sampler,
    batch_utterances: int,
) -> Budget:
    """How many steps of a strategy the budget pays for, by taking some on a copy of the learner."""
    learner = copy.deepcopy(learner)
    cost = 0.0
    for start, end in pairwise([0.0, *strategy.turns(), 1.0]):
        strategy.done = (start + end) / 2
        cost += (end - start) * measure_step(strategy, learner, sampler, batch_utterances)
    return Budget(max(1, round(utterance_gradients / cost)), cost)


def measure_step(
    strategy: Strategy, learner: Learner, sampler: Sampler, batch_utterances: int
) -> float:
    """The utterance-gradients of one training step, as a mean over a few."""
    plain = PretrainFinetune(None, strategy.setting, {})
    costs = []
    for step in range(STEPS_MEASURED):
        batches = strategy.draw(sampler, step, batch_utterances)
        unit = sum(
            count_operations(lambda b=batch: plain.accumulate_gradients(learner, [b]))
            for batch in batches
        ) / sum(map(len, batches))
        spent = count_operations(lambda b=batches: strategy.accumulate_gradients(learner, b))
        costs.append(spent / unit)
    return sum(costs) / len(costs)


def count_operations(evaluate: Callable[[], object]) -> int:
    """The floating-point operations of matrix products and convolutions in a call."""
    with FlopCounterMode(display=False) as counter:
        evaluate()
    return counter.get_total_flops()
