"""The one training loop, of the trunk and of every arm.

AdamW, a cosine learning rate, clipped gradients, and an exponential moving average of the weights
as the result. It resumes from its last checkpoint exactly: batches are a function of seed and step.
"""

import json
import math
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from adaptts.episodes.sampler import Sampler
from adaptts.inner_loop import DivergedError
from adaptts.params import BudgetUnit, OptimisationParams
from adaptts.strategies.budget import Budget, plan
from adaptts.strategies.learner import Learner
from adaptts.strategies.strategy import Strategy

Log = Callable[[int, dict[str, float]], None]

LOG_STEPS = 25
CHECKPOINT_SECONDS = 15.0
WARM_UP = 0.05  # of all steps, while the learning rate rises


@dataclass
class Progress:
    """What a training has behind it, apart from its weights."""

    step: int = 0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)  # of the losses since the last log


@dataclass(frozen=True)
class Training:
    """The learner holds the averaged weights."""

    budget: Budget
    progress: Progress

    def cost(self, trunk: Mapping[str, float] | None = None) -> dict[str, float]:
        """What the training took. Seconds are those of this machine.

        trunk: the cost of the training that this one goes on from, if there is one; what both took
        stands under `total_`.
        """
        own = {
            "utterance_gradients": self.budget.utterance_gradients,
            "wall_seconds": self.progress.wall_seconds,
            "cpu_seconds": self.progress.cpu_seconds,
        }
        before = {key: (trunk or {}).get(key, 0.0) for key in own}
        return {
            "steps": self.budget.steps,
            "utterance_gradients_per_step": self.budget.utterance_gradients_per_step,
            **own,
            **{f"trunk_{key}": value for key, value in before.items()},
            **{f"total_{key}": value + before[key] for key, value in own.items()},
            "peak_memory_bytes": peak_memory_bytes(),
        }


def peak_memory_bytes() -> int:
    """The largest resident memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class MovingAverage:
    """Exponential moving average of weights; short at first, so that it forgets the start."""

    def __init__(self, weights: Sequence[Tensor], longest: float = 0.98) -> None:
        self.values = [weight.detach().clone() for weight in weights]
        self.longest = longest

    def update(self, weights: Sequence[Tensor], step: int) -> None:
        keep = min(self.longest, (step + 1) / (step + 10))
        for value, weight in zip(self.values, weights, strict=True):
            value.lerp_(weight.detach(), 1 - keep)


def train(
    strategy: Strategy,
    learner: Learner,
    sampler: Sampler,
    params: OptimisationParams,
    log: Log,
    checkpoint: Path,
    unit: BudgetUnit = "utterance_gradients",
) -> Training:
    """Train `learner` in place until the budget is spent; it ends with the averaged weights.

    log: called every LOG_STEPS steps with the share of all steps done and the mean losses.
    checkpoint: a file that does not exist yet, or that an interrupted call of the same training
    left behind; the number of steps that was planned then still holds.
    unit: what the budget makes equal, see adaptts.strategies.budget.

    Raises DivergedError when a loss, a gradient or a weight is not finite.
    """
    weights = list(learner.parameters())
    peaks = strategy.learning_rates(learner, params.learning_rate)
    optimiser = torch.optim.AdamW(
        [{"params": group, "peak": rate} for rate, group in peaks],
        betas=(0.9, 0.98),
        fused=True,
        weight_decay=params.weight_decay,
    )
    average = MovingAverage(weights)
    if checkpoint.exists():
        budget, progress = _load(checkpoint, learner, optimiser, average)
    else:
        size = params.batch_utterances
        budget = plan(params.utterance_gradients, strategy, learner, sampler, size, unit)
        progress = Progress()
    saved = time.monotonic()
    wall, cpu = time.monotonic() - progress.wall_seconds, time.process_time() - progress.cpu_seconds
    while progress.step < budget.steps:
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * _schedule(progress.step / budget.steps)
        optimiser.zero_grad(set_to_none=True)
        strategy.done = progress.step / budget.steps
        batches = strategy.draw(sampler, progress.step, params.batch_utterances)
        try:
            losses = strategy.accumulate_gradients(learner, batches)
        except DivergedError as error:
            raise DivergedError(
                f"training diverged at step {progress.step}: {error}, or a lower learning rate"
            ) from error
        norm = nn.utils.clip_grad_norm_(weights, params.gradient_norm)
        _check_finite({**losses, "gradient": norm.item()}, progress.step)
        optimiser.step()
        average.update(weights, progress.step)
        progress.step += 1
        progress.wall_seconds = time.monotonic() - wall
        progress.cpu_seconds = time.process_time() - cpu
        _note(progress, losses, budget, log)
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            _save(checkpoint, budget, progress, learner, optimiser, average)
            saved = time.monotonic()
    with torch.no_grad():
        for weight, value in zip(weights, average.values, strict=True):
            weight.copy_(value)
        largest = max(weight.abs().max().item() for weight in weights)
    _check_finite({"weights": largest}, progress.step)
    return Training(budget, progress)


def _schedule(done: float) -> float:
    """The learning rate's factor: a linear rise, then half a cosine to nearly zero."""
    if done < WARM_UP:
        return (done + 0.01) / (WARM_UP + 0.01)
    return 0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


