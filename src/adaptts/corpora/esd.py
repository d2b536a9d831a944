"""ESD, the Emotional Speech Dataset: 20 people say 350 sentences each in five emotions.

29 hours, 35,000 recordings at 16 kHz; speakers 0001 to 0010 Mandarin, 0011 to 0020 English.
K. Zhou et al. (2022), for research only: sign the licence at
https://github.com/HLTSingapore/Emotional-Speech-Data, unpack what you get, and name the folder as
`corpus.path`. Nothing is downloaded here, and no checksum is published. `corpus.language` chooses
the speakers: cmn the Mandarin ones, any other the English ones. Put speakers in quotes in
params.yaml.

Known faults: each speaker's transcript has an encoding of its own (UTF-8, UTF-16, GB 2312 or
Windows-1252), some use spaces for tabs, and some sentences are written differently in one emotion
than in the others: nobody can tell which is right without listening, and a twin that is spelt
otherwise would slip past the rule that no query's text is trained on. Those are left out.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from adaptts.corpora.manifest import CorpusInfo, ManifestError, Remark, normalise_text
from adaptts.corpora.recorded import Found, Row, folder_of, top_of, without_missing
from adaptts.corpora.transcripts import Source, read_lines
from adaptts.params import CorpusParams

EMOTIONS = ("Angry", "Happy", "Neutral", "Sad", "Surprise")
PARTS = ("train", "evaluation", "test")
SENTENCES = 350
MANDARIN = "cmn"
MEN = {"0004", "0005", "0006", "0008", "0010", "0011", "0012", "0013", "0014", "0020"}
_SPEAKER = re.compile(r"00(0[1-9]|1\d|20)")
_LINE = re.compile(
    r"(\d{4}_\d{6})\s+(.*\S)\s+(\S+)"
)  # 0011_000351 The nine the eggs, I keep. Angry


def find(params: CorpusParams, downloads: Path) -> Found:
    """The utterances of the speakers of `corpus.language` in the copy at `corpus.path`."""
    del downloads
    first = "0001" if params.language == MANDARIN else "0011"
    top = top_of(folder_of(params), first, "ESD in this language, which needs a licence")
    rows: list[Row] = []
    untold: list[Remark] = []
    for folder in sorted(top.iterdir(), key=lambda path: path.name):
        mandarin = folder.name <= "0010"
        if _SPEAKER.fullmatch(folder.name) and mandarin == (params.language == MANDARIN):
            found, without_text = _find_speaker(folder)
            rows += found
            untold += without_text
    rows, gaps = without_missing(rows)
    rows, doubtful = _without_doubtful(rows)
    info = CorpusInfo(
        name="esd",
        version="2021",
        licence="for research, by a licence to be signed",
        citation="K. Zhou, B. Sisman, R. Liu, H. Li (2022), Emotional voice conversion: Theory, "
        "databases and ESD, Speech Communication 137",
        source="https://github.com/HLTSingapore/Emotional-Speech-Data",
        sampling_rate=params.sampling_rate,
        language=params.language,
        exact_phones=False,
        exclusions=[*untold, *gaps, *doubtful],
    )
    return Found(info, rows, top)


def _find_speaker(folder: Source) -> tuple[list[Row], list[Remark]]:
    speaker = folder.name
    path = folder / f"{speaker}.txt"
    texts = dict(_read_texts(path))
    sex = "male" if speaker in MEN else "female"
    rows, without_text = [], []
    for emotion in EMOTIONS:
        # The archive has three parts below each emotion; copies that circulate have none.
        for place in [folder / emotion, *(folder / emotion / part for part in PARTS)]:
            recordings = place.iterdir() if place.is_dir() else []
            for source in sorted(recordings, key=lambda recording: recording.name):
                name = source.name.removesuffix(".wav")
                if name != source.name and name not in texts:
                    without_text.append(Remark(name, f"it has no text in {path}"))
                elif name != source.name:
                    groups = {"sex": sex, "emotion": emotion.lower()}
                    rows.append(Row(name, speaker, texts[name], source, str(path), groups))
    return rows, without_text


def _read_texts(path: Source) -> Iterator[tuple[str, str]]:
    for number, line in read_lines(path, _encodings(path)):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ManifestError(
                f"{path}, line {number}: {line!r} must be name, text and emotion; mend it"
            )
        yield match[1], match[2]


def _encodings(path: Source) -> tuple[str, ...]:
    """What the transcript may be in: UTF-16 shows by its byte order mark or its zero bytes."""
    data = path.read_bytes() if path.is_file() else b""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return ("utf-16",)
    if data[1:2] == b"\0":
        return ("utf-16-le",)
    return ("utf-8-sig", "gb18030") if path.name <= "0010.txt" else ("utf-8-sig", "cp1252")


def _without_doubtful(rows: list[Row]) -> tuple[list[Row], list[Remark]]:
    """The rows whose text is that of the same sentence in most emotions, and remarks on the others.

    An utterance's number tells its sentence: 1 to 350 in each emotion, one after the other.
    """
    texts: dict[tuple[str, int], list[str]] = defaultdict(list)
    for row in rows:
        texts[_sentence(row)].append(normalise_text(row.text))
    usual = {sentence: Counter(found).most_common(1)[0] for sentence, found in texts.items()}
    kept, remarks = [], []
    for row in rows:
        text, count = usual[_sentence(row)]
        if normalise_text(row.text) == text and count * 2 > len(texts[_sentence(row)]):
            kept.append(row)
        else:
            remarks.append(Remark(row.utterance, "its text differs from that in other emotions"))
    return kept, remarks


def _sentence(row: Row) -> tuple[str, int]:
    return row.speaker, (int(row.utterance.partition("_")[2]) - 1) % SENTENCES
