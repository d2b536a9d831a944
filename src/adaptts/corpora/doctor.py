"""What is wrong with a corpus of recordings, told before hours are spent on it.

Every recording is read as it stands. Outliers are told from what is usual in the corpus itself, so
that single words and long sentences, telephones and studios are each judged by their own kind.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import vl_convert
from scipy.signal import welch

from adaptts.corpora import inspection, manifest, recorded
from adaptts.corpora.audio import AudioError, Recording, Waveform
from adaptts.corpora.content import content_hash, copies
from adaptts.corpora.pronunciation import Guess, guesses
from adaptts.corpora.reading import read_out
from adaptts.corpora.recorded import Found, Row
from adaptts.corpora.transcripts import Source
from adaptts.params import CorpusParams

FRAME_SECONDS = 0.02
QUIET = 0.01  # of the loudest frame's level: nobody speaks there
SHORT_SECONDS, LONG_SECONDS = 0.2, 30.0
SHORT_SHARE = 0.25  # of the usual length: where single words are usual, they are not short
RATE_FACTOR = 2.0  # a reader who is twice as fast as usual read something else …
RATE_DEVIATIONS = 5.0  # … if that is also far outside the spread of the speaker's own rates
FEWEST = 10  # utterances for a spread to mean something
FAINT_DB = 70.0  # below the loudest: no signal, in a spectrum
BAND_SHARE = 0.9  # of the mel bands' range: where recordings reach less far, some bands are empty


@dataclass(frozen=True)
class Kind:
    """A kind of finding."""

    meaning: str
    excludes: bool  # the utterance belongs on the exclusion list


KINDS = {
    "gap": Kind("published without it, or listed in corpus.exclude: left out anyway", False),
    "broken_row": Kind("name, speaker or text break a rule", True),
    "unusable": Kind("missing, empty, cut short, silent, NaN, or too short or long", True),
    "duplicate": Kind("the same samples as another: would leak between splits", True),
    "speaking_rate": Kind("far faster or slower than usual: wrong text or sampling rate?", True),
    "duration": Kind("shorter or longer than utterances usually are", True),
    "sampling_rate": Kind("not the rate of most recordings; is resampled", False),
    "bandwidth": Kind("far less than usual: once had a lower sampling rate?", False),
    "empty_band": Kind("recordings end below features.mel_max_hz: bands of noise alone", False),
    "clipped": Kind("samples at full scale", False),
    "unsaid": Kind("has letters or symbols that corpus.language has no sound for", True),
    "guess": Kind("words spelt letter by letter or said in another language: words.csv", False),
    "characters": Kind("digits, symbols or letters of another script: how are they said?", False),
    "extra": Kind("recordings that no text belongs to", False),
    "small_speaker": Kind("too few utterances to be held out", False),
}


@dataclass(frozen=True)
class Finding:
    kind: str  # of KINDS
    utterance: str  # or a file, or empty
    speaker: str
    detail: str


@dataclass(frozen=True)
class Measured:
    """A recording as it stands."""

    seconds: float
    sampling_rate: int
    content: str  # see content.content_hash
    active_seconds: float
    bandwidth_hz: float
    clipped: int


@dataclass(frozen=True)
class Report:
    findings: list[Finding]
    table: pd.DataFrame  # speaker, the groups, seconds, letters_per_second; by utterance
    guessed: list[Guess]

    def excluded(self) -> dict[str, str]:
        """Utterance → why it belongs on the exclusion list."""
        return {
            finding.utterance: f"{finding.kind}: {finding.detail}"
            for finding in reversed(self.findings)
            if KINDS[finding.kind].excludes and finding.utterance
        }


def examine(
    found: Found, params: CorpusParams, unit: str, needed: int, mel_max_hz: float = 0.0
) -> Report:
    """Look at all that was found of the speakers asked for.

    `unit` is the column whose values are held out, `needed` the utterances that each of them must
    have for support and queries. The mel bands reach up to `mel_max_hz`.
    """
    rows, listed = recorded.without_listed(found.rows, params.exclude)
    gaps = [
        Finding("gap", remark.utterance, "", remark.reason)
        for remark in [*found.info.exclusions, *listed]
    ]
    asked = manifest.choose(
        sorted({row.speaker for row in rows}), params.speakers, "corpus.speakers"
    )
    rows = [row for row in rows if row.speaker in set(asked)]
    problems = recorded.rule_problems(rows)
    findings = gaps + [
        Finding("broken_row", row.utterance, row.speaker, why) for row, why in problems
    ]
    broken = {id(row) for row, _ in problems}
    sound = [row for row in rows if id(row) not in broken]
    measured: list[tuple[Row, Measured]] = []
    for row, outcome in zip(sound, recorded.side_by_side(_measure, sound, "check"), strict=True):
        if isinstance(outcome, str):
            findings.append(Finding("unusable", row.utterance, row.speaker, outcome))
        else:
            measured.append((row, outcome))
    findings += _compare(measured)
    findings += _empty_bands(measured, mel_max_hz)
    readable = [row for row, _ in measured]
    guessed = guesses({row.utterance: row.text for row in readable}, params.language)
    findings += _unsaid(readable, params.language)
    findings += _guesses(readable, guessed)
    findings += _characters(readable, params.language)
    findings += _extras(found, rows)
    report = Report(findings, _tabulate(measured), guessed)
    return replace(report, findings=[*findings, *_small_units(report, unit, needed)])


def write(report: Report, folder: Path) -> None:
    """Write check.csv, exclude.csv, words.csv and check.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = ["kind", "utterance", "speaker", "detail"]
    table = pd.DataFrame(report.findings, columns=columns)
    table.to_csv(folder / "check.csv", index=False, lineterminator="\n")
    listed = pd.DataFrame(report.excluded().items(), columns=["utterance", "reason"])
    listed.to_csv(folder / "exclude.csv", index=False, lineterminator="\n")
    words = pd.DataFrame(
        [(guess.word, guess.how, guess.phones, " ".join(guess.utterances))
         for guess in sorted(report.guessed, key=lambda guess: -len(guess.utterances))],
        columns=["word", "said", "phones", "utterances"],
    )  # fmt: skip
    words.to_csv(folder / "words.csv", index=False, lineterminator="\n")
    (folder / "check.svg").write_text(draw(report), encoding="utf-8")


