"""The recognisers by the names that evaluation.recognisers may hold."""

from collections.abc import Callable, Mapping

from adaptts.evaluation.recognisers import ctc, sphinx, wav2vec2, whisper
from adaptts.evaluation.recognisers.recogniser import DeafError, Recogniser, Setting
from adaptts.params import RecogniserName

# Each opens its recogniser. It raises `DeafError` for a corpus that cannot be heard, and
# `ValueError` where weights are missing; it may download them. To add one, write its module and
# register it here and in params.RecogniserName.
RECOGNISERS: Mapping[RecogniserName, Callable[[Setting], Recogniser]] = {
    "sphinx": sphinx.open_recogniser,
    "ctc": ctc.open_recogniser,
    "wav2vec2": wav2vec2.open_recogniser,
    "whisper": whisper.open_recogniser,
}


def open_all(setting: Setting) -> dict[str, Recogniser | DeafError]:
    """Each recogniser that is asked for, by name in that order, or why it hears nothing here."""
    opened: dict[str, Recogniser | DeafError] = {}
    for name in setting.params.recognisers:
        try:
            opened[name] = RECOGNISERS[name](setting)
        except DeafError as error:
            opened[name] = error
    return opened
