"""Each strategy against its definition, on a model small enough to know."""

from dataclasses import asdict, replace

import pytest
import torch

from adaptts.episodes.sampler import Sampler
from adaptts.models.acoustic import SPEAKER
from adaptts.objectives import acoustic_losses, weighted_sum
from adaptts.params import ParamsError
from adaptts.strategies import STRATEGIES, make_strategy
from adaptts.strategies.heads import HEADS
from adaptts.strategies.learner import Learner, seeded
from adaptts.strategies.multitask import last_shared_layer

SETTINGS = {
    "average": {"strategy": "average"},
    "pretrain_finetune": {"strategy": "pretrain_finetune"},
    "multitask": {
        "strategy": "multitask",
        "weighting": "fixed",
        "auxiliary": {"phone": 0.1, "speaker": 0.2},
    },
    "multitask_uncertainty": {
        "strategy": "multitask",
        "weighting": "uncertainty",
        "auxiliary": {"phone": 0.1, "speaker": 0.2},
    },
    "multitask_sum": {
        "strategy": "multitask",
        "weighting": "sum",
        "auxiliary": {"phone": 1.0, "energy": 1.0, "speaker_reversed": 1.0},
    },
    "multitask_dwa": {
        "strategy": "multitask",
        "weighting": "dwa",
        "epoch_steps": 7,
        "auxiliary": {"phone": 1.0, "energy": 1.0},
    },
    "multitask_gradnorm": {
        "strategy": "multitask",
        "weighting": "gradnorm",
        "auxiliary": {"phone": 1.0, "speaker": 1.0, "energy": 1.0},
    },
    "prototype": {
        "strategy": "prototype",
        "distance": "euclidean",
        "speakers": 3,
        "support": 2,
        "query": 1,
        "metric_weight": 0.1,
    },
    "prototype_cosine": {
        "strategy": "prototype",
        "distance": "cosine",
        "speakers": 3,
        "support": 2,
        "query": 1,
        "metric_weight": 0.1,
    },
    "prototype_ge2e": {
        "strategy": "prototype",
        "distance": "cosine",
        "loss": "ge2e",
        "speakers": 3,
        "support": 2,
        "query": 1,
        "metric_weight": 0.1,
    },
    "prototype_finetune": {
        "strategy": "prototype_finetune",
        "distance": "euclidean",
        "speakers": 3,
        "support": 2,
        "query": 1,
        "metric_weight": 0.1,
    },
    "maml": {
        "strategy": "maml",
        "parameters": "all",
        "inner_steps": 2,
        "inner_rule": "sgd",
        "inner_rate": 0.05,
        "outer_rate": 0.001,
        "tasks": 2,
        "support": 2,
        "query": 2,
    },
}
SETTINGS["fomaml"] = {**SETTINGS["maml"], "strategy": "fomaml"}
SETTINGS["anil"] = {**SETTINGS["maml"], "strategy": "anil", "parameters": "head"}
SETTINGS["meta_sgd"] = {
    **SETTINGS["maml"],
    "strategy": "meta_sgd",
    "rates": "parameter",
    "rates_rate": 0.01,
}
SETTINGS["maml_plus_plus"] = {
    **SETTINGS["meta_sgd"],
    "strategy": "maml_plus_plus",
    "rates": "layer",
    "multi_step_share": 0.5,
    "first_order_share": 0.25,
}
SETTINGS["reptile"] = {
    "strategy": "reptile",
    "parameters": "all",
    "inner_steps": 2,
    "inner_rule": "sgd",
    "inner_rate": 0.05,
    "outer_rate": 0.001,
    "tasks": 2,
    "support": 3,
    "minibatch": 2,
}
# Two orders of summation in single precision.
ROUNDING = {"rtol": 1e-4, "atol": 1e-6}


def learn(setting, arm: str, **changes):
    strategy = make_strategy(arm, {**SETTINGS[arm], **changes}, setting, {})
    with seeded(0):
        learner = Learner(setting)
        strategy.extend(learner)
    return strategy, learner


def take_step(strategy, learner, sampler, step: int = 0) -> dict[str, float]:
    return strategy.accumulate_gradients(learner, strategy.draw(sampler, step, 4))


@pytest.fixture
def sampler(utterances, episodes) -> Sampler:
    return Sampler(utterances, episodes, 0)


