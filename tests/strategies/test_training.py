import time
from dataclasses import replace

import pytest
import torch
from test_strategies import SETTINGS, learn

from adaptts.episodes.sampler import Sampler
from adaptts.inner_loop import DivergedError
from adaptts.objectives import acoustic_losses, voice_loss
from adaptts.params import OptimisationParams
from adaptts.strategies import budget, training
from adaptts.strategies.budget import Budget, count_operations, plan, time_cpu
from adaptts.strategies.multitask import last_shared_layer
from adaptts.strategies.training import train

PARAMS = OptimisationParams(
    utterance_gradients=240,
    batch_utterances=4,
    learning_rate=0.002,
    weight_decay=1e-4,
    gradient_norm=1.0,
)


class InterruptedTrainingError(Exception):
    pass


def run(setting, utterances, episodes, checkpoint, arm="pretrain_finetune", log=None, **changes):
    strategy, learner = learn(setting, arm)
    result = train(
        strategy,
        learner,
        Sampler(utterances, episodes, 0),
        replace(PARAMS, **changes),
        log or (lambda step, losses: None),
        checkpoint,
    )
    return learner, result


def test_training_lowers_the_loss(setting, utterances, episodes, tmp_path) -> None:
    _, result = run(setting, utterances, episodes, tmp_path / "c", utterance_gradients=800)
    curve = result.progress.curve
    assert curve[-1]["loss"] < 0.8 * curve[0]["loss"]
    assert curve[-1]["step"] == result.budget.steps == 200


def test_the_same_seed_gives_the_same_weights(setting, utterances, episodes, tmp_path) -> None:
    one, _ = run(setting, utterances, episodes, tmp_path / "a")
    other, _ = run(setting, utterances, episodes, tmp_path / "b")
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name], rtol=0, atol=0)


@pytest.mark.parametrize(
    "arm", ["pretrain_finetune", "maml", "maml_plus_plus", "multitask_dwa", "multitask_gradnorm"]
)
def test_an_interrupted_training_ends_with_the_same_weights(
    setting, utterances, episodes, tmp_path, monkeypatch, arm
) -> None:
    spend = {"utterance_gradients": 1000 if arm.startswith("maml") else 480}
    whole, result = run(setting, utterances, episodes, tmp_path / "whole", arm, **spend)
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)

    def interrupt(step: int, losses: dict[str, float]) -> None:
        if step >= training.LOG_STEPS:
            raise InterruptedTrainingError

    checkpoint = tmp_path / "checkpoint"
    with pytest.raises(InterruptedTrainingError):
        run(setting, utterances, episodes, checkpoint, arm, interrupt, **spend)
    assert checkpoint.exists()
    resumed, again = run(setting, utterances, episodes, checkpoint, arm, **spend)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=0)
    losses = [[row["loss"] for row in r.progress.curve] for r in (result, again)]
    assert losses[0] == losses[1]


def test_a_damaged_checkpoint_is_an_error(setting, utterances, episodes, tmp_path) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.write_bytes(b"not safetensors")
    with pytest.raises(ValueError, match="checkpoint is damaged.*delete it"):
        run(setting, utterances, episodes, checkpoint)


def test_divergence_names_the_step(setting, utterances, episodes, tmp_path) -> None:
    with pytest.raises(DivergedError, match=r"diverged at step \d+: .*lower learning rate"):
        run(setting, utterances, episodes, tmp_path / "c", learning_rate=1e30)


def test_an_inner_loop_that_diverges_ends_the_training(
    setting, utterances, episodes, tmp_path, monkeypatch
) -> None:
    monkeypatch.setitem(SETTINGS["maml"], "outer_rate", 1e30)
    with pytest.raises(
        DivergedError, match=r"diverged at step \d+: .* inner loop .*lower learning"
    ):
        run(setting, utterances, episodes, tmp_path / "c", "maml", utterance_gradients=1500)


@pytest.mark.parametrize("arm", SETTINGS)
def test_every_arm_spends_the_same_budget(setting, utterances, episodes, arm) -> None:
    sampler = Sampler(utterances, episodes, 0)
    strategy, learner = learn(setting, arm)
    planned = plan(2000, strategy, learner, sampler, 4)
    # The last step is whole, so that half a step may be missing or too many.
    assert abs(planned.utterance_gradients - 2000) <= planned.utterance_gradients_per_step / 2


