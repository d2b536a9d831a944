"""Mel-cepstral distortion by the conventions of several toolkits, beside our own.

All share 10√2/ln 10 · mean of ‖c − c′‖₂ (Kubichek 1993). They differ in where the mel-cepstra come
from, in whether the level c0 counts, in what is silent, and in how frames are paired, which makes
several dB of difference on the same sounds. A `Convention` states all of it; `toolkits` measures
by one. A figure of a paper is comparable with a figure of its own convention alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from adaptts.params import FeatureParams


@dataclass(frozen=True)
class World:
    """The spectral envelope of WORLD's CheapTrick."""

    f0: Literal["dio", "harvest"]  # DIO is refined by StoneMask
    f0_bounds_hz: tuple[float, float]
    frame_ms: float = 5.0
    fft_size: int | None = None  # samples; None: as many as the lowest F0 needs
    full_scale: float = 1.0  # what the largest sample is multiplied by
    low_cut_hz: float | None = None  # of a filter that VERSA passes sounds through
    # pymcd hands a power spectrum to SPTK as magnitudes, and adds this to their squares: all of
    # its distances are twice what they are by the power that it is. None: power is power.
    power_as_magnitude: float | None = None


@dataclass(frozen=True)
class Periodogram:
    """Mel-cepstral analysis of Hamming-windowed frames, without any model of the voice."""

    window: int  # samples
    hop: int  # samples
    floor: float  # added to the periodogram
    full_scale: float


@dataclass(frozen=True)
class Analysis:
    """From a sound to mel-cepstra."""

    spectrum: World | Periodogram
    # The last coefficient, or that by sampling rate
    order: int | Mapping[int, int] = field(hash=False)
    # α of the warped frequency axis, or that by sampling rate; None: the nearest to mel
    warping: float | Mapping[int, float] | None = field(default=None, hash=False)
    sampling_rate: int | None = None  # Hz, that sounds are brought to; None: they stay


@dataclass(frozen=True)
class Convention:
    """All that a mel-cepstral distortion depends on, beside the two sounds."""

    name: str
    version: str  # of the definition, or of the tool that defines it
    analysis: Analysis
    silence: Literal["kept", "trimmed", "left out"]  # see `toolkits`
    alignment: Literal["exact", "fastdtw", "truncated", "padded"]
    level_in_path: bool  # whether c0 counts when frames are paired
    level_in_sum: bool  # … and in the distortion
    length_penalty: bool = False  # times the quotient of the longer and the shorter length

    @property
    def metric(self) -> str:
        """The name in the results."""
        return f"mcd_{self.name}"


ADAPTTS = Convention(
    name="adaptts",
    version="1",
    analysis=Analysis(World("dio", (60.0, 500.0)), order=24),
    silence="trimmed",
    alignment="exact",
    level_in_path=False,
    level_in_sum=False,
)

ESPNET = Convention(
    name="espnet",
    version="egs2/TEMPLATE/asr1/pyscripts/utils/evaluate_mcd.py, commit de189f2",
    analysis=Analysis(
        Periodogram(window=1024, hop=256, floor=1e-6, full_scale=2.0**15),
        order={16000: 23, 22050: 34, 24000: 34, 44100: 39, 48000: 39},
        warping={16000: 0.42, 22050: 0.45, 24000: 0.46, 44100: 0.53, 48000: 0.55},
    ),
    silence="kept",
    alignment="fastdtw",
    level_in_path=True,
    level_in_sum=True,
)

VERSA = Convention(
    name="versa",
    version="versa/sequence_metrics/mcd_f0.py, commit c398480, dtw: false (its default)",
    analysis=Analysis(
        World("harvest", (40.0, 800.0), fft_size=1024, full_scale=2.0**15 - 1, low_cut_hz=70.0),
        order=39,
        warping=0.466,
    ),
    silence="kept",
    alignment="truncated",
    level_in_path=True,
    level_in_sum=True,
)
VERSA_DTW = replace(
    VERSA,
    name="versa_dtw",
    version="versa/sequence_metrics/mcd_f0.py, commit c398480, dtw: true",
    silence="left out",
    alignment="fastdtw",
)

PYMCD = Convention(
    name="pymcd",
    version="pymcd 0.2.1, mode dtw",
    analysis=Analysis(
        World("dio", (71.0, 800.0), fft_size=512, power_as_magnitude=1e-8),
        order=13,
        warping=0.65,
        sampling_rate=22050,
    ),
    silence="kept",
    alignment="fastdtw",
    level_in_path=False,
    level_in_sum=True,
)
PYMCD_PLAIN = replace(
    PYMCD, name="pymcd_plain", version="pymcd 0.2.1, mode plain", alignment="padded"
)
PYMCD_SL = replace(PYMCD, name="pymcd_sl", version="pymcd 0.2.1, mode dtw_sl", length_penalty=True)

CONVENTIONS = {
    each.name: each for each in (ADAPTTS, ESPNET, VERSA, VERSA_DTW, PYMCD, PYMCD_PLAIN, PYMCD_SL)
}


def ours(params: FeatureParams) -> Convention:
    """The default convention with an experiment's analysis, and with a name of its own for it."""
    bounds_hz = (params.f0_min_hz, params.f0_max_hz)
    analysis = Analysis(
        World("dio", bounds_hz, params.frame_period_ms), order=params.mel_cepstrum_order
    )
    if analysis == ADAPTTS.analysis:
        return ADAPTTS
    low, high = bounds_hz
    changed = (
        f"{ADAPTTS.version}, with c1…c{params.mel_cepstrum_order}, {params.frame_period_ms:g} ms "
        f"and F0 from {low:g} to {high:g} Hz"
    )
    return replace(ADAPTTS, version=changed, analysis=analysis)
