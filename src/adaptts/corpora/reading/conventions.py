"""How languages write what is read out, and the words for it: tables alone.

Abbreviations stand here only if they have one reading where they are matched.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Forms = Mapping[str, tuple[str, str]]  # as written → for one, for several


@dataclass(frozen=True)
class Conventions:
    """Regular expressions match without regard to what stands before or after, unless they say."""

    decimal: str  # mark
    point: str  # how the mark is said
    thousands: str  # marks that may part thousands
    minus: str
    to: str  # of a range
    percent: str
    signs: Mapping[str, str]
    fractions: Mapping[str, str]
    and_a_half: str  # joins a number and a fraction
    currencies: Forms
    and_cents: str  # joins units and hundredths of money
    units: Forms  # after a number
    one: Mapping[str, str]  # 1 before a unit or currency; "" is for those not named
    abbreviations: Mapping[str, str]  # regular expression, from the start of a word → words
    months: str  # regular expression
    year: str  # regular expression: what makes the number behind it a year
    large: str  # regular expression: words that may stand between a number and its currency


ENGLISH = Conventions(
    decimal=".",
    point="point",
    thousands=",",
    minus="minus",
    to="to",
    percent="percent",
    signs={"&": "and", "@": "at", "+": "plus", "=": "equals"},
    fractions={"1⁄2": "a half", "1⁄4": "a quarter", "3⁄4": "three quarters"},
    and_a_half="and",
    currencies={
        "$": ("dollar", "dollars"),
        "£": ("pound", "pounds"),
        "€": ("euro", "euros"),
        "¥": ("yen", "yen"),
    },
    and_cents="and",
    units={
        "km/h": ("kilometer per hour", "kilometers per hour"),
        "mph": ("mile per hour", "miles per hour"),
        "km2": ("square kilometer", "square kilometers"),
        "m2": ("square meter", "square meters"),
        "km": ("kilometer", "kilometers"),
        "cm": ("centimeter", "centimeters"),
        "mm": ("millimeter", "millimeters"),
        "m": ("meter", "meters"),
        "kg": ("kilogram", "kilograms"),
        "mg": ("milligram", "milligrams"),
        "g": ("gram", "grams"),
        "ml": ("milliliter", "milliliters"),
        "ft": ("foot", "feet"),
        "lbs": ("pound", "pounds"),
        "lb": ("pound", "pounds"),
        "MHz": ("megahertz", "megahertz"),
        "kHz": ("kilohertz", "kilohertz"),
        "Hz": ("hertz", "hertz"),
        "°C": ("degree Celsius", "degrees Celsius"),
        "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
        "°": ("degree", "degrees"),
    },
    one={"": "one"},
    abbreviations={
        r"Mr\b\.?": "Mister",
        r"Mrs\b\.?": "Missus",
        r"Dr\b\.?(?= [A-Z])": "Doctor",
        r"Prof\.(?= [A-Z])": "Professor",
        r"St\.(?= [A-Z])": "Saint",
        r"Mt\.(?= [A-Z])": "Mount",
        r"Capt\.(?= [A-Z])": "Captain",
        r"Gen\.(?= [A-Z])": "General",
        r"Col\.(?= [A-Z])": "Colonel",
        r"Lt\.(?= [A-Z])": "Lieutenant",
        r"Sgt\.(?= [A-Z])": "Sergeant",
        r"Rev\.(?= [A-Z])": "Reverend",
        r"Jr\.": "Junior",
        r"Sr\.": "Senior",
        r"[Vv]s\.": "versus",
        r"etc\.": "et cetera",
        r"[Ee]\. ?g\.": "for example",
        r"[Ii]\. ?e\.": "that is",
        r"approx\.": "approximately",
        r"No\.(?= ?\d)": "number",
        r"#(?=\d)": "number",
        r"Jan\.(?= \d)": "January",
        r"Feb\.(?= \d)": "February",
        r"Aug\.(?= \d)": "August",
        r"Sept?\.(?= \d)": "September",
        r"Oct\.(?= \d)": "October",
        r"Nov\.(?= \d)": "November",
        r"Dec\.(?= \d)": "December",
    },
    months="January|February|March|April|May|June|July|August|September|October|November|December",
    year=r"[Ii]n|[Ss]ince|[Uu]ntil|[Yy]ear|[Cc]irca",
    large="thousand|million|billion|trillion",
)

GERMAN = Conventions(
    decimal=",",
    point="Komma",
    thousands=". ",
    minus="minus",
    to="bis",
    percent="Prozent",
    signs={"&": "und", "@": "at", "+": "plus", "=": "gleich", "§": "Paragraf"},
    fractions={"1⁄2": "ein halb", "1⁄4": "ein Viertel", "3⁄4": "drei Viertel"},
    and_a_half="",
    currencies={"€": ("Euro", "Euro"), "$": ("Dollar", "Dollar"), "£": ("Pfund", "Pfund")},
    and_cents="",
    units={
        "km/h": ("Stundenkilometer", "Stundenkilometer"),
        "km2": ("Quadratkilometer", "Quadratkilometer"),
        "m2": ("Quadratmeter", "Quadratmeter"),
        "km": ("Kilometer", "Kilometer"),
        "cm": ("Zentimeter", "Zentimeter"),
        "mm": ("Millimeter", "Millimeter"),
        "m": ("Meter", "Meter"),
        "kg": ("Kilogramm", "Kilogramm"),
        "mg": ("Milligramm", "Milligramm"),
        "g": ("Gramm", "Gramm"),
        "ml": ("Milliliter", "Milliliter"),
        "l": ("Liter", "Liter"),
        "MHz": ("Megahertz", "Megahertz"),
        "kHz": ("Kilohertz", "Kilohertz"),
        "Hz": ("Hertz", "Hertz"),
        "°C": ("Grad Celsius", "Grad Celsius"),
        "°": ("Grad", "Grad"),
    },
    one={"": "ein"},
    abbreviations={
        r"[Zz]\. ?B\.": "zum Beispiel",
        r"[Dd]\. ?h\.": "das heißt",
        r"[Uu]\. ?a\.": "unter anderem",
        r"usw\.": "und so weiter",
        r"bzw\.": "beziehungsweise",
        r"[Vv]gl\.": "vergleiche",
        r"[Cc]a\.": "circa",
        r"Nr\.": "Nummer",
        r"Dr\.": "Doktor",
        r"Prof\.": "Professor",
        r"Hr\.": "Herr",
        r"Fr\.(?= [A-ZÄÖÜ])": "Frau",
        r"St\.(?= [A-ZÄÖÜ])": "Sankt",
        r"Mio\.": "Millionen",
        r"Mrd\.": "Milliarden",
    },
    months="Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember",
    year=r"[Jj]ahre?|[Ss]eit|[Uu]m",
    large="Tausend|Millionen?|Milliarden?",
)

FRENCH = Conventions(
    decimal=",",
    point="virgule",
    thousands=". ",
    minus="moins",
    to="à",
    percent="pour cent",
    signs={"&": "et", "@": "arobase", "+": "plus", "=": "égale"},
    fractions={"1⁄2": "un demi", "1⁄4": "un quart", "3⁄4": "trois quarts"},
    and_a_half="et",
    currencies={"€": ("euro", "euros"), "$": ("dollar", "dollars"), "£": ("livre", "livres")},
    and_cents="",
    units={
        "km/h": ("kilomètre heure", "kilomètres heure"),
        "km2": ("kilomètre carré", "kilomètres carrés"),
        "m2": ("mètre carré", "mètres carrés"),
        "km": ("kilomètre", "kilomètres"),
        "cm": ("centimètre", "centimètres"),
        "mm": ("millimètre", "millimètres"),
        "m": ("mètre", "mètres"),
        "kg": ("kilogramme", "kilogrammes"),
        "mg": ("milligramme", "milligrammes"),
        "g": ("gramme", "grammes"),
        "ml": ("millilitre", "millilitres"),
        "l": ("litre", "litres"),
        "MHz": ("mégahertz", "mégahertz"),
        "kHz": ("kilohertz", "kilohertz"),
        "Hz": ("hertz", "hertz"),
        "°C": ("degré Celsius", "degrés Celsius"),
        "°": ("degré", "degrés"),
    },
    one={"": "un", "£": "une"},
    abbreviations={
        r"MM\.(?= [A-ZÉ])": "Messieurs",
        r"M\.(?= [A-ZÉ])": "Monsieur",
        r"Mmes\b\.?": "Mesdames",
        r"Mme\b\.?": "Madame",
        r"Mlle\b\.?": "Mademoiselle",
        r"Dr\b\.?(?= [A-ZÉ])": "Docteur",
        r"Pr\b\.?(?= [A-ZÉ])": "Professeur",
        r"Ste(?=[- ][A-ZÉ])": "Sainte",
        r"St(?=[- ][A-ZÉ])": "Saint",
        r"[Cc]\.-à-d\.": "c'est-à-dire",
        r"p\. ?ex\.": "par exemple",
        r"etc\.": "et cetera",
        r"env\.": "environ",
        r"[Nn]°(?= ?\d)": "numéro",
    },
    months="janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre",
    year=r"(?!)",  # years are cardinals
    large="mille|millions?|milliards?",
)
