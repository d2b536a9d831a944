"""Which recordings are the same, whatever they are called: a hash of what is heard."""

import hashlib
from collections.abc import Iterable

import numpy as np

from adaptts.corpora.audio import Waveform

_DIGITS = 16  # 64 bits: among a million recordings, two of one hash are one in thirty million
_LARGEST = 32767


def content_hash(waveform: Waveform) -> str:
    """The first digits of the SHA-256 of [samples], which must not be all zeros.

    It is taken at a peak of full scale, rounded to 16 bits, without the zeros before and after. So
    it stays the same in another lossless format, with digital silence around it, or played louder
    without being rounded. Whatever was compressed with loss, resampled, or cut has another.
    """
    sounding = np.flatnonzero(waveform)
    sound = waveform[sounding[0] : sounding[-1] + 1]
    rounded = np.rint(sound * (_LARGEST / np.abs(sound).max())).astype("<i2")
    return hashlib.sha256(rounded.tobytes()).hexdigest()[:_DIGITS]


def copies(contents: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Utterance → the first one of the same content, for all but the first.

    contents: utterance and content hash of each.
    """
    first: dict[str, str] = {}
    found = {}
    for utterance, content in contents:
        if first.setdefault(content, utterance) != utterance:
            found[utterance] = first[content]
    return found
