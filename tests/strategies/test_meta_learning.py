"""Meta-gradients of each strategy, on the acoustic model, against a plain unroll of its definition.

In double precision, in which finite differences are sharp.
"""

import copy
from itertools import islice

import pytest
import torch
from test_strategies import SETTINGS
from torch import Tensor

from adaptts.episodes.batch import Batch
from adaptts.episodes.sampler import Sampler
from adaptts.inner_loop import DivergedError, descend
from adaptts.models.acoustic import SPEAKER
from adaptts.models.adapted import SUBSETS
from adaptts.objectives import voice_loss
from adaptts.strategies import make_strategy
from adaptts.strategies.learner import Learner, seeded

# What is left in double precision is rounding.
EXACT = {"rtol": 1e-8, "atol": 1e-11}
# Central differences of width 1e-6, where nothing has a kink.
DIFFERENCES = {"rtol": 1e-5, "atol": 1e-8}

LENGTHS = [1, 2, 3, 5]
SUBSETS_TRIED = ["all", "decoder", "head", "speaker_norms", "speaker"]
SCHEMES = {
    "scalar": ("maml", {"inner_rule": "sgd"}),
    "preconditioned": ("maml", {"inner_rule": "preconditioned_sgd"}),
    "per layer": ("meta_sgd", {"inner_rule": "preconditioned_sgd", "rates": "layer"}),
    "per parameter": ("meta_sgd", {"inner_rule": "preconditioned_sgd", "rates": "parameter"}),
    "per step": ("maml_plus_plus", {"inner_rule": "preconditioned_sgd", "rates": "layer"}),
    "per step and parameter": ("maml_plus_plus", {"inner_rule": "sgd", "rates": "parameter"}),
}
META_ARMS = ["maml", "fomaml", "anil", "reptile", "meta_sgd", "maml_plus_plus"]


def doubled(batch: Batch) -> Batch:
    """The same batch in double precision."""
    return batch.map(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)


def learn(setting, arm: str, **changes):
    """A strategy and its learner in double precision, with drawn learned rates."""
    with seeded(0):
        learner = Learner(setting)
        # Some number for each parameter, away from 1.
        preconditioner = {
            name: torch.rand_like(value).double() + 0.5
            for name, value in learner.voice(learner.average_speaker()).items()
        }
        strategy = make_strategy(arm, {**SETTINGS[arm], **changes}, setting, preconditioner)
        strategy.extend(learner)
        if "rates" in learner.extra:
            for value in learner.extra["rates"].parameters():
                torch.nn.init.normal_(value, std=0.5)
    return strategy, learner.double()


@pytest.fixture
def sampler(utterances, episodes) -> Sampler:
    return Sampler(utterances, episodes, 0)


def batches_of(strategy, sampler) -> list[Batch]:
    return [doubled(batch) for batch in strategy.draw(sampler, 3, 4)]


def gradients_of(learner) -> dict[str, Tensor]:
    """And forget them."""
    found = {n: p.grad.clone() for n, p in learner.named_parameters() if p.grad is not None}
    learner.zero_grad()
    return found


def unrolled(strategy, learner, support: Batch, second_order: bool = True):
    """The voices after each inner step, from the definition: θ ← θ − α exp(s) P g, name by name."""
    params, plain = strategy.params, strategy.params.inner_rule == "sgd"
    factors = dict(learner.extra["rates"].log_factors) if "rates" in learner.extra else {}
    voice = dict(learner.acoustic.named_parameters())
    voice[SPEAKER] = learner.extra["initial"][SPEAKER]
    moving = [name for name in voice if SUBSETS[params.parameters](name)]
    voices = []
    for step in range(params.inner_steps):
        loss = voice_loss(learner.acoustic, voice, support, strategy.setting.loss)
        gradients = torch.autograd.grad(
            loss, [voice[name] for name in moving], create_graph=True, materialize_grads=True
        )
        voice = dict(voice)
        for name, gradient in zip(moving, gradients, strict=True):
            rate = params.inner_rate * (1.0 if plain else strategy.preconditioner[name])
            if factors:
                factor = factors[name.replace(".", "/")]
                rate = rate * factor[min(step, len(factor) - 1)].exp()
            voice[name] = voice[name] - rate * (gradient if second_order else gradient.detach())
        voices.append(voice)
    return voices


def assert_same_gradients(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, **EXACT, msg=lambda m, n=name: n + m)


