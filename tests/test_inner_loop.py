"""The inner loop against quadratics, where every derivative is known, and against Adam itself."""

from itertools import islice

import pytest
import torch
from torch import Tensor

from adaptts.inner_loop import (
    Adam,
    DivergedError,
    GradientDescent,
    Stepwise,
    UpdateRule,
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


def scheme(name: str, steps: int) -> tuple[UpdateRule, list[Tensor]]:
    """A rule for a problem of two parameters of 2 numbers each, and its diagonals by step."""
    first = torch.tensor([0.05, 0.1, 0.02, 0.15], dtype=torch.double)
    layers = torch.tensor([0.05, 0.05, 0.15, 0.15], dtype=torch.double)
    match name:
        case "scalar":
            return make_rule("sgd", 0.1, {}), [torch.full((4,), 0.1, dtype=torch.double)] * steps
        case "preconditioned":
            diagonal = parted(first / 0.1)
            return make_rule("preconditioned_sgd", 0.1, diagonal), [first] * steps
        case "per layer":
            return GradientDescent(1.0, parted(layers)), [layers] * steps
        case "per parameter":
            return GradientDescent(0.5, parted(2 * first)), [first] * steps
        case _:
            # Two rates for any number of steps: the second goes on.
            rules = [GradientDescent(1.0, parted(d)) for d in (first, layers)]
            return Stepwise(rules), [first, *[layers] * (steps - 1)]


def parted(vector: Tensor) -> dict[str, Tensor]:
    return {"x": vector[:2], "y": vector[2:]}


def joined(parameters: dict[str, Tensor]) -> Tensor:
    return torch.cat([parameters["x"], parameters["y"]])


SCHEMES = ["scalar", "preconditioned", "per layer", "per parameter", "per step"]
every_scheme = pytest.mark.parametrize("name", SCHEMES)
every_length = pytest.mark.parametrize("steps", [1, 2, 3, 5])


@every_length
@every_scheme
@pytest.mark.parametrize("second_order", [True, False])
def test_meta_gradient_of_a_quadratic_is_the_analytic_one(
    problem, name: str, steps: int, second_order: bool
) -> None:
    """θ − m shrinks by I − D A in each step; at first order the step's derivative is I."""
    curvature, minimum, start = problem
    target = torch.ones(4, dtype=torch.double)
    rule, diagonals = scheme(name, steps)
    initial = start.clone().requires_grad_()
    adapted = after(
        steps,
        lambda p: quadratic(curvature, minimum)({"x": joined(p)}),
        parted(initial),
        rule,
        differentiable=True,
        second_order=second_order,
    )
    (0.5 * (joined(adapted) - target).square().sum()).backward()
    shrink = torch.eye(4, dtype=torch.double)
    for diagonal in diagonals:
        shrink = (torch.eye(4, dtype=torch.double) - diagonal[:, None] * curvature) @ shrink
    expected = minimum + shrink @ (start - minimum)
    torch.testing.assert_close(joined(adapted), expected, **EXACT)
    gradient = shrink.T @ (expected - target) if second_order else expected - target
    torch.testing.assert_close(initial.grad, gradient, **EXACT)


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


@every_length
@every_scheme
def test_meta_gradient_agrees_with_finite_differences(problem, name: str, steps: int) -> None:
    curvature, minimum, start = problem
    rule, _ = scheme(name, steps)

    def support(p):
        return quadratic(curvature, minimum)({"x": joined(p)}) + p["x"].pow(4).sum() / 10

    def outer(x: Tensor) -> Tensor:
        return joined(after(steps, support, parted(x), rule, differentiable=True)).sin().sum()

    initial = start.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(outer(initial), initial)
    width = 1e-6
    for place in range(4):
        step = torch.zeros(4, dtype=torch.double)
        step[place] = width
        above, below = (start + step).requires_grad_(), (start - step).requires_grad_()
        slope = (outer(above) - outer(below)) / (2 * width)
        torch.testing.assert_close(gradient[place], slope.detach(), **DIFFERENCES)


def test_the_gradient_of_a_rate_is_minus_gradient_times_gradient(problem) -> None:
    """Of one step: dL(θ − α g)/dα = −g · ∇L, at first order as at second."""
    curvature, minimum, start = problem
    loss = quadratic(curvature, minimum)
    for second_order in (True, False):
        rate = torch.tensor(0.1, dtype=torch.double, requires_grad=True)
        adapted = after(
            1,
            loss,
            {"x": start.clone().requires_grad_()},
            GradientDescent(1.0, {"x": rate.expand(4)}),
            differentiable=True,
            second_order=second_order,
        )
        (found,) = torch.autograd.grad(loss(adapted), rate)
        slope = curvature @ (adapted["x"].detach() - minimum)
        torch.testing.assert_close(found, -(curvature @ (start - minimum)) @ slope, **EXACT)


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
