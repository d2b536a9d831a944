"""The inner loop against quadratics, where every derivative is known, and against Adam itself."""

from itertools import islice

import pytest
import torch
from torch import Tensor

from adaptts.inner_loop import (
    Adam,
    DivergedError,
    GradientDescent,
    descend,
    estimate_preconditioner,
    make_rule,
)

# Double precision: what is left is rounding.
EXACT = {"rtol": 1e-10, "atol": 1e-12}
# Central differences of width 1e-6 in double precision.
DIFFERENCES = {"rtol": 1e-5, "atol": 1e-7}


def quadratic(curvature: Tensor, minimum: Tensor):
    return lambda p: 0.5 * (p["x"] - minimum) @ curvature @ (p["x"] - minimum)


def after(steps: int, *arguments, **options):
    return next(islice(descend(*arguments, **options), steps - 1, None))[0]


@pytest.fixture
def problem() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    half = torch.randn(4, 4, generator=generator, dtype=torch.double)
    curvature = half @ half.T / 4 + torch.eye(4, dtype=torch.double)
    minimum, start = torch.randn(2, 4, generator=generator, dtype=torch.double)
    return curvature, minimum, start


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_meta_gradient_of_a_quadratic_is_the_analytic_one(problem, steps: int) -> None:
    curvature, minimum, start = problem
    target = torch.ones(4, dtype=torch.double)
    rate = 0.1
    initial = start.clone().requires_grad_()
    loss = quadratic(curvature, minimum)
    adapted = after(steps, loss, {"x": initial}, GradientDescent(rate), differentiable=True)
    (0.5 * (adapted["x"] - target).square().sum()).backward()
    shrink = torch.linalg.matrix_power(torch.eye(4, dtype=torch.double) - rate * curvature, steps)
    expected = minimum + shrink @ (start - minimum)
    torch.testing.assert_close(adapted["x"], expected, **EXACT)
    torch.testing.assert_close(initial.grad, shrink.T @ (expected - target), **EXACT)


@pytest.mark.parametrize("steps", [1, 3])
def test_recomputed_steps_have_the_same_meta_gradient(problem, steps: int) -> None:
    """Also by what the loss and the rule hold beside the parameters."""
    curvature, minimum, start = problem

    def gradients(recompute: bool) -> list[Tensor]:
        initial = start.clone().requires_grad_()
        held, logarithm = minimum.clone().requires_grad_(), torch.zeros_like(start).requires_grad_()
        loss = quadratic(curvature, held)
        adapted = after(
            steps,
            lambda p: loss(p) + p["x"].pow(4).sum(),
            {"x": initial},
            GradientDescent(0.01, {"x": logarithm.exp()}),
            differentiable=True,
            recompute=recompute,
        )
        adapted["x"].sin().sum().backward()
        return [value.grad for value in (initial, held, logarithm)]

    for found, expected in zip(gradients(True), gradients(False), strict=True):
        torch.testing.assert_close(found, expected, **EXACT)


def test_recomputed_steps_are_taken_again_when_the_gradient_comes_by(problem) -> None:
    _, _, start = problem
    taken = []

    def loss(p):
        taken.append(p)
        return p["x"].pow(4).sum()

    initial = start.clone().requires_grad_()
    adapted = after(
        3, loss, {"x": initial}, GradientDescent(0.01), differentiable=True, recompute=True
    )
    assert len(taken) == 3
    adapted["x"].sum().backward()
    assert len(taken) == 6


@pytest.mark.parametrize("rule", ["sgd", "preconditioned_sgd"])
def test_meta_gradient_agrees_with_finite_differences(problem, rule) -> None:
    curvature, minimum, start = problem
    diagonal = {"x": torch.tensor([0.5, 1.0, 2.0, 0.1], dtype=torch.double)}
    update = make_rule(rule, 0.05, diagonal)

    def support(p):
        return quadratic(curvature, minimum)(p) + p["x"].pow(4).sum() / 10

    def outer(x: Tensor) -> Tensor:
        return after(3, support, {"x": x}, update, differentiable=True)["x"].sin().sum()

    initial = start.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(outer(initial), initial)
    width = 1e-6
    for place in range(4):
        step = torch.zeros(4, dtype=torch.double)
        step[place] = width
        above, below = (start + step).requires_grad_(), (start - step).requires_grad_()
        slope = (outer(above) - outer(below)) / (2 * width)
        torch.testing.assert_close(gradient[place], slope.detach(), **DIFFERENCES)


def test_both_modes_walk_the_same_path(problem) -> None:
    curvature, minimum, start = problem
    loss = quadratic(curvature, minimum)
    for rule in (GradientDescent(0.1), Adam(0.1)):
        plain = after(4, loss, {"x": start}, rule)
        kept = after(4, loss, {"x": start.clone().requires_grad_()}, rule, differentiable=True)
        torch.testing.assert_close(plain["x"], kept["x"].detach(), **EXACT)


def test_adam_is_pytorchs_adam(problem) -> None:
    curvature, minimum, start = problem
    loss = quadratic(curvature, minimum)
    weight = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([weight], lr=0.05)
    walk = descend(loss, {"x": start}, Adam(0.05))
    for _ in range(10):
        optimiser.zero_grad()
        loss({"x": weight}).backward()
        optimiser.step()
        moved, _ = next(walk)
        torch.testing.assert_close(moved["x"], weight.detach(), **EXACT)


def test_adaptation_keeps_no_graph(problem) -> None:
    curvature, minimum, start = problem
    walk = descend(quadratic(curvature, minimum), {"x": start}, Adam(0.1))
    for moved, loss in islice(walk, 3):
        assert moved["x"].grad_fn is None
        assert loss.grad_fn is None


def test_a_parameter_that_the_loss_ignores_stays(problem) -> None:
    curvature, minimum, start = problem
    parameters = {"x": start, "idle": torch.ones(2, dtype=torch.double)}
    moved = after(3, quadratic(curvature, minimum), parameters, GradientDescent(0.1))
    torch.testing.assert_close(moved["idle"], parameters["idle"], rtol=0, atol=0)
    assert not torch.equal(moved["x"], start)


def test_divergence_is_an_error(problem) -> None:
    curvature, minimum, start = problem
    walk = descend(quadratic(curvature, minimum), {"x": start}, GradientDescent(1e200))
    with pytest.raises(DivergedError, match="smaller step size"):
        list(islice(walk, 5))


def test_preconditioner_evens_out_the_gradients() -> None:
    parameters = {"x": torch.tensor([1.0, 1.0]), "idle": torch.zeros(3)}
    losses = [lambda p, s=sign: s * (100 * p["x"][0] + p["x"][1]) for sign in (1, -1)]
    diagonal = estimate_preconditioner(losses, parameters, floor=0.0)
    torch.testing.assert_close(diagonal["x"], torch.tensor([0.01, 1.0]))
    torch.testing.assert_close(diagonal["idle"], torch.zeros(3))
