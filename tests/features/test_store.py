import numpy as np
import pandas as pd
import pytest

from adaptts.features import store
from adaptts.features.store import FeatureStore, StoreError
from adaptts.params import FeatureParams

PARAMS = FeatureParams(
    n_fft=64,
    hop_samples=16,
    mels=3,
    mel_min_hz=0.0,
    mel_max_hz=4000.0,
    f0_min_hz=60.0,
    f0_max_hz=400.0,
    mel_cepstrum_order=2,
    frame_period_ms=5.0,
    alignment_iterations=2,
)
INDEX = store.with_offsets(
    pd.DataFrame(
        {
            "utterance": ["a-1", "b-1", "a-2", "c-1"],
            "speaker": ["a", "b", "a", "c"],
            "text": ["x", "y", "z", "NA"],
            "frames": [4, 6, 5, 3],
            "phones": [2, 3, 2, 1],
            "cepstrum_frames": [9, 8, 7, 6],
        }
    )
)


def random_arrays(seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    arrays = {}
    for name, shape in store.shapes(PARAMS, INDEX).items():
        values = generator.normal(size=shape) if "mel" in name else generator.uniform(1, 300, shape)
        arrays[name] = values.astype(store.LAYOUTS[name].dtype)
    arrays["f0"][::3] = 0
    return arrays


def write(folder, arrays):
    folder.mkdir(exist_ok=True)
    shapes = store.shapes(PARAMS, INDEX)
    store.create_arrays(folder, shapes)
    for name, array in store.open_arrays(folder, shapes, "r+").items():
        array[:] = arrays[name]
    statistics = store.sum_by_speaker(INDEX, arrays["mel"], arrays["f0"])
    store.write_tables(folder, INDEX, PARAMS, 8000, ["<pad>", "sil", "ə"], statistics)
    return FeatureStore.open(folder)


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


def test_statistics_are_mean_and_deviation_of_all_frames(features):
    found = features.statistics(["b", "a"])
    arrays = random_arrays()
    of_both = arrays["mel"][:15].astype(np.float64)
    f0_hz = arrays["f0"][:15].astype(np.float64)
    log_f0 = np.log(f0_hz[f0_hz > 0])
    np.testing.assert_allclose(found.mel_mean, of_both.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.mel_scale, of_both.std(axis=0), rtol=1e-5)
    assert found.log_f0_mean == pytest.approx(log_f0.mean())
    assert found.log_f0_scale == pytest.approx(log_f0.std())


def test_no_other_speaker_enters_the_statistics(features, tmp_path):
    poisoned = random_arrays()
    poisoned["mel"][4:10] = 1e6  # b-1
    poisoned["f0"][4:10] = 1e6
    other = write(tmp_path / "poisoned", poisoned)
    for speakers in (["a"], ["a", "c"]):
        expected, found = features.statistics(speakers), other.statistics(speakers)
        np.testing.assert_array_equal(found.mel_mean, expected.mel_mean)
        np.testing.assert_array_equal(found.mel_scale, expected.mel_scale)
        assert found.log_f0_mean == expected.log_f0_mean
        assert found.log_f0_scale == expected.log_f0_scale
    assert (other.statistics(["a", "b"]).mel_mean > 1e5).all()


def test_statistics_do_not_depend_on_the_order_of_speakers(features):
    one, other = features.statistics(["a", "b", "c"]), features.statistics(["c", "a", "b", "a"])
    np.testing.assert_array_equal(one.mel_mean, other.mel_mean)


def test_constants_get_a_scale_that_can_divide(tmp_path):
    arrays = random_arrays()
    arrays["mel"][:] = 7.3
    arrays["f0"][:] = 123.4
    found = write(tmp_path / "constant", arrays).statistics(["a"])
    assert (found.mel_scale >= 1e-4).all()
    assert found.log_f0_scale == store.LEAST_LOG_F0_SCALE


@pytest.mark.parametrize(("speakers", "named"), [(["a", "zoe"], "zoe"), ([], "none")])
def test_statistics_of_unknown_or_no_speakers_are_refused(features, speakers, named):
    with pytest.raises(ValueError, match=rf"{named}.*\['a', 'b', 'c'\]"):
        features.statistics(speakers)


def test_statistics_without_a_voiced_frame_are_refused(tmp_path):
    arrays = random_arrays()
    arrays["f0"][:] = 0
    with pytest.raises(ValueError, match=r"speakers \['a', 'c'\] have no voiced frame"):
        write(tmp_path / "unvoiced", arrays).statistics(["a", "c"])


@pytest.mark.parametrize(
    "name",
    [
        *(f"{array}.npy" for array in store.LAYOUTS),
        "index.parquet",
        "speaker_statistics.parquet",
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
