"""Numbers and what is written beside them, in languages of letters."""

import re
from collections.abc import Callable, Iterable

from num2words import CONVERTER_CLASSES, num2words

from adaptts.corpora.reading.conventions import Conventions, Forms

# num2words 0.5.14 fails on many Amharic numbers.
COUNTING = CONVERTER_CLASSES.keys() - {"am"}
LONGEST = 12  # digits of a number that counts something

# Chinese and Japanese write no spaces: Han with its extensions and compatibility forms, and kana
# with the mark of long vowels.
UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Neither other letters nor digits before and behind.
_FREE, _END = rf"(?<![^\W_{UNSPACED}])", rf"(?![^\W_{UNSPACED}])"
Rule = tuple[re.Pattern, Callable[[re.Match], str]]
WHOLE = re.compile(rf"{_FREE}[0-9]+{_END}")
_YEAR = r"1[1-9]\d\d|20[1-9]\d"  # "2004" is a cardinal in any case
_DAY = r"0?[1-9]|[12]\d|3[01]"
_TIME = r"([01]?\d|2[0-3]):([0-5]\d)"
# German ordinals end by what stands before them.
_WEAK = "den|dem|des|im|am|vom|zum|zur|beim|bis|seit|ab|(?:in|an|aus|mit|nach|von|bei|zu) der"
_ARTICLES = ("der", "die", "das")


