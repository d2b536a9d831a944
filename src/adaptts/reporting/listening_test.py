"""A blind listening test: a page for listeners, its sounds, and the key that listeners do not get.

Three kinds of trials, in this order, each left out where `report.listening` asks for none:

acr     one sound, judged from 1 to 5 by itself (ITU-T P.800); their mean is a mean opinion score
ab      an arm and the baseline beside a reference: which is closer to it? Some trials are catches:
        one of the two is the reference itself, the other the anchor
mushra  the reference and several sounds, judged from 0 to 100 (ITU-R BS.1534). The reference
        itself hides among them, and so do two anchors, the reference without its treble

The page holds many forms of the test, and a listener gets one of them. Over forms, arms and
sentences are dealt like cards, so that each is heard about as often as any other. Sounds have names
that are drawn; page, names and order tell nothing of the arms. All sounds are equally loud.
"""

import base64
import hashlib
import json
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Generic, TypeVar

import jinja2
import numpy as np
import soundfile
from markupsafe import Markup
from scipy.signal import butter, sosfiltfilt

from adaptts.corpora import audio
from adaptts.corpora.audio import Waveform
from adaptts.evaluation.level import speech_level
from adaptts.params import ListeningParams
from adaptts.reporting.answers import (
    ANCHOR,
    LABELLED,
    MID_ANCHOR,
    SCHEMA,
    Fingerprint,
    Key,
    Part,
    Stimulus,
    Trial,
)
from adaptts.reporting.page import embed
from adaptts.reporting.results import COPY_SYNTHESIS, NATURAL, Results

PAGE, SOUNDS = "index.html", "sounds"

FORMS = 24
MOST_SOUNDS = 10  # of a mushra trial; BS.1534 advises against more than 12
CATCHES = 5  # ab trials for each of which there is one catch
LEVEL = -26.0  # dB of full scale, of the speech
HEADROOM = 0.98  # no sample is larger
# Of the band that an anchor keeps: 3.5 and 7 kHz of a corpus at 16 kHz, as BS.1534-3 has them.
ANCHORS = {ANCHOR: 3500 / 8000, MID_ANCHOR: 7000 / 8000}
# Seconds that a listener needs beside the sounds, for each trial and for each sound in it.
PAUSE, THOUGHT = 4.0, 3.0

Item = tuple[str, str]  # speaker, utterance
Card = TypeVar("Card", bound=Hashable)


class Deck(Generic[Card]):
    """Cards that are dealt in shuffled rounds: none comes twice more often than another."""

    def __init__(self, cards: Sequence[Card], generator: np.random.Generator) -> None:
        self.cards, self.generator = list(cards), generator
        self.waiting: list[Card] = []

    def deal(self) -> Card:
        """The next card."""
        if not self.waiting:
            self.waiting = [self.cards[place] for place in self.generator.permutation(len(self))]
        return self.waiting.pop(0)

    def hand(self, size: int) -> list[Card]:
        """The next `size` cards that differ, or all where there are fewer."""
        hand: list[Card] = []
        passed: list[Card] = []
        while len(hand) < min(size, len(self)):
            card = self.deal()
            (passed if card in hand else hand).append(card)
        self.waiting = passed + self.waiting
        return hand

    def __len__(self) -> int:
        return len(self.cards)


