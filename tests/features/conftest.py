import pytest
from spoken_corpus import make_corpus

from adaptts.corpora.manifest import Manifest
from adaptts.params import FeatureParams


@pytest.fixture(scope="session")
def params() -> FeatureParams:
    return FeatureParams(
        n_fft=1024,
        hop_samples=256,
        mels=80,
        mel_min_hz=0.0,
        mel_max_hz=8000.0,
        f0_min_hz=60.0,
        f0_max_hz=500.0,
        mel_cepstrum_order=24,
        frame_period_ms=5.0,
        alignment_iterations=8,
    )


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Two utterances of each of four speakers."""
    return make_corpus(tmp_path_factory.mktemp("corpus"), 2)
