"""How each measure was taken, in sentences for a paper, with citations as [@key]."""

from collections.abc import Iterable, Iterator, Mapping

from adaptts.params import RecogniserName
from adaptts.reporting.metrics import Metric
from adaptts.reporting.results import Results

# Of each metric of the report. In braces: parameters, and packages with their versions.
SENTENCES: Mapping[str, str] = {
    "mel_distortion": "Mel distortion (dB) is the distance of mel cepstra [@kubichek1993], here "
    "the cosine transform of log-mel frames without c0, between prediction and recording along an "
    "exact dynamic time-warping path [@sakoe1978]; it needs no vocoder, and chose the step sizes.",
    "mcd": "Mel-cepstral distortion (MCD, dB) [@kubichek1993] is that of the sound: the mel "
    "cepstra c1 to c{order}, every {period:g} ms, of the spectral envelope by WORLD [@morise2016] "
    "({pyworld}, {pysptk}), with silence cut off at both ends, along an exact time-warping path "
    "[@sakoe1978] in which c0 does not count.",
    "wer": "The word error rate (WER, %) is over all words together, as heard by {recogniser} and "
    "counted by {jiwer}.",
    "cer": "The character error rate (CER, %) is over all characters of the same hypotheses.",
    "similarity": "Similarity of voices is the cosine of an utterance's embedding and that of "
    "recordings of the voice that is adapted to, by an encoder with a generalised end-to-end loss "
    "[@wan2018] ({Resemblyzer}).",
    "eer": "The equal error rate (EER, %) is that of verifying the test voices by these "
    "embeddings, each query against each enrolled voice; a trade-off of detection errors "
    "is drawn on probit axes [@martin1997].",
    "f0_rmse": "The root mean square error of F0 (semitones) is over the frames of a warping path "
    "that are voiced in both; F0 is found by DIO [@morise2009] and refined by WORLD's StoneMask.",
    "vuv_error": "Voicing errors (%) are the frames of that path that are voiced in one and "
    "unvoiced in the other.",
    "pitch_error": "Pitch errors (semitones) are those of the pitch predicted for each phone.",
    "duration_error": "Duration errors (ms) are mean absolute errors of the duration predicted for "
    "each phone.",
    "identification": "Identification (%) is the share of utterances whose nearest enrolled test "
    "voice, by the same cosine, is the right one.",
    "eer_other_text": "The EER is also given with each voice as enrolled by other texts than the "
    "trial's.",
    "min_dcf": "The least detection cost of the same trials (minDCF) has 5 % targets and equal "
    "costs of both errors, relative to deciding without listening.",
    "f0_correlation": "The correlation of F0 is Pearson's, of log F0 along the path, where both "
    "are voiced.",
    "f0_mean_error": "The error of the mean F0 (semitones) is over voiced frames.",
    "f0_range_error": "The error of the range of F0 (semitones) is that of its standard deviation "
    "over voiced frames.",
    "rate_error": "The error of the speaking rate (%) is that of the time from the first to the "
    "last frame that is not silent.",
    "energy_error": "The error of energy (dB) is the root mean square difference of the frames' "
    "levels along the path, without their mean difference.",
    "clipped": "Clipped samples (%) are those within 1 % of an utterance's peak.",
    "squim_mos": "The opinion score is predicted beside another recording of the voice "
    "[@manocha2022] by TorchAudio-SQUIM [@kumar2023] ({torchaudio}).",
    "squim_pesq": "Wide-band PESQ is predicted without a reference by TorchAudio-SQUIM "
    "[@kumar2023] ({torchaudio}).",
    "squim_stoi": "Short-time objective intelligibility (STOI) is predicted by TorchAudio-SQUIM "
    "[@kumar2023] ({torchaudio}).",
    "squim_si_sdr": "The scale-invariant signal-to-distortion ratio (dB) is predicted by "
    "TorchAudio-SQUIM [@kumar2023] ({torchaudio}).",
}
RECOGNISERS: Mapping[RecogniserName, str] = {
    "sphinx": "PocketSphinx [@huggins2006] ({pocketsphinx}) with its model of American English and "
    "the closed grammar of the corpus",
    "ctc": "a convolutional network trained by connectionist temporal classification "
    "[@graves2006] on the recordings of the training {unit}s",
    "wav2vec2": "wav2vec 2.0 [@baevski2020] ({torchaudio})",
    "whisper": "Whisper [@radford2023] (model {whisper})",
}
PACKAGES = ("jiwer", "pocketsphinx", "pysptk", "pyworld", "Resemblyzer", "torchaudio")


def describe(
    results: Results, metrics: Iterable[Metric], software: Mapping[str, str]
) -> Iterator[str]:
    """A sentence for each of `metrics`; `software`: the version of each package."""
    experiment = results.experiment
    words = {
        **{name: f"{name} {software.get(name, '')}".strip() for name in PACKAGES},
        "order": experiment.features.mel_cepstrum_order,
        "period": experiment.features.frame_period_ms,
        "whisper": experiment.evaluation.whisper,
        "unit": results.unit,
    }
    first, *others = [RECOGNISERS[name].format(**words)
                      for name in experiment.evaluation.recognisers] or [""]  # fmt: skip
    for metric in metrics:
        yield SENTENCES[metric.name].format(**words, recogniser=first)
        if metric.name == "cer" and others:
            yield f"The same sounds were also heard by {'; and by '.join(others)}."
