"""With the real networks, but random weights: the real ones take a download."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from adaptts.evaluation import quality
from adaptts.evaluation.instruments import HEARD, Instruments, Sound, queries, record
from adaptts.evaluation.measure import NotMeasurableError
from adaptts.evaluation.quality import METRICS, QualityPredictor, find_weights
from adaptts.features.audio_backend import torchaudio
from adaptts.params import EvaluationParams
from evaluation.conftest import EVALUATION, TEST


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("squim")
    torch.manual_seed(0)
    models = torchaudio.models
    torch.save(models.squim_objective_base().state_dict(), folder / quality.OBJECTIVE)
    torch.save(models.squim_subjective_base().state_dict(), folder / quality.SUBJECTIVE)
    yield folder
    for path in folder.iterdir():
        path.unlink()  # 400 MB


def asking(folder: Path | None) -> EvaluationParams:
    return replace(EVALUATION, predicted_quality="squim", weights=folder and str(folder))


@pytest.fixture(scope="module")
def predictor(folder: Path, corpus, store, episodes) -> QualityPredictor:
    known = {name: record(corpus, store, queries(episodes, name)[0]) for name in TEST}
    found = QualityPredictor.open(asking(folder), known, store.sampling_rate)
    assert found is not None
    return found


def test_nothing_is_predicted_unless_it_is_asked_for() -> None:
    assert find_weights(EVALUATION) == []
    assert QualityPredictor.open(EVALUATION, {}, 16000) is None


def test_predictions_are_those_of_the_networks(predictor, corpus, store, episodes) -> None:
    waveform = record(corpus, store, queries(episodes, TEST[0])[1])
    found = predictor.predict(waveform, 16000, TEST[0])
    sound, reference = (
        torch.from_numpy(each).float()[None] for each in (waveform, predictor.references[TEST[0]])
    )
    with torch.inference_mode():
        expected = [*predictor.objective(sound), predictor.subjective(sound, reference)]
    assert found == tuple(float(each) for each in expected)
    assert 0 <= found[0] <= 1 <= found[1] <= 5  # STOI, PESQ
    assert 1 <= found[3] <= 5
    assert predictor.predict(waveform, 16000, TEST[0]) == found


@pytest.mark.parametrize(
    ("waveform", "reason"),
    [
        (np.zeros(9000), "silent"),
        (np.empty(0), "empty"),
        (np.array([np.nan]), "not finite"),
        (np.full(399, 0.5), "399 samples at 16000 Hz, SQUIM needs 400"),
    ],
)
def test_what_cannot_be_heard_is_not_predicted(predictor, waveform, reason) -> None:
    with pytest.raises(NotMeasurableError, match=reason):
        predictor.predict(waveform, 16000, TEST[0])


def test_predictions_stand_among_what_is_heard(
    instruments: Instruments, predictor, corpus, store, episodes
) -> None:
    listening = replace(instruments, predictor=predictor)
    name = queries(episodes, TEST[0])[1]
    heard = listening.listen(Sound(record(corpus, store, name), name), TEST[0])
    assert tuple(each.metric for each in heard.measures) == (*HEARD, *METRICS)
    assert np.isfinite([each.value for each in heard.measures]).all()
    silent = listening.listen(Sound(np.zeros(9000), name), TEST[0])
    assert {each.note for each in silent.measures if each.metric in METRICS} == {
        "the sound is silent"
    }


def test_missing_weights_are_told_with_file_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"squim_objective_dns2020\.pth, which are missing; down"):
        find_weights(asking(tmp_path))


def test_weights_are_found_in_the_folder_of_torch_hub(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ValueError, match=str(tmp_path / "hub/torchaudio/models")):
        find_weights(asking(None))
    (tmp_path / "hub/torchaudio").mkdir(parents=True)
    (tmp_path / "hub/torchaudio/models").symlink_to(folder)
    assert [path.name for path in find_weights(asking(None))] == [
        quality.OBJECTIVE,
        quality.SUBJECTIVE,
    ]


@pytest.mark.parametrize("damage", ["text", "another network"])
def test_damaged_weights_are_told_by_name(tmp_path: Path, damage: str) -> None:
    for name in (quality.OBJECTIVE, quality.SUBJECTIVE):
        path = tmp_path / name
        if damage == "text":
            path.write_text("<html>404</html>")
        else:
            torch.save({"weight": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match=r"dns2020\.pth does not hold the weights .* anew"):
        QualityPredictor.open(asking(tmp_path), {}, 16000)
