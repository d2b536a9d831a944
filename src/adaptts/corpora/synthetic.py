"""The embedded corpus: matrix sentences said by 24 voices of espeak-ng, with their exact phones.

A matrix sentence is name, verb, numeral, adjective, noun, each one of ten words; audiology measures
intelligibility with such sentences (Hagerman 1982). Its grammar is closed and none of its words can
be guessed from the others. The 24 voices differ in formants, voice source, pitch and rate; `tract`
in voices.csv scales the formants by playing the voice slower or faster, with the rate compensated.
Each voice can read in any of espeak-ng's English accents. Phones have the names of the letters
that they are of: an accent shows in how they sound and how long they are, seldom in other names.
"""

import itertools
import os
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import resample_poly
from tqdm import tqdm

from adaptts.corpora import audio, espeak, manifest, origins
from adaptts.corpora.content import content_hash
from adaptts.corpora.manifest import SILENCE
from adaptts.corpora.origins import Former
from adaptts.params import CorpusParams

SLOTS = (
    ("alan", "doris", "kathy", "lucy", "nina", "peter", "rachel", "steven", "thomas", "william"),
    ("brought", "gives", "got", "has", "kept", "ordered", "prefers", "sees", "sold", "wants"),
    ("two", "three", "four", "seven", "eight", "nine", "twelve", "fifteen", "nineteen", "sixty"),
    ("cheap", "dark", "green", "heavy", "large", "old", "pretty", "red", "small", "white"),
    (
        "chairs",
        "desks",
        "flowers",
        "houses",
        "rings",
        "shoes",
        "sofas",
        "spoons",
        "toys",
        "windows",
    ),
)
UTTERANCES_PER_SPEAKER = 60  # in each accent, unless the parameters say how many
# Names that can stand in folders and stages, and espeak-ng's own: all of its accents of English.
ACCENTS = {
    "en_us": "en-us",
    "en_us_nyc": "en-us-nyc",  # New York City
    "en_gb": "en",
    "en_gb_x_rp": "en-gb-x-rp",  # Received Pronunciation
    "en_gb_x_gbclan": "en-gb-x-gbclan",  # Lancaster
    "en_gb_x_gbcwmd": "en-gb-x-gbcwmd",  # West Midlands
    "en_gb_scotland": "en-gb-scotland",
    "en_029": "en-029",  # the Caribbean
}
PLAIN = "en_us"  # what is read in unless the parameters name accents

# Sentences are drawn without repetition, which takes longer the more of the 100 000 are gone.
_MOST_UTTERANCES = 10_000
# Ratios of resampling are rounded to fractions of at most this; pitch is off by at most 0.1 %.
_LARGEST_DENOMINATOR = 500
# espeak-ng's glides between two vowels, too rare to be learnt apart from what they sound like.
_GLIDES = {";": "j", "r-": "r"}


@dataclass(frozen=True)
class Voice:
    """A row of voices.csv: one speaker."""

    speaker: str
    variant: str  # espeak-ng's name
    sex: str
    rate: int  # words per minute
    pitch: int  # 0 … 100
    range: int  # of the pitch, 0 … 100
    tract: float  # factor on all formants: below 1, a longer vocal tract

    def prompt(self, text: str, accent: str) -> espeak.Prompt:
        """What to ask of espeak-ng for this voice to say `text` in an accent of `ACCENTS`."""
        return espeak.Prompt(
            text=text,
            voice=f"{ACCENTS[accent]}+{self.variant}",
            rate=int(self.rate / self.tract),
            pitch=self.pitch,
            range=self.range,
        )


@dataclass(frozen=True)
class Utterance:
    """One sentence of one speaker in one accent."""

    name: str
    voice: Voice
    accent: str
    text: str


