"""What the stages that train or adapt open: the data, and an arm with its weights."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from adaptts.compilation import check_compiler
from adaptts.episodes import table
from adaptts.episodes.batch import Utterances
from adaptts.episodes.sampler import Sampler
from adaptts.features.normalisation import Normalisation
from adaptts.features.store import FeatureStore
from adaptts.inner_loop import Parameters, estimate_preconditioner
from adaptts.models.device import choose_device
from adaptts.objectives import voice_loss
from adaptts.params import Experiment
from adaptts.strategies import make_strategy, read_start
from adaptts.strategies.learner import Learner, Setting, load_weights, read_tensors, seeded
from adaptts.strategies.strategy import Strategy
from pipeline import THREADS

FEATURES = Path("data/features")
EPISODES = Path("data/episodes")
TASKS = 16  # whose gradients make the preconditioner
TASK_UTTERANCES = 4

torch.set_num_threads(THREADS)


@dataclass(frozen=True)
class Data:
    utterances: Utterances
    episodes: pd.DataFrame
    setting: Setting
    device: torch.device  # of batches, and of learners

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


def open_data(params: Experiment, compile: bool = False) -> Data:
    """`compile`: the inner loop and adaptation; the trunk, which has neither, does not ask.

    Raises ValueError if there is no such device as params name, or no compiler.
    """
    if compile:
        check_compiler()
    device = choose_device(params.training.device)
    store = FeatureStore.open(FEATURES)
    episodes = table.read(EPISODES / "episodes.parquet")
    normalisation = Normalisation.load(EPISODES / "normalisation.json")
    utterances = Utterances(store, normalisation, episodes, device)
    setting = Setting(
        params.model,
        params.training.loss,
        len(store.inventory),
        store.params.mels,
        len(utterances.speakers),
        compile,
    )
    return Data(utterances, episodes, setting, device)


def start_arm(params: Experiment, data: Data, arm: str, seed: int) -> Arm:
    """The arm before its own training: the trunk's weights, or the fresh ones of the seed that the
    trunk began with, and what the strategy adds.
    """
    entry = params.strategies[arm]
    with seeded(seed):
        learner = Learner(data.setting)
        if read_start(arm, entry) == "trunk":
            load_weights(learner, folder_of("trunk", seed) / "weights.safetensors")
        learner.to(data.device)
        strategy = make_strategy(arm, entry, data.setting, precondition(learner, data, seed))
        strategy.extend(learner)
    return Arm(strategy, learner.to(data.device))


def open_arm(params: Experiment, data: Data, arm: str, seed: int) -> Arm:
    """The arm as it was trained."""
    folder = folder_of(arm, seed)
    stored = read_tensors(folder / "preconditioner.safetensors")
    preconditioner = {name: value.to(data.device) for name, value in stored.items()}
    strategy = make_strategy(arm, params.strategies[arm], data.setting, preconditioner)
    learner = Learner(data.setting)
    strategy.extend(learner)
    load_weights(learner, folder / "weights.safetensors")
    return Arm(strategy, learner.to(data.device))


def folder_of(run: str, seed: int) -> Path:
    """What the training of an arm, or the trunk, has left."""
    return Path("models") / run / str(seed)


def precondition(learner: Learner, data: Data, seed: int) -> Parameters:
    """The diagonal for preconditioned descent, on tasks of training speakers.

    It belongs to the weights that an arm starts from: MAML learns initial weights for descent with
    it, and adaptation goes on with the same.
    """
    sampler = Sampler(data.utterances, data.episodes, seed)
    voice = {n: v.detach() for n, v in learner.voice(learner.average_speaker()).items()}
    tasks = [sampler.episode(step, 1, TASK_UTTERANCES, 0)[0] for step in range(TASKS)]
    batches = [data.utterances.batch(task.support) for task in tasks]
    return estimate_preconditioner(
        [
            lambda moved, batch=batch: voice_loss(learner.acoustic, moved, batch, data.setting.loss)
            for batch in batches
        ],
        voice,
    )