@pytest.mark.parametrize("arm", SETTINGS)
def test_a_step_gives_finite_gradients_and_changes_no_weight(setting, sampler, arm) -> None:
    strategy, learner = learn(setting, arm)
    before = {n: v.detach().clone() for n, v in learner.named_parameters()}
    losses = take_step(strategy, learner, sampler)
    gradients = [p.grad for p in learner.parameters() if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(g).all() for g in gradients)
    assert losses["loss"] > 0
    for name, value in learner.named_parameters():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


@pytest.mark.parametrize("arm", SETTINGS)
def test_a_voice_has_the_parameters_of_the_acoustic_model(setting, utterances, arm) -> None:
    strategy, learner = learn(setting, arm)
    voice = strategy.voice(learner, utterances.batch(["s6_2", "s6_3"]))
    assert set(voice) == {SPEAKER, *dict(learner.acoustic.named_parameters())}
    assert voice[SPEAKER].shape == (setting.model.speaker_channels,)


def test_fixed_multitask_is_the_weighted_sum(setting, sampler) -> None:
    strategy, learner = learn(setting, "multitask")
    losses = take_step(strategy, learner, sampler)
    weights = {**asdict(setting.loss), "phone": 0.1, "speaker": 0.2}
    assert losses["loss"] == pytest.approx(sum(w * losses[n] for n, w in weights.items()))


def test_plain_sum_weighs_every_task_alike(setting, sampler) -> None:
    strategy, learner = learn(setting, "multitask_sum")
    losses = take_step(strategy, learner, sampler)
    weights = {name: value for name, value in losses.items() if name.startswith("weight_")}
    assert set(weights.values()) == {1.0}
    assert len(weights) == 4 + 3
    total = sum(losses[name.removeprefix("weight_")] for name in weights)
    assert losses["loss"] == pytest.approx(total)


@pytest.mark.parametrize("arm", ["multitask_dwa", "multitask_gradnorm"])
def test_weights_that_adjust_themselves_are_the_ones_that_count(setting, sampler, arm) -> None:
    strategy, learner = learn(setting, arm)
    optimiser = torch.optim.AdamW(
        [{"params": group, "lr": rate} for rate, group in strategy.learning_rates(learner, 0.01)]
    )
    seen = []
    for step in range(16):
        optimiser.zero_grad()
        losses = take_step(strategy, learner, sampler, step)
        optimiser.step()
        seen.append({n: v for n, v in losses.items() if n.startswith("weight_")})
        total = sum(w * losses[name.removeprefix("weight_")] for name, w in seen[-1].items())
        assert losses["loss"] == pytest.approx(total, rel=1e-5)
        assert sum(seen[-1].values()) == pytest.approx(len(seen[-1]), rel=1e-5)
    assert set(seen[0].values()) == {1.0}
    assert seen[-1] != seen[0]


def test_every_task_depends_on_the_last_shared_layer(setting, sampler) -> None:
    _, learner = learn(setting, "multitask_gradnorm")
    batch = sampler.batch(0, 4)
    prediction = learner.acoustic(batch, learner.speakers(batch.speaker))
    losses = acoustic_losses(prediction, batch)
    for name, head in HEADS.items():
        with seeded(0):
            losses[name] = head(setting)(prediction, batch)
    for name, loss in losses.items():
        shared = last_shared_layer(learner)
        (gradient,) = torch.autograd.grad(loss, shared, retain_graph=True, materialize_grads=True)
        assert gradient.any(), name