def test_gradnorms_passes_for_each_task_are_charged(setting, utterances, episodes) -> None:
    """What it spends beyond the plain sum of the same tasks is a backward pass for each of them."""
    sampler = Sampler(utterances, episodes, 0)
    operations = []
    for weighting in ("sum", "gradnorm"):
        strategy, learner = learn(setting, "multitask_gradnorm", weighting=weighting)
        batches = strategy.draw(sampler, 0, 4)
        operations.append(
            count_operations(lambda s=strategy, n=learner, b=batches: s.accumulate_gradients(n, b))
        )
    (batch,) = batches
    prediction = learner.acoustic(batch, learner.speakers(batch.speaker))
    losses = acoustic_losses(prediction, batch)
    for name in ("phone", "speaker", "energy"):
        losses[name] = learner.extra[name](prediction, batch)
    shared = last_shared_layer(learner)
    passes = [
        count_operations(lambda x=loss: torch.autograd.grad(x, shared, retain_graph=True))
        for loss in losses.values()
    ]
    assert all(passes)
    assert operations[1] - operations[0] == sum(passes)


@pytest.mark.parametrize("arm", SETTINGS)
def test_planning_leaves_the_learner_as_it_is(setting, utterances, episodes, arm) -> None:
    strategy, learner = learn(setting, arm)
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    plan(2000, strategy, learner, Sampler(utterances, episodes, 0), 4)
    for name, value in learner.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in learner.parameters())


@pytest.mark.parametrize("arm", SETTINGS)
def test_the_first_steps_tell_what_later_ones_cost(
    setting, utterances, episodes, monkeypatch, arm
) -> None:
    """Utterances differ in length; the count of a step must not depend on which were drawn."""
    strategy, learner = learn(setting, arm)
    sampler = Sampler(utterances, episodes, 0)
    few = plan(2000, strategy, learner, sampler, 4)
    longer = replace(budget.INSTRUMENTS["utterance_gradients"], steps=20)
    monkeypatch.setitem(budget.INSTRUMENTS, "utterance_gradients", longer)
    many = plan(2000, strategy, learner, sampler, 4)
    assert few.utterance_gradients_per_step == pytest.approx(
        many.utterance_gradients_per_step, rel=0.02
    )


@pytest.mark.parametrize(
    ("arm", "least", "most"),
    [
        # 2 tasks of 2 inner steps on 2 utterances each, and an outer one on 2: 12.
        ("fomaml", 11.8, 12.2),
        # The inner steps go back to the head alone, their derivatives through everything.
        ("anil", 11, 14),
        # No outer step.
        ("reptile", 7.9, 8.1),
    ],
)
def test_an_episode_counts_what_it_evaluates(
    setting, utterances, episodes, arm, least, most
) -> None:
    strategy, learner = learn(setting, arm)
    planned = plan(2000, strategy, learner, Sampler(utterances, episodes, 0), 4)
    assert least <= planned.utterance_gradients_per_step <= most


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("arm", ["maml", "meta_sgd"])
def test_a_second_order_episode_counts_its_passes_and_the_derivatives_of_its_gradients(
    setting, utterances, episodes, arm, together
) -> None:
    """To the operation: of each task, both of every inner step, and a pass on the query."""
    strategy, learner = learn(setting, arm, together=together)
    (utterance,) = episodes.loc[episodes["role"] == "train", "utterance"][:1]
    # Of one length, so that no task is padded for another.
    batch = utterances.batch([utterance] * 2)
    tasks, steps = strategy.params.tasks, strategy.params.inner_steps
    voice = strategy.initial(learner)

    def differentiate() -> list[torch.Tensor]:
        loss = voice_loss(learner.acoustic, voice, batch, setting.loss)
        return list(torch.autograd.grad(loss, list(voice.values()), create_graph=True))

    def differentiate_twice() -> None:
        gradients = differentiate()
        torch.autograd.grad(gradients, list(voice.values()), gradients)

    once, both = count_operations(differentiate), count_operations(differentiate_twice)
    # The convolutions' six products on top of three, and a few that are computed anew.
    assert 2.5 * once < both < 3.2 * once
    spent = count_operations(lambda: strategy.accumulate_gradients(learner, [batch] * 2 * tasks))
    assert spent == tasks * (steps * both + once)


def test_small_batches_are_charged_the_time_they_take(setting, utterances, episodes, monkeypatch):
    """With a clock that ticks once for every batch, an episode's 4 cost 4 plain ones of 4."""

    def tick(evaluate) -> float:
        evaluate()
        return 4.0 if evaluate.__defaults__ and len(evaluate.__defaults__[0]) == 4 else 1.0

    strategy, learner = learn(setting, "maml")  # support and query of 2 tasks
    clock = replace(budget.INSTRUMENTS["cpu_seconds"], measure=tick, steps=1, warm_up=0)
    monkeypatch.setitem(budget.INSTRUMENTS, "cpu_seconds", clock)
    sampler = Sampler(utterances, episodes, 0)
    assert plan(2000, strategy, learner, sampler, 8, "cpu_seconds").steps == 2000 // (4 * 8)