def prepare(
    params: CorpusParams, folder: Path, downloads: Path, former: Former = origins.nothing
) -> int:
    """Make the corpus in `folder`; nothing is downloaded, and all of it is made each time.

    Raises `ManifestError` where the parameters ask for what there is not, and `SynthesisError`
    where espeak-ng does not run.
    """
    del downloads, former
    _check_nothing_is_for_recordings(params)
    utterances = list(_choose_utterances(params))
    with ExitStack() as stack:
        synthesisers = [
            stack.enter_context(espeak.Synthesiser())
            for _ in range(min(os.cpu_count() or 1, len(utterances)))
        ]
        version = synthesisers[0].version
        free: queue.SimpleQueue[espeak.Synthesiser] = queue.SimpleQueue()
        for synthesiser in synthesisers:
            free.put(synthesiser)

        def make(utterance: Utterance) -> tuple[pd.DataFrame, str]:
            synthesiser = free.get()
            try:
                speech = synthesiser.say(utterance.voice.prompt(utterance.text, utterance.accent))
            finally:
                free.put(synthesiser)
            return _write_utterance(utterance, speech, folder, params.sampling_rate)

        pool = stack.enter_context(ThreadPoolExecutor(len(synthesisers)))
        made = pool.map(make, utterances)
        bar = tqdm(made, "synthetic", len(utterances), unit="utterance", disable=None)
        phones, contents = zip(*bar, strict=True)
    table = _tabulate(utterances, [each["end_seconds"].iloc[-1] for each in phones], contents)
    manifest.write(folder, table, _describe(params, version), grammar(), pd.concat(phones))
    return 0


def voices() -> list[Voice]:
    """The speakers, in the order of voices.csv."""
    with resources.files("adaptts.corpora").joinpath("voices.csv").open(encoding="utf-8") as file:
        return [Voice(**row) for row in pd.read_csv(file).to_dict("records")]


def draw_sentences(count: int, generator: np.random.Generator) -> list[str]:
    """`count` different sentences, in lists of ten that hold every word of every slot once."""
    if count > _MOST_UTTERANCES:
        raise manifest.ManifestError(
            f"corpus.utterances_per_speaker must be at most {_MOST_UTTERANCES} for the synthetic "
            f"corpus, got {count}"
        )
    sentences: list[str] = []
    while len(sentences) < count:
        columns = [generator.permutation(words) for words in SLOTS]
        block = [" ".join(words) for words in zip(*columns, strict=True)]
        if set(block).isdisjoint(sentences):
            sentences += block
    return sentences[:count]


def grammar() -> str:
    """The grammar of matrix sentences as JSGF."""
    slots = " ".join(f"({' | '.join(words)})" for words in SLOTS)
    return f"#JSGF V1.0;\ngrammar matrix;\npublic <utterance> = {slots};\n"


def locate_phones(
    events: list[tuple[str, int]], samples: int, ratio: Fraction, sampling_rate: int
) -> pd.DataFrame:
    """Turn espeak-ng's phoneme events into phones with times after resampling and padding.

    `samples` is the length of the padded utterance at `sampling_rate` Hz, `ratio` the resampled
    rate over espeak-ng's. Returns the columns phone, start_seconds and end_seconds without gaps.
    Pauses are `sil`. A phone that espeak-ng gives no sample of its own (l in twelve, which it
    plays as the end of the vowel) joins the phone after which it comes: El.
    """
    edge = audio.edge_samples(sampling_rate)
    # What comes before the first event is the closure of an initial stop.
    marks = [("_", 0), *((name, edge + int(sample * ratio)) for name, sample in events)]
    names: list[str] = []
    starts: list[int] = []
    ends = [start for _, start in marks[1:]] + [samples]
    for (mnemonic, start), end in zip(marks, ends, strict=True):
        name = SILENCE if mnemonic.startswith("_") else _GLIDES.get(mnemonic, mnemonic)
        if end > start and not (names and names[-1] == name == SILENCE):
            names.append(name)
            starts.append(start)
        elif end == start and name != SILENCE:
            names[-1] += name
    return pd.DataFrame(
        {
            "phone": names,
            "start_seconds": np.array(starts) / sampling_rate,
            "end_seconds": np.array([*starts[1:], samples]) / sampling_rate,
        }
    )