@dataclass(frozen=True)
class ListeningTest:
    """A test, ready to be written."""

    key: Key
    training: list[str]  # a reference and sounds to get used to, by name
    waveforms: dict[str, Waveform]  # by name: [samples] within ±1
    sampling_rate: int

    @classmethod
    def make(cls, results: Results, baseline: str | None) -> "ListeningTest":
        """Make the test of what is heard at the headline; without sound, it has no trials."""
        experiment = results.experiment
        sounds = _record(results)
        generator = np.random.default_rng(experiment.report.seed)
        names = _draw_names(sounds, generator)
        dealer = Dealer(names, experiment.arms, baseline, generator)
        forms = dealer.forms(experiment.report.listening)
        training = dealer.mushra(1) if forms else []
        headline = experiment.evaluation.headline
        test = Fingerprint(
            experiment=_digest(experiment.name),
            headline=_digest([headline.shots, headline.steps]),
            arms=_digest(sorted({stimulus.arm for stimulus in sounds})),
            sentences=_digest(sorted({(each.speaker, each.utterance) for each in sounds})),
            sounds=_digest([(asdict(each), _bytes(wave)) for each, wave in sounds.items()]),
            trials=_digest([[asdict(trial) for trial in form] for form in forms]),
        )
        return cls(
            Key(SCHEMA, test, baseline, {name: each for each, name in names.items()}, forms),
            [sound for trial in training for sound in (trial.reference, *trial.sounds) if sound],
            {names[stimulus]: wave for stimulus, wave in sounds.items()},
            experiment.corpus.sampling_rate,
        )

    def write(self, folder: Path, key: Path) -> None:
        """Write page and sounds into `folder`, which is for listeners, and the key beside it."""
        (folder / SOUNDS).mkdir(parents=True)
        # In the order of their names: neither do the files' times tell anything.
        for name, waveform in sorted(self.waveforms.items()):
            path = folder / SOUNDS / f"{name}.flac"
            soundfile.write(path, waveform, self.sampling_rate, subtype="PCM_16")
        (folder / PAGE).write_text(self._page(), encoding="utf-8")
        text = json.dumps(asdict(self.key), indent=1, ensure_ascii=False)
        key.write_text(text + "\n", encoding="utf-8")

    def minutes(self) -> int:
        """About how long a listener takes: each sound is heard twice, and judged."""
        if not self.key.forms:
            return 0
        lengths = {name: len(wave) / self.sampling_rate for name, wave in self.waveforms.items()}
        seconds = [
            sum(PAUSE + sum(THOUGHT + 2 * lengths[sound] for sound in trial.sounds)
                for trial in form)
            for form in self.key.forms
        ]  # fmt: skip
        return max(1, math.ceil(float(np.mean(seconds)) / 60))

    def _page(self) -> str:
        payload = {
            "schema": SCHEMA,
            "test": asdict(self.key.test),
            "minutes": self.minutes(),
            "training": self.training,
            "forms": [[asdict(trial) for trial in form] for form in self.key.forms],
        }
        style = _source("page.css") + _source("listening_test.css")
        script = _source("listening_test.js")
        environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
        return environment.from_string(_source("listening_test.html")).render(
            payload=embed(payload),
            style=Markup(style),
            script=Markup(script),
            style_hash=_csp_hash(style),
            script_hash=_csp_hash(script),
        )


class Dealer:
    """Deals what there is to hear to the trials of forms."""

    def __init__(
        self,
        names: Mapping[Stimulus, str],
        arms: Sequence[str],
        baseline: str | None,
        generator: np.random.Generator,
    ) -> None:
        self.names, self.baseline, self.generator = names, baseline, generator
        items: dict[str, list[Item]] = {}
        for stimulus in names:
            items.setdefault(stimulus.arm, []).append((stimulus.speaker, stimulus.utterance))
        conditions = [arm for arm in (COPY_SYNTHESIS, *arms) if arm in items]
        self.conditions = Deck(conditions, generator)
        self.alone = Deck([NATURAL, *conditions], generator)
        self.items = Deck(items.get(NATURAL, []), generator)
        self.items_of = {arm: Deck(items[arm], generator) for arm in self.alone.cards if items}
        common = set(items.get(baseline or "", []))
        pairs = {arm: [item for item in items[arm] if item in common] for arm in conditions}
        self.pairs = {
            arm: Deck(found, generator)
            for arm, found in pairs.items()
            if found and arm not in (baseline, COPY_SYNTHESIS)
        }
        self.others = Deck(list(self.pairs), generator)

    def forms(self, params: ListeningParams) -> list[list[Trial]]:
        """All forms; none if there is nothing to hear."""
        if not len(self.conditions):
            return []
        forms = [
            [*self.acr(params.acr), *self.ab(params.ab), *self.mushra(params.mushra)]
            for _ in range(FORMS)
        ]
        return [form for form in forms if form]

    def acr(self, trials: int) -> list[Trial]:
        """Single sounds, of recordings as well."""
        arms = [self.alone.deal() for _ in range(trials)]
        return [Trial("acr", None, [self._name(arm, self.items_of[arm].deal())]) for arm in arms]

    def ab(self, trials: int) -> list[Trial]:
        """Arms beside the baseline, and catches."""
        if not len(self.others):
            return []
        arms = [self.others.deal() for _ in range(trials)]
        catches = [self.items.deal() for _ in range(math.ceil(trials / CATCHES))]
        return [
            *[self._beside("ab", self.pairs[arm].deal(), [arm, self.baseline]) for arm in arms],
            *[self._beside("ab", item, [NATURAL, ANCHOR]) for item in catches],
        ]

    def mushra(self, trials: int) -> list[Trial]:
        """Sets of sounds of different sentences, as long as there are others."""
        items = [self.items.deal() for _ in range(trials)]
        hands = [self.conditions.hand(MOST_SOUNDS - 1 - len(ANCHORS)) for _ in items]
        return [
            self._beside("mushra", item, [NATURAL, *ANCHORS, *hand])
            for item, hand in zip(items, hands, strict=True)
        ]

    def _beside(self, part: Part, item: Item, arms: Sequence[str | None]) -> Trial:
        """A trial of those of `arms` that say the item, in an order that tells nothing."""
        there = [name for arm in arms if (name := self.names.get(Stimulus(arm or "", *item)))]
        order = self.generator.permutation(len(there))
        return Trial(part, self._name(LABELLED, item), [there[place] for place in order])

    def _name(self, arm: str, item: Item) -> str:
        return self.names[Stimulus(arm, *item)]


