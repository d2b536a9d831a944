"""Gradient steps as pure functions of parameters: the one inner loop.

Meta-training differentiates through it (Finn et al. 2017, algorithm 1); adaptation to a new voice
runs it and looks at the parameters after each step.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd import Function

from adaptts.params import FixedRule

Parameters = dict[str, Tensor]
Loss = Callable[[Parameters], Tensor]


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
        # As one vector: a few large operations are quicker than a few for each parameter.
        update = _flatten(gradients)
        if self.preconditioner:
            update = update * _flatten({n: self.preconditioner[n] for n in parameters})
        moved = torch.sub(_flatten(parameters), update, alpha=self.step_size)
        return _unflatten(moved, parameters), state


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
        gradient = _flatten(gradients)
        count = state["count"] + 1
        mean = self.decay * state["mean"] + (1 - self.decay) * gradient
        square = self.square_decay * state["square"] + (1 - self.square_decay) * gradient.square()
        deviation = (square / (1 - self.square_decay**count)).sqrt() + self.floor
        update = self.step_size * mean / (1 - self.decay**count) / deviation
        moved = _unflatten(_flatten(parameters) - update, parameters)
        return moved, {"mean": mean, "square": square, "count": count}


def _flatten(parameters: Parameters) -> Tensor:
    """All values end to end, [number of parameters]."""
    return _Flatten.apply(*parameters.values())


def _unflatten(vector: Tensor, parameters: Parameters) -> Parameters:
    """The inverse; of `parameters` only names and shapes count."""
    parts = _Unflatten.apply(vector, [value.shape for value in parameters.values()])
    return dict(zip(parameters, parts, strict=True))


class _Flatten(Function):
    """One node of the graph in place of two for each parameter."""

    @staticmethod
    def forward(ctx: Any, *values: Tensor) -> Tensor:
        ctx.shapes = [value.shape for value in values]
        return torch.cat([value.reshape(-1) for value in values])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        return _Unflatten.apply(gradient, ctx.shapes)


class _Unflatten(Function):
    @staticmethod
    def forward(ctx: Any, vector: Tensor, shapes: list[torch.Size]) -> tuple[Tensor, ...]:
        parts = vector.split([shape.numel() for shape in shapes])
        return tuple(part.view(shape) for part, shape in zip(parts, shapes, strict=True))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _Flatten.apply(*gradients), None


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
) -> Iterator[tuple[Parameters, Tensor]]:
    """Yield the parameters after 1, 2, 3, … steps, each with the loss that the step started from.

    With `differentiable`, the graph of every step is kept, so that what is computed from the
    yielded parameters has a gradient with respect to `parameters` through all steps, and to what
    the rule is made of. Its `second_order` terms, the derivatives of the steps' own gradients, are
    on request left out. Without `differentiable`, memory does not grow with the steps.

    Raises DivergedError when the loss is not finite.
    """
    state = rule.start(parameters)
    while True:
        if not differentiable:
            parameters = {n: p.detach().requires_grad_() for n, p in parameters.items()}
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
        if differentiable:
            parameters, state = rule.step(parameters, named, state)
        else:
            with torch.no_grad():
                parameters, state = rule.step(parameters, named, state)
        yield parameters, value.detach()


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
