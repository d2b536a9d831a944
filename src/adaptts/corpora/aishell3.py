"""AISHELL-3: 218 people read Mandarin news and phrases.

85 hours, 88,035 recordings at 44.1 kHz, 19 GB. Y. Shi et al. (2021), OpenSLR 93, Apache 2.0. No
checksum is published. Texts are Chinese characters; punctuation is not transcribed. The pinyin
beside them is the transcribers', who wrote erhua as one syllable: phones are made of it.

Set `corpus.language: cmn`. Known faults: characters stand in turn with pinyin, save 儿 that colours
the syllable before it; lines where they do not pair up are left out; speakers who are not in
spk-info.txt have the sex and accent unknown.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from adaptts.corpora.archives import Download
from adaptts.corpora.manifest import CorpusInfo, ManifestError, Remark
from adaptts.corpora.pronunciation import PINYIN
from adaptts.corpora.recorded import Found, Row, obtain, top_of, without_missing
from adaptts.corpora.transcripts import Source, read_lines
from adaptts.params import CorpusParams

ARCHIVE = Download(
    name="data_aishell3.tgz",
    url="https://www.openslr.org/resources/93/data_aishell3.tgz",
    most_bytes=60_000_000_000,
)
LANGUAGE = "cmn"
PARTS = ("train", "test")
UNKNOWN = {"sex": "unknown", "accent": "unknown", "age": "unknown"}


def find(params: CorpusParams, downloads: Path) -> Found:
    """The utterances of both parts; the split into them is not used here."""
    if params.language != LANGUAGE:
        raise ManifestError(
            f"AISHELL-3 is Mandarin: corpus.language must be {LANGUAGE}, got {params.language!r}"
        )
    (root,) = obtain(params, [ARCHIVE], (".wav", "content.txt", "spk-info.txt"), downloads)
    top = top_of(root, "train/content.txt", "AISHELL-3")
    people = _read_people(top / "spk-info.txt")
    rows: list[Row] = []
    unpaired: list[Remark] = []
    for part in PARTS:
        for number, name, tokens in _read_content(top / part / "content.txt"):
            paired = _pair(tokens)
            if paired is None:
                unpaired.append(Remark(name, "its characters and pinyin do not pair up"))
                continue
            speaker, (text, pinyin) = name[:7], paired
            rows.append(
                Row(
                    utterance=name,
                    speaker=speaker,
                    text=text,
                    source=top / part / "wav" / speaker / f"{name}.wav",
                    where=f"{part}/content.txt, line {number}",
                    groups={**people.get(speaker, UNKNOWN), "subset": part, PINYIN: pinyin},
                )
            )
    rows, gaps = without_missing(rows)
    info = CorpusInfo(
        name="aishell3",
        version="2020-10 (SLR93)",
        licence="Apache 2.0",
        citation="Y. Shi, H. Bu, X. Xu, S. Zhang, M. Li (2021), AISHELL-3: A Multi-Speaker "
        "Mandarin TTS Corpus, Interspeech, https://arxiv.org/abs/2010.11567",
        source="https://www.openslr.org/93/",
        sampling_rate=params.sampling_rate,
        language=params.language,
        exact_phones=False,
        exclusions=[*unpaired, *gaps],
    )
    return Found(info, rows, top)


def _read_content(path: Source) -> Iterator[tuple[int, str, list[str]]]:
    """Line, name and tokens of lines such as SSB06930002.wav<TAB>武 wu3 术 shu4."""
    for number, line in read_lines(path):
        name, *tokens = line.split()
        yield number, name.removesuffix(".wav"), tokens


def _pair(tokens: Sequence[str]) -> tuple[str, str] | None:
    """Text and pinyin of 武 wu3 术 shu4 or 一 yi4 点 儿 dianr3; None if they do not pair up."""
    characters, syllables = "", []
    alone = 0  # characters that wait for their pinyin
    for token in tokens:
        if token[-1] in "012345":
            if alone != 1:
                return None
            syllables.append(token)
            alone = 0
        else:
            characters += token
            # 儿 has none of its own where it colours the syllable before it.
            coloured = alone == 1 or (syllables and syllables[-1][-2:-1] == "r")
            alone += not (token == "儿" and coloured)
    return None if alone or not syllables else (characters, " ".join(syllables))


def _read_people(path: Source) -> dict[str, dict[str, str]]:
    """Of lines such as SSB1837<TAB>B<TAB>female<TAB>north; those that begin with # are comments."""
    columns = [line.split() for _, line in read_lines(path) if not line.startswith("#")]
    return {
        each[0]: {"sex": each[2], "accent": each[3], "age": each[1]}
        for each in columns
        if len(each) == 4
    }
