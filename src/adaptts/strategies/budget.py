"""The training budget, counted alike for every arm.

The unit is the utterance-gradient: what one forward and backward pass of the acoustic model costs
for one utterance. What a step of a strategy costs is read from an instrument while the step is
really evaluated, beside plain passes. A second-order episode thus counts its inner steps, its outer
step and the derivatives of derivatives.

There are two instruments: PyTorch's counter of floating-point operations, which says the same on
every machine, and the process' CPU time, which equalises what the gradients take on this one. What
every step takes beside them (drawing batches, the optimiser) is charged by neither.
"""

import copy
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from torch.utils.flop_counter import FlopCounterMode

from adaptts.episodes.sampler import Sampler
from adaptts.params import BudgetUnit
from adaptts.strategies.learner import Learner
from adaptts.strategies.pretrain_finetune import PretrainFinetune
from adaptts.strategies.strategy import Strategy


@dataclass(frozen=True)
class Budget:
    steps: int
    utterance_gradients_per_step: float

    @property
    def utterance_gradients(self) -> float:
        return self.steps * self.utterance_gradients_per_step


@dataclass(frozen=True)
class Instrument:
    """How a computation is measured, and how many steps of a strategy are for a stable figure."""

    measure: Callable[[Callable[[], object]], float]
    steps: int
    warm_up: int  # steps before those
    average: Callable[[Sequence[float]], float]
    same_batches: bool  # whether the unit is of the step's own batches, or of a plain one
    compiled: bool  # whether code that is compiled in training is measured as such


def plan(
    utterance_gradients: int,
    strategy: Strategy,
    learner: Learner,
    sampler: Sampler,
    batch_utterances: int,
    unit: BudgetUnit = "utterance_gradients",
) -> Budget:
    """How many steps of a strategy the budget pays for, by taking some on a copy of the learner."""
    learner, instrument, cost = copy.deepcopy(learner), INSTRUMENTS[unit], 0.0
    if not instrument.compiled:
        strategy = copy.copy(strategy)
        strategy.setting = replace(strategy.setting, compile=False)
    for start, end in pairwise([0.0, *strategy.turns(), 1.0]):
        strategy.done = (start + end) / 2
        cost += (end - start) * measure_step(
            strategy, learner, sampler, batch_utterances, instrument
        )
    return Budget(max(1, round(utterance_gradients / cost)), cost)


def measure_step(
    strategy: Strategy,
    learner: Learner,
    sampler: Sampler,
    batch_utterances: int,
    instrument: Instrument,
) -> float:
    """The utterance-gradients of one training step, as an average over a few."""
    plain = PretrainFinetune(None, strategy.setting, {})
    costs = []
    for step in range(instrument.warm_up + instrument.steps):
        batches = strategy.draw(sampler, step, batch_utterances)
        passed = batches if instrument.same_batches else [sampler.batch(step, batch_utterances)]
        pass_cost = sum(
            instrument.measure(lambda b=batch: plain.accumulate_gradients(learner, [b]))
            for batch in passed
        ) / sum(map(len, passed))
        spent = instrument.measure(lambda b=batches: strategy.accumulate_gradients(learner, b))
        costs.append(spent / pass_cost)
    return instrument.average(costs[instrument.warm_up :])


def count_operations(evaluate: Callable[[], object]) -> float:
    """The floating-point operations of matrix products and convolutions in a call."""
    with FlopCounterMode(display=False) as counter:
        evaluate()
    return counter.get_total_flops()


def time_cpu(evaluate: Callable[[], object]) -> float:
    """The CPU seconds of this process, all its threads together, in a call."""
    started = time.process_time()
    evaluate()
    return time.process_time() - started


INSTRUMENTS: Mapping[BudgetUnit, Instrument] = {
    # Long utterances take more operations than short ones: only the same ones can be compared.
    # Operations in compiled code are not seen; the budget is that of the same steps without.
    "utterance_gradients": Instrument(count_operations, 4, 0, statistics.fmean, True, False),
    # Small batches take more time for an utterance, which is to be charged. The first passes are
    # slow, and whatever else runs disturbs some of the others.
    "cpu_seconds": Instrument(time_cpu, 20, 3, statistics.median, False, True),
}
