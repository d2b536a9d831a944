"""The documentation's examples run as they stand."""

import re
import sys
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch
import yaml

from adaptts import strategies
from adaptts.adaptation import adapt
from adaptts.episodes.sampler import Sampler
from adaptts.inner_loop import Adam
from adaptts.objectives import voice_loss
from adaptts.params import MannerParams, OptimisationParams
from adaptts.strategies import Strategy, make_strategy
from adaptts.strategies.learner import Learner, seeded
from adaptts.strategies.training import train

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "adding-an-arm.md").read_text(encoding="utf-8")
SOURCE, REGISTRATION = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
(ENTRIES,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
NAME = "speaker_dropout"


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """The page's strategy, registered as the page says; returns the page's entry for it."""
    path = tmp_path / f"{NAME}.py"
    path.write_text(SOURCE, encoding="utf-8")
    spec = spec_from_file_location(f"adaptts.strategies.{NAME}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    registered = eval(f"{{{REGISTRATION}}}", vars(module))
    monkeypatch.setattr(strategies, "STRATEGIES", {**strategies.STRATEGIES, **registered})
    values = yaml.safe_load(ENTRIES)
    assert NAME in values["arms"]
    return values["strategies"][NAME]


def start(entry: dict, setting) -> tuple[Strategy, Learner]:
    strategy = make_strategy(NAME, entry, setting, {})
    with seeded(0):
        learner = Learner(setting)
        strategy.extend(learner)
    return strategy, learner


def test_the_example_strategy_is_short() -> None:
    assert SOURCE.count("\n") < 60


def test_the_example_strategy_trains_and_adapts(
    added, setting, utterances, episodes, tmp_path
) -> None:
    strategy, learner = start(added, setting)
    params = OptimisationParams(
        utterance_gradients=400,
        batch_utterances=4,
        learning_rate=0.002,
        weight_decay=0.0,
        gradient_norm=1.0,
    )
    sampler = Sampler(utterances, episodes, 0)
    training = train(strategy, learner, sampler, params, lambda step, losses: None, tmp_path / "c")
    assert training.budget.steps == 100
    assert training.progress.curve[-1]["loss"] < 0.8 * training.progress.curve[0]["loss"]

    support = utterances.batch(["s6_0", "s6_1"])
    voice = strategy.voice(learner, support)
    manner = MannerParams(parameters="all", space={"adam": (0.01, 0.01)})
    walk = adapt(learner.acoustic, voice, support, Adam(0.01), manner, setting.loss, steps=[1, 6])
    first, last = (snapshot.support_loss for snapshot in walk)
    assert last < first


def test_the_example_strategy_drops_its_share(added, setting, utterances, episodes) -> None:
    strategy, _ = start(added, setting)
    sampler = Sampler(utterances, episodes, 0)
    dropped = torch.stack([strategy.draw(sampler, step, 8)[0].dropped for step in range(50)])
    assert dropped.float().mean().item() == pytest.approx(added["share"], abs=0.05)
    assert torch.equal(strategy.draw(sampler, 7, 8)[0].dropped, dropped[7])


def test_the_example_strategy_says_what_is_dropped_with_the_mean(
    added, setting, utterances, episodes
) -> None:
    strategy, learner = start(added, setting)
    (batch,) = strategy.draw(Sampler(utterances, episodes, 0), 0, 8)
    everyone = replace(batch, dropped=torch.ones_like(batch.dropped))
    losses = strategy.accumulate_gradients(learner, [everyone])
    mean = voice_loss(learner.acoustic, strategy.voice(learner, batch), batch, setting.loss)
    assert losses["loss"] == pytest.approx(mean.item())