def check_unrolled(strategy, learner, sampler, weights: list[float], second_order: bool) -> None:
    """The gradients are those of Σ weightᵢ · query loss after step i, as a mean over tasks."""
    batches = batches_of(strategy, sampler)
    strategy.accumulate_gradients(learner, batches)
    found = gradients_of(learner)
    total = torch.zeros((), dtype=torch.double)
    for support, query in zip(batches[::2], batches[1::2], strict=True):
        voices = unrolled(strategy, learner, support, second_order)
        for weight, voice in zip(weights, voices, strict=True):
            loss = voice_loss(learner.acoustic, voice, query, strategy.setting.loss)
            total = total + weight * loss / strategy.params.tasks
    total.backward()
    assert_same_gradients(found, gradients_of(learner))


@pytest.mark.parametrize("arm", ["maml", "maml_plus_plus"])
def test_recomputed_inner_steps_give_the_same_gradient(setting, sampler, arm) -> None:
    found = []
    for recompute in (False, True):
        strategy, learner = learn(setting, arm, inner_steps=3, recompute=recompute)
        strategy.accumulate_gradients(learner, batches_of(strategy, sampler))
        found.append(gradients_of(learner))
    assert_same_gradients(*found)


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("arm", META_ARMS)
def test_tasks_together_give_the_same_gradient_as_one_by_one(
    setting, sampler, arm, precision
) -> None:
    """Of utterances of different lengths, with 3 inner steps, and second order where there is."""
    found, losses = [], []
    for together in (False, True):
        changes = {"together": together, "inner_steps": 3, "tasks": 3}
        strategy, learner = learn(setting, arm, **changes)
        strategy.done = 0.3
        batches = batches_of(strategy, sampler)
        if precision == "single":
            learner.float()
            batches = strategy.draw(sampler, 3, 4)
            strategy.preconditioner = {n: v.float() for n, v in strategy.preconditioner.items()}
        losses.append(strategy.accumulate_gradients(learner, batches)["loss"])
        found.append(gradients_of(learner))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5 if precision == "single" else 1e-12)
    one_by_one, at_once = found
    assert one_by_one.keys() == at_once.keys()
    # Double: rounding. Single: of the largest number in each gradient.
    tolerance = 1e-5 if precision == "single" else 1e-10
    for name, gradient in one_by_one.items():
        apart = (at_once[name] - gradient).abs().max()
        assert apart <= tolerance * gradient.abs().max() + rounding_of(arm, learner, name), name


def rounding_of(arm: str, learner, name: str) -> float:
    """What a gradient cannot tell: Reptile's is a difference of weights, exact to their last place.

    The others' are sums of products, whose rounding is of their own size.
    """
    weight = learner.get_parameter(name).detach()
    return float(torch.finfo(weight.dtype).eps * weight.abs().max()) if arm == "reptile" else 0.0


@pytest.mark.parametrize("steps", LENGTHS)
@pytest.mark.parametrize("subset", SUBSETS_TRIED)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_meta_gradient_is_that_of_an_unrolled_loop(setting, sampler, scheme, subset, steps) -> None:
    arm, changes = SCHEMES[scheme]
    strategy, learner = learn(setting, arm, parameters=subset, inner_steps=steps, **changes)
    strategy.done = 1.0
    check_unrolled(strategy, learner, sampler, [0.0] * (steps - 1) + [1.0], second_order=True)