def _record(results: Results) -> dict[Stimulus, Waveform]:
    """What is heard at the headline, with references and anchors, equally loud.

    Of sentences without a recording to refer to, nothing.
    """
    rate = results.experiment.corpus.sampling_rate
    found = {
        Stimulus(arm, speaker, utterance): audio.read_mono(path, rate)
        for arm, speaker, utterance, path in _clips(results)
    }
    natural = {each: wave for each, wave in found.items() if each.arm == NATURAL}
    items = {(each.speaker, each.utterance) for each in natural}
    sounds = {each: wave for each, wave in found.items() if (each.speaker, each.utterance) in items}
    for each, wave in natural.items():
        sounds[Stimulus(LABELLED, each.speaker, each.utterance)] = wave
        for anchor, share in ANCHORS.items():
            sounds[Stimulus(anchor, each.speaker, each.utterance)] = _without_treble(wave, share)
    return _level(sounds, rate)


def _clips(results: Results) -> list[tuple[str, str, str, Path]]:
    """arm, speaker, utterance and file: recordings, their copies, and the arms at the headline."""
    headline = results.experiment.evaluation.headline
    places = dict.fromkeys(results.arms, (headline.shots, headline.steps))
    places |= dict.fromkeys(results.zero_step_arms, (headline.shots, 0))
    places |= dict.fromkeys((NATURAL, COPY_SYNTHESIS), (0, 0))
    return [
        (arm, speaker, utterance, path)
        for arm, speaker, utterance, shots, steps, path in results.clips.itertuples(
            index=False, name=None
        )
        if places.get(arm) == (shots, steps)
    ]


def _without_treble(waveform: Waveform, share: float) -> Waveform:
    """An anchor: what is above this share of the band taken away, without delay."""
    return sosfiltfilt(butter(8, share, output="sos"), waveform)


def _level(sounds: Mapping[Stimulus, Waveform], rate: int) -> dict[Stimulus, Waveform]:
    """Bring the speech of all sounds to `LEVEL`, or as near as none of them clips."""
    levels = {each: speech_level(wave, rate) for each, wave in sounds.items()}
    peaks = {each: float(np.abs(wave).max()) for each, wave in sounds.items()}
    highest = [20 * math.log10(HEADROOM / peaks[each]) + levels[each] for each in sounds]
    target = min([LEVEL, *highest])
    return {each: wave * 10 ** ((target - levels[each]) / 20) for each, wave in sounds.items()}


def _draw_names(
    sounds: Mapping[Stimulus, Waveform], generator: np.random.Generator
) -> dict[Stimulus, str]:
    """A name for each sound that only the key connects with it.

    The names hang on the sounds as well as on the seed: other sounds never have the same names.
    """
    salt = _digest([_bytes(wave) for wave in sounds.values()]) + generator.bytes(16).hex()
    return {each: _digest([salt, asdict(each)]) for each in sounds}


def _bytes(waveform: Waveform) -> str:
    return hashlib.sha256(np.rint(waveform * 32767).astype("<i2").tobytes()).hexdigest()


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _source(name: str) -> str:
    return (files("adaptts.reporting") / name).read_text(encoding="utf-8")


def _csp_hash(text: str) -> str:
    """A source of the content security policy: this text, and no other, may stand inline."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
