import pytest
import torch

from adaptts.models.acoustic import SPEAKER
from adaptts.models.adapted import SUBSETS, LowRank, choose, make_adapted
from adaptts.strategies.learner import Learner, seeded


@pytest.fixture
def voice(setting) -> dict[str, torch.Tensor]:
    with seeded(0):
        learner = Learner(setting)
    return {n: v.detach() for n, v in learner.voice(learner.average_speaker()).items()}


@pytest.mark.parametrize("subset", SUBSETS)
def test_every_subset_but_the_head_holds_the_speaker_vector(voice, subset) -> None:
    chosen = choose(voice, subset)
    assert chosen
    assert (SPEAKER in chosen) == (subset != "head")
    assert set(chosen) <= set(voice)


def test_an_unknown_or_empty_subset_is_refused() -> None:
    with pytest.raises(ValueError, match="no parameter subset 'encoder'; choose among"):
        choose({SPEAKER: torch.zeros(1)}, "encoder")
    with pytest.raises(ValueError, match="matches no parameter"):
        choose({"embedding.weight": torch.zeros(1)}, "speaker")


@pytest.mark.parametrize("parameters", [*SUBSETS, "low_rank"])
def test_a_voice_that_has_not_moved_is_the_voice(voice, parameters) -> None:
    adapted = make_adapted(parameters, 2 if parameters == "low_rank" else None)
    same = adapted.apply(voice, adapted.start(voice))
    assert list(same) == list(voice)
    for name, value in voice.items():
        torch.testing.assert_close(same[name], value, rtol=0, atol=0)


def test_low_rank_moves_every_matrix_by_that_rank_and_nothing_else(voice) -> None:
    adapted = LowRank(2)
    moved = {n: v + 0.1 * torch.ones_like(v) for n, v in adapted.start(voice).items()}
    applied = adapted.apply(voice, moved)
    for name, value in voice.items():
        change = applied[name] - value
        if name == SPEAKER:
            assert change.abs().min() > 0
        elif value.ndim == 2 and not name.startswith("embedding."):
            assert torch.linalg.matrix_rank(change, atol=1e-5) in (1, 2)
        else:
            assert change.abs().max() == 0


def test_low_rank_is_fewer_numbers(voice) -> None:
    sizes = [
        sum(value.numel() for value in adapted.start(voice).values())
        for adapted in (LowRank(1), LowRank(2), make_adapted("all", None))
    ]
    assert sizes[0] < sizes[1] < sizes[2]
