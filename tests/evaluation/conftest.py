"""A spoken corpus, small but real enough to be recognised and told apart."""

from pathlib import Path

import pandas as pd
import pytest

from adaptts.corpora import READERS
from adaptts.episodes.split import draw_episodes
from adaptts.evaluation.instruments import Instruments
from adaptts.features import extraction
from adaptts.features.store import FeatureStore
from adaptts.models.vocoder import Vocoder
from adaptts.params import CorpusParams, EpisodeParams, FeatureParams, ModelParams, SplitParams

FEATURES = FeatureParams(
    n_fft=1024,
    hop_samples=256,
    mels=80,
    mel_min_hz=0.0,
    mel_max_hz=8000.0,
    f0_min_hz=60.0,
    f0_max_hz=500.0,
    mel_cepstrum_order=24,
    frame_period_ms=5.0,
    alignment_iterations=1,
)
MODEL = ModelParams(
    channels=8,
    encoder_blocks=1,
    decoder_blocks=1,
    kernel=3,
    speaker_channels=6,
    predictor_channels=8,
    vocoder="griffin_lim",
    vocoder_iterations=8,
)
TEST = ["f3", "hugo"]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spoken")
    asked = CorpusParams(
        reader="synthetic",
        sampling_rate=16000,
        seed=1,
        utterances_per_speaker=8,
        speakers=[*TEST, "klatt4", "paul"],
    )
    READERS["synthetic"].prepare(asked, folder, folder)
    return folder


@pytest.fixture(scope="session")
def store(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    folder = tmp_path_factory.mktemp("spoken_features")
    extraction.extract(corpus, FEATURES, folder, workers=1)
    return FeatureStore.open(folder)


@pytest.fixture(scope="session")
def episodes(store: FeatureStore) -> pd.DataFrame:
    split = SplitParams(test=TEST, validation=["klatt4"])
    wanted = EpisodeParams(shots=[1, 4], queries=3, draws=2, text_disjoint=False, seed=0)
    return draw_episodes(store.index.reset_index(), split, wanted)


@pytest.fixture(scope="session")
def instruments(corpus: Path, store: FeatureStore, episodes: pd.DataFrame) -> Instruments:
    return Instruments.open(corpus, store, episodes, noise_floor=2e-3)


@pytest.fixture(scope="session")
def vocoder(store: FeatureStore) -> Vocoder:
    return Vocoder(FEATURES, store.sampling_rate, MODEL)
