"""The metrics of the report: how each is named, printed, pooled and read."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """How one metric of the results stands in tables and figures."""

    name: str  # in the results, the CSV files and metrics.json
    title: str
    unit: str  # "" for a pure number
    lower_is_better: bool
    digits: int  # after the decimal point
    meaning: str  # one sentence: what is measured, and by which convention
    # A rate over a corpus is 100 · Σ numerator / Σ denominator of these measures; a metric
    # without them is the mean of its own values.
    ratio: tuple[str, str] | None = None
    # Whether it is a mean over utterances, so that arms can be compared pair by pair.
    paired: bool = True
    # Whether it stands in the headline table, or in the second one: prosody and voice.
    main: bool = True
    # Between which its values lie.
    bounds: tuple[float, float] = (0.0, math.inf)

    @property
    def label(self) -> str:
        """Title and unit, for axes and captions."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def arrow(self) -> str:
        """Which way is better."""
        return "↓" if self.lower_is_better else "↑"

    def text(self, value: float) -> str:
        """A value as it is printed; a dash where it is missing."""
        # z: what rounds to nothing has no sign.
        return "–" if math.isnan(value) else f"{value:z.{self.digits}f}".replace("-", "−")

    def with_unit(self, value: float) -> str:
        """A value and its unit, as they stand in a sentence."""
        space = "" if self.unit in ("", "%") else "\u00a0"
        return f"{self.text(value)}{space}{self.unit}"


METRICS = (
    Metric(
        "mel_distortion",
        "Mel distortion",
        "dB",
        True,
        2,
        "Distance of mel cepstra (DCT of the log-mel frames, c0 excluded) along an exact "
        "time-warping path, before the vocoder. It chose the step sizes and is measured at every "
        "point of the grid.",
    ),
    Metric(
        "mcd",
        "MCD",
        "dB",
        True,
        2,
        "Mel-cepstral distortion of the sound: WORLD envelope, c1…c24, 5 ms, c0 excluded from path "
        "and sum, silence trimmed, exact time warping. Compare within this report only: toolkits "
        "differ by several dB.",
    ),
    Metric(
        "wer",
        "WER",
        "%",
        True,
        1,
        "Word error rate over all words, as the first recogniser of the experiment hears them. "
        "Sphinx knows the closed grammar of the corpus.",
        ("word_errors", "words"),
    ),
    Metric(
        "cer",
        "CER",
        "%",
        True,
        1,
        "Character error rate over all characters of the same hypotheses.",
        ("character_errors", "characters"),
    ),
    Metric(
        "similarity",
        "Similarity",
        "",
        False,
        3,
        "Cosine of GE2E speaker embeddings with recordings of the voice that is adapted to.",
        bounds=(-1.0, 1.0),
    ),
    Metric(
        "eer",
        "EER",
        "%",
        True,
        1,
        "Equal error rate of telling the test voices apart by those embeddings, over the trials of "
        "the episodes: each query against each enrolled voice. The interval resamples voices, with "
        "all their trials. Higher than that of the recordings: the voices are confused.",
        paired=False,
        bounds=(0.0, 100.0),
    ),
    Metric(
        "f0_rmse",
        "F0 RMSE",
        "semitones",
        True,
        2,
        "Root mean square error of pitch along the time-warping path, where both are voiced.",
    ),
    Metric(
        "vuv_error",
        "V/UV error",
        "%",
        True,
        1,
        "Frames along the path that are voiced in one and unvoiced in the other.",
        main=False,
        bounds=(0.0, 100.0),
    ),
    Metric(
        "pitch_error",
        "Pitch error",
        "semitones",
        True,
        2,
        "Error of the predicted pitch of each phone, before the vocoder.",
        main=False,
    ),
    Metric(
        "duration_error",
        "Duration error",
        "ms",
        True,
        1,
        "Mean absolute error of the predicted duration of each phone.",
    ),
    Metric(
        "identification",
        "Identification",
        "%",
        False,
        1,
        "Utterances whose nearest enrolled test voice, by the same cosine, is the right one: "
        "closed-set identification among the test voices.",
        main=False,
        bounds=(0.0, 100.0),
    ),
    Metric(
        "eer_other_text",
        "EER, other texts",
        "%",
        True,
        1,
        "The equal error rate with each voice as enrolled by recordings of other texts than the "
        "trial's; shown where some trial repeats an enrolled text.",
        paired=False,
        main=False,
        bounds=(0.0, 100.0),
    ),
    Metric(
        "min_dcf",
        "minDCF",
        "",
        True,
        3,
        "Least detection cost of the same trials (NIST), with 5 % targets, relative to deciding "
        "without listening.",
        paired=False,
        main=False,
    ),
    Metric(
        "f0_correlation",
        "F0 correlation",
        "",
        False,
        3,
        "Pearson correlation of log F0 along the time-warping path, where both are voiced.",
        main=False,
        bounds=(-1.0, 1.0),
    ),
    Metric(
        "f0_mean_error",
        "F0 mean error",
        "semitones",
        True,
        2,
        "Absolute difference of the utterances' mean F0, on a logarithmic scale, over voiced "
        "frames.",
        main=False,
    ),
    Metric(
        "f0_range_error",
        "F0 range error",
        "semitones",
        True,
        2,
        "Absolute difference of the standard deviations of F0 over voiced frames.",
        main=False,
    ),
    Metric(
        "rate_error",
        "Rate error",
        "%",
        True,
        1,
        "How much longer or shorter the speech is than the recording's, from its first to its last "
        "frame that is not silent, in % of that.",
        main=False,
    ),
    Metric(
        "energy_error",
        "Energy error",
        "dB",
        True,
        2,
        "Root mean square difference of the frames' levels along the path, the mean difference "
        "taken away; levels more than 40 dB below the loudest count as that.",
        main=False,
    ),
    Metric(
        "clipped",
        "Clipped",
        "%",
        True,
        3,
        "Samples within 1 % of the utterance's peak: hundredths in speech, more where peaks were "
        "cut off.",
        main=False,
        bounds=(0.0, 100.0),
    ),
    Metric(
        "squim_mos",
        "MOS, predicted",
        "",
        False,
        2,
        "Opinion score 1 … 5 that TorchAudio-SQUIM predicts beside a recording of the voice with "
        "another text (Manocha and Kumar 2022). A prediction: it has heard no listener here.",
        main=False,
        bounds=(1.0, 5.0),
    ),
    Metric(
        "squim_pesq",
        "PESQ, predicted",
        "",
        False,
        2,
        "Wide-band PESQ as TorchAudio-SQUIM predicts it without a reference (Kumar et al. 2023).",
        main=False,
        bounds=(-0.5, 4.64),
    ),
    Metric(
        "squim_stoi",
        "STOI, predicted",
        "",
        False,
        3,
        "Short-time objective intelligibility 0 … 1 as TorchAudio-SQUIM predicts it.",
        main=False,
        bounds=(0.0, 1.0),
    ),
    Metric(
        "squim_si_sdr",
        "SI-SDR, predicted",
        "dB",
        False,
        1,
        "Scale-invariant signal-to-distortion ratio as TorchAudio-SQUIM predicts it.",
        main=False,
        bounds=(-math.inf, math.inf),
    ),
)

BY_NAME = {metric.name: metric for metric in METRICS}
# The metric that is measured everywhere, chooses the step sizes and answers the question.
PRIMARY = BY_NAME["mel_distortion"]
