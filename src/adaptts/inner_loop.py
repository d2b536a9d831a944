"""Gradient steps as pure functions of parameters: the one inner loop.

Meta-training differentiates through it (Finn et al. 2017, algorithm 1); adaptation to a new voice
runs it and looks at the parameters after each step.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from adaptts.models.acoustic import Parameters
from adaptts.params import FixedRule

Loss = Callable[[Parameters], Tensor]
Step = Callable[[Parameters, Parameters], tuple[Parameters, Parameters, Tensor]]


class DivergedError(ValueError):
    """The loss or a gradient is no longer finite."""


class UpdateRule(Protocol):
    """From gradients to the next parameters. `state` is whatever the rule carries along."""

    def start(self, parameters: Parameters) -> Parameters: ...

    def step(
        self, parameters: Parameters, gradients: Parameters, state: Parameters
    ) -> tuple[Parameters, Parameters]: ...


@dataclass(frozen=True)
class GradientDescent:
    """θ ← θ − α P g; P is a positive diagonal, 1 where none is given."""

    step_size: float
    preconditioner: Parameters | None = None

    def start(self, parameters: Parameters) -> Parameters:
        return {}

    def step(
        self, parameters: Parameters, gradients: Parameters, state: Parameters
    ) -> tuple[Parameters, Parameters]:
        def move(name: str, value: Tensor) -> Tensor:
            if not self.preconditioner:
                return value.sub(gradients[name], alpha=self.step_size)
            scale = self.preconditioner[name]
            return value.addcmul(gradients[name], scale, value=-self.step_size)

        return {name: move(name, value) for name, value in parameters.items()}, state


@dataclass(frozen=True)
class Stepwise:
    """A rule for each step; from the last one's on, that one."""

    rules: Sequence[GradientDescent]

    def start(self, parameters: Parameters) -> Parameters:
        return {"taken": torch.zeros((), dtype=torch.long)}

    def step(
        self, parameters: Parameters, gradients: Parameters, state: Parameters
    ) -> tuple[Parameters, Parameters]:
        rule = self.rules[min(int(state["taken"]), len(self.rules) - 1)]
        moved, _ = rule.step(parameters, gradients, {})
        return moved, {"taken": state["taken"] + 1}


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1), for adaptation.

    Not for meta-training: at its first step the update is g / |g|, whose derivative is zero or
    without bound.
    """

    step_size: float
    decay: float = 0.9
    square_decay: float = 0.999
    floor: float = 1e-8

    def start(self, parameters: Parameters) -> Parameters:
        zeros = torch.zeros_like(_flatten(parameters))
        return {"mean": zeros, "square": zeros, "count": torch.zeros((), dtype=torch.double)}

    def step(
        self, parameters: Parameters, gradients: Parameters, state: Parameters
    ) -> tuple[Parameters, Parameters]:
        # As one vector: a few large operations are quicker than a few for each parameter.
        gradient = _flatten(gradients)
        count = state["count"] + 1
        mean = self.decay * state["mean"] + (1 - self.decay) * gradient
        square = self.square_decay * state["square"] + (1 - self.square_decay) * gradient.square()
        deviation = (square / (1 - self.square_decay**count)).sqrt() + self.floor
        update = self.step_size * mean / (1 - self.decay**count) / deviation
        parts = update.split([value.numel() for value in parameters.values()])
        moved = {
            name: value - part.view_as(value)
            for (name, value), part in zip(parameters.items(), parts, strict=True)
        }
        return moved, {"mean": mean, "square": square, "count": count}


def _flatten(parameters: Parameters) -> Tensor:
    return torch.cat([value.reshape(-1) for value in parameters.values()])


def make_rule(rule: FixedRule, step_size: float, preconditioner: Parameters) -> UpdateRule:
    """The update rule of that name; `preconditioner` may hold more parameters than adapt."""
    match rule:
        case "sgd":
            return GradientDescent(step_size)
        case "preconditioned_sgd":
            return GradientDescent(step_size, preconditioner)
        case "adam":
            return Adam(step_size)


def descend(
    loss: Loss,
    parameters: Parameters,
    rule: UpdateRule,
    *,
    differentiable: bool = False,
    second_order: bool = True,
    recompute: bool = False,
) -> Iterator[tuple[Parameters, Tensor]]:
    """Yield the parameters after 1, 2, 3, … steps, each with the loss that the step started from.

    With `differentiable`, the graph of every step is kept, so that what is computed from the
    yielded parameters has a gradient with respect to `parameters` through all steps, and to what
    the rule is made of. Its `second_order` terms, the derivatives of the steps' own gradients, are
    on request left out. With `recompute`, of each step only the parameters are kept, and its graph
    is made anew when the gradient comes by: half of the memory, for some 40 % more time; the loss
    must be the same function in every step. Without `differentiable`, memory does not grow
    with the steps.

    Raises DivergedError when the loss is not finite.
    """

    def step(parameters: Parameters, state: Parameters) -> tuple[Parameters, Parameters, Tensor]:
        value = loss(parameters)
        if not torch.isfinite(value):
            raise DivergedError(
                f"the inner loop diverged: its loss is {value.item()}; choose a smaller step size"
            )
        gradients = torch.autograd.grad(
            value,
            list(parameters.values()),
            create_graph=differentiable and second_order,
            materialize_grads=True,
        )
        named = dict(zip(parameters, gradients, strict=True))
        with torch.set_grad_enabled(differentiable):
            return *rule.step(parameters, named, state), value.detach()

    take = recomputed(step) if differentiable and recompute else step
    state = rule.start(parameters)
    while True:
        if not differentiable:
            parameters = {n: p.detach().requires_grad_() for n, p in parameters.items()}
        parameters, state, value = take(parameters, state)
        yield parameters, value


def recomputed(step: Step) -> Step:
    """The same differentiable step, made anew when a gradient comes by instead of kept.

    The gradient reaches the parameters and whatever else loss and rule hold; the rule's state is
    taken as constant. torch.utils.checkpoint does not serve here: it makes the loss anew for the
    step's own gradient too.
    """

    def take(parameters: Parameters, state: Parameters) -> tuple[Parameters, Parameters, Tensor]:
        def again(values: Iterable[Tensor]) -> tuple[list[Tensor], list[Tensor], Any]:
            start = [value.detach().requires_grad_() for value in values]
            moved, *rest = step(dict(zip(parameters, start, strict=True)), state)
            return start, list(moved.values()), rest

        start, moved, (state_after, value) = again(parameters.values())
        own = {id(leaf) for leaf in start}
        held = [leaf for leaf in _leaves(moved) if id(leaf) not in own]
        results = [value.detach() for value in moved]
        moved = _Recomputed.apply(again, results, len(start), *parameters.values(), *held)
        return dict(zip(parameters, moved, strict=True)), state_after, value

    return take


class _Recomputed(Function):
    @staticmethod
    def forward(
        ctx: Any, again: Callable, results: list[Tensor], count: int, *inputs: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.again, ctx.held = again, inputs[count:]
        ctx.save_for_backward(*inputs[:count])
        return tuple(results)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        with torch.enable_grad():
            start, moved, _ = ctx.again(ctx.saved_tensors)
        found = torch.autograd.grad(
            moved,
            [*start, *ctx.held],
            gradients,
            allow_unused=True,
            # What is held may have been computed from leaves, once for all steps.
            retain_graph=bool(ctx.held),
        )
        return None, None, None, *found


def _leaves(values: Iterable[Tensor]) -> list[Tensor]:
    """The leaves of the graph that the values were computed by."""
    leaves, seen = [], set()
    queue = [value.grad_fn for value in values]
    while queue:
        node = queue.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if leaf is not None:
            leaves.append(leaf)
        queue.extend(following for following, _ in node.next_functions)
    return leaves


def estimate_preconditioner(
    losses: list[Loss], parameters: Parameters, floor: float = 0.3
) -> Parameters:
    """The diagonal 1 / (rms + floor · mean rms), from the gradients of several tasks.

    It evens out step lengths like Adam, but is fixed, so that it can be differentiated through.
    `rms` is over tasks; its mean is over the entries of each parameter.
    """
    squares = {name: torch.zeros_like(value) for name, value in parameters.items()}
    leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
    for loss in losses:
        gradients = torch.autograd.grad(loss(leaves), list(leaves.values()), materialize_grads=True)
        for name, gradient in zip(leaves, gradients, strict=True):
            squares[name] += gradient.square() / len(losses)
    diagonal = {}
    for name, square in squares.items():
        rms = square.sqrt()
        scale = rms + floor * rms.mean()
        # What no task's loss depends on does not move.
        diagonal[name] = torch.where(scale > 0, 1 / scale, 0)
    return diagonal
