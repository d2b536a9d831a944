"""The training budget, counted alike for every arm.

The unit is the utterance-gradient: what one forward and backward pass of the acoustic model costs
for one utterance of a plain batch. What a step of a strategy costs is read from an instrument,
PyTorch's counter of floating-point operations, while the step is really evaluated. A second-order
episode thus counts its inner steps, its outer step and the derivatives of derivatives.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch.utils.flop_counter import FlopCounterMode

STEPS_MEASURED = 4


@dataclass(frozen=True)
class Budget:
    steps: int
    utterance_gradients_per_step: float

    @property
    def utterance_gradients(self) -> float:
        return self.steps * self.utterance_gradients_per_step


def count_operations(evaluate_step: Callable[[int], object]) -> int:
    """Floating-point operations of the first few steps."""
    with FlopCounterMode(display=False) as counter:
        for step in range(STEPS_MEASURED):
            evaluate_step(step)
    return counter.get_total_flops()


def plan(
    utterance_gradients: int,
    evaluate_step: Callable[[int], object],
    evaluate_plain_step: Callable[[int], object],
    plain_utterances: int,
) -> Budget:
    """How many steps of a strategy the budget pays for.

    evaluate_step: evaluates the gradients of a step, by number, and changes no weight.
    evaluate_plain_step: the same for plain multi-speaker training on `plain_utterances`.
    """
    unit = count_operations(evaluate_plain_step) / plain_utterances
    cost = count_operations(evaluate_step) / unit
    return Budget(max(1, round(utterance_gradients / cost)), cost)