def summarise(report: Report) -> str:
    """A line for each kind: how many, what it means, and one of them."""
    hours = report.table["seconds"].sum() / 3600
    speakers = report.table["speaker"].nunique()
    lines = [f"{len(report.table)} utterances of {speakers} speakers, {hours:.1f} hours"]
    for name, kind in KINDS.items():
        found = [finding for finding in report.findings if finding.kind == name]
        lines.append(f"{len(found):7d}  {name:14s} {kind.meaning}")
        if found:
            first = found[0]
            whose = first.utterance or first.speaker
            lines.append(f"{'':25s}{f'{whose}: ' if whose else ''}{first.detail:.150}")
    lines.append(f"{len(report.excluded()):7d}  in all are on the exclusion list")
    return "\n".join(lines)


def draw(report: Report) -> str:
    """Durations, speaking rates and findings, as SVG."""
    counts = Counter(finding.kind for finding in report.findings)
    kinds = pd.DataFrame({"kind": KINDS.keys(), "count": [counts[kind] for kind in KINDS]})
    bars = (
        alt.Chart(kinds, title="findings", width=260)
        .mark_bar(color="#d55e00")
        .encode(
            x=alt.X("count", title=None, axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("kind", sort=[*KINDS], title=None),
        )
    )
    charts = [
        _histogram(report.table["seconds"], "seconds"),
        _histogram(report.table["letters_per_second"], "letters per second of speech"),
        bars,
    ]
    return vl_convert.vegalite_to_svg(alt.hconcat(*charts).to_dict())


def _histogram(values: pd.Series, title: str) -> alt.Chart:
    counts, edges = np.histogram(values, bins=40)
    table = pd.DataFrame({"count": counts, "from": edges[:-1], "to": edges[1:]})
    return (
        alt.Chart(table, title=title, width=260)
        .mark_bar(color="#0072b2")
        .encode(
            x=alt.X("from", bin="binned", title=None),
            x2="to",
            # Few are what one looks for.
            y=alt.Y("count", title="utterances", scale=alt.Scale(type="sqrt")),
        )
    )


def _measure(row: Row) -> Measured | str:
    """The measures of a row's recording, or why it cannot be used."""
    try:
        inspection.check_file(row.source)
        waveform, recording = inspection.read(row.source)
    except AudioError as error:
        return str(error)
    return Measured(
        seconds=len(waveform) / recording.sampling_rate,
        sampling_rate=recording.sampling_rate,
        content=content_hash(waveform),
        active_seconds=_active_seconds(waveform, recording.sampling_rate),
        bandwidth_hz=_bandwidth(recording),
        clipped=inspection.clipped_samples(recording),
    )


def _active_seconds(waveform: Waveform, sampling_rate: int) -> float:
    """How long somebody speaks: frames that are not quiet."""
    length = max(round(FRAME_SECONDS * sampling_rate), 1)
    frames = np.resize(waveform, (max(len(waveform) // length, 1), length))
    levels = frames.std(axis=1)
    return float(np.count_nonzero(levels > QUIET * levels.max()) * FRAME_SECONDS)


def _bandwidth(recording: Recording) -> float:
    """The highest frequency that is not faint, in Hz."""
    mono = recording.samples.mean(axis=1)
    frequencies, power = welch(mono, recording.sampling_rate, nperseg=min(1024, len(mono)))
    return float(frequencies[power > power.max() * 10 ** (-FAINT_DB / 10)].max())


def _compare(measured: Sequence[tuple[Row, Measured]]) -> Iterator[Finding]:
    """What is unusual among the recordings."""
    if not measured:
        return
    usual_rate, _ = Counter(each.sampling_rate for _, each in measured).most_common(1)[0]
    usual_bandwidth = float(np.median([each.bandwidth_hz for _, each in measured]))
    usual_seconds = float(np.median([each.seconds for _, each in measured]))
    shortest = min(SHORT_SECONDS, SHORT_SHARE * usual_seconds)
    repeated = copies((row.utterance, each.content) for row, each in measured)
    for row, each in measured:
        name, speaker = row.utterance, row.speaker
        if name in repeated:
            yield Finding("duplicate", name, speaker, f"has the samples of {repeated[name]}")
        if each.clipped:
            yield Finding("clipped", name, speaker, f"{each.clipped} samples at full scale")
        if each.sampling_rate != usual_rate:
            detail = f"{each.sampling_rate} Hz, most have {usual_rate}"
            yield Finding("sampling_rate", name, speaker, detail)
        if each.bandwidth_hz < usual_bandwidth / 2:
            detail = f"nothing above {each.bandwidth_hz:.0f} Hz; usual: {usual_bandwidth:.0f}"
            yield Finding("bandwidth", name, speaker, detail)
        if not shortest <= each.seconds <= LONG_SECONDS:
            yield Finding("duration", name, speaker, f"{each.seconds:.2f} s")
    yield from _rates(measured)


def _empty_bands(measured: Sequence[tuple[Row, Measured]], mel_max_hz: float) -> Iterator[Finding]:
    """Whether mel bands lie above all that most recordings hold, as after resampling upwards."""
    if not measured:
        return
    usual_hz = float(np.median([each.bandwidth_hz for _, each in measured]))
    if usual_hz < BAND_SHARE * mel_max_hz:
        detail = (
            f"most recordings have nothing above {usual_hz:.0f} Hz; lower features.mel_max_hz "
            f"{mel_max_hz:.0f} to about that"
        )
        yield Finding("empty_band", "", "", detail)


def _rates(measured: Sequence[tuple[Row, Measured]]) -> Iterator[Finding]:
    """Utterances that were read far faster or slower than the speaker's others.

    And speakers far from the others in all they read: a wrong rate of all their files looks so.
    """
    by_speaker: dict[str, list[tuple[Row, float]]] = defaultdict(list)
    for row, each in measured:
        by_speaker[row.speaker].append((row, np.log(_letters_per_second(row, each))))
    everybody = [rate for rates in by_speaker.values() for _, rate in rates]
    medians = {
        speaker: float(np.median([rate for _, rate in rates]))
        for speaker, rates in by_speaker.items()
        if len(rates) >= FEWEST
    }
    usual = float(np.median([*medians.values()])) if medians else 0.0
    for speaker, own in medians.items():
        if abs(own - usual) > np.log(RATE_FACTOR):
            detail = (
                f"{np.exp(own):.1f} letters per second in most utterances; of most speakers: "
                f"{np.exp(usual):.1f}"
            )
            yield Finding("speaking_rate", "", speaker, detail)
    for speaker, rates in by_speaker.items():
        own = [rate for _, rate in rates]
        base = own if len(own) >= FEWEST else everybody
        middle = float(np.median(base))
        spread = 1.4826 * float(np.median(np.abs(np.array(base) - middle)))
        for row, rate in rates:
            if abs(rate - middle) > max(np.log(RATE_FACTOR), RATE_DEVIATIONS * spread):
                detail = (
                    f"{np.exp(rate):.1f} letters per second; usual: {np.exp(middle):.1f}; "
                    f"text: {row.text!r:.60}"
                )
                yield Finding("speaking_rate", row.utterance, speaker, detail)


def _letters_per_second(row: Row, measured: Measured) -> float:
    letters = len(manifest.normalise_text(row.text).replace(" ", ""))
    return letters / max(measured.active_seconds, FRAME_SECONDS)


def _unsaid(rows: Sequence[Row], language: str) -> Iterator[Finding]:
    for row, problem in recorded.unsayable(rows, language):
        yield Finding("unsaid", row.utterance, row.speaker, problem)


def _guesses(rows: Sequence[Row], guessed: Sequence[Guess]) -> Iterator[Finding]:
    by_utterance: dict[str, list[str]] = defaultdict(list)
    for guess in guessed:
        for utterance in guess.utterances:
            by_utterance[utterance].append(f"{guess.word} {guess.how}")
    for row in rows:
        if row.utterance in by_utterance:
            detail = "; ".join(by_utterance[row.utterance])
            yield Finding("guess", row.utterance, row.speaker, detail)


def _characters(rows: Sequence[Row], language: str) -> Iterator[Finding]:
    """Texts with digits, symbols, or letters of another script than most of the corpus."""
    scripts = {row.utterance: Counter(map(_script, row.text)) for row in rows}
    everything = sum(scripts.values(), Counter[str]())
    del everything[""]
    for odd in ("digit", "symbol"):
        del everything[odd]
    usual = everything.most_common(1)[0][0] if everything else ""
    for row in rows:
        found = sorted({c for c in row.text if _script(c) not in ("", usual)})
        if found:
            read = read_out(row.text, language)
            detail = f"has {' '.join(found)} in {row.text!r:.80}, read as {read!r:.120}"
            yield Finding("characters", row.utterance, row.speaker, detail)


def _script(character: str) -> str:
    """LATIN, CJK …, digit or symbol; empty for what is not said."""
    category = unicodedata.category(character)
    if category[0] == "L" and category != "Lm":
        return unicodedata.name(character, "?").split()[0].split("-")[0]
    return {"N": "digit", "S": "symbol"}.get(category[0], "") if category != "Sk" else ""


def _extras(found: Found, rows: Sequence[Row]) -> Iterator[Finding]:
    known = {str(row.source) for row in rows} | {str(row.source) for row in found.rows}
    for path in _walk(found.root):
        if path.name.lower().endswith(found.recordings) and str(path) not in known:
            yield Finding("extra", str(path), "", "no text belongs to it")


def _walk(folder: Source) -> Iterator[Source]:
    """All files below, without following links to folders: these may lead around in circles."""
    for path in sorted(folder.iterdir(), key=str):
        if path.is_dir() and not (isinstance(path, Path) and path.is_symlink()):
            yield from _walk(path)
        elif path.is_file():
            yield path


def _tabulate(measured: Sequence[tuple[Row, Measured]]) -> pd.DataFrame:
    columns = ["utterance", "speaker", "seconds", "letters_per_second"]
    table = pd.DataFrame(
        [
            {
                "utterance": row.utterance,
                **row.groups,
                "speaker": row.speaker,
                "seconds": each.seconds,
                "letters_per_second": _letters_per_second(row, each),
            }
            for row, each in measured
        ],
        columns=None if measured else columns,
    )
    return table.set_index("utterance")


def _small_units(report: Report, unit: str, needed: int) -> Iterator[Finding]:
    if unit not in report.table:
        return
    left = report.table[~report.table.index.isin(report.excluded().keys())]
    counts = left.groupby(unit).size()
    for name in sorted(report.table[unit].unique()):
        if counts.get(name, 0) < needed:
            detail = f"{counts.get(name, 0)} utterances; to be held out takes {needed}"
            yield Finding("small_speaker", "", str(name), detail)
