"""LibriTTS and LibriTTS-R: audiobooks of LibriVox, cut into sentences.

585 hours of 2,456 people at 24 kHz in seven parts, 85 GB. LibriTTS: H. Zen et al. (2019), OpenSLR
60, CC BY 4.0; verified by the SHA-256 that torchaudio has. LibriTTS-R: the same recordings cleaned
by a restoring network, Y. Koizumi et al. (2023), OpenSLR 141, CC BY 4.0; verified by the MD5 of
OpenSLR's md5sum.txt as other readers carry them. Its network failed on some recordings, which drop
words; the authors' lists of them (libritts_r_failed_speech_restoration_examples) are fetched too,
and what they name is left out.

`corpus.subsets` chooses parts: train-clean-100 and both clean small ones unless told otherwise.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from adaptts.corpora import manifest
from adaptts.corpora.archives import Download
from adaptts.corpora.manifest import CorpusInfo, ManifestError, Remark
from adaptts.corpora.recorded import Found, Row, obtain
from adaptts.corpora.transcripts import read_lines, try_text
from adaptts.params import CorpusParams

# Part → the most bytes that its archive unpacks to.
PARTS = {
    "dev-clean": 4_000_000_000,
    "dev-other": 4_000_000_000,
    "test-clean": 4_000_000_000,
    "test-other": 4_000_000_000,
    "train-clean-100": 20_000_000_000,
    "train-clean-360": 70_000_000_000,
    "train-other-500": 110_000_000_000,
}
DEFAULT_PARTS = ["dev-clean", "test-clean", "train-clean-100"]
SEXES = {"F": "female", "M": "male"}


@dataclass(frozen=True)
class Edition:
    """LibriTTS, or LibriTTS-R."""

    name: str
    top: str  # folder in the archives
    url: str
    checksums: dict[str, str]  # of the parts' archives
    joint: str  # between the words of an archive's name
    extras: Sequence[str]  # archives beside the parts, without a checksum here
    licence: str
    citation: str

    def archives(self, parts: Sequence[str]) -> list[Download]:
        packed = [
            Download(name, f"{self.url}/{name}", most, checksum=self.checksums[part])
            for part, most in PARTS.items()
            if part in parts
            for name in [f"{part.replace('-', self.joint)}.tar.gz"]
        ]
        return packed + [Download(name, f"{self.url}/{name}", 100_000_000) for name in self.extras]


LIBRITTS = Edition(
    name="libritts",
    top="LibriTTS",
    url="https://www.openslr.org/resources/60",
    checksums={
        part: f"sha256:{digest}"
        for part, digest in {
            "dev-clean": "da0864e1bd26debed35da8a869dd5c04dfc27682921936de7cff9c8a254dbe1a",
            "dev-other": "d413eda26f3a152ac7c9cf3658ef85504dfb1b625296e5fa83727f5186cca79c",
            "test-clean": "234ea5b25859102a87024a4b9b86641f5b5aaaf1197335c95090cde04fe9a4f5",
            "test-other": "33a5342094f3bba7ccc2e0500b9e72d558f72eb99328ac8debe1d9080402f10d",
            "train-clean-100": "c5608bf1ef74bb621935382b8399c5cdd51cd3ee47cec51f00f885a64c6c7f6b",
            "train-clean-360": "ce7cff44dcac46009d18379f37ef36551123a1dc4e5c8e4eb73ae57260de4886",
            "train-other-500": "e35f7e34deeb2e2bdfe4403d88c8fdd5fbf64865cae41f027a185a6965f0a5df",
        }.items()
    },
    joint="-",
    extras=(),
    licence="CC BY 4.0",
    citation="H. Zen et al. (2019), LibriTTS: A Corpus Derived from LibriSpeech for "
    "Text-to-Speech, Interspeech, https://arxiv.org/abs/1904.02882",
)
LIBRITTS_R = Edition(
    name="libritts_r",
    top="LibriTTS_R",
    url="https://www.openslr.org/resources/141",
    checksums={
        part: f"md5:{digest}"
        for part, digest in {
            "dev-clean": "2c1f5312914890634cc2d15783032ff3",
            "dev-other": "62d3a80ad8a282b6f31b3904f0507e4f",
            "test-clean": "4d373d453eb96c0691e598061bbafab7",
            "test-other": "dbc0959d8bdb6d52200595cabc9995ae",
            "train-clean-100": "6df668d8f5f33e70876bfa33862ad02b",
            "train-clean-360": "382eb3e64394b3da6a559f864339b22c",
            "train-other-500": "a37a8e9f4fe79d20601639bf23d1add8",
        }.items()
    },
    joint="_",
    # Who speaks, and where the restoration failed.
    extras=("doc.tar.gz", "libritts_r_failed_speech_restoration_examples.tar.gz"),
    licence="CC BY 4.0",
    citation="Y. Koizumi et al. (2023), LibriTTS-R: A Restored Multi-Speaker Text-to-Speech "
    "Corpus, Interspeech, https://arxiv.org/abs/2305.18802",
)


def find(params: CorpusParams, downloads: Path) -> Found:
    """The utterances of LibriTTS."""
    return find_edition(LIBRITTS, params, downloads)


def find_restored(params: CorpusParams, downloads: Path) -> Found:
    """The utterances of LibriTTS-R."""
    return find_edition(LIBRITTS_R, params, downloads)


def find_edition(edition: Edition, params: CorpusParams, downloads: Path) -> Found:
    """The utterances of the parts that `corpus.subsets` names."""
    parts = manifest.choose(list(PARTS), params.subsets or DEFAULT_PARTS, "corpus.subsets")
    suffixes = (".wav", ".normalized.txt", "SPEAKERS.txt", "speakers.tsv", "_bad_sample_list.txt")
    roots = obtain(params, edition.archives(parts), suffixes, downloads)
    roots += [root / edition.top for root in roots]
    sexes = _read_sexes(roots)
    rows: list[Row] = []
    for part in parts:
        folder = next((root / part for root in roots if (root / part).is_dir()), None)
        if folder is None:
            raise ManifestError(
                f"{', '.join(map(str, roots))} have no folder {part}; unpack that part of "
                f"{edition.top} there, or name others in corpus.subsets"
            )
        rows += _find_part(folder, part, sexes)
    rows, failed = _without_failed(rows, parts, roots)
    info = CorpusInfo(
        name=edition.name,
        version=" ".join(parts),
        licence=edition.licence,
        citation=edition.citation,
        source=edition.url,
        sampling_rate=params.sampling_rate,
        language=params.language,
        exact_phones=False,
        exclusions=failed,
    )
    return Found(info, rows, roots[0])


def _find_part(folder: Path, part: str, sexes: dict[str, str]) -> Iterator[Row]:
    """Rows for <part>/<speaker>/<chapter>/<speaker>_<chapter>_<segment>_<utterance>.wav."""
    for recording in sorted(folder.glob("*/*/*.wav")):
        speaker = recording.parts[-3]
        path = recording.with_suffix(".normalized.txt")
        text, problem = try_text(path)
        groups = {"sex": sexes.get(speaker, "unknown"), "subset": part}
        yield Row(recording.stem, speaker, text, recording, str(path), groups, problem)


def _read_sexes(roots: Sequence[Path]) -> dict[str, str]:
    """Speaker → sex, from SPEAKERS.txt (columns by |, comments by ;) or speakers.tsv (by tab).

    Only the first two columns are read: a reader's name may hold the separator.
    """
    for name, separator in (("SPEAKERS.txt", "|"), ("speakers.tsv", "\t")):
        for path in (root / name for root in roots):
            if path.is_file():
                columns = [line.split(separator) for _, line in read_lines(path)]
                pairs = ((each[0].strip(), each[1].strip()) for each in columns if len(each) > 1)
                return {speaker: SEXES[sex] for speaker, sex in pairs if sex in SEXES}
    return {}


def _without_failed(
    rows: list[Row], parts: Sequence[str], roots: Sequence[Path]
) -> tuple[list[Row], list[Remark]]:
    """The rows that the authors' lists of failed restorations do not name."""
    folders = [*roots, *(root / "libritts_r_failed_speech_restoration_examples" for root in roots)]
    paths = [folder / f"{part}_bad_sample_list.txt" for folder in folders for part in parts]
    failed = {Path(line).stem for path in paths if path.is_file() for _, line in read_lines(path)}
    kept = [row for row in rows if row.utterance not in failed]
    lost = [row.utterance for row in rows if row.utterance in failed]
    return kept, [Remark(name, "its restoration failed, by the authors' list") for name in lost]