@pytest.mark.parametrize("steps", LENGTHS)
@pytest.mark.parametrize("subset", ["all", "speaker_norms"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_meta_gradient_agrees_with_finite_differences(
    setting, sampler, scheme, subset, steps
) -> None:
    """Along a drawn direction for the weights, and along one for the learned rates."""
    arm, changes = SCHEMES[scheme]
    changes = {**changes, "parameters": subset, "inner_steps": steps, "tasks": 1}
    strategy, learner = learn(setting, arm, **changes)
    strategy.done = 0.3  # second order, and a part of each step's loss
    support, query = batches_of(strategy, sampler)
    strategy.task_loss(learner, support, query).backward()
    generator = torch.Generator().manual_seed(0)
    rates = [p for n, p in learner.named_parameters() if ".rates." in n and p.grad is not None]
    known = {id(p) for p in rates}
    weights = [p for p in learner.parameters() if p.grad is not None and id(p) not in known]
    assert bool(rates) == (arm != "maml")
    for group in filter(None, (weights, rates)):
        direction = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in group]
        slope = sum((d * p.grad).sum() for d, p in zip(direction, group, strict=True))
        ends = []
        for width in (1e-6, -1e-6):
            with torch.no_grad():
                for p, d in zip(group, direction, strict=True):
                    p += width * d
            ends.append(strategy.task_loss(learner, support, query).item())
            with torch.no_grad():
                for p, d in zip(group, direction, strict=True):
                    p -= width * d
        difference = torch.tensor((ends[0] - ends[1]) / 2e-6, dtype=torch.double)
        torch.testing.assert_close(difference, slope, **DIFFERENCES)


@pytest.mark.parametrize("steps", LENGTHS)
@pytest.mark.parametrize("subset", ["all", "decoder"])
def test_first_order_takes_the_gradient_at_the_adapted_weights(
    setting, sampler, subset, steps
) -> None:
    strategy, learner = learn(setting, "fomaml", tasks=1, parameters=subset, inner_steps=steps)
    support, query = batches_of(strategy, sampler)
    strategy.accumulate_gradients(learner, [support, query])
    found = gradients_of(learner)
    adapted = unrolled(strategy, learner, support)[-1]
    leaves = {name: value.detach().requires_grad_() for name, value in adapted.items()}
    voice_loss(learner.acoustic, leaves, query, setting.loss).backward()
    expected = {f"acoustic.{name}": leaf.grad for name, leaf in leaves.items() if name != SPEAKER}
    expected[f"extra.initial.{SPEAKER}"] = leaves[SPEAKER].grad
    assert_same_gradients(found, expected)


def test_first_and_second_order_differ(setting, sampler) -> None:
    found = []
    for arm in ("maml", "fomaml"):
        strategy, learner = learn(setting, arm)
        strategy.accumulate_gradients(learner, batches_of(strategy, sampler))
        found.append(gradients_of(learner)["acoustic.mel.weight"])
    assert not torch.allclose(found[0], found[1], rtol=1e-3)


@pytest.mark.parametrize("steps", LENGTHS)
def test_anil_adapts_the_head_and_learns_all_by_the_outer_loop(setting, sampler, steps) -> None:
    strategy, learner = learn(setting, "anil", inner_steps=steps)
    support = batches_of(strategy, sampler)[0]
    initial = strategy.initial(learner)
    *_, (adapted, _) = strategy.inner_loop(learner, iter([support] * steps))
    assert {name.split(".")[0] for name in adapted} == {"mel", "duration", "prosody"}
    assert all(not torch.equal(value, initial[name]) for name, value in adapted.items())
    check_unrolled(strategy, learner, sampler, [0.0] * (steps - 1) + [1.0], second_order=True)
    strategy.accumulate_gradients(learner, batches_of(strategy, sampler))
    assert gradients_of(learner)["acoustic.embedding.weight"].abs().sum() > 0


@pytest.mark.parametrize("rule", ["sgd", "adam"])
@pytest.mark.parametrize("steps", LENGTHS)
def test_reptile_points_back_from_what_an_optimiser_finds(setting, sampler, rule, steps) -> None:
    """With PyTorch's optimisers on a copy of the model, on the same minibatches."""
    changes = {"inner_rule": rule, "inner_steps": steps, "inner_rate": 0.01}
    strategy, learner = learn(setting, "reptile", **changes)
    batches = batches_of(strategy, sampler)
    assert [len(batch) for batch in batches] == [2] * (2 * steps)
    strategy.accumulate_gradients(learner, batches)
    found = gradients_of(learner)
    expected = {name: torch.zeros_like(value) for name, value in found.items()}
    for task in (batches[:steps], batches[steps:]):
        moving = copy.deepcopy(learner)
        optimiser = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[rule](
            moving.parameters(), lr=0.01
        )
        for batch in task:
            optimiser.zero_grad()
            voice_loss(moving.acoustic, strategy.initial(moving), batch, setting.loss).backward()
            optimiser.step()
        ends = dict(moving.named_parameters())
        for name in expected:
            expected[name] += (learner.get_parameter(name) - ends[name]).detach() / 2
    assert_same_gradients(found, expected)


def test_reptile_goes_round_through_the_utterances_of_a_task(setting, sampler) -> None:
    strategy, _ = learn(setting, "reptile", inner_steps=3, tasks=1)
    (task,) = sampler.episode(5, 1, 3, 0)
    one, two, three = task.support
    drawn = strategy.draw(sampler, 5, 4)
    for batch, names in zip(drawn, [[one, two], [three, one], [two, three]], strict=True):
        torch.testing.assert_close(batch.mel, sampler.utterances.batch(names).mel)


@pytest.mark.parametrize(
    ("done", "weights", "second_order"),
    [
        (0.0, [1 / 3, 1 / 3, 1 / 3], False),
        (0.2, [0.2, 0.2, 0.6], False),
        (0.25, [1 / 6, 1 / 6, 2 / 3], True),
        (0.5, [0.0, 0.0, 1.0], True),
        (0.9, [0.0, 0.0, 1.0], True),
    ],
)
def test_maml_plus_plus_anneals_weights_and_order(
    setting, sampler, done, weights, second_order
) -> None:
    strategy, learner = learn(setting, "maml_plus_plus", inner_steps=3)
    strategy.done = done
    assert strategy.query_weights() == pytest.approx(weights)
    check_unrolled(strategy, learner, sampler, weights, second_order)


def test_maml_plus_plus_without_annealing_is_meta_sgd_per_step(setting) -> None:
    changes = {"multi_step_share": 0.0, "first_order_share": 0.0}
    strategy, _ = learn(setting, "maml_plus_plus", **changes)
    assert strategy.query_weights() == [0.0, 1.0]
    assert strategy.second_order
    assert strategy.turns() == []


@pytest.mark.parametrize("arm", ["meta_sgd", "maml_plus_plus"])
def test_rates_begin_at_the_inner_rate(setting, sampler, arm) -> None:
    changes = {"inner_rule": "preconditioned_sgd"}
    plain, expected = learn(setting, "maml", **changes)
    strategy, learner = learn(setting, arm, **changes)
    strategy.done = 1.0
    for value in learner.extra["rates"].parameters():
        torch.nn.init.zeros_(value)
    batches = batches_of(plain, sampler)
    plain.accumulate_gradients(expected, batches)
    strategy.accumulate_gradients(learner, batches)
    found = gradients_of(learner)
    assert_same_gradients(
        {name: value for name, value in found.items() if ".rates." not in name},
        gradients_of(expected),
    )


@pytest.mark.parametrize("arm", ["meta_sgd", "maml_plus_plus"])
def test_a_new_voice_goes_on_at_the_learned_rates(setting, sampler, arm) -> None:
    """Steps beyond the trained ones take the last one's rates; the step size is a factor."""
    changes = {"inner_rule": "preconditioned_sgd", "inner_rate": 0.01}
    strategy, learner = learn(setting, arm, **changes)
    support = batches_of(strategy, sampler)[0]
    start = strategy.voice(learner, support)
    walk = descend(
        lambda voice: voice_loss(learner.acoustic, voice, support, setting.loss),
        start,
        strategy.rule(learner, "learned", 2.0),
    )
    found = [voice for voice, _ in islice(walk, 4)]
    settings = {**SETTINGS[arm], **changes, "inner_rate": 0.02, "inner_steps": 4}
    longer = make_strategy(arm, settings, setting, strategy.preconditioner)
    for voice, expected in zip(found, unrolled(longer, learner, support), strict=True):
        for name, value in expected.items():
            torch.testing.assert_close(voice[name], value.detach(), **EXACT)


@pytest.mark.parametrize("arm", sorted(set(SETTINGS) - {"meta_sgd", "maml_plus_plus"}))
def test_learned_rates_that_are_not_there_are_an_error(setting, arm) -> None:
    strategy, learner = learn(setting, arm)
    with pytest.raises(ValueError, match="'learned' wants learned rates, but .* learns none"):
        strategy.rule(learner, "learned", 1.0)


@pytest.mark.parametrize("arm", ["meta_sgd", "maml_plus_plus"])
def test_learned_rates_learn_at_a_rate_of_their_own(setting, arm) -> None:
    strategy, learner = learn(setting, arm, outer_rate=0.001, rates_rate=0.5)
    (outer_rate, weights), (rates_rate, rates) = strategy.learning_rates(learner, 9.0)
    assert (outer_rate, rates_rate) == (0.001, 0.5)
    assert {id(p) for p in rates} == {id(p) for p in learner.extra["rates"].parameters()}
    assert len(weights) + len(rates) == len(list(learner.parameters()))


@pytest.mark.parametrize("arm", META_ARMS)
@pytest.mark.parametrize("steps", [1, 3])
def test_divergence_names_the_inner_rate(setting, sampler, arm, steps) -> None:
    """With one step, only the query's loss can tell."""
    if arm == "reptile":
        steps += 1  # it has no query: the next step tells
    strategy, learner = learn(setting, arm, inner_rate=1e200, inner_steps=steps)
    message = r"smaller step size: inner_rate is 1e\+200|inner_rate below 1e\+200"
    with pytest.raises(DivergedError, match=message):
        strategy.accumulate_gradients(learner, batches_of(strategy, sampler))
