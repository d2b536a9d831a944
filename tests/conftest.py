from pathlib import Path

import pandas as pd
import pytest
import torch
from features_fixture import make_store

from adaptts.episodes.batch import Utterances
from adaptts.episodes.split import draw_episodes
from adaptts.features.store import FeatureStore
from adaptts.params import EpisodeParams, LossParams, ModelParams, SplitParams
from adaptts.strategies.learner import Setting

torch.set_num_threads(1)

SPLIT = SplitParams(
    unit="speaker", test=["s6", "s7"], validation=["s4", "s5"], keep_together="sibling"
)
EPISODES = EpisodeParams(shots=[1, 2, 4], queries=2, draws=2, text_disjoint=True, seed=0)
MODEL = ModelParams(
    channels=8,
    encoder_blocks=1,
    decoder_blocks=1,
    kernel=3,
    speaker_channels=6,
    predictor_channels=8,
    vocoder="griffin_lim",
    vocoder_iterations=2,
)
LOSS = LossParams(mel=1.0, duration=0.3, pitch=0.3, voicing=0.1)


@pytest.fixture(scope="session")
def feature_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("features")
    make_store(folder)
    return folder


@pytest.fixture(scope="session")
def store(feature_folder: Path) -> FeatureStore:
    return FeatureStore.open(feature_folder)


@pytest.fixture(scope="session")
def episodes(store: FeatureStore) -> pd.DataFrame:
    return draw_episodes(store.index.reset_index(), SPLIT, EPISODES)


@pytest.fixture(scope="session")
def utterances(store: FeatureStore, episodes: pd.DataFrame) -> Utterances:
    speakers = sorted(episodes.loc[episodes["role"] == "train", "speaker"].unique())
    return Utterances(store, store.statistics(speakers), speakers)


@pytest.fixture(scope="session")
def setting(store: FeatureStore, utterances: Utterances) -> Setting:
    return Setting(MODEL, LOSS, len(store.inventory), store.params.mels, len(utterances.speakers))
