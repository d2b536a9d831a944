"""The experiment's parameters: `params.yaml` as frozen dataclasses.

Every field states its unit or rule. Unknown keys, wrong types and impossible values raise
`ParamsError`, which names the key, the value received and the rule.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", strict=True)

Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
PositiveReal = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
# Names become folders, DVC stage names and HTML ids.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.]*$", max_length=60)]
# An arm is also a key of params.yaml, whose levels DVC parts by dots.
Arm = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_]*$", max_length=60)]
# These folders stand beside the arms' own.
# What can be planned to compare: means over utterances, of which arms can be paired.
PairedMetric = Literal[
    "mel_distortion", "mcd", "wer", "cer", "similarity", "f0_rmse", "vuv_error", "pitch_error",
    "duration_error", "identification", "f0_correlation", "f0_mean_error", "f0_range_error",
    "rate_error", "energy_error", "clipped", "squim_mos", "squim_pesq", "squim_stoi",
    "squim_si_sdr",
]  # fmt: skip
RESERVED_ARMS = ("trunk", "recogniser", "references", "natural", "copy_synthesis", "retake")

T = TypeVar("T")


class ParamsError(ValueError):
    """A parameter breaks a rule; the message names key, value and rule."""


@dataclass(frozen=True, config=STRICT)
class TrimParams:
    """Which quiet ends of recordings are cut off; pauses within stay. See corpora.trimming."""

    threshold_db: PositiveReal = 40.0  # what is this far below the recording's loudest is quiet
    margin_seconds: Weight = 0.15  # of the quiet, left before and after


@dataclass(frozen=True, config=STRICT)
class LoudnessParams:
    """The level of recordings by ITU-R BS.1770. See corpora.loudness."""

    lufs: Annotated[float, Field(ge=-50, le=-10)]
    # speaker: one gain for all of a speaker's utterances, so that they keep their differences
    per: Literal["utterance", "speaker"] = "utterance"


Resampler = Literal["polyphase", "soxr"]


@dataclass(frozen=True, config=STRICT)
class CorpusParams:
    """Which recordings, and how many of them."""

    reader: Name  # a corpus registered in adaptts.corpora
    sampling_rate: Positive  # Hz; recordings at another rate are resampled
    seed: Count  # of drawn sentences and of drawn subsets
    # Of the synthetic corpus, in each accent. None: all there are
    utterances_per_speaker: Positive | None = None
    speakers: list[str] | None = None  # None: all there are
    accents: list[str] | None = None  # `synthetic`: each speaker reads in each; None: en_us alone
    # `libritts`, `libritts_r`: the published parts to take, such as train-clean-100
    subsets: list[str] | None = None
    # The folder of the corpus, unpacked (`vctk`: or the archive itself); None: its archives are
    # taken from the mirror or downloaded
    path: str | None = None
    mirror: str | None = None  # folder or URL to take archives from, by file name
    # A CSV file with the columns utterance and reason: what to leave out
    exclude: str | None = None
    # Leave out, and list in corpus.json, what cannot be used, where it would be an error
    tolerate: bool = False
    language: str = "en-us"  # espeak-ng's name of the language, for text without phones
    # Of recordings, as are the next two. soxr's filter is steeper: see corpora.audio.resample
    resampler: Resampler = "polyphase"
    trim: TrimParams | None = None  # None: recordings keep their ends
    loudness: LoudnessParams | None = None  # None: recordings get one peak, audio.PEAK


@dataclass(frozen=True, config=STRICT)
class SplitParams:
    """Who is held out. All others train."""

    test: list[Name]  # values of the column `unit`
    validation: list[Name]
    # The manifest's column that names what is adapted to: speaker, accent, language …
    unit: str = "speaker"
    # A column whose equal values never stand on both sides of the split (None: no such column).
    keep_together: str | None = None

    @model_validator(mode="after")
    def check_disjoint(self) -> Self:
        both = sorted(set(self.test) & set(self.validation))
        if both:
            raise ValueError(f"{both} stand under both test and validation; name each once")
        for side in ("test", "validation"):
            names = getattr(self, side)
            if not names or len(set(names)) < len(names):
                raise ValueError(f"{side} must name at least one {self.unit}, and none twice")
        return self


@dataclass(frozen=True, config=STRICT)
class FeatureParams:
    """Acoustic analysis."""

    n_fft: Positive  # samples, also the window
    hop_samples: Positive
    mels: Positive
    mel_min_hz: Weight
    mel_max_hz: PositiveReal
    f0_min_hz: PositiveReal
    f0_max_hz: PositiveReal
    mel_cepstrum_order: Positive
    frame_period_ms: PositiveReal  # of WORLD's analysis
    alignment_pooled_iterations: Count  # with one variance for all phones, before those with own
    alignment_iterations: Positive  # of Viterbi training, for corpora without phone times
    # What vocoders differ in: docs/vocoders.md has the settings of the common ones.
    mel_scale: Literal["htk", "slaney"] = "htk"
    mel_norm: Literal["none", "slaney"] = "none"  # of the filters: peaks of 1, or areas of 1
    # Frames are centred at 0, hop, 2 hop, …; false: at the middle of each hop
    mel_centred: bool = True
    mel_epsilon: Weight = 0.0  # added to the power of each bin, whose root is its magnitude
    mel_floor: PositiveReal = 1e-5  # magnitudes of mel bands below it count as it
    stress: Literal["drop", "keep"] = "drop"  # marks on vowels, of phones made from text
    tone: Literal["keep", "drop"] = "keep"  # digits behind vowels and finals

    @model_validator(mode="after")
    def check_centres(self) -> Self:
        if not self.mel_centred and (self.n_fft - self.hop_samples) % 2:
            raise ValueError(
                "with mel_centred false, n_fft and hop_samples must both be even or both be odd, "
                f"got {self.n_fft} and {self.hop_samples}"
            )
        return self

    @model_validator(mode="after")
    def check_ranges(self) -> Self:
        for low, high in (("mel_min_hz", "mel_max_hz"), ("f0_min_hz", "f0_max_hz")):
            if getattr(self, low) >= getattr(self, high):
                raise ValueError(
                    f"{low} must lie below {high}, got {getattr(self, low)} "
                    f"and {getattr(self, high)}"
                )
        if self.hop_samples > self.n_fft:
            raise ValueError(
                f"hop_samples must not exceed n_fft, got {self.hop_samples} and {self.n_fft}"
            )
        return self


@dataclass(frozen=True, config=STRICT)
class EpisodeParams:
    """Support and query sets of the held-out speakers."""

    shots: list[Positive]  # nested support sets: each holds the smaller ones
    queries: Positive  # utterances per held-out speaker
    draws: Positive  # of support sets; training seed i meets draw i mod draws
    text_disjoint: bool  # no query text is among training or support texts
    seed: Count
    # With text_disjoint: nor is one that is as alike to a query's as this, see episodes.likeness;
    # None: only equal texts are kept apart
    near_duplicates: Annotated[float, Field(gt=0, le=1)] | None = None
    # A file in splits/ with an exported split, used in place of a draw; None: they are drawn
    manifest: str | None = None

    @model_validator(mode="after")
    def check_shots(self) -> Self:
        if not self.shots or self.shots != sorted(set(self.shots)):
            raise ValueError(f"shots must be some numbers that rise strictly, got {self.shots}")
        return self


@dataclass(frozen=True, config=STRICT)
class VocoderFileParams:
    """A vocoder of the user's. See models.vocoder."""

    path: str
    sha256: Annotated[
        str, Field(pattern=r"^[0-9a-f]{64}$")
    ]  # of the file, which DVC does not watch


