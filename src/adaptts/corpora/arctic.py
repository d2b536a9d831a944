"""CMU ARCTIC: 18 voices read some 1,132 sentences, or the first 593 of them, in several accents.

15,583 recordings, 14 hours at 16 kHz, an archive of 40 to 100 MB for each voice. J. Kominek and
A. W. Black (2003), free for any use; from festvox.org. Some sentences of some voices have no
recording.

The SHA-256 are those of torchaudio, which looks them up under another URL than it downloads and so
never compares them; here they are compared.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from adaptts.corpora import manifest
from adaptts.corpora.archives import Download
from adaptts.corpora.manifest import CorpusInfo, ManifestError
from adaptts.corpora.recorded import Found, Row, obtain, without_missing
from adaptts.corpora.transcripts import read_lines
from adaptts.params import CorpusParams

URL = "http://festvox.org/cmu_arctic/packed"
# Voice → sex, accent, SHA-256 of its archive.
VOICES = {
    "aew": ("male", "US", "645cb33c0f0b2ce41384fdd8d3db2c3f5fc15c1e688baeb74d2e08cab18ab406"),
    "ahw": ("male", "German", "024664adeb892809d646a3efd043625b46b5bfa3e6189b3500b2d0d59dfab06c"),
    "aup": ("male", "Indian", "2c55bc3050caa996758869126ad10cf42e1441212111db034b3a45189c18b6fc"),
    "awb": ("male", "Scottish", "d74a950c9739a65f7bfc4dfa6187f2730fa03de5b8eb3f2da97a51b74df64d3c"),
    "axb": ("female", "Indian", "dd65c3d2907d1ee52f86e44f578319159e60f4bf722a9142be01161d84e330ff"),
    "bdl": ("male", "US", "26b91aaf48b2799b2956792b4632c2f926cd0542f402b5452d5adecb60942904"),
    "clb": ("female", "US", "3f16dc3f3b97955ea22623efb33b444341013fc660677b2e170efdcc959fa7c6"),
    "eey": ("female", "US", "8a0ee4e5acbd4b2f61a4fb947c1730ab3adcc9dc50b195981d99391d29928e8a"),
    "fem": ("male", "German", "3fcff629412b57233589cdb058f730594a62c4f3a75c20de14afe06621ef45e2"),
    "gka": ("male", "Indian", "dc82e7967cbd5eddbed33074b0699128dbd4482b41711916d58103707e38c67f"),
    "jmk": ("male", "Canadian", "3a37c0e1dfc91e734fdbc88b562d9e2ebca621772402cdc693bbc9b09b211d73"),
    "ksp": ("male", "Indian", "8029cafce8296f9bed3022c44ef1e7953332b6bf6943c14b929f468122532717"),
    "ljm": ("female", "US", "b23993765cbf2b9e7bbc3c85b6c56eaf292ac81ee4bb887b638a24d104f921a0"),
    "lnh": ("female", "US", "4faf34d71aa7112813252fb20c5433e2fdd9a9de55a00701ffcbf05f24a5991a"),
    "rms": ("male", "US", "c6dc11235629c58441c071a7ba8a2d067903dfefbaabc4056d87da35b72ecda4"),
    "rxr": ("male", "unknown", "1fa4271c393e5998d200e56c102ff46fcfea169aaa2148ad9e9469616fbfdd9b"),
    "slp": ("female", "Indian", "54345ed55e45c23d419e9a823eef427f1cc93c83a710735ec667d068c916abf1"),
    "slt": ("female", "US", "7c173297916acf3cc7fcab2713be4c60b27312316765a90934651d367226b4ea"),
}
_LINE = re.compile(r'\(\s*(\S+)\s+"(.*)"\s*\)')  # ( arctic_a0001 "Author of the danger trail." )


def find(params: CorpusParams, downloads: Path) -> Found:
    """The utterances of the voices asked for; only their archives are fetched."""
    voices = manifest.choose(list(VOICES), params.speakers, "corpus.speakers")
    folders = {voice: f"cmu_us_{voice}_arctic" for voice in voices}
    packed = [
        Download(
            name=f"{folders[voice]}.tar.bz2",
            url=f"{URL}/{folders[voice]}.tar.bz2",
            most_bytes=1_000_000_000,
            checksum=f"sha256:{VOICES[voice][2]}",
        )
        for voice in voices
    ]
    roots = obtain(params, packed, (".wav", "etc/txt.done.data"), downloads)
    rows: list[Row] = []
    for voice in voices:
        places = [root / folders[voice] for root in roots]
        folder = next((place for place in places if place.is_dir()), None)
        if folder is None and params.speakers is not None:
            raise ManifestError(f"{roots[0]} has no {folders[voice]}; unpack its archive there")
        rows += _find_voice(folder, voice) if folder else []
    rows, gaps = without_missing(rows)
    info = CorpusInfo(
        name="arctic",
        version="packed, as of festvox.org",
        licence="free for any use, commercial or not (CMU; see COPYING in each archive)",
        citation="J. Kominek, A. W. Black (2003), CMU ARCTIC databases for speech synthesis, "
        "CMU-LTI-03-177, http://festvox.org/cmu_arctic",
        source=URL,
        sampling_rate=params.sampling_rate,
        language=params.language,
        exact_phones=False,
        exclusions=gaps,
    )
    return Found(info, rows, roots[0])


def _find_voice(folder: Path, voice: str) -> Iterator[Row]:
    sex, accent, _ = VOICES[voice]
    path = folder / "etc" / "txt.done.data"
    for number, line in read_lines(path):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ManifestError(f'{path}, line {number}: {line!r} must be ( name "text" ); mend it')
        name, text = match.groups()
        yield Row(
            utterance=f"{voice}_{name}",
            speaker=voice,
            text=text.replace('\\"', ""),
            source=folder / "wav" / f"{name}.wav",
            where=f"{path}, line {number}",
            groups={"sex": sex, "accent": accent},
        )
