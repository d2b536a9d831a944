import numpy as np
import pytest
from small_store import INDEX, PARAMS, random_arrays, write

from adaptts.features import store
from adaptts.features.store import FeatureStore, StoreError


@pytest.fixture
def features(tmp_path):
    return write(tmp_path / "features", random_arrays())


def test_what_is_written_is_read_back(features):
    arrays = random_arrays()
    for row in INDEX.to_dict("records"):
        for name, layout in store.LAYOUTS.items():
            start = row[layout.offset]
            np.testing.assert_array_equal(
                getattr(features, name)(row["utterance"]),
                arrays[name][start : start + row[layout.count]],
            )
    assert features.index.index.tolist() == INDEX["utterance"].tolist()
    assert features.index["text"].tolist() == ["x", "y", "z", "NA"]
    assert features.inventory == ["<pad>", "sil", "ə"]
    assert (features.params, features.sampling_rate) == (PARAMS, 8000)


def test_arrays_are_mapped_and_cannot_be_written(features):
    with pytest.raises(ValueError, match="read-only"):
        features.mel("a-1")[0] = 0


@pytest.mark.parametrize(
    "name",
    [
        *(f"{array}.npy" for array in store.LAYOUTS),
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


def test_an_array_of_another_size_is_named(features, tmp_path):
    np.save(tmp_path / "features" / "f0.npy", np.zeros(17, dtype=np.float32))
    with pytest.raises(StoreError, match=r"f0.npy must hold float32 \(18,\).* got float32 \(17,\)"):
        FeatureStore.open(tmp_path / "features")


def test_an_unknown_utterance_is_named(features):
    with pytest.raises(KeyError, match="'z-9' is not in the feature index"):
        features.mel("z-9")


@pytest.mark.parametrize("name", ["mel", "f0", "mel_cepstra", "world_f0"])
def test_what_is_not_finite_is_named_with_its_utterance(tmp_path, name):
    arrays = random_arrays()
    arrays[name][-1] = np.nan
    features = write(tmp_path / "broken", arrays)
    with pytest.raises(
        StoreError, match=rf"{name}\.npy holds NaN or infinity in c-1; make the feat"
    ):
        getattr(features, name)("c-1")
    assert np.isfinite(getattr(features, name)("b-1")).all()
