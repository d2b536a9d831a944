"""Vocoders of the user's, exported as docs/vocoders.md says."""

import hashlib
import json
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_corpus
import torch
import yaml

from adaptts.features import mel
from adaptts.models.vocoder import ExportedVocoder, GriffinLim, VocoderError, open_vocoder
from adaptts.params import FeatureParams, ModelParams, ParamsError, VocoderFileParams, parse

PAGE = (Path(__file__).parents[2] / "docs" / "vocoders.md").read_text(encoding="utf-8")
VOCOS = re.findall(r"### Vocos.*?```yaml\n(.*?)```", PAGE, re.DOTALL)[0]
(EXPORT,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
ENTRY = yaml.safe_load(re.findall(r"## Your own.*?```yaml\n(.*?)```", PAGE, re.DOTALL)[0])["model"]
OWN = {"f0_min_hz": 60.0, "f0_max_hz": 500.0, "mel_cepstrum_order": 24, "frame_period_ms": 5.0,
       "alignment_pooled_iterations": 0, "alignment_iterations": 8}  # fmt: skip
FEATURES = parse(FeatureParams, {**OWN, **yaml.safe_load(VOCOS)["features"]}, "features")
RATE = 24000
HOP = FEATURES.hop_samples


class Convolutions(torch.nn.Module):
    """As HiFi-GAN's kind: transposed convolutions, a hop for each frame."""

    def __init__(self, mels: int = FEATURES.mels, hop: int = HOP) -> None:
        super().__init__()
        self.up = torch.nn.ConvTranspose1d(mels, 1, 2 * hop, hop, padding=hop // 2)

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        return torch.tanh(0.1 * self.up(log_mel))


class InverseTransform(torch.nn.Module):
    """As Vocos' kind: a centred inverse Fourier transform, one hop fewer than frames.

    Each frame is a pulse in its middle with the spectrum that its mels say, which is enough to
    be heard.
    """

    def __init__(self) -> None:
        super().__init__()
        filters = torch.from_numpy(mel.filterbank(RATE, FEATURES))
        self.register_buffer("inverse", torch.linalg.pinv(filters).float())
        self.register_buffer("window", torch.hann_window(FEATURES.n_fft))

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        magnitudes = (log_mel.exp().transpose(1, 2) @ self.inverse).transpose(1, 2).clamp_min(0)
        spectrum = torch.complex(magnitudes, torch.zeros_like(magnitudes))
        return torch.istft(spectrum, FEATURES.n_fft, HOP, window=self.window, center=True)


class Noise(torch.nn.Module):
    """Draws random numbers, as diffusion does."""

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        return torch.randn(1, log_mel.shape[2] * HOP) * log_mel.exp().mean()


class Wrong(torch.nn.Module):
    def __init__(self, hops: int, value: float = 0.0) -> None:
        super().__init__()
        self.samples = hops * HOP
        self.value = value

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        return torch.full((1, log_mel.shape[2] * self.samples), self.value)


def save(network: torch.nn.Module, path: Path, block: str = VOCOS) -> VocoderFileParams:
    """Export by the page's own code."""
    (path.parent / "block.yaml").write_text(block)
    scope: dict[str, Any] = {}
    exec(EXPORT, scope)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        # torch's own, of buffers that it stores twice.
        warnings.filterwarnings("ignore", message="No complete tensor found")
        scope["export"](network, path.parent / "block.yaml", path)
    return VocoderFileParams(str(path), hashlib.sha256(path.read_bytes()).hexdigest())


def opened(network: torch.nn.Module, folder: Path, **settings: Any) -> ExportedVocoder:
    values = yaml.safe_load(VOCOS)
    values["features"].update(settings)
    file = save(network, folder / "mine.pt2", yaml.safe_dump(values))
    return ExportedVocoder(FEATURES, RATE, file)


def speech_like(frames: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.normal(-5, 1, (frames, FEATURES.mels))


def test_the_networks_samples_are_the_vocoders(tmp_path):
    network = Convolutions()
    vocoder = opened(network, tmp_path)
    for frames in (8, 57, 300):
        log_mel = speech_like(frames)
        waveform = vocoder(log_mel)
        assert waveform.shape == (frames * HOP,)
        assert waveform.dtype == np.float32
        with torch.inference_mode():
            expected = network(torch.from_numpy(log_mel.T[None]).float())[0, 0].numpy()
        np.testing.assert_allclose(waveform, expected, atol=1e-6)


def test_copies_through_a_vocoder_for_the_features_are_near_the_recording(tmp_path):
    """A tone's mels, through a network that knows them, come back loudest where they were.

    To a band: pulses a hop apart have harmonics alone.
    """
    times = np.arange(RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 1000 * times)
    log_mel = mel.log_mel(tone, RATE, FEATURES)
    waveform = opened(InverseTransform(), tmp_path)(log_mel)
    assert len(waveform) == len(log_mel) * HOP
    again = mel.log_mel(waveform[: len(tone)], RATE, FEATURES)
    inner = slice(10, -10)
    loudest = log_mel[inner].mean(axis=0).argmax()
    assert abs(again[inner].mean(axis=0).argmax() - loudest) <= 1
    # The last hop is none of the network's.
    assert (waveform[-HOP:] == 0).all()
    assert np.abs(waveform[:-HOP]).max() > 0.01


def test_random_numbers_are_the_same_each_time_and_nobody_elses(tmp_path):
    vocoder = opened(Noise(), tmp_path)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = vocoder(speech_like(20))
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(4)
    np.testing.assert_array_equal(first, vocoder(speech_like(20)))


def test_sound_beyond_full_scale_is_scaled_down(tmp_path):
    waveform = opened(Wrong(1, 7.0), tmp_path)(speech_like(10))
    assert np.abs(waveform).max() == 1


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Wrong(2), r"gives \[1, 20480\] for log-mels \[1, 100, 40\], and must give 10240 samples"),
        (Wrong(1, float("nan")), "NaN or infinite"),
    ],
)
def test_a_network_that_breaks_the_contract_is_refused_when_it_is_opened(
    tmp_path, network, message
):
    with pytest.raises(VocoderError, match=message):
        opened(network, tmp_path)