def test_a_strategy_whose_steps_become_dearer_spends_what_was_planned(
    setting, utterances, episodes
) -> None:
    """Annealing goes from first to second order, and from all steps' losses to the last one's."""
    strategy, learner = learn(setting, "maml_plus_plus")
    sampler = Sampler(utterances, episodes, 0)
    planned = plan(400, strategy, learner, sampler, 4)
    batches = [strategy.draw(sampler, step, 4) for step in range(planned.steps)]
    spent = []
    for step, drawn in enumerate(batches):
        strategy.done = step / planned.steps
        spent.append(count_operations(lambda b=drawn: strategy.accumulate_gradients(learner, b)))
    assert spent[0] < 0.8 * max(spent)
    plain, trunk = learn(setting, "pretrain_finetune")
    unit = sum(
        count_operations(lambda b=batch: plain.accumulate_gradients(trunk, [b]))
        for drawn in batches
        for batch in drawn
    ) / sum(len(batch) for drawn in batches for batch in drawn)
    assert sum(spent) / unit == pytest.approx(planned.utterance_gradients, rel=0.04)


def test_plain_training_counts_its_utterances(setting, utterances, episodes) -> None:
    strategy, learner = learn(setting, "pretrain_finetune")
    planned = plan(2000, strategy, learner, Sampler(utterances, episodes, 0), 4)
    assert planned.utterance_gradients_per_step == pytest.approx(4)
    assert planned.steps == 500


@pytest.mark.parametrize("arm", ["pretrain_finetune", "prototype", "maml"])
def test_time_is_charged_as_a_clock_says(setting, utterances, episodes, monkeypatch, arm) -> None:
    """With a clock that ticks once per operation, and the same unit, both say the same."""
    strategy, learner = learn(setting, arm)
    sampler = Sampler(utterances, episodes, 0)
    by_work = plan(2000, strategy, learner, sampler, 4)
    clock = budget.INSTRUMENTS["cpu_seconds"]
    ticking = replace(clock, measure=count_operations, same_batches=True)
    monkeypatch.setitem(budget.INSTRUMENTS, "cpu_seconds", ticking)
    by_time = plan(2000, strategy, learner, sampler, 4, "cpu_seconds")
    assert by_time.utterance_gradients_per_step == pytest.approx(
        by_work.utterance_gradients_per_step, rel=0.02
    )


def test_cpu_time_is_of_the_call_alone() -> None:
    def sleep() -> None:
        time.sleep(0.2)

    def work() -> None:
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass

    assert time_cpu(sleep) < 0.1 < 0.2 <= time_cpu(work)


def test_planning_changes_nothing_of_the_learner(setting, utterances, episodes) -> None:
    strategy, learner = learn(setting, "maml")
    before = {n: v.clone() for n, v in learner.state_dict().items()}
    plan(2000, strategy, learner, Sampler(utterances, episodes, 0), 4, "cpu_seconds")
    assert all(p.grad is None for p in learner.parameters())
    for name, value in learner.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_a_resumed_training_goes_on_with_the_plan_that_it_began_with(
    setting, utterances, episodes, tmp_path, monkeypatch
) -> None:
    """A second measurement of time would give another number of steps."""
    planned = iter([Budget(60, 4.0), Budget(90, 3.0)])
    monkeypatch.setattr(training, "plan", lambda *_: next(planned))
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)

    def interrupt(step: int, losses: dict[str, float]) -> None:
        raise InterruptedTrainingError

    checkpoint = tmp_path / "checkpoint"
    with pytest.raises(InterruptedTrainingError):
        run(setting, utterances, episodes, checkpoint, log=interrupt)
    _, resumed = run(setting, utterances, episodes, checkpoint)
    assert resumed.budget == Budget(60, 4.0)
    assert resumed.progress.step == 60


def test_a_gradient_that_is_not_finite_ends_the_training(
    setting, utterances, episodes, tmp_path, monkeypatch
) -> None:
    def poison(self, learner, batches) -> dict[str, float]:
        learner.acoustic.mel.bias.grad = torch.full_like(learner.acoustic.mel.bias, float("nan"))
        return {"loss": 1.0}

    strategy, _ = learn(setting, "pretrain_finetune")
    gradients = type(strategy).accumulate_gradients
    steps = iter(range(1000))

    def late(self, learner, batches) -> dict[str, float]:
        return (gradients if next(steps) < 20 else poison)(self, learner, batches)

    monkeypatch.setattr(type(strategy), "accumulate_gradients", late)
    with pytest.raises(DivergedError, match="gradient not finite"):
        run(setting, utterances, episodes, tmp_path / "c")
