import pytest
from spoken_corpus import FEATURES, make_corpus

from adaptts.corpora.manifest import Manifest
from adaptts.params import FeatureParams


@pytest.fixture(scope="session")
def params() -> FeatureParams:
    return FEATURES


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Two utterances of each of four speakers."""
    return make_corpus(tmp_path_factory.mktemp("corpus"), 2)
