"""A spoken corpus, small but real enough to be recognised and told apart."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import small_corpus
from spoken_corpus import FEATURES, make_corpus

from adaptts import params
from adaptts.episodes.split import draw_episodes
from adaptts.episodes.trials import draw_enrolment, draw_trials
from adaptts.evaluation.instruments import Instruments
from adaptts.evaluation.recognition import Listener
from adaptts.features import extraction
from adaptts.features.store import FeatureStore
from adaptts.models.vocoder import GriffinLim
from adaptts.params import EpisodeParams, EvaluationParams, PointParams, SplitParams

MODEL = replace(small_corpus.MODEL, vocoder_iterations=8)
TEST = ["f3", "hugo"]
POINTS = [PointParams(1, 0), PointParams(4, 2)]
ROOT = Path(__file__).parents[2]
# The smoke preset asks for the recogniser sphinx alone.
EVALUATION = replace(
    params.read(ROOT / "presets/smoke.yaml").evaluation,
    headline=POINTS[1],
    points=POINTS,
    sentences_to_hear=1,
    conventions=[],
)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spoken")
    return make_corpus(folder, 8, [*TEST, "klatt4", "paul"]).folder


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
def evaluation() -> EvaluationParams:
    return EVALUATION


@pytest.fixture(scope="session")
def listener(corpus: Path) -> Listener:
    return Listener.open(corpus, Path("nothing is trained"), EVALUATION)


@pytest.fixture(scope="session")
def instruments(
    corpus: Path,
    store: FeatureStore,
    episodes: pd.DataFrame,
    listener: Listener,
    tmp_path_factory: pytest.TempPathFactory,
) -> Instruments:
    folder = tmp_path_factory.mktemp("episodes")
    enrolment = draw_enrolment(episodes)
    enrolment.to_parquet(folder / "enrolment.parquet", index=False)
    trials = draw_trials(episodes, enrolment, store.index.reset_index())
    trials.to_parquet(folder / "trials.parquet", index=False)
    return Instruments.open(corpus, store, folder, listener, EVALUATION)


@pytest.fixture(scope="session")
def vocoder(store: FeatureStore) -> GriffinLim:
    return GriffinLim(FEATURES, store.sampling_rate, MODEL)
