"""Compiled gradients beside those of PyTorch's own differentiation, of the model as it is."""

import shutil
from dataclasses import replace
from functools import partial

import pytest
import torch
from test_meta_learning import META_ARMS, batches_of, doubled, gradients_of, learn
from test_training import run

from adaptts import compilation
from adaptts.adaptation import adapt
from adaptts.compilation import check_compiler, compiled_voice_loss
from adaptts.episodes.batch import Batch, place_frames
from adaptts.episodes.sampler import Sampler
from adaptts.inner_loop import Adam, GradientDescent
from adaptts.models.acoustic import Parameters
from adaptts.models.adapted import choose
from adaptts.objectives import voice_loss
from adaptts.params import MannerParams
from benchmarks.meta_step import peak_of_tensors

# Of what PyTorch imports.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")

# What is left in double precision is rounding.
EXACT = {"rtol": 1e-8, "atol": 1e-11}


@pytest.fixture
def traced():
    """All but the C++ compiler, which takes minutes."""
    torch.compiler.set_default_backend("aot_eager")
    yield
    torch.compiler.set_default_backend(None)


@pytest.fixture
def nothing_compiled():
    """By a former test, with another backend perhaps; nor for those that follow."""

    def forget() -> None:
        compilation._codes.clear()
        compilation._compile.cache_clear()

    forget()
    yield
    forget()


@pytest.fixture
def sampler(utterances, episodes) -> Sampler:
    return Sampler(utterances, episodes, 0)


@pytest.mark.parametrize(
    ("arm", "changes"),
    [*((arm, {}) for arm in META_ARMS), ("maml", {"recompute": True})],
)
def test_meta_gradients_are_the_same(traced, setting, sampler, arm, changes) -> None:
    found = []
    for compiled in (False, True):
        how = replace(setting, compile=compiled)
        strategy, learner = learn(how, arm, inner_steps=3, **changes)
        strategy.done = 0.3
        loss = strategy.accumulate_gradients(learner, batches_of(strategy, sampler))["loss"]
        found.append({"loss": torch.tensor(loss), **gradients_of(learner)})
    plain, compiled = found
    assert plain.keys() == compiled.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(compiled[name], gradient, **EXACT)


@pytest.mark.parametrize("arm", ["maml", "fomaml"])
def test_training_comes_to_the_same(traced, setting, utterances, episodes, tmp_path, arm) -> None:
    trained = []
    for compiled in (False, True):
        how, checkpoint = replace(setting, compile=compiled), tmp_path / str(compiled)
        trained.append(run(how, utterances, episodes, checkpoint, arm, utterance_gradients=300))
    (plain, one), (compiled, other) = trained
    assert one.budget.steps > 2
    assert other.budget == one.budget
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("rule", "manner"),
    [
        (Adam(0.01), {"parameters": "all"}),
        (GradientDescent(0.05), {"parameters": "speaker_norms"}),
        (Adam(0.01), {"parameters": "low_rank", "rank": 2}),
    ],
)
def test_a_voice_adapts_to_the_same(traced, setting, utterances, rule, manner) -> None:
    strategy, learner = learn(setting, "pretrain_finetune")
    support = doubled(utterances.batch(["s6_2", "s6_3"]))
    voice = strategy.voice(learner, support)
    how = MannerParams(space={"adam": (0.01, 0.01)}, **manner)
    plain, compiled = (
        list(adapt(learner.acoustic, voice, support, rule, how, setting.loss, [3], 0.1, compiled))
        for compiled in (False, True)
    )
    assert compiled[0].support_loss == pytest.approx(plain[0].support_loss, rel=1e-8)
    for name, value in plain[0].voice.items():
        torch.testing.assert_close(compiled[0].voice[name], value, rtol=1e-6, atol=1e-9)


def test_batches_of_any_length_share_what_is_compiled(traced, setting, two_lengths) -> None:
    _, learner = learn(setting, "pretrain_finetune")
    counted = []
    for batch, voice in two_lengths:
        loss_and_gradient(learner.acoustic, voice, batch, setting)
        counted.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert counted[0] == counted[1]


@pytest.mark.parametrize(("adapts", "frames"), [("all", 1200), ("all", 30), ("decoder", 1200)])
def test_second_derivatives_are_right_at_any_length(
    traced, setting, two_lengths, adapts, frames
) -> None:
    """Of half the gradient's squared norm, by what adapts and by what does not."""
    _, learner = learn(setting, "pretrain_finetune")
    counted = []
    for batch, voice in two_lengths:
        values = {name: value.detach().requires_grad_() for name, value in voice.items()}
        own = choose(values, adapts)
        shared = {name: value for name, value in values.items() if name not in own}
        arguments = (learner.acoustic, shared, own, batch, setting.loss)
        found, expected = (
            derivative_of_gradient(loss, own, values)
            for loss in (
                compiled_voice_loss(*arguments, frames),
                voice_loss(learner.acoustic, values, batch, setting.loss),
            )
        )
        for name, one, other in zip(values, found, expected, strict=True):
            torch.testing.assert_close(one, other, **EXACT, msg=lambda m, n=name: n + m)
        counted.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert counted[0] == counted[1]


