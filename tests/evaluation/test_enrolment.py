from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adaptts.evaluation.enrolment import Enrolled, Trial, Verification, identified
from adaptts.evaluation.measure import NotMeasurableError
from adaptts.evaluation.speaker import SpeakerEncoder, mean_embedding

EAST, NORTH = np.array([1.0, 0.0]), np.array([0.0, 1.0])


def verification(speakers: dict[str, Enrolled], *trials: tuple) -> Verification:
    columns = ["utterance", "speaker", "enrolled", "target", "same_text"]
    return Verification(speakers, pd.DataFrame(trials, columns=columns).set_index("utterance"))


def trial(enrolled: str, target: bool, similarity: float) -> Trial:
    return Trial(enrolled, target, False, similarity, similarity)


def test_a_prototype_may_leave_out_a_text() -> None:
    enrolled = Enrolled([EAST, NORTH], ["one", "two"])
    assert enrolled.prototype() == pytest.approx(mean_embedding([EAST, NORTH]))
    assert enrolled.prototype("one") == pytest.approx(NORTH)
    assert enrolled.prototype("three") == pytest.approx(enrolled.prototype())


def test_a_speaker_of_one_utterance_is_enrolled_by_it_alone() -> None:
    enrolled = Enrolled([EAST], ["one"])
    assert enrolled.prototype() == pytest.approx(EAST)
    assert enrolled.prototype("one") is None
    tried = verification({"ann": enrolled}, ("u1", "ann", "ann", True, True))
    (found,) = tried.attempt(EAST, "u1", "one")
    assert found.similarity == 1
    assert np.isnan(found.other_text_similarity)


def test_only_the_same_text_is_left_out_of_an_enrolment() -> None:
    speakers = {
        "ann": Enrolled([EAST, NORTH], ["one", "two"]),
        "bob": Enrolled([NORTH], ["two"]),
    }
    tried = verification(
        speakers, ("u1", "ann", "ann", True, True), ("u1", "ann", "bob", False, False)
    )
    own, other = tried.attempt(EAST, "u1", "one")
    assert (own.enrolled, own.target, own.same_text) == ("ann", True, True)
    assert own.similarity == pytest.approx(np.sqrt(0.5))
    assert own.other_text_similarity == 0
    assert other.similarity == other.other_text_similarity == 0


def test_the_nearest_enrolled_speaker_is_the_one_identified() -> None:
    assert identified([trial("ann", True, 0.8), trial("bob", False, 0.7)]) == 100
    assert identified([trial("ann", True, 0.6), trial("bob", False, 0.7)]) == 0


def test_one_enrolled_speaker_is_nobody_to_tell_apart() -> None:
    with pytest.raises(NotMeasurableError, match="needs two enrolled speakers, got 1"):
        identified([trial("ann", True, 0.8)])


def test_a_speaker_of_whom_nothing_is_heard_is_refused_by_name(tmp_path: Path) -> None:
    enrolment = pd.DataFrame({"speaker": ["ann", "ann"], "utterance": ["u1", "u2"]})
    enrolment.to_parquet(tmp_path / "enrolment.parquet", index=False)
    index = pd.DataFrame({"text": ["one", "two"]}, index=["u1", "u2"])
    with pytest.raises(
        ValueError, match="any of the 2 recordings that ann is enrolled by, first u"
    ):
        Verification.open(tmp_path, index, lambda _: np.zeros(16000), SpeakerEncoder(), 16000)