@dataclass(frozen=True, config=STRICT)
class ModelParams:
    """The one acoustic model of all arms, and the vocoder."""

    channels: Positive
    encoder_blocks: Positive
    decoder_blocks: Positive
    kernel: Positive  # taps of each convolution; odd
    speaker_channels: Positive
    predictor_channels: Positive
    vocoder: Literal["griffin_lim", "exported"]
    vocoder_iterations: Positive  # of griffin_lim
    vocoder_file: VocoderFileParams | None = None  # of exported

    @model_validator(mode="after")
    def check_vocoder(self) -> Self:
        if (self.vocoder == "exported") != (self.vocoder_file is not None):
            raise ValueError("vocoder_file goes with vocoder: exported, and only with it")
        return self

    @model_validator(mode="after")
    def check_kernel(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, got {self.kernel}")
        return self


@dataclass(frozen=True, config=STRICT)
class LossParams:
    """Weights of the acoustic model's loss, shared by every arm and by adaptation."""

    mel: Weight
    duration: Weight
    pitch: Weight
    voicing: Weight

    @model_validator(mode="after")
    def check_weights(self) -> Self:
        if not any((self.mel, self.duration, self.pitch, self.voicing)):
            raise ValueError("all weights are 0: at least one must be above")
        return self


@dataclass(frozen=True, config=STRICT)
class OptimisationParams:
    """One phase of training."""

    utterance_gradients: Positive  # the budget: see strategies.budget
    batch_utterances: Positive
    learning_rate: PositiveReal
    weight_decay: Weight
    gradient_norm: PositiveReal  # clipped at


BudgetUnit = Literal["utterance_gradients", "cpu_seconds"]
Device = Literal["cpu", "cuda", "auto"]


@dataclass(frozen=True, config=STRICT)
class TrainingParams:
    # Of training, tuning and adaptation; auto: cuda where there is a GPU.
    device: Device
    # The inner loop and adaptation as compiled code, on the processor (see adaptts.compilation).
    compile: bool
    # What is equal for all arms: the work, or the CPU time that as much plain training takes.
    budget: BudgetUnit
    trunk: OptimisationParams  # multi-speaker pretraining, shared by every arm of a seed
    arm: OptimisationParams  # what each arm does from there; the same budget for each
    loss: LossParams

    @model_validator(mode="after")
    def check_clock(self) -> Self:
        if self.budget == "cpu_seconds" and self.device != "cpu":
            raise ValueError(
                f"budget cpu_seconds counts the processor's time alone, got device {self.device}; "
                "choose budget utterance_gradients, or device cpu"
            )
        return self

    @model_validator(mode="after")
    def check_compile(self) -> Self:
        if self.compile and self.device != "cpu":
            raise ValueError(
                f"compile is for the processor alone, got device {self.device}; choose compile "
                "false, or device cpu"
            )
        return self

    def from_scratch(self) -> OptimisationParams:
        """What an arm does that begins without the trunk, whose budget is its own to spend.

        It learns at the trunk's rate, unless its strategy has a rate of its own.
        """
        both = self.trunk.utterance_gradients + self.arm.utterance_gradients
        return replace(self.trunk, utterance_gradients=both)


FixedRule = Literal["sgd", "preconditioned_sgd", "adam"]
# `learned`: at the rates that a strategy has learned (see strategies.rates), times the step size.
Rule = Literal[FixedRule, "learned"]


def rising(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("the lower bound comes first")
    return bounds


# The least and the largest value that a search may try; it moves between them on a log scale.
Bounds = Annotated[tuple[PositiveReal, PositiveReal], AfterValidator(rising)]
# Which update rules a search tries, and with which step sizes.
Space = Annotated[dict[Rule, Bounds], Field(min_length=1)]


@dataclass(frozen=True, config=STRICT)
class TrialParams:
    """One way to adapt that was tried, or that was chosen."""

    rule: Rule
    step_size: PositiveReal
    anchor: Weight = 0.0


@dataclass(frozen=True, config=STRICT)
class MannerParams:
    """How one arm adapts to a new voice: its entry `adaptation` under `strategies`.

    `parameters` and `space` are the experiment's own, of its section `adaptation`, if left out.
    """

    parameters: str  # which adapt: low_rank, or one of models.adapted.SUBSETS
    space: Space  # of the search for the update rule and its step size
    rank: Positive | None = None  # of low_rank's updates
    anchor: Bounds | None = None  # searched pull towards the initial weights (L2-SP); None: none
    # One support utterance, where there are two or more, and keep the step that does best on it.
    hold_back: bool = False
    tempo: Annotated[float, Field(ge=0, lt=1)] = 0.0  # support heard at 1 ± tempo, at random

    @model_validator(mode="after")
    def check_rank(self) -> Self:
        if (self.parameters == "low_rank") != (self.rank is not None):
            raise ValueError("rank goes with parameters: low_rank, and only with it")
        unable = sorted({"preconditioned_sgd", "learned"} & set(self.space))
        if self.rank is not None and unable:
            raise ValueError(f"{unable} know no low_rank updates; give the arm a space without")
        return self


@dataclass(frozen=True, config=STRICT)
class AdaptationParams:
    """What happens when a new voice arrives."""

    # Which parameters adapt, of arms that do not say: see models.adapted.SUBSETS.
    parameters: str
    steps: list[Count]  # the query utterances are predicted after each of these
    trials: Positive  # of each arm, on the validation speakers
    space: Space  # that they are drawn from, for every arm that names no other
    seed: Count  # of the search

    @model_validator(mode="after")
    def check_parameters(self) -> Self:
        if self.parameters == "low_rank":
            raise ValueError(
                "parameters low_rank needs a rank, which an arm alone can have; name a subset "
                "here, and give parameters: low_rank with its rank under the arm's own adaptation"
            )
        return self

    @model_validator(mode="after")
    def check_steps(self) -> Self:
        if self.steps != sorted(set(self.steps)):
            raise ValueError(f"steps must rise strictly, got {self.steps}")
        if len(self.steps) < 2 or self.steps[0] != 0:
            raise ValueError(
                f"steps must begin with 0, the unadapted voice, and go on, got {self.steps}"
            )
        if self.trials < len(self.space):
            raise ValueError(
                f"trials must be one or more for each update rule of space, got {self.trials} "
                f"for {len(self.space)}"
            )
        return self


@dataclass(frozen=True, config=STRICT)
class PointParams:
    """A point of the grid shots × steps."""

    shots: Positive
    steps: Count


# Names in adaptts.evaluation.conventions, where each is defined.
ConventionName = Literal["espnet", "versa", "versa_dtw", "pymcd", "pymcd_plain", "pymcd_sl"]


RecogniserName = Literal["sphinx", "ctc", "wav2vec2", "whisper"]


@dataclass(frozen=True, config=STRICT)
class CtcParams:
    """The recogniser `ctc`, which learns from the training speakers' recordings."""

    channels: Positive
    utterance_gradients: Positive  # of its training


@dataclass(frozen=True, config=STRICT)
class EvaluationParams:
    """The measures that need sound are taken at `points`; the others everywhere."""

    headline: PointParams  # of the table; tuning judges at its shots, up to its steps
    points: list[PointParams]
    # The first one's word and character error rates are the headline's.
    recognisers: list[RecogniserName]
    ctc: CtcParams
    whisper: Literal["tiny", "base", "small", "medium", "large-v3"]  # the size of its model
    # The folder with the weights of wav2vec2, whisper and squim; None: those of torch's and Hugging
    # Face's own caches, where those of the recognisers are downloaded to
    weights: str | None
    noise_floor: Weight  # standard deviation; sphinx hears it added to a sound of peak 0.6
    sentences_to_hear: Positive  # per test speaker, in the report
    predicted_quality: Literal["none", "squim"] = "none"  # squim needs weights: see quality
    # The MCD of what is heard at the headline with the first seed, by these as well
    conventions: list[ConventionName] = Field(default_factory=list)

    @model_validator(mode="after")
    def check_recognisers(self) -> Self:
        if not self.recognisers or len(set(self.recognisers)) < len(self.recognisers):
            raise ValueError(
                f"recognisers must name at least one, and none twice, got {self.recognisers}"
            )
        return self

    @model_validator(mode="after")
    def check_conventions(self) -> Self:
        if len(set(self.conventions)) < len(self.conventions):
            raise ValueError(f"conventions must name none twice, got {self.conventions}")
        return self


@dataclass(frozen=True, config=STRICT)
class ListeningParams:
    """How many trials of each kind a listener of the listening test meets; 0 leaves a kind out."""

    acr: Count = 16  # opinions of single sounds, 1 to 5 (ITU-T P.800)
    ab: Count = 10  # pairs: an arm and the baseline
    mushra: Count = 6  # sets of sounds, 0 to 100 beside a reference (ITU-R BS.1534)


@dataclass(frozen=True, config=STRICT)
class ComparisonParams:
    """The planned comparisons, which Holm's correction is over: all arms with one, all metrics."""

    baseline: Arm  # an entry of strategies
    # Any others are explored without correction.
    metrics: Annotated[list[PairedMetric], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.metrics)) < len(self.metrics):
            raise ValueError(f"metrics names one twice: {self.metrics}")
        return self


@dataclass(frozen=True, config=STRICT)
class ReportParams:
    comparisons: ComparisonParams
    bootstrap_samples: Positive
    confidence: Annotated[float, Field(gt=0, lt=1)]
    seed: Count
    listening: ListeningParams = ListeningParams()


@dataclass(frozen=True, config=STRICT)
class FoldParams:
    """Who is held out in one fold of a cross-validation, in the place of `split`'s own."""

    test: list[Name]
    validation: list[Name]


@dataclass(frozen=True, config=STRICT)
class Experiment:
    """All of `params.yaml`."""

    name: Name
    seeds: list[Count]
    arms: list[Arm]
    corpus: CorpusParams
    split: SplitParams
    features: FeatureParams
    episodes: EpisodeParams
    model: ModelParams
    training: TrainingParams
    strategies: dict[Arm, dict[str, Any]]  # each strategy reads its own: see strategies
    adaptation: AdaptationParams
    evaluation: EvaluationParams
    report: ReportParams
    # Of a cross-validation, which is run apart from the experiment itself; none: there is no such.
    folds: list[FoldParams] = Field(default_factory=list)

    @model_validator(mode="after")
    def check_folds(self) -> Self:
        """Every speaker is tested in one fold at most, and each fold is a split as any other."""
        tested: dict[str, int] = {}
        for number, fold in enumerate(self.folds, 1):
            try:
                replace(self.split, **vars(fold))
            except ValidationError as error:
                rules = "; ".join(_rule(problem) for problem in error.errors())
                raise ValueError(f"fold {number} of folds: {rules}") from None
            for name in fold.test:
                if name in tested:
                    raise ValueError(
                        f"fold {number} of folds tests {name!r}, which fold {tested[name]} tests; "
                        "name each under test once in all folds"
                    )
                tested[name] = number
        if len(self.folds) == 1:
            raise ValueError("folds has one fold; name two or more, or none and use split")
        return self

    @model_validator(mode="after")
    def check_agreement(self) -> Self:
        """Rules that join sections."""
        for key in ("seeds", "arms"):
            values = getattr(self, key)
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{key} must name at least one, and none twice, got {values}")
        missing = [arm for arm in self.arms if arm not in self.strategies]
        if missing:
            raise ValueError(f"arms {missing} have no entry under strategies; add one for each")
        for point in [self.evaluation.headline, *self.evaluation.points]:
            if point.shots not in self.episodes.shots:
                raise ValueError(
                    f"evaluation asks for {point.shots} shots, "
                    f"episodes.shots has {self.episodes.shots}"
                )
            if point.steps not in self.adaptation.steps:
                raise ValueError(
                    f"evaluation asks for {point.steps} steps, "
                    f"adaptation.steps has {self.adaptation.steps}"
                )
        baseline = self.report.comparisons.baseline
        if baseline not in self.strategies:
            raise ValueError(
                f"report.comparisons.baseline {baseline} has no entry under strategies; name one "
                f"of {sorted(self.strategies)}"
            )
        reserved = sorted(set(self.arms) & set(RESERVED_ARMS))
        if reserved:
            raise ValueError(f"arms {reserved} have names of something else; rename them")
        if self.evaluation.headline not in self.evaluation.points:
            raise ValueError("evaluation.headline must be one of evaluation.points")
        if self.evaluation.headline.steps == 0:
            raise ValueError("evaluation.headline.steps must be 1 or more: trials are judged there")
        if self.features.mel_max_hz > self.corpus.sampling_rate / 2:
            raise ValueError(
                f"features.mel_max_hz {self.features.mel_max_hz} lies above half of "
                f"corpus.sampling_rate {self.corpus.sampling_rate}"
            )
        return self

    def draw_of(self, seed: int) -> int:
        """The draw of support sets that a training seed meets."""
        return self.seeds.index(seed) % self.episodes.draws


def parse(kind: type[T], values: Mapping[str, Any], section: str) -> T:
    """Read `values` as the dataclass `kind`; `section` is its place in the file, for errors.

    Raises `ParamsError` with one line for each broken rule.
    """
    try:
        # By way of JSON: strict validation of Python objects would refuse mappings.
        return TypeAdapter(kind).validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        raise ParamsError("\n".join(_describe(error, section))) from None


def read(path: Path) -> Experiment:
    """Read the experiment in the YAML file `path`."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path} is missing; copy one of presets/ there") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path} is not YAML: {error}") from None
    if not isinstance(values, dict):
        raise ParamsError(f"{path} must hold a mapping, got {type(values).__name__}")
    return parse(Experiment, values, "")


def _describe(error: ValidationError, section: str) -> list[str]:
    lines = []
    for problem in error.errors():
        key = ".".join([section, *map(str, problem["loc"])]).strip(".") or "params"
        if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            lines.append(f"{key}: unknown key; remove it or mend its spelling")
        elif problem["type"] == "missing":
            lines.append(f"{key}: missing key; presets/default.yaml shows it")
        elif problem["type"] == "string_pattern_mismatch":
            lines.append(
                f"{key}: got {problem['input']!r:.200}; it must be of A-Z, a-z, 0-9, _ and ., and "
                "begin with a letter or digit, because it names folders and stages; rename it"
            )
        elif problem["type"] == "string_type":
            lines.append(f"{key}: got {problem['input']!r:.200}; it must be text: put it in quotes")
        else:
            rule = _rule(problem)
            # A rule that joins several keys names their values itself.
            value = "" if isinstance(problem["input"], dict) else f"got {problem['input']!r:.200}; "
            lines.append(f"{key}: {value}{rule}")
    return lines


def _rule(problem: Mapping[str, Any]) -> str:
    return problem["msg"].removeprefix("Value error, ")
