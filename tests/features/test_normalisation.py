import numpy as np
import pytest
from small_store import random_values, write

from adaptts.features import normalisation
from adaptts.features.normalisation import Normalisation
from adaptts.features.store import FeatureStore, StoreError


@pytest.fixture
def features(tmp_path) -> FeatureStore:
    return write(tmp_path / "features", random_values())


def test_it_is_the_mean_and_deviation_of_all_frames(features):
    found = normalisation.measure(features, ["a-2", "a-1", "b-1"])
    values = random_values()
    names = ["a-1", "b-1", "a-2"]
    mel = np.concatenate([values["mel"][name] for name in names]).astype(np.float64)
    f0_hz = np.concatenate([values["f0"][name] for name in names]).astype(np.float64)
    log_f0 = np.log(f0_hz[f0_hz > 0])
    np.testing.assert_allclose(found.mel_mean, mel.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.mel_scale, mel.std(axis=0), rtol=1e-5)
    assert found.log_f0_mean == pytest.approx(log_f0.mean())
    assert found.log_f0_scale == pytest.approx(log_f0.std())


def same(one: Normalisation, other: Normalisation) -> bool:
    return all(np.array_equal(value, getattr(other, name)) for name, value in vars(one).items())


def test_no_other_utterance_enters_it(features, tmp_path):
    poisoned = random_values()
    poisoned["mel"]["b-1"][:] = 1e6
    poisoned["f0"]["b-1"][:] = 1e6
    other = write(tmp_path / "poisoned", poisoned)
    names = ["a-1", "a-2", "c-1"]
    assert same(normalisation.measure(features, names), normalisation.measure(other, names))
    assert (normalisation.measure(other, ["a-1", "b-1"]).mel_mean > 1e5).all()


def test_neither_order_nor_repetition_of_the_utterances_matters(features):
    one = normalisation.measure(features, ["a-1", "b-1", "c-1"])
    assert same(one, normalisation.measure(features, ["c-1", "a-1", "b-1", "a-1"]))


def test_constants_get_a_scale_that_can_divide(tmp_path):
    values = random_values()
    for utterance in values["mel"]:
        values["mel"][utterance][:] = 7.3
        values["f0"][utterance][:] = 123.4
    found = normalisation.measure(write(tmp_path / "constant", values), ["a-1"])
    assert (found.mel_scale >= 1e-4).all()
    assert found.log_f0_scale == normalisation.LEAST_LOG_F0_SCALE


def test_utterances_without_a_voiced_frame_are_refused(tmp_path):
    values = random_values()
    for own in values["f0"].values():
        own[:] = 0
    features = write(tmp_path / "unvoiced", values)
    for names in (["a-1", "c-1"], []):
        with pytest.raises(ValueError, match=rf"{len(names)} training utterances have no voiced"):
            normalisation.measure(features, names)


def test_what_is_saved_is_loaded_bit_by_bit(features, tmp_path):
    found = normalisation.measure(features, ["a-1", "b-1"])
    found.save(tmp_path / "normalisation.json")
    again = Normalisation.load(tmp_path / "normalisation.json")
    assert same(found, again)
    assert again.mel_mean.dtype == again.mel_scale.dtype == np.float32


@pytest.mark.parametrize("text", [None, "", "[1]", '{"mel_mean": [1.0]}'])
def test_a_damaged_file_names_the_remedy(tmp_path, text):
    path = tmp_path / "normalisation.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match=r"normalisation\.json is missing.*run the stage episodes"):
        Normalisation.load(path)
