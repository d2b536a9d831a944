"""Numbers and what is written beside them, in Mandarin."""

import re
from collections.abc import Callable

LANGUAGE = "cmn"  # espeak-ng's name
_LONGEST = 8  # digits; longer ones, and those that begin with 0, are read digit by digit

_NUMBER = r"(?<![A-Za-z0-9])(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?"
_CURRENCIES = {"$": "美元", "€": "欧元", "£": "英镑", "¥": "元"}
_UNITS = {
    "km/h": "公里每小时",
    "km2": "平方公里",
    "m2": "平方米",
    "km": "公里",
    "cm": "厘米",
    "mm": "毫米",
    "m": "米",
    "kg": "公斤",
    "mg": "毫克",
    "g": "克",
    "ml": "毫升",
    "°c": "摄氏度",
    "°": "度",
}
_SIGNS = {"+": "加", "=": "等于", "&": "和", "%": "百分号"}
_MEASURES = "个本只条张件位名次天种块千万亿倍岁辆台匹头家间座片杯瓶套双对小公米斤"


def read(text: str) -> str:
    """`text`, after NFKC, with Chinese characters for its numbers."""
    for pattern, say in _RULES:
        text = pattern.sub(say, text)
    return text


def _say(number: str) -> str:
    import cn2an  # half a second, which other languages need not wait for

    number = number.replace(",", "")
    whole, _, rest = number.partition(".")
    if len(whole) > _LONGEST or (len(whole) > 1 and whole.startswith("0")):
        return _digits(number)
    return cn2an.an2cn(whole) + (f"点{_digits(rest)}" if rest else "")


def _digits(number: str) -> str:
    import cn2an

    return "".join(cn2an.an2cn(digit) if digit.isdigit() else "点" for digit in number)


def _time(found: re.Match) -> str:
    minutes = f"{_say(found[2].lstrip('0'))}分" if found[2] != "00" else ""
    zero = "零" if minutes and found[2].startswith("0") else ""
    hour = "两" if int(found[1]) == 2 else _say(str(int(found[1])))
    return f"{hour}点{zero}{minutes}"


_RULES: list[tuple[re.Pattern, Callable[[re.Match], str]]] = [
    (re.compile(pattern), say)
    for pattern, say in [
        (rf"(?<![0-9A-Za-z一-鿿])-(?={_NUMBER})", lambda _: "负"),
        (r"(?<![0-9.])([0-9]{4})(?=年)", lambda found: _digits(found[1])),
        (r"(?<![0-9])([01]?[0-9]|2[0-3]):([0-5][0-9])(?![0-9:])", _time),
        (rf"({_NUMBER}) ?[-–—~] ?(?={_NUMBER})", lambda found: f"{found[1]}到"),
        (rf"({_NUMBER})%", lambda found: f"百分之{_say(found[1])}"),
        (r"([0-9])⁄([0-9])", lambda found: f"{_say(found[2])}分之{_say(found[1])}"),
        (
            rf"([{''.join(_CURRENCIES)}]) ?({_NUMBER})([万亿]?)",
            lambda found: f"{_say(found[2])}{found[3]}{_CURRENCIES[found[1]]}",
        ),
        (
            rf"(?i)({_NUMBER}) ?({'|'.join(_UNITS)})(?![a-z0-9])",
            lambda found: _say(found[1]) + _UNITS[found[2].lower()],
        ),
        (rf"(?<![0-9.第十百千])2(?=[{_MEASURES}])", lambda _: "两"),
        (rf"({_NUMBER})(?![A-Za-z])", lambda found: _say(found[1])),
        (rf"[{''.join(_SIGNS)}]", lambda found: _SIGNS[found[0]]),
    ]
]