def _check_nothing_is_for_recordings(params: CorpusParams) -> None:
    """The phones' times hold for what espeak-ng says from end to end, resampled as it is here."""
    if params.trim or params.loudness or params.resampler != "polyphase":
        raise manifest.ManifestError(
            "corpus.trim, corpus.loudness and corpus.resampler are for recordings, and the reader "
            "synthetic has none; take trim: null, loudness: null and resampler: polyphase"
        )


def _choose_utterances(params: CorpusParams) -> Iterator[Utterance]:
    known = voices()
    speakers = [voice.speaker for voice in known]
    chosen = manifest.choose(speakers, params.speakers, "corpus.speakers")
    accents = manifest.choose([*ACCENTS], params.accents or [PLAIN], "corpus.accents")
    count = params.utterances_per_speaker or UTTERANCES_PER_SPEAKER
    for voice, accent in itertools.product(known, accents):
        if voice.speaker in chosen:
            # What a speaker reads in an accent depends neither on who else speaks, in which
            # accents, nor on how many sentences are drawn.
            key = [params.seed, speakers.index(voice.speaker), [*ACCENTS].index(accent)]
            sentences = draw_sentences(count, np.random.default_rng(key))
            reading = voice.speaker if accent == PLAIN else f"{voice.speaker}-{accent}"
            for number, text in enumerate(sentences):
                yield Utterance(f"{reading}-{number:03d}", voice, accent, text)


def _write_utterance(
    utterance: Utterance, speech: espeak.Speech, folder: Path, sampling_rate: int
) -> tuple[pd.DataFrame, str]:
    """Write the recording; returns its rows of phones.parquet, and its content's hash."""
    played_rate = Fraction(utterance.voice.tract) * espeak.SAMPLING_RATE
    ratio = (sampling_rate / played_rate).limit_denominator(_LARGEST_DENOMINATOR)
    samples = np.frombuffer(speech.pcm, dtype=np.int16).astype(np.float64)
    waveform = resample_poly(samples, ratio.numerator, ratio.denominator)
    waveform = audio.finish(waveform, sampling_rate, utterance.name)
    audio.write(folder / _path(utterance), waveform, sampling_rate)
    phones = locate_phones(speech.phones, len(waveform), ratio, sampling_rate)
    phones.insert(0, "utterance", utterance.name)
    return phones, content_hash(samples)


def _path(utterance: Utterance) -> str:
    return f"audio/{utterance.voice.speaker}/{utterance.name}.wav"


def _tabulate(
    utterances: Sequence[Utterance], seconds: Sequence[float], contents: Sequence[str]
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "utterance": utterance.name,
            "speaker": utterance.voice.speaker,
            "text": utterance.text,
            "path": _path(utterance),
            "seconds": length,
            "content_hash": content,
            "variant": utterance.voice.variant.lower(),
            "sex": utterance.voice.sex,
            "accent": utterance.accent,
        }
        for utterance, length, content in zip(utterances, seconds, contents, strict=True)
    )


def _describe(params: CorpusParams, version: str) -> manifest.CorpusInfo:
    return manifest.CorpusInfo(
        name="synthetic",
        version=f"espeak-ng {version}",
        licence="made by espeak-ng (GPL-3.0-or-later), whose licence does not cover its output",
        citation="espeak-ng, https://github.com/espeak-ng/espeak-ng; "
        "B. Hagerman (1982), Sentences for testing speech intelligibility in noise, "
        "Scandinavian Audiology 11, 79-87",
        source="synthesised",
        sampling_rate=params.sampling_rate,
        language=ACCENTS[PLAIN],
        exact_phones=True,
    )
