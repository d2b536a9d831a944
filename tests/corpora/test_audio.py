from pathlib import Path

import numpy as np
import pytest
import soundfile

from adaptts.corpora import audio
from adaptts.params import Resampler

RATE = 16000


def tone(frequency_hz: float, rate: int, seconds: float = 0.5) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate)) / rate)


def test_written_recordings_are_read_back_to_the_nearest_step(tmp_path):
    waveform = tone(440, RATE)
    audio.write(tmp_path / "deep" / "tone.wav", waveform, RATE)
    header = soundfile.info(tmp_path / "deep" / "tone.wav")
    assert (header.subtype, header.channels, header.samplerate) == ("PCM_16", 1, RATE)
    # Half a step of 16 bits, and the scale of 32767 that is read as 32768.
    read = audio.read_mono(tmp_path / "deep" / "tone.wav", RATE)
    np.testing.assert_allclose(read, waveform, atol=1 / 32768)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_resampling_keeps_length_and_sound(rate):
    resampled = audio.resample(tone(440, rate), rate, RATE)
    assert len(resampled) == RATE // 2
    # The edges ring; within, a polyphase filter passes 440 Hz to within a hundredth.
    np.testing.assert_allclose(resampled[400:-400], tone(440, RATE)[400:-400], atol=5e-3)


def gain_db(frequency_hz: float, rate: int, new_rate: int, resampler: Resampler) -> float:
    """What is left of a tone, away from the edges."""
    resampled = audio.resample(tone(frequency_hz, rate), rate, new_rate, resampler)
    inner = resampled[len(resampled) // 4 : -len(resampled) // 4]
    return 10 * np.log10(8 * np.mean(inner**2) + 1e-30)


# Of half of the lower rate: up to where tones pass, by how much they change, and from where on none
# is left but so much. docs/corpora.md tells it.
FILTERS = {"polyphase": (0.8, 0.1, 1.16, -50), "soxr": (0.9, 0.01, 1.0, -100)}


@pytest.mark.parametrize("resampler", FILTERS)
@pytest.mark.parametrize(
    ("rate", "new_rate"),
    [(48000, 24000), (44100, 22050), (48000, 16000), (44100, 24000), (32000, 22050), (24000, 8000)],
)
def test_resampling_passes_what_fits_and_stops_what_does_not(rate, new_rate, resampler):
    passed, change_db, stopped, left_db = FILTERS[resampler]
    for share in (0.05, 0.5, passed):
        assert abs(gain_db(share * new_rate / 2, rate, new_rate, resampler)) < change_db
    for share in (stopped, 1.2, 1.35):
        assert gain_db(share * new_rate / 2, rate, new_rate, resampler) < left_db


@pytest.mark.parametrize("resampler", FILTERS)
@pytest.mark.parametrize(("rate", "new_rate"), [(8000, 16000), (8000, 24000), (11025, 22050)])
def test_resampling_upwards_adds_nothing_above(rate, new_rate, resampler):
    passed, change_db, stopped, left_db = FILTERS[resampler]
    for share in (0.05, 0.5, passed):
        assert abs(gain_db(share * rate / 2, rate, new_rate, resampler)) < change_db
    waveform = tone(share * rate / 2, rate, 1.0)
    resampled = audio.resample(waveform, rate, new_rate, resampler)
    power = np.abs(np.fft.rfft(resampled * np.blackman(len(resampled)))) ** 2
    hz = np.fft.rfftfreq(len(resampled), 1 / new_rate)
    above = power[hz > stopped * rate / 2 + 50].max() / power.max()
    assert 10 * np.log10(above) < left_db


@pytest.mark.parametrize("resampler", FILTERS)
@pytest.mark.parametrize(("rate", "new_rate"), [(48000, 16000), (44100, 24000), (8000, 22050)])
def test_resampling_does_not_shift(rate, new_rate, resampler):
    """A pulse in the middle stays there, to a hundredth of a sample."""
    waveform = np.zeros(rate)
    waveform[rate // 2 - 40 : rate // 2 + 41] = np.hanning(81)
    resampled = audio.resample(waveform, rate, new_rate, resampler)
    centre = (np.arange(len(resampled)) * resampled).sum() / resampled.sum()
    assert centre == pytest.approx(rate // 2 / rate * new_rate, abs=0.01)


def test_channels_are_averaged(tmp_path):
    channels = np.stack([tone(440, RATE), np.zeros(RATE // 2)], axis=1)
    soundfile.write(tmp_path / "stereo.flac", channels, RATE)
    read = audio.read_mono(tmp_path / "stereo.flac", RATE)
    np.testing.assert_allclose(read, tone(440, RATE) / 2, atol=1e-4)


def test_finished_recordings_have_one_level_and_silent_edges_but_no_digital_silence():
    quiet = audio.finish(tone(440, RATE) * 0.01, RATE, "a")
    loud = audio.finish(tone(440, RATE), RATE, "a")
    np.testing.assert_allclose(quiet, loud, atol=1e-12)
    edge = audio.edge_samples(RATE)
    assert len(loud) == RATE // 2 + 2 * edge
    assert abs(np.abs(loud).max() - audio.PEAK) < 5 * audio.FLOOR
    for part in (loud[:edge], loud[-edge:]):
        assert 0.8 * audio.FLOOR < part.std() < 1.2 * audio.FLOOR
    assert (audio.finish(tone(440, RATE), RATE, "b") != loud).any()


def test_a_gain_takes_the_place_of_the_peak():
    finished = audio.finish(tone(440, RATE), RATE, "a", gain=0.1)
    assert abs(np.abs(finished).max() - 0.05) < 5 * audio.FLOOR


def test_unreadable_files_are_named(tmp_path):
    (tmp_path / "text.wav").write_text("no audio", encoding="utf-8")
    for name, reason in (("text.wav", "cannot be read"), ("none.wav", "no such file")):
        with pytest.raises(audio.AudioError, match=f"{name} .*{reason}"):
            audio.read(tmp_path / name)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_an_os_error():
    with pytest.raises(OSError, match="No space left"):
        audio.write(Path("/dev/full"), tone(440, RATE), RATE)
