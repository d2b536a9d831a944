import numpy as np
import pytest
import soundfile

from adaptts.features import acoustics
from adaptts.features.acoustics import Analysis, RecordingError

RATE = 16000


def recording(samples: np.ndarray, folder, subtype: str = "PCM_16"):
    path = folder / "u.wav"
    soundfile.write(path, samples, RATE, subtype=subtype)
    return path


def test_a_recording_is_read_as_it_stands(tmp_path):
    samples = np.array([0.0, 0.5, -0.25])
    found = acoustics.read_recording(recording(samples, tmp_path), "u")
    np.testing.assert_allclose(found, samples, atol=1 / 32768)


@pytest.mark.parametrize("content", [b"", b"RIFF", None])
def test_a_file_that_is_no_audio_is_refused(tmp_path, content):
    path = tmp_path / "u.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"utterance u: .*u.wav cannot be read"):
        acoustics.read_recording(path, "u")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_refused(tmp_path, value):
    path = recording(np.array([0.0, value, 0.5]), tmp_path, "FLOAT")
    with pytest.raises(RecordingError, match="utterance u: .* not finite"):
        acoustics.read_recording(path, "u")


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(8000), np.full(8000, 2 / 32768)])
def test_an_empty_or_silent_recording_is_refused(tmp_path, samples):
    with pytest.raises(RecordingError, match="utterance u: .* is empty or silent: its peak"):
        acoustics.read_recording(recording(samples, tmp_path), "u")


def test_a_recording_shorter_than_a_window_is_refused(tmp_path, params):
    recording(np.full(300, 0.5), tmp_path)
    analysis = Analysis(tmp_path, RATE, params)
    row = {"utterance": "u", "path": "u.wav", "frames": 2, "cepstrum_frames": 4}
    with pytest.raises(RecordingError, match="utterance u: 300 samples are too few"):
        acoustics.analyse(analysis, [row])
