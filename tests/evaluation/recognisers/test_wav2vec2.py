"""The loading and the decoding are real; the weights are random and few."""

import urllib.error
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from adaptts.evaluation.recognisers import wav2vec2
from adaptts.evaluation.recognisers.recogniser import DeafError, Recogniser, Setting
from adaptts.evaluation.recognisers.requirements import WAV2VEC2_WEIGHTS
from adaptts.features.audio_backend import torchaudio

FEW = {
    "extractor_conv_layer_config": [(8, 10, 5), (8, 3, 2), (8, 2, 2)],
    "encoder_embed_dim": 16,
    "encoder_num_layers": 1,
    "encoder_num_heads": 2,
    "encoder_ff_interm_features": 16,
}


def with_three_more(rows: torch.Tensor) -> torch.Tensor:
    return torch.cat([rows[:1], torch.full_like(rows[:3], 99), rows[1:]])


@pytest.fixture
def setting(tmp_path: Path, evaluation, monkeypatch) -> Setting:
    """A folder with weights of the same architecture, but smaller."""
    small = replace(wav2vec2.BUNDLE, _params={**wav2vec2.BUNDLE._params, **FEW})
    monkeypatch.setattr(wav2vec2, "BUNDLE", small)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = torchaudio.models.wav2vec2_model(**small._params)
    weights = model.state_dict()
    # The published file has three more symbols behind the blank, which the bundle removes.
    weights |= {name: with_three_more(weights[name]) for name in ("aux.weight", "aux.bias")}
    torch.save(weights, tmp_path / WAV2VEC2_WEIGHTS)
    asked = replace(evaluation, recognisers=["wav2vec2"], weights=str(tmp_path))
    return Setting(tmp_path, "en-us", tmp_path, asked)


@pytest.fixture
def recogniser(setting: Setting) -> Recogniser:
    return wav2vec2.open_recogniser(setting)


def test_the_weights_are_those_of_the_folder(setting, recogniser) -> None:
    saved = torch.load(Path(setting.params.weights) / WAV2VEC2_WEIGHTS)
    loaded = recogniser.model.state_dict()
    assert saved.keys() == loaded.keys()
    assert all(torch.equal(saved[name], loaded[name]) for name in saved if "aux" not in name)
    assert torch.equal(saved["aux.bias"], with_three_more(loaded["aux.bias"]))
    assert not recogniser.model.training


def test_it_hears_letters_and_spaces(recogniser) -> None:
    sound = np.random.default_rng(0).normal(size=16000)
    heard = recogniser.hear(sound, 16000, "u")
    assert heard
    assert set(heard) <= set("abcdefghijklmnopqrstuvwxyz' ")
    # Twice the rate is half the sound: resampling is part of hearing.
    assert recogniser.hear(sound, 32000, "u") != heard
    assert recogniser.hear(sound / 9, 16000, "other") == heard


@pytest.mark.parametrize("samples", [0, 10, 399, 16000])
def test_silence_is_heard_as_nothing(recogniser, samples: int) -> None:
    assert recogniser.hear(np.zeros(samples), 16000, "silence") == ""


def test_it_spells_letters_alone(recogniser) -> None:
    assert not recogniser.objection("don't stop")
    assert recogniser.objection("née 7").endswith("7, é")


def test_weights_of_something_else_are_refused(setting) -> None:
    torch.save({"x": torch.zeros(1)}, Path(setting.params.weights) / WAV2VEC2_WEIGHTS)
    with pytest.raises(ValueError, match="wav2vec2: its weights cannot be loaded.*put https://"):
        wav2vec2.open_recogniser(setting)


def test_without_network_the_remedy_is_named(setting, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    # Nothing listens there.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    online = replace(setting, params=replace(setting.params, weights=None))
    with pytest.raises(ValueError, match="cannot be loaded.*put https://.*evaluation.weights") as e:
        wav2vec2.open_recogniser(online)
    assert isinstance(e.value.__cause__, urllib.error.URLError)


def test_it_is_deaf_to_other_languages(setting) -> None:
    with pytest.raises(DeafError, match="knows English, the corpus is in de"):
        wav2vec2.open_recogniser(replace(setting, language="de"))
