"""Mandarin as initials and finals, the finals with their tones.

A syllable is an initial, where it has one, and a final with its tone: 学 xue2 is `x` `ve2`. The
names are Hanyu Pinyin's full forms, as lexicons of Mandarin corpora have them: 有 you3 is `iou3`,
律 lv4 is `l` `v4`, and the vowels of zi and zhi, which sound otherwise than that of ji, are `ii`
and `iii`. Tones are 1 to 4, and 5 for none. A syllable coloured by 儿 (erhua) is followed by `rr`:
点儿 dianr3 is `d` `ian3` `rr`.

Pinyin comes from the corpus where it has been written down, and from pypinyin elsewhere, which
chooses among readings by its dictionary of phrases, and applies the sandhi of 一 and 不 and, within
words of its dictionary, of third tones; 儿 is then a syllable of its own.
espeak-ng is not asked: its IPA drops all digits of a tone's name but the first, so that tones 1
("55") and 4 ("51") become one, and it spells some syllables and all erhua in English.
"""

import re
import sys
from collections.abc import Iterable

LANGUAGE = "cmn"  # espeak-ng's name
PINYIN = "cmn-latn-pinyin"  # Mandarin in pinyin with tone numbers
ERHUA = "rr"
_FINAL = re.compile(
    "a|o|e|ê|ai|ei|ao|ou|an|en|ang|eng|ong|er|ii?i?|ia|ie|iao|iou|ian|in|iang|ing|iong|"
    "u|ua|uo|uai|uei|uan|uen|uang|ueng|v|ve|van|vn"
)
_SYLLABLE = re.compile(r"([a-zêü]+?)(r?)([0-5])")
_HUMS = {"n": "en", "ng": "en", "hng": "heng"}  # 嗯 and 哼 as interjections
_VOWELS = {**dict.fromkeys(("z", "c", "s"), "ii"), **dict.fromkeys(("zh", "ch", "sh", "r"), "iii")}


def syllables_of(text: str) -> list[str]:
    """The pinyin of `text` with tone numbers; what has none comes back as it is written."""
    # Its dictionaries take half a second and 70 MB, which other languages need not.
    from pypinyin import Style, lazy_pinyin

    readings = lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True, tone_sandhi=True)
    return [part for reading in readings for part in reading.split()]


def phones_of(syllable: str) -> list[str] | None:
    """Initial, final with tone, and `rr`; None if it is no syllable of Mandarin."""
    from pypinyin.contrib.tone_convert import to_finals, to_initials

    found = _SYLLABLE.fullmatch(syllable.lower().replace("u:", "v"))
    if not found:
        return None
    body, coloured, tone = found.groups()
    if body == "e" and coloured:
        body, coloured = "er", ""
    body = "lve" if body == "lue" else "nve" if body == "nue" else _HUMS.get(body, body)
    initial, final = to_initials(body, strict=True), to_finals(body, strict=True, v_to_u=False)
    final = _VOWELS.get(initial, final) if final == "i" else final
    if not _FINAL.fullmatch(final):
        return None
    return [*filter(None, [initial]), f"{final}{tone if tone != '0' else '5'}"] + (
        [ERHUA] if coloured else []
    )


def transcribe(syllables: Iterable[str]) -> tuple[list[str], list[str]]:
    """Phones of the `syllables`, and those which are none."""
    phones, unknown = [], []
    for syllable in syllables:
        said = phones_of(syllable)
        if said is None:
            unknown.append(syllable)
        else:
            phones += map(sys.intern, said)
    return phones, unknown