@pytest.fixture
def two_lengths(setting, utterances) -> list[tuple[Batch, Parameters]]:
    """Batches that differ in utterances, phones and frames, each with a voice."""
    strategy, learner = learn(setting, "pretrain_finetune")
    longer = utterances.batch(["s5_0", "s5_1", "s5_2"])
    durations = longer.durations[:, :-1]
    frames = place_frames(durations)
    cut = {n: getattr(longer, n)[:, :-1] for n in ("phones", "phone_mask", "pitch", "voicing")}
    mel = longer.mel[:, : frames.mask.shape[1]]
    shorter = replace(longer, durations=durations, frames=frames, mel=mel, **cut)
    batches = [doubled(shorter), doubled(utterances.batch(["s6_2", "s6_3"]))]
    for axis in (0, 1):
        assert batches[0].phones.shape[axis] != batches[1].phones.shape[axis]
        assert batches[0].mel.shape[axis] != batches[1].mel.shape[axis]
    return [(batch, strategy.voice(learner, batch)) for batch in batches]


def derivative_of_gradient(loss, own: Parameters, values: Parameters) -> list[torch.Tensor]:
    gradient = torch.autograd.grad(loss, list(own.values()), create_graph=True)
    norm = torch.stack([part.square().sum() / 2 for part in gradient]).sum()
    return list(torch.autograd.grad(norm, list(values.values()), materialize_grads=True))


def test_a_single_utterance_can_be_adapted_to(traced, setting, utterances) -> None:
    strategy, learner = learn(setting, "pretrain_finetune")
    batch = doubled(utterances.batch(["s6_2"]))
    voice = strategy.voice(learner, batch)
    found, *_ = loss_and_gradient(learner.acoustic, voice, batch, setting)
    expected = voice_loss(learner.acoustic, voice, batch, setting.loss)
    torch.testing.assert_close(found, expected, **EXACT)


@pytest.mark.skipif(not shutil.which("g++"), reason="there is no C++ compiler")
def test_compiled_code_gives_the_same_derivatives_in_less_memory(
    nothing_compiled, setting, utterances
) -> None:
    """In single precision, of the largest number in each: the compiler has been wrong at times."""
    _, learner = learn(setting, "pretrain_finetune")
    learner.float()
    voice = learner.voice(learner.average_speaker())
    own = {name: value.detach().requires_grad_() for name, value in voice.items()}

    def compiled(batch: Batch) -> torch.Tensor:
        return compiled_voice_loss(learner.acoustic, {}, own, batch, setting.loss, 10**6)

    def plain(batch: Batch) -> torch.Tensor:
        return voice_loss(learner.acoustic, own, batch, setting.loss)

    batch = utterances.batch(["s6_2", "s6_3"])
    found, expected = (
        [loss(batch), *gradient(loss(batch), own), *derivative_of_gradient(loss(batch), own, own)]
        for loss in (compiled, plain)
    )
    assert any(
        name.startswith("fxgraph_cache") for name in torch._dynamo.utils.counters["inductor"]
    )
    for one, other in zip(found, expected, strict=True):
        assert (one - other).abs().max() <= 2e-5 * other.abs().max()

    many = utterances.batch(["s6_2", "s6_3"] * 20)
    held, held_plain = (
        peak_of_tensors(partial(lambda loss: derivative_of_gradient(loss(many), own, own), loss))
        for loss in (compiled, plain)
    )
    assert held < held_plain


def gradient(loss, own: Parameters) -> tuple[torch.Tensor, ...]:
    return torch.autograd.grad(loss, list(own.values()), retain_graph=True)


def loss_and_gradient(acoustic, voice: Parameters, batch, setting) -> list[torch.Tensor]:
    own = {name: value.detach().requires_grad_() for name, value in voice.items()}
    loss = compiled_voice_loss(acoustic, {}, own, batch, setting.loss)
    return [loss, *torch.autograd.grad(loss, list(own.values()))]


@pytest.mark.parametrize("which", ["gradient", "curvature"])
def test_a_compiler_that_errs_is_found_out(
    nothing_compiled, traced, setting, utterances, which
) -> None:
    _, learner = learn(setting, "pretrain_finetune")
    batch = doubled(utterances.batch(["s6_2", "s6_3"]))
    voice = learner.voice(learner.average_speaker())
    own = {name: value.detach().requires_grad_() for name, value in voice.items()}
    code = compilation._compile(compilation._Structure(learner.acoustic))
    right = getattr(code, which)

    def wrong(*inputs):
        results = right(*inputs)
        results[0]["mel.weight"].mul_(1.1)
        return results

    object.__setattr__(code, which, wrong)
    with pytest.raises(
        ValueError, match="derivatives by mel.weight .* set training.compile to false"
    ):
        derivative_of_gradient(
            compiled_voice_loss(learner.acoustic, {}, own, batch, setting.loss), own, own
        )


def test_a_third_derivative_is_refused(traced, setting, utterances) -> None:
    strategy, learner = learn(setting, "pretrain_finetune")
    batch = doubled(utterances.batch(["s6_2", "s6_3"]))
    own = {n: v.detach().requires_grad_() for n, v in strategy.voice(learner, batch).items()}
    loss = compiled_voice_loss(learner.acoustic, {}, own, batch, setting.loss)
    gradient = torch.autograd.grad(loss, list(own.values()), create_graph=True)
    norm = sum(part.square().sum() for part in gradient)
    second = torch.autograd.grad(norm, list(own.values()), create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        second[0].sum().backward()


def test_a_compiler_that_is_not_there_is_named(monkeypatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ValueError, match="there is no no-such-compiler; install g"):
        check_compiler()
