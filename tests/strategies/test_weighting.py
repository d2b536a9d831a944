"""Each weighting against the update in its paper, on losses whose answer is known."""

import math

import pytest
import torch
from torch import Tensor, nn

from adaptts.strategies.weighting import DynamicAverage, Fixed, GradNorm, Uncertainty, Weighting

TASKS = ["one", "two", "three"]
NOTHING = torch.zeros(1)  # shared weights, for weightings that do not look at them


def losses(*values: float) -> dict[str, Tensor]:
    return dict(zip(TASKS, map(torch.tensor, values), strict=False))


def test_fixed_weighting_is_the_weighted_sum() -> None:
    weighting = Fixed({"one": 0.5, "two": 0.0, "three": 2.0})
    assert weighting(losses(1.0, 5.0, 3.0)).item() == 6.5
    assert weighting.weights() == {"one": 0.5, "two": 0.0, "three": 2.0}


def test_uncertainty_weighting_is_kendalls_equation() -> None:
    weighting = Uncertainty({"one": 1.0, "two": 0.25})
    log_variance = -torch.tensor([1.0, 0.25]).log()
    expected = 1.0 * 3.0 + 0.25 * 8.0 + log_variance.sum() / 2
    torch.testing.assert_close(weighting(losses(3.0, 8.0)), expected)
    assert weighting.weights() == pytest.approx({"one": 1.0, "two": 0.25})


def test_learned_uncertainty_settles_where_its_derivative_vanishes() -> None:
    """dL/ds = −exp(−s) L + 1/2 = 0, so that the weight of a constant loss becomes 1 / (2 L)."""
    weighting = Uncertainty({"one": 1.0, "two": 1.0})
    optimiser = torch.optim.Adam(weighting.parameters(), 0.05)
    for _ in range(600):
        optimiser.zero_grad()
        weighting(losses(4.0, 0.05)).backward()
        optimiser.step()
    assert weighting.weights() == pytest.approx({"one": 0.125, "two": 10.0}, rel=1e-3)


def test_uncertainty_cannot_start_at_zero() -> None:
    with pytest.raises(ValueError, match=r"must be above zero for every task; \['two'\]"):
        Uncertainty({"one": 1.0, "two": 0.0})


def watch(weighting: Weighting, *epochs: list[tuple[float, ...]]) -> list[list[float]]:
    """The weights after each epoch."""
    after = []
    for epoch in epochs:
        for values in epoch:
            weighting.observe(losses(*values), NOTHING)
        after.append(list(weighting.weights().values()))
    return after


def test_dynamic_average_is_a_softmax_of_the_last_falls() -> None:
    weighting = DynamicAverage(TASKS, epoch_steps=2, temperature=2.0)
    assert list(weighting.weights().values()) == [1.0, 1.0, 1.0]
    first, second, third = watch(
        weighting,
        [(4.0, 1.0, 2.0), (2.0, 1.0, 4.0)],  # means 3, 1, 3
        [(1.0, 1.0, 6.0), (0.5, 1.0, 6.0)],  # means 0.75, 1, 6
        [(0.75, 0.1, 3.0), (0.75, 0.3, 3.0)],  # means 0.75, 0.2, 3
    )
    assert first == [1.0, 1.0, 1.0]
    for found, falls in ((second, (0.25, 1.0, 2.0)), (third, (1.0, 0.2, 0.5))):
        powers = [math.exp(fall / 2.0) for fall in falls]
        assert found == pytest.approx([3 * power / sum(powers) for power in powers])


def test_dynamic_average_changes_only_between_epochs() -> None:
    weighting = DynamicAverage(TASKS, epoch_steps=3, temperature=0.5)
    watch(weighting, *[[(4.0, 1.0, 2.0), (2.0, 3.0, 4.0), (1.0, 2.0, 3.0)]] * 2)
    before = weighting.weights()
    assert watch(weighting, [(9.0, 0.1, 1.0)] * 2) == [list(before.values())]
    assert watch(weighting, [(9.0, 0.1, 1.0)]) != [list(before.values())]


def toy(shared: Tensor, scales: list[float]) -> dict[str, Tensor]:
    """Losses scaleᵢ |shared|²/2, whose gradients have the norms scaleᵢ |shared|."""
    return {task: scale * shared.square().sum() / 2
            for task, scale in zip(TASKS, scales, strict=True)}  # fmt: skip


def test_gradnorm_descends_the_gradient_of_its_paper() -> None:
    """By automatic differentiation of Σ |G_i − mean(G) r_i^α| itself, through the norms."""
    shared = nn.Parameter(torch.tensor([3.0, 4.0]))
    weighting = GradNorm(TASKS, alpha=1.5)
    weighting.observe(toy(shared, [1.0, 2.0, 4.0]), shared)  # L(0): 12.5, 25, 50
    with torch.no_grad():
        weighting.values.copy_(torch.tensor([0.5, 1.5, 1.0]))
    now = toy(shared, [0.9, 0.4, 2.0])
    weighting.observe(now, shared)

    weights = torch.tensor([0.5, 1.5, 1.0], requires_grad=True)
    norms = []
    for weight, loss in zip(weights, now.values(), strict=True):
        (gradient,) = torch.autograd.grad(weight * loss, shared, create_graph=True)
        norms.append(gradient.norm())
    fall = torch.tensor([0.9 / 1.0, 0.4 / 2.0, 2.0 / 4.0])
    target = (torch.stack(norms).mean() * (fall / fall.mean()) ** 1.5).detach()
    (torch.stack(norms) - target).abs().sum().backward()
    assert weights.grad is not None
    torch.testing.assert_close(weighting.values.grad, weights.grad)


def test_gradnorm_weighs_the_first_losses_alike_whatever_comes_after() -> None:
    shared = nn.Parameter(torch.tensor([1.0]))
    weighting = GradNorm(TASKS, alpha=1.0)
    for scale in (1.0, 0.5, 0.1):
        weighting.observe(toy(shared, [scale] * 3), shared)
    assert weighting.initial.tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(("alpha", "expected"), [(0.0, (1.0, 1.0, 1.0)), (1.0, (1.0, 1.0, 4.0))])
def test_gradnorm_settles_where_the_gradient_norms_follow_the_training_rates(
    alpha: float, expected: tuple[float, ...]
) -> None:
    """The third task has fallen to a half of its loss at first, the others to an eighth."""
    shared = nn.Parameter(torch.tensor([1.0]))
    weighting = GradNorm(TASKS, alpha)
    weighting.observe(toy(shared, [8.0, 16.0, 4.0]), shared)
    optimiser = torch.optim.Adam(weighting.parameters(), 0.02)
    rates = torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.995)
    for _ in range(1500):
        weighting.observe(toy(shared, [1.0, 2.0, 2.0]), shared)
        optimiser.step()
        rates.step()
    weights = list(weighting.weights().values())
    norms = [weight * scale for weight, scale in zip(weights, (1.0, 2.0, 2.0), strict=True)]
    assert [norm / norms[0] for norm in norms] == pytest.approx(expected, rel=0.01)
    assert sum(weights) == pytest.approx(3)


def test_gradnorm_keeps_weights_positive() -> None:
    weighting = GradNorm(TASKS, alpha=1.0)
    with torch.no_grad():
        weighting.values.copy_(torch.tensor([-0.5, 1.0, 1.0]))
    weights = weighting.weights()
    assert min(weights.values()) > 0
    assert sum(weights.values()) == pytest.approx(3)