class Reader:
    """Reads by the conventions of one language, which num2words knows as `base`."""

    def __init__(self, base: str, conventions: Conventions) -> None:
        self.base, self.conventions = base, conventions
        marks = f"[{re.escape(conventions.thousands)}]"
        whole = rf"\d{{1,3}}(?:{marks}\d{{3}})+(?!\d)|\d+"
        self._number = rf"(?:{whole})(?:{re.escape(conventions.decimal)}\d+)?"
        self._rules = [*self._first_rules(), *self._own_rules(), *self._last_rules()]

    def read(self, text: str) -> str:
        """`text`, after NFKC, with words for what stands in the tables."""
        for pattern, say in self._rules:
            text = pattern.sub(say, text)
        return re.sub(r" +(?=[,.;:!?])", "", text)

    def _first_rules(self) -> list[Rule]:
        """What has a reading of its own, before its numbers become words."""
        its, number = self.conventions, self._number
        long_units = [unit for unit in its.units if len(unit) > 1 or not unit.isalpha()]
        return [
            *((_compile(rf"(?<!\w){short}(\w?)"), _followed(words)) for short, words
              in its.abbreviations.items()),
            (_compile(rf"(?<!\S)-(?={number})"), _constant(f"{its.minus} ")),
            (_compile(rf"{_FREE}({_YEAR}) ?[-–—] ?({_YEAR}){_END}"),
             lambda found: f"{self._year(found[1])} {its.to} {self._year(found[2])}"),
            (_compile(rf"\b({its.year}) ({_YEAR}){_END}(?! ?[%€$£°])"),
             lambda found: f"{found[1]} {self._year(found[2])}"),
            (_compile(rf"{_FREE}({number}) ?[-–—] ?(?={number})"),
             lambda found: f"{found[1]} {its.to} "),
            (_compile(rf"{_FREE}(?:({number}) )?(\d⁄\d){_END}"), self._fraction),
            (_compile(rf"({_signs(its.currencies)}) ?({number})(?: ({its.large})\b)?"),
             lambda found: self._money(found[2], found[1], found[3])),
            (_compile(rf"{_FREE}({number})(?: ({its.large}))? ?({_signs(its.currencies)})"),
             lambda found: self._money(found[1], found[3], found[2])),
            (_compile(rf"{_FREE}({number}) ?%"),
             lambda found: f"{self._cardinal(found[1])} {its.percent} "),
            (_compile(rf"{_FREE}({number}) ({_signs(its.units)}){_END}"), self._measured),
            # "5G" is no mass.
            (_compile(rf"(?i){_FREE}({number})({_signs(long_units)}){_END}"), self._measured),
        ]  # fmt: skip

    def _own_rules(self) -> list[Rule]:
        rules = {"en": self._english_rules, "de": self._german_rules, "fr": self._french_rules}
        return rules[self.base]()

    def _last_rules(self) -> list[Rule]:
        its = self.conventions
        return [
            (_compile(rf"{_FREE}({self._number}){_END}"), lambda found: self._cardinal(found[1])),
            (_compile("%"), _constant(f" {its.percent} ")),
            *((_compile(re.escape(sign)), _constant(f" {word} ")) for sign, word
              in its.signs.items()),
            # Readers say nothing to it, espeak-ng "slash".
            (_compile(r"(?<=\w)/(?=\w)"), _constant(" ")),
        ]  # fmt: skip

    def _english_rules(self) -> list[Rule]:
        months = self.conventions.months
        return [
            (_compile(rf"\b({months}) ({_DAY})(?:st|nd|rd|th)?(?:,? ({_YEAR}))?{_END}"),
             lambda found: f"{found[1]} {self._ordinal(found[2])}{self._after(found[3])}"),
            (_compile(rf"(\bthe )?{_FREE}({_DAY})(?:st|nd|rd|th)?(?: of)? ({months})\b"
                      rf"(?: ({_YEAR}))?"),
             lambda found: f"the {self._ordinal(found[2])} of {found[3]}{self._after(found[4])}"),
            (_compile(rf"{_FREE}(\d{{1,{LONGEST}}}(?:,\d{{3}})*)(?i:st|nd|rd|th){_END}"),
             lambda found: self._ordinal(found[1])),
            (_compile(rf"{_FREE}({_YEAR}|[2-9]0)'?[sS]{_END}"), self._decade),
            (_compile(rf"{_FREE}{_TIME}{_END}"), self._english_time),
        ]  # fmt: skip

    def _german_rules(self) -> list[Rule]:
        months, articles = self.conventions.months, "|".join(_ARTICLES)
        return [
            (_compile(rf"\b(?:((?i:{_WEAK}|{articles})) )?({_DAY})\. ({months})\b"
                      rf"(?: ({_YEAR}))?"),
             lambda found: f"{self._german_ordinal(found[1], found[2])} {found[3]}"
             f"{self._after(found[4])}"),
            (_compile(rf"\b((?i:{_WEAK}|{articles})) (\d{{1,2}})\. (?=[A-ZÄÖÜ])"),
             lambda found: f"{self._german_ordinal(found[1], found[2])} "),
            (_compile(rf"{_FREE}{_TIME}(?: Uhr)?{_END}"),
             lambda found: self._hours(found, "ein Uhr", "Uhr")),
            (_compile(rf"{_FREE}1 Uhr\b"), _constant("ein Uhr")),
        ]  # fmt: skip

    def _french_rules(self) -> list[Rule]:
        return [
            (_compile(rf"(?i){_FREE}1er{_END}"), _constant("premier")),
            (_compile(rf"(?i){_FREE}1[èe]?re{_END}"), _constant("première")),
            (_compile(rf"(?i){_FREE}(\d{{1,{LONGEST}}})(?:e|ème|eme|nde?){_END}"),
             lambda found: self._ordinal(found[1])),
            (_compile(rf"{_FREE}([01]?\d|2[0-3]) ?[hH](?: ?([0-5]\d))?{_END}"),
             lambda found: self._hours(found, "une heure", "heures")),
            (_compile(rf"{_FREE}{_TIME}{_END}"),
             lambda found: self._hours(found, "une heure", "heures")),
        ]  # fmt: skip

    def _cardinal(self, number: str) -> str:
        """In words; a number too long to count anything as it is written."""
        if self._is_long(number):
            return number
        whole, _, rest = number.partition(self.conventions.decimal)
        words = self._words(int(re.sub(r"\D", "", whole)))
        decimals = " ".join(self._words(int(digit)) for digit in rest)
        return f"{words} {self.conventions.point} {decimals}" if rest else words

    def _words(self, number: int, to: str = "cardinal") -> str:
        # Readers pause at none of its commas.
        return num2words(number, lang=self.base, to=to).replace(",", "")

    def _ordinal(self, number: str) -> str:
        return self._words(int(number.replace(",", "")), "ordinal")

    def _year(self, number: str) -> str:
        return self._words(int(number), "year")

    def _after(self, year: str | None) -> str:
        return f" {self._year(year)}" if year else ""

    def _counted(self, number: str, forms: Forms, name: str) -> str:
        """A number of units or of money."""
        one, several = forms[name]
        if number == "1":
            word = self.conventions.one
            return f"{word.get(name, word[''])} {one}"
        # In French, what is less than two is one.
        single = self.base == "fr" and re.match(r"[01]\b", number)
        return f"{self._cardinal(number)} {one if single else several}"

    def _measured(self, found: re.Match) -> str:
        units = {unit.lower(): unit for unit in self.conventions.units}
        if self._is_long(found[1]):
            return found.group()
        return self._counted(found[1], self.conventions.units, units[found[2].lower()])

    def _is_long(self, number: str) -> bool:
        return len(re.sub(r"\D", "", number.partition(self.conventions.decimal)[0])) > LONGEST

    def _money(self, number: str, sign: str, large: str | None) -> str:
        currencies = self.conventions.currencies
        if large:
            link = " d'" if self.base == "fr" and currencies[sign][1][0] in "aeiou" else " "
            link = " de " if self.base == "fr" and link == " " else link
            return f"{self._cardinal(number)} {large}{link}{currencies[sign][1]} "
        whole, _, cents = number.partition(self.conventions.decimal)
        if len(cents) != 2:
            return f"{self._counted(number, currencies, sign)} "
        words = self._counted(whole, currencies, sign)
        joint = f" {self.conventions.and_cents} " if self.conventions.and_cents else " "
        return f"{words}{joint}{self._words(int(cents))} " if int(cents) else f"{words} "

    def _fraction(self, found: re.Match) -> str:
        its = self.conventions
        if found[2] not in its.fractions:
            return found.group()
        whole = f"{self._cardinal(found[1])} {its.and_a_half} " if found[1] else ""
        return whole + its.fractions[found[2]]

    def _decade(self, found: re.Match) -> str:
        words = self._words(int(found[1]), "year" if len(found[1]) == 4 else "cardinal")
        return f"{words.removesuffix('y')}ies" if words.endswith("y") else f"{words}s"

    def _english_time(self, found: re.Match) -> str:
        hour, minute = int(found[1]), int(found[2])
        if minute == 0:
            return self._words(hour) + (" o'clock" if 1 <= hour <= 12 else " hundred hours")
        return f"{self._words(hour)} {'oh ' if minute < 10 else ''}{self._words(minute)}"

    def _hours(self, found: re.Match, one: str, several: str) -> str:
        """A time of day in German and French: the hour, its noun, the minutes."""
        hour, minute = int(found[1]), int(found[2] or 0)
        words = one if hour == 1 else f"{self._words(hour)} {several}"
        return f"{words} {self._words(minute)}" if minute else words

    def _german_ordinal(self, before: str | None, number: str) -> str:
        words = self._words(int(number), "ordinal")
        if before is None:
            return f"{words}r"
        return f"{before} {words}{'' if before.lower() in _ARTICLES else 'n'}"


def _compile(pattern: str) -> re.Pattern:
    # Digits are ASCII's: NFKC has made them of all that are digits in another shape.
    return re.compile(pattern.replace(r"\d", "[0-9]"))


def _constant(words: str) -> Callable[[re.Match], str]:
    return lambda _: words


def _followed(words: str) -> Callable[[re.Match], str]:
    """Puts `words`, and a space before the letter or digit that follows at once, if one does."""
    return lambda found: f"{words} {found[1]}" if found[1] else words


def _signs(forms: Iterable[str]) -> str:
    """One of them; of those that begin alike the longest."""
    return "|".join(map(re.escape, sorted(forms, key=len, reverse=True)))
