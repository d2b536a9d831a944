import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file
from small_store import INDEX, PARAMS, random_values, write
from written_store import overwrite

from adaptts.features import store
from adaptts.features.store import FeatureStore, StoreError


@pytest.fixture
def features(tmp_path):
    return write(tmp_path / "features", random_values())


def test_what_is_written_is_read_back(features):
    values = random_values()
    for utterance in INDEX["utterance"]:
        for name in store.LAYOUTS:
            found = getattr(features, name)(utterance)
            np.testing.assert_array_equal(found, values[name][utterance])
            assert found.dtype == store.LAYOUTS[name].dtype
    assert features.index.index.tolist() == INDEX["utterance"].tolist()
    assert features.index["text"].tolist() == ["x", "y", "z", "NA"]
    assert features.inventory == ["<pad>", "sil", "ə"]
    assert (features.params, features.sampling_rate) == (PARAMS, 8000)


def test_what_is_read_can_be_changed_without_harm(features):
    features.mel("a-1")[:] = 0
    np.testing.assert_array_equal(features.mel("a-1"), random_values()["mel"]["a-1"])


@pytest.mark.parametrize(
    "name",
    [
        "shards/b-000.safetensors",
        "phones.safetensors",
        "index.parquet",
        "inventory.json",
        "features.json",
    ],
)
@pytest.mark.parametrize("damage", ["truncated", "empty", "missing"])
def test_a_damaged_file_is_named(features, tmp_path, name, damage):
    path = tmp_path / "features" / name
    whole = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(whole[: len(whole) - 3] if damage == "truncated" else b"")
    with pytest.raises(StoreError, match=rf"{name} is missing or cut short.*make the features"):
        FeatureStore.open(tmp_path / "features")


@pytest.mark.parametrize("name", [*store.SPOKEN])
@pytest.mark.parametrize("damage", ["cut", "missing", "float64"])
def test_an_array_of_another_form_is_named(features, tmp_path, name, damage):
    del features
    path = tmp_path / "features/shards/b-000.safetensors"
    arrays = load_file(path)
    whole = arrays.pop(name)
    if damage != "missing":
        arrays[name] = whole[:-1] if damage == "cut" else whole.astype(np.float64)
    store.write_shard(path, arrays, "parameters-b-000")
    with pytest.raises(StoreError, match=rf"b-000.* must hold {name} F32 .* by the index, got .*;"):
        FeatureStore.open(tmp_path / "features")


def test_the_shard_of_another_corpus_is_named(features, tmp_path):
    del features
    path = tmp_path / "features/shards/b-000.safetensors"
    store.write_shard(path, load_file(path), "parameters-another")
    with pytest.raises(
        StoreError, match=r"b-000.safetensors is of other recordings.*'parameters-another'.*run the"
    ):
        FeatureStore.open(tmp_path / "features")


def test_an_index_of_another_corpus_is_told(features, tmp_path):
    del features
    others = INDEX.assign(shard=["a-000", "b-000", "a-000", "d-000"])
    others.to_parquet(tmp_path / "features/index.parquet")
    with pytest.raises(StoreError, match=r"features.json and index.parquet name different shards"):
        FeatureStore.open(tmp_path / "features")


def test_a_folder_that_moves_is_opened_where_it_is(features, tmp_path):
    shutil.move(tmp_path / "features", tmp_path / "elsewhere")
    moved = FeatureStore.open(tmp_path / "elsewhere")
    np.testing.assert_array_equal(moved.mel("c-1"), features.mel("c-1"))


def test_an_unknown_utterance_is_named(features):
    with pytest.raises(KeyError, match="'z-9' is not in the feature index"):
        features.mel("z-9")


@pytest.mark.parametrize("name", [*store.SPOKEN])
def test_what_is_not_finite_is_named_with_its_utterance(features, tmp_path, name):
    path = overwrite(tmp_path / "features", "a-2", name, np.nan)
    features = FeatureStore.open(tmp_path / "features")
    with pytest.raises(
        StoreError, match=rf"{path} holds NaN or infinity in {name} of a-2; remove it and make"
    ):
        getattr(features, name)("a-2")
    assert np.isfinite(getattr(features, name)("a-1")).all()
