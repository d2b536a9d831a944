"""Nothing is tied to the processor, as far as that can be told without a GPU.

PyTorch's device `meta` computes shapes alone, but refuses to mix its tensors with the processor's
as a GPU does. What reads numbers cannot run there; of that, every tensor that is made must name
its device, unless it is a single number, or drawn by a generator to be moved.
"""

import pytest
import torch
from test_strategies import SETTINGS, learn
from torch.overrides import TorchFunctionMode

from adaptts.adaptation import adapt, speak
from adaptts.episodes.batch import stack
from adaptts.episodes.sampler import Sampler
from adaptts.inner_loop import Adam, GradientDescent
from adaptts.models.adapted import LowRank
from adaptts.models.device import choose_device
from adaptts.objectives import voice_loss, voice_losses
from adaptts.params import MannerParams

FACTORIES = {
    getattr(torch, name)
    for name in (
        "arange", "empty", "eye", "full", "linspace", "ones", "rand", "randn", "tensor", "zeros",
    )
}  # fmt: skip


class DevicesAreNamed(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        made = function(*args, **kwargs)
        if function in FACTORIES and made.ndim and not kwargs.keys() & {"device", "generator"}:
            raise AssertionError(f"torch.{function.__name__} makes {made.shape} on no named device")
        return made


def test_a_tensor_on_no_named_device_is_found() -> None:
    with DevicesAreNamed(), pytest.raises(AssertionError, match=r"torch\.eye makes"):
        torch.eye(2)


@pytest.mark.parametrize("arm", SETTINGS)
def test_a_training_step_names_the_device_of_what_it_makes(
    setting, utterances, episodes, arm
) -> None:
    strategy, learner = learn(setting, arm)
    batches = strategy.draw(Sampler(utterances, episodes, 0), 0, 4)
    with DevicesAreNamed():
        losses = strategy.accumulate_gradients(learner, batches)
    assert losses["loss"] == losses["loss"]


@pytest.mark.parametrize(
    "own", [{"parameters": "all"}, {"parameters": "low_rank", "rank": 2}, {"hold_back": True}]
)
def test_adaptation_and_speech_name_the_device_of_what_they_make(
    setting, utterances, episodes, own
) -> None:
    strategy, learner = learn(setting, "pretrain_finetune")
    (support,) = strategy.draw(Sampler(utterances, episodes, 0), 0, 3)
    manner = MannerParams(**{"parameters": "all", "space": {"adam": (0.01, 0.01)}, **own})
    with DevicesAreNamed():
        *_, last = adapt(
            learner.acoustic, strategy.voice(learner, support), support, Adam(0.01), manner,
            setting.loss, [0, 2],
        )  # fmt: skip
        assert speak(learner.acoustic, last.voice, support, utterances)


@pytest.mark.parametrize("together", [False, True])
def test_both_orders_of_derivatives_stay_on_the_device(
    setting, utterances, episodes, together
) -> None:
    strategy, learner = learn(setting, "maml")
    support, query = strategy.draw(Sampler(utterances, episodes, 0), 0, 4)[:2]
    voice = {n: p.detach().to("meta") for n, p in strategy.initial(learner).items()}
    if together:
        voice = {n: value.expand(2, *value.shape) for n, value in voice.items()}
        support, query = stack([support, query]), stack([query, support])
    voice = {n: value.requires_grad_() for n, value in voice.items()}

    def loss(voice, batch) -> torch.Tensor:
        batch = batch.map(lambda tensor: tensor.to("meta"))
        if together:
            return voice_losses(learner.acoustic, {}, voice, batch, setting.loss).sum()
        return voice_loss(learner.acoustic, voice, batch, setting.loss)

    gradients = torch.autograd.grad(loss(voice, support), list(voice.values()), create_graph=True)
    named = dict(zip(voice, gradients, strict=True))
    moved, _ = GradientDescent(0.1, voice).step(voice, named, {})
    loss(moved, query).backward()
    assert {value.grad.device.type for value in voice.values()} == {"meta"}
    rule = Adam(0.1)
    moved, _ = rule.step(voice, named, rule.start(voice))
    assert {value.device.type for value in moved.values()} == {"meta"}


def test_low_rank_updates_stay_on_the_device(setting) -> None:
    _, learner = learn(setting, "maml")
    voice = learner.to("meta").voice(learner.average_speaker())
    low_rank = LowRank(2)
    moved = low_rank.apply(voice, low_rank.start(voice))
    assert {value.device.type for value in moved.values()} == {"meta"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_an_error_that_names_the_remedy() -> None:
    assert choose_device("cpu") == choose_device("auto") == torch.device("cpu")
    with pytest.raises(ValueError, match=r"training\.device is cuda, .* set it to cpu or auto"):
        choose_device("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("arm", SETTINGS)
def test_a_gpu_gives_the_gradients_of_the_processor(setting, utterances, episodes, arm) -> None:
    found = []
    for device in ("cpu", "cuda"):
        strategy, learner = learn(setting, arm)
        learner.double().to(device)

        def move(tensor: torch.Tensor, device=device) -> torch.Tensor:
            return (tensor.double() if tensor.is_floating_point() else tensor).to(device)

        batches = strategy.draw(Sampler(utterances, episodes, 0), 0, 4)
        strategy.accumulate_gradients(learner, [batch.map(move) for batch in batches])
        found.append([p.grad.cpu() for p in learner.parameters() if p.grad is not None])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-11)
