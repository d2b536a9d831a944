from pipeline import THREADS  # before numpy, which then starts as many threads as in a stage

# isort: split
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import settings
from small_corpus import EPISODES, LOSS, MODEL, SPLIT, make_store

from adaptts.episodes.batch import Utterances
from adaptts.episodes.split import draw_episodes
from adaptts.features import normalisation
from adaptts.features.store import FeatureStore
from adaptts.strategies.learner import Setting

torch.set_num_threads(THREADS)
# The same examples in each run, and no deadline; `--hypothesis-profile default` draws others.
settings.load_profile("ci")


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
    training = episodes.loc[episodes["role"] == "train", "utterance"]
    return Utterances(store, normalisation.measure(store, training), episodes)


@pytest.fixture(scope="session")
def setting(store: FeatureStore, utterances: Utterances) -> Setting:
    return Setting(MODEL, LOSS, len(store.inventory), store.params.mels, len(utterances.speakers))