def test_a_network_for_another_number_of_mels_is_refused(tmp_path):
    values = yaml.safe_load(VOCOS)
    del values["features"]
    values = {**values, "features": {"mels": 80}}
    file = save(Convolutions(mels=80), tmp_path / "mine.pt2", yaml.safe_dump(values))
    with pytest.raises(VocoderError, match="mels is 100, it was trained on 80"):
        ExportedVocoder(FEATURES, RATE, file)


def test_a_network_for_one_number_of_frames_is_refused(tmp_path):
    program = torch.export.export(Convolutions().eval(), (torch.zeros(1, FEATURES.mels, 64),))
    path = tmp_path / "mine.pt2"
    torch.export.save(program, path)
    file = VocoderFileParams(str(path), hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(VocoderError, match=r"fails for log-mels \[1, 100, 40\].*any number of"):
        ExportedVocoder(FEATURES, RATE, file)


def test_a_vocoder_for_other_features_is_refused(tmp_path):
    with pytest.raises(VocoderError, match="mel_scale is htk, it was trained on slaney.*change"):
        opened(Convolutions(), tmp_path, mel_scale="slaney", mel_floor=1e-7)


def test_settings_of_no_known_name_are_refused(tmp_path):
    with pytest.raises(VocoderError, match=r"names \['fmax'\]"):
        opened(Convolutions(), tmp_path, fmax=8000)


def test_another_file_than_the_parameters_name_is_refused(tmp_path):
    file = save(Convolutions(), tmp_path / "mine.pt2")
    with pytest.raises(VocoderError, match=f"has the SHA-256 {file.sha256}.*put its own there"):
        ExportedVocoder(FEATURES, RATE, replace(file, sha256="0" * 64))
    with pytest.raises(VocoderError, match="there is no such file"):
        ExportedVocoder(FEATURES, RATE, replace(file, path=str(tmp_path / "other.pt2")))


@pytest.mark.parametrize("content", [b"", b"no network", b"PK\x03\x04"])
def test_a_file_that_is_no_network_is_refused(tmp_path, content):
    path = tmp_path / "mine.pt2"
    path.write_bytes(content)
    file = VocoderFileParams(str(path), hashlib.sha256(content).hexdigest())
    with pytest.raises(VocoderError, match="is no program of torch.export.save"):
        ExportedVocoder(FEATURES, RATE, file)


def test_the_parameters_choose(tmp_path):
    assert isinstance(open_vocoder(FEATURES, RATE, small_corpus.MODEL), GriffinLim)
    file = save(Convolutions(), tmp_path / "mine.pt2")
    model = replace(small_corpus.MODEL, vocoder="exported", vocoder_file=file)
    assert isinstance(open_vocoder(FEATURES, RATE, model), ExportedVocoder)


def test_the_pages_entry_is_valid():
    values = json.loads(json.dumps({**vars(small_corpus.MODEL), **ENTRY}))
    model = parse(ModelParams, values, "model")
    assert model.vocoder_file is not None
    assert len(model.vocoder_file.sha256) == 64


@pytest.mark.parametrize(
    "entry", [{"vocoder": "exported"}, {"vocoder_file": ENTRY["vocoder_file"]}]
)
def test_a_file_and_its_vocoder_go_together(entry):
    values = {**vars(small_corpus.MODEL), **entry}
    with pytest.raises(ParamsError, match="vocoder_file goes with vocoder: exported"):
        parse(ModelParams, values, "model")