def _check_finite(losses: dict[str, float], step: int) -> None:
    wrong = [name for name, value in losses.items() if not math.isfinite(value)]
    if wrong:
        raise DivergedError(
            f"training diverged at step {step}: {', '.join(wrong)} not finite; "
            "choose a lower learning rate"
        )


def _note(progress: Progress, losses: dict[str, float], budget: Budget, log: Log) -> None:
    """Add up the losses, and log their mean when it is time."""
    for name, value in losses.items():
        progress.sums[name] = progress.sums.get(name, 0.0) + value
    steps = progress.step - (int(progress.curve[-1]["step"]) if progress.curve else 0)
    if steps < LOG_STEPS and progress.step < budget.steps:
        return
    means = {name: value / steps for name, value in progress.sums.items()}
    progress.curve.append(
        {
            "step": progress.step,
            "utterance_gradients": progress.step * budget.utterance_gradients_per_step,
            "seconds": progress.wall_seconds,
            **means,
        }
    )
    progress.sums = {}
    log(progress.step, {"done": progress.step / budget.steps, **means})


def _save(
    path: Path,
    budget: Budget,
    progress: Progress,
    learner: Learner,
    optimiser: torch.optim.Optimizer,
    average: MovingAverage,
) -> None:
    """Write the whole state as one file, which replaces the former one at once."""
    tensors = {f"learner.{n}": v for n, v in learner.state_dict().items()}
    for place, value in enumerate(average.values):
        tensors[f"average.{place}"] = value
    for place, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"optimiser.{place}.{name}"] = value
    partial = path.with_name(path.name + ".partial")
    behind = {"budget": json.dumps(vars(budget)), "progress": json.dumps(vars(progress))}
    save_file(tensors, partial, behind)
    partial.replace(path)


def _load(
    path: Path, learner: Learner, optimiser: torch.optim.Optimizer, average: MovingAverage
) -> tuple[Budget, Progress]:
    """Read back what `_save` wrote."""
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            behind = {name: json.loads(text) for name, text in file.metadata().items()}
    except SafetensorError as error:
        raise ValueError(f"the checkpoint {path} is damaged ({error}); delete it") from error
    learner.load_state_dict(
        {n.removeprefix("learner."): v for n, v in tensors.items() if n.startswith("learner.")}
    )
    for place, value in enumerate(average.values):
        value.copy_(tensors[f"average.{place}"])
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, place, key = name.split(".")
            state.setdefault(int(place), {})[key] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    return Budget(**behind["budget"]), Progress(**behind["progress"])


def save_training(
    folder: Path, learner: Learner, cost: Mapping[str, Any], training: Training
) -> None:
    """Write weights, curve and cost."""
    save_file(learner.state_dict(), folder / "weights.safetensors")
    pd.DataFrame(training.progress.curve).to_csv(folder / "training.csv", index=False)
    parameters = sum(p.numel() for p in learner.parameters())
    text = json.dumps({**cost, "parameters": parameters}, indent=1)
    (folder / "cost.json").write_text(text + "\n", encoding="utf-8")


def read_cost(folder: Path) -> dict[str, Any]:
    """The cost that `save_training` wrote; raises ValueError if it cannot be read."""
    path = folder / "cost.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({error}); delete it and run again") from error