def test_average_trains_as_fine_tuning_does(setting, sampler) -> None:
    gradients = []
    for arm in ("average", "pretrain_finetune"):
        strategy, learner = learn(setting, arm)
        take_step(strategy, learner, sampler)
        gradients.append([p.grad for p in learner.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_plain_loss_is_that_of_the_objectives(setting, sampler) -> None:
    strategy, learner = learn(setting, "pretrain_finetune")
    losses = take_step(strategy, learner, sampler)
    batch = sampler.batch(0, 4)
    prediction = learner.acoustic(batch, learner.speakers(batch.speaker))
    parts = acoustic_losses(prediction, batch)
    expected = weighted_sum(parts, asdict(setting.loss)).item()
    assert losses["loss"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arm", "changes", "message"),
    [
        ("maml", {"strategy": "mmal"}, "got 'mmal'; choose among"),
        ("maml", {"inner_steps": 0}, "strategies.maml.inner_steps: got 0"),
        ("maml", {"innersteps": 2}, "strategies.maml.innersteps: unknown key"),
        ("maml", {"parameters": "everything"}, "no parameter subset 'everything'; choose among"),
        ("maml", {"inner_rule": "adam"}, "strategies.maml.inner_rule: got 'adam'"),
        *(
            (arm, {key: 0}, f"strategies.{arm}.{key}: got 0")
            for arm in ("fomaml", "anil", "reptile", "meta_sgd", "maml_plus_plus")
            for key in ("inner_steps", "inner_rate", "outer_rate", "tasks", "support")
        ),
        ("fomaml", {"query": 0}, "strategies.fomaml.query: got 0"),
        ("anil", {"parameters": "hat"}, "no parameter subset 'hat'; choose among"),
        ("anil", {"parameters": "all"}, "with all parameters it is maml"),
        ("reptile", {"minibatch": 4}, "minibatch must not exceed support, got 4 and 3"),
        ("reptile", {"query": 2}, "strategies.reptile.query: unknown key"),
        ("meta_sgd", {"rates": "word"}, "strategies.meta_sgd.rates: got 'word'"),
        ("meta_sgd", {"rates_rate": -1.0}, "strategies.meta_sgd.rates_rate: got -1.0"),
        ("maml_plus_plus", {"multi_step_share": 1.5}, "multi_step_share: got 1.5"),
        ("maml_plus_plus", {"first_order_share": -0.5}, "first_order_share: got -0.5"),
        ("multitask", {"auxiliary": {"phone": -1.0}}, "strategies.multitask.auxiliary.phone"),
        ("multitask", {"auxiliary": {}}, "strategies.multitask.auxiliary"),
        ("multitask", {"auxiliary": {"phone": 0.0, "speaker": 0.0}}, "greater than 0"),
        ("multitask", {"auxiliary": {"mood": 1.0}}, "no auxiliary head 'mood'; choose among"),
        ("multitask", {"weighting": "sum"}, "'sum' starts every task at λ = 1, got auxiliary"),
        ("multitask", {"weighting": "best"}, "strategies.multitask.weighting: got 'best'"),
        ("multitask_dwa", {"epoch_steps": 0}, "strategies.multitask_dwa.epoch_steps: got 0"),
        ("multitask_dwa", {"temperature": 0.0}, "strategies.multitask_dwa.temperature: got 0.0"),
        ("multitask_gradnorm", {"alpha": -1.0}, "strategies.multitask_gradnorm.alpha: got -1.0"),
        ("multitask_dwa", {"alpha": 1.0}, "['alpha'] set nothing of weighting 'dwa'"),
        ("multitask", {"weighting_rate": 0.1}, "['weighting_rate'] set nothing of"),
        ("fomaml", {"recompute": True}, "strategies.fomaml.recompute: unknown key"),
        ("prototype", {"distance": "manhattan"}, "strategies.prototype.distance"),
        ("prototype", {"loss": "ge2e"}, "loss ge2e needs distance cosine, got euclidean"),
    ],
)
def test_impossible_settings_name_arm_and_key(setting, arm, changes, message) -> None:
    with pytest.raises(ParamsError) as error:
        make_strategy(arm, {**SETTINGS[arm], **changes}, setting, {})
    assert message in str(error.value)


def test_an_episode_larger_than_the_corpus_is_refused(setting, sampler) -> None:
    strategy, learner = learn(setting, "maml", tasks=40)
    with pytest.raises(ValueError, match="40 speakers.*but 4 training speakers"):
        take_step(strategy, learner, sampler)


def test_every_registered_strategy_is_tested() -> None:
    assert {values["strategy"] for values in SETTINGS.values()} == set(STRATEGIES)


def test_initial_weights_are_a_function_of_the_seed(setting) -> None:
    def weights(seed: int):
        with seeded(seed):
            return Learner(replace(setting)).state_dict()

    for name, value in weights(1).items():
        torch.testing.assert_close(value, weights(1)[name], rtol=0, atol=0)
    assert not torch.equal(weights(1)["speakers.weight"], weights(2)["speakers.weight"])


def test_learned_weights_have_a_rate_of_their_own(setting) -> None:
    strategy, learner = learn(setting, "multitask_uncertainty", weighting_rate=0.5)
    (rate, model), (weighting_rate, weights) = strategy.learning_rates(learner, 0.001)
    assert (rate, weighting_rate) == (0.001, 0.5)
    assert [id(p) for p in weights] == [id(learner.extra["weighting"].log_variance)]
    assert len(model) + 1 == len(list(learner.parameters()))
