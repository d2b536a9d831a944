"""Every kind of file that libsndfile reads, through the checks that a recording passes."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from adaptts.corpora import inspection
from adaptts.corpora.audio import AudioError, Recording
from adaptts.corpora.recorded import AUDIO

RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000)
# How far a sample may be off that was encoded so: half a step, twelve bits, or what ears let pass.
ENCODINGS = {
    "PCM_U8": 0.008,
    "PCM_S8": 0.008,
    "PCM_16": 4e-5,
    "PCM_24": 2e-7,
    "PCM_32": 1e-9,
    "FLOAT": 1e-7,
    "DOUBLE": 0.0,
    "ULAW": 0.01,
    "ALAW": 0.01,
    "IMA_ADPCM": 0.02,
    "MS_ADPCM": 0.02,
    "ALAC_16": 4e-5,
    "ALAC_24": 2e-7,
    "VORBIS": 0.03,
    "OPUS": 0.05,
    "MPEG_LAYER_III": 0.05,
}
WAV = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")
FILES = {
    ".wav": ("WAV", (*WAV, "IMA_ADPCM", "MS_ADPCM")),
    ".wave": ("WAVEX", WAV),
    ".rf64": ("RF64", ("PCM_16", "PCM_24", "FLOAT")),
    ".w64": ("W64", ("PCM_16", "PCM_24", "FLOAT")),
    ".flac": ("FLAC", ("PCM_S8", "PCM_16", "PCM_24")),
    ".ogg": ("OGG", ("VORBIS",)),
    ".opus": ("OGG", ("OPUS",)),
    ".mp3": ("MP3", ("MPEG_LAYER_III",)),
    ".aiff": ("AIFF", ("PCM_S8", "PCM_16", "PCM_24", "FLOAT", "ULAW")),
    ".au": ("AU", ("PCM_16", "PCM_24", "FLOAT", "ULAW", "ALAW")),
    ".caf": ("CAF", ("PCM_16", "PCM_24", "FLOAT", "ALAC_16", "ALAC_24")),
    ".sph": ("NIST", ("PCM_16", "ULAW", "ALAW")),
}
KINDS = [(suffix, kind, each) for suffix, (kind, all_of) in FILES.items() for each in all_of]


def tones(rate: int, channels: int) -> np.ndarray:
    """[samples, channels]: a second that swells and fades, the same in all but for the level."""
    times = np.arange(rate) / rate
    tone = 0.4 * np.sin(2 * np.pi * 440 * times) * np.hanning(rate)
    return np.stack([tone / (1 + channel) for channel in range(channels)], axis=1)


def make(path: Path, rate: int, channels: int, kind: str, encoding: str) -> np.ndarray:
    samples = tones(rate, channels)
    soundfile.write(path, samples, rate, format=kind, subtype=encoding)
    return samples


def look_at(path: Path) -> tuple[np.ndarray, Recording]:
    """All that a recording must pass."""
    inspection.check_file(path)
    return inspection.read(path)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("suffix", "kind", "encoding"), KINDS)
def test_a_recording_is_read_whatever_its_encoding(tmp_path, suffix, kind, encoding, channels):
    path = tmp_path / f"a{suffix}"
    samples = make(path, 16000, channels, kind, encoding)
    waveform, recording = look_at(path)
    assert recording.sampling_rate == 16000
    assert recording.samples.shape[1] == channels
    # ADPCM fills its last block up.
    assert 16000 <= len(waveform) < 16000 + 512
    found, expected = waveform[:16000], samples.mean(axis=1)
    assert np.abs(found - expected).max() <= ENCODINGS[encoding] + 1e-15


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("suffix", "kind", "encoding"), [
    (".wav", "WAV", "PCM_16"), (".flac", "FLAC", "PCM_16"), (".mp3", "MP3", "MPEG_LAYER_III"),
    (".ogg", "OGG", "VORBIS"),
])  # fmt: skip
def test_a_recording_is_read_at_any_rate(tmp_path, suffix, kind, encoding, rate):
    path = tmp_path / f"a{suffix}"
    samples = make(path, rate, 1, kind, encoding)
    waveform, recording = look_at(path)
    assert recording.sampling_rate == rate
    assert len(waveform) == rate
    assert np.abs(waveform - samples[:, 0]).max() <= ENCODINGS[encoding]


def test_every_suffix_that_is_looked_for_is_tried_here():
    other_names = {".aif", ".aifc", ".oga", ".snd", ".nist"}
    assert set(AUDIO) == set(FILES) | other_names


@pytest.mark.parametrize(("suffix", "kind", "encoding"), [
    case for case in KINDS if case[1] != "NIST"
])  # fmt: skip
def test_a_file_that_is_cut_short_is_refused(tmp_path, suffix, kind, encoding):
    path = tmp_path / f"a{suffix}"
    make(path, 16000, 1, kind, encoding)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    with pytest.raises(AudioError, match=f"a{suffix} (is cut short|cannot be read)"):
        look_at(path)


@pytest.mark.parametrize("length", [b"\xff\xff\xff\xff", b"\0\0\0\0"])
def test_a_length_left_open_is_no_length(tmp_path, length):
    """So leave it programs that write to a pipe."""
    path = tmp_path / "a.wav"
    make(path, 16000, 1, "WAV", "PCM_16")
    header = bytearray(path.read_bytes())
    header[4:8] = length
    path.write_bytes(header)
    inspection.check_file(path)


def test_channels_are_averaged_and_noted(tmp_path):
    path = tmp_path / "a.flac"
    samples = make(path, 16000, 2, "FLAC", "PCM_16")
    waveform, recording = inspection.read(path)
    np.testing.assert_allclose(waveform, samples.mean(axis=1), atol=4e-5)
    assert list(inspection.notes(recording)) == ["the mean of 2 channels is used"]


def test_channels_that_cancel_are_refused(tmp_path):
    path = tmp_path / "a.wav"
    mono = tones(16000, 1)
    soundfile.write(path, np.concatenate([mono, -mono], axis=1), 16000)
    with pytest.raises(AudioError, match="silent once its channels are averaged"):
        inspection.read(path)
