"""What the stages that train or adapt open: the data, and an arm with its weights."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from adaptts.episodes import table
from adaptts.episodes.batch import Utterances
from adaptts.features.normalisation import Normalisation
from adaptts.features.store import FeatureStore
from adaptts.params import Experiment
from adaptts.strategies import make_strategy
from adaptts.strategies.learner import Learner, Setting, load_weights, read_tensors, seeded
from adaptts.strategies.strategy import Strategy

FEATURES = Path("data/features")
EPISODES = Path("data/episodes")

torch.set_num_threads(1)  # see pipeline/__init__.py


@dataclass(frozen=True)
class Data:
    utterances: Utterances
    episodes: pd.DataFrame
    setting: Setting

    def support(self, speaker: str, draw: int, shots: int) -> list[str]:
        """The nested support set of a held-out speaker."""
        rows = self.episodes[
            (self.episodes["speaker"] == speaker)
            & (self.episodes["role"] == "support")
            & (self.episodes["draw"] == draw)
            & (self.episodes["rank"] < shots)
        ]
        return list(rows.sort_values("rank")["utterance"])

    def queries(self, speaker: str) -> list[str]:
        rows = self.episodes[
            (self.episodes["speaker"] == speaker) & (self.episodes["role"] == "query")
        ]
        return list(rows["utterance"])


@dataclass(frozen=True)
class Arm:
    strategy: Strategy
    learner: Learner


def open_data(params: Experiment) -> Data:
    store = FeatureStore.open(FEATURES)
    episodes = table.read(EPISODES / "episodes.parquet")
    normalisation = Normalisation.load(EPISODES / "normalisation.json")
    utterances = Utterances(store, normalisation, episodes)
    setting = Setting(
        params.model,
        params.training.loss,
        len(store.inventory),
        store.params.mels,
        len(utterances.speakers),
    )
    return Data(utterances, episodes, setting)


def start_arm(params: Experiment, data: Data, arm: str, seed: int) -> Arm:
    """The arm before its own training: the trunk's weights, and what the strategy adds."""
    trunk = Path("models/trunk") / str(seed)
    preconditioner = read_tensors(trunk / "preconditioner.safetensors")
    strategy = make_strategy(arm, params.strategies[arm], data.setting, preconditioner)
    with seeded(seed):
        learner = Learner(data.setting)
        load_weights(learner, trunk / "weights.safetensors")
        strategy.extend(learner)
    return Arm(strategy, learner)


def open_arm(params: Experiment, data: Data, arm: str, seed: int) -> Arm:
    """The arm as it was trained."""
    started = start_arm(params, data, arm, seed)
    load_weights(started.learner, Path("models") / arm / str(seed) / "weights.safetensors")
    return started
