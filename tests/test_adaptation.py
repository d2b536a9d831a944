import math
import shutil
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from test_strategies import SETTINGS, learn
from written_store import overwrite

from adaptts.adaptation import (
    Snapshot,
    Spoken,
    Voices,
    VoiceWriter,
    adapt,
    moved_parameters,
    read_manner,
    silence,
    speak,
)
from adaptts.episodes.batch import Utterances, stack
from adaptts.features.store import FeatureStore
from adaptts.inner_loop import Adam, DivergedError, GradientDescent, descend
from adaptts.models.acoustic import SPEAKER
from adaptts.models.adapted import SUBSETS, LowRank, Subset, choose
from adaptts.objectives import voice_loss, voice_losses
from adaptts.params import Experiment, MannerParams, ParamsError, parse

STEPS = [0, 1, 3, 8]


@pytest.fixture
def arm(setting):
    return learn(setting, "pretrain_finetune")


def snapshots(
    setting, utterances, arm, names=("s6_2", "s6_3"), rule=None, subset="all", anchor=0.0, **manner
):
    strategy, learner = arm
    support = utterances.batch(list(names))
    start = strategy.voice(learner, support)
    rule = rule or Adam(0.01)
    how = MannerParams(parameters=subset, space={"adam": (0.01, 0.01)}, **manner)
    return list(adapt(learner.acoustic, start, support, rule, how, setting.loss, STEPS, anchor))


@pytest.mark.parametrize("subset", ["all", "speaker_norms"])
@pytest.mark.parametrize("rule", [Adam(0.01), GradientDescent(0.05)])
def test_voices_adapted_together_are_those_adapted_one_by_one(
    setting, utterances, arm, rule, subset
) -> None:
    """In double precision, from support sets of different lengths."""
    strategy, learner = arm
    learner.double()
    supports = [
        utterances.batch(names).map(lambda t: t.double() if t.is_floating_point() else t)
        for names in (["s6_2", "s6_3"], ["s5_0", "s5_1"], ["s6_4", "s5_2"])
    ]
    start = {n: value.detach() for n, value in strategy.voice(learner, supports[0]).items()}
    how = MannerParams(parameters=subset, space={"adam": (0.01, 0.01)})
    stacked = stack(supports)
    own = {n: value.expand(3, *value.shape) for n, value in choose(start, subset).items()}
    shared = {n: value for n, value in start.items() if n not in own}
    walk = descend(
        lambda moved: voice_losses(learner.acoustic, shared, moved, stacked, setting.loss).sum(),
        own,
        rule,
    )
    *_, (together, _) = islice(walk, STEPS[-1])
    for place, support in enumerate(supports):
        *_, alone = adapt(learner.acoustic, start, support, rule, how, setting.loss, STEPS)
        for name, value in together.items():
            torch.testing.assert_close(value[place], alone.voice[name], rtol=1e-10, atol=1e-10)


def test_the_support_loss_falls(setting, utterances, arm) -> None:
    taken = snapshots(setting, utterances, arm)
    assert [snapshot.steps for snapshot in taken] == STEPS
    assert math.isnan(taken[0].support_loss)
    assert taken[3].support_loss < taken[1].support_loss


def test_step_zero_is_the_voice_as_given(setting, utterances, arm) -> None:
    strategy, learner = arm
    voice = strategy.voice(learner, utterances.batch(["s6_2"]))
    first = snapshots(setting, utterances, arm)[0].voice
    for name, value in voice.items():
        torch.testing.assert_close(first[name], value.detach(), rtol=0, atol=0)


def test_adaptation_leaves_the_learner_as_it_was(setting, utterances, arm) -> None:
    _, learner = arm
    before = {n: v.clone() for n, v in learner.state_dict().items()}
    last = snapshots(setting, utterances, arm)[-1]
    speak(learner.acoustic, last.voice, utterances.batch(["s6_0"]), utterances)
    for name, value in learner.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


@pytest.mark.parametrize("subset", SUBSETS)
def test_only_the_subset_moves(setting, utterances, arm, subset) -> None:
    taken = snapshots(setting, utterances, arm, subset=subset)
    moved = {n for n, v in taken[-1].voice.items() if not torch.equal(v, taken[0].voice[n])}
    assert moved
    assert all(SUBSETS[subset](name) for name in moved)
    assert moved_parameters(taken[0].voice, Subset("speaker")) == {
        "adapted_parameters": setting.model.speaker_channels,
        "bytes_per_voice": 4 * setting.model.speaker_channels,
    }


def test_a_vector_of_its_own_belongs_to_a_voice_even_where_it_does_not_adapt(setting, arm) -> None:
    _, learner = arm
    voice = learner.voice(learner.average_speaker())
    shared, own = (moved_parameters(voice, Subset("head"), own) for own in (False, True))
    assert shared["adapted_parameters"] == own["adapted_parameters"]
    vector = 4 * setting.model.speaker_channels
    assert own["bytes_per_voice"] == shared["bytes_per_voice"] + vector
    every = [moved_parameters(voice, Subset("all"), own) for own in (False, True)]
    assert every[0] == every[1]


def test_what_is_said_depends_on_the_text_alone(setting, utterances, arm) -> None:
    """Of the query, only the phones may matter: mel, durations and pitch are poisoned."""
    from dataclasses import replace

    _, learner = arm
    voice = snapshots(setting, utterances, arm)[-1].voice
    query = utterances.batch(["s6_0", "s6_1"])
    poisoned = replace(
        query,
        mel=query.mel * float("nan"),
        durations=query.durations + 50,
        pitch=query.pitch * float("nan"),
        voicing=1 - query.voicing,
    )
    plain = speak(learner.acoustic, voice, query, utterances)
    other = speak(learner.acoustic, voice, poisoned, utterances)
    for one, two in zip(plain, other, strict=True):
        for key, value in asdict(one).items():
            np.testing.assert_array_equal(value, asdict(two)[key])


@pytest.mark.parametrize("arm", SETTINGS)
def test_a_poisoned_query_set_changes_no_adapted_weight(
    setting, utterances, episodes, feature_folder, tmp_path, arm
) -> None:
    """Nor the choice of a start: all that is known of the queries is spoilt in the store."""
    of_speaker = episodes[(episodes["speaker"] == "s6") & (episodes["draw"].isin([0, -1]))]
    queries = of_speaker.loc[of_speaker["role"] == "query", "utterance"]
    support = of_speaker.loc[of_speaker["role"] == "support", "utterance"]
    folder = shutil.copytree(feature_folder, tmp_path / "features")
    for name in ("mel", "f0", "durations"):
        for query in queries:
            overwrite(folder, query, name, 1 if name == "durations" else 77)
    poisoned = Utterances(FeatureStore.open(folder), utterances.normalisation, episodes)
    how = MannerParams(parameters="all", space={"adam": (0.01, 0.01)})
    voices = []
    for source in (utterances, poisoned):
        strategy, learner = learn(setting, arm)
        batch = source.batch(list(support))
        learned = arm in ("meta_sgd", "maml_plus_plus")
        rule = strategy.rule(learner, "learned" if learned else "adam", 0.01)
        start = strategy.voice(learner, batch)
        walk = adapt(learner.acoustic, start, batch, rule, how, setting.loss, STEPS)
        voices.append([snapshot.voice for snapshot in walk])
    assert all((poisoned.store.mel(query) == 77).all() for query in queries)
    for one, other in zip(*voices, strict=True):
        for name, value in one.items():
            torch.testing.assert_close(other[name], value, rtol=0, atol=0)


def test_an_utterance_alone_sounds_as_in_a_batch(setting, utterances, arm) -> None:
    _, learner = arm
    voice = snapshots(setting, utterances, arm)[-1].voice
    both = speak(learner.acoustic, voice, utterances.batch(["s6_0", "s6_1"]), utterances)
    alone = speak(learner.acoustic, voice, utterances.batch(["s6_0"]), utterances)[0]
    # Sums of another length round otherwise.
    np.testing.assert_allclose(both[0].mel, alone.mel, atol=1e-4)
    np.testing.assert_allclose(both[0].durations, alone.durations, atol=1e-4)


def test_divergence_is_told(setting, utterances, arm) -> None:
    with pytest.raises(DivergedError, match="smaller step size|not finite"):
        snapshots(setting, utterances, arm, rule=GradientDescent(1e20))


def test_predicted_lengths_are_bounded(setting, utterances, arm) -> None:
    strategy, learner = arm
    voice = strategy.voice(learner, utterances.batch(["s6_2"]))
    voice = {n: v.detach().clone() for n, v in voice.items()}
    voice["duration.output.bias"] += 1e6
    said = speak(learner.acoustic, voice, utterances.batch(["s6_0"]), utterances)[0]
    assert len(said.mel) <= 120 * len(said.durations)


def test_a_voice_that_diverged_is_silent_to_every_measure() -> None:
    nothing = silence(3)
    assert nothing.mel.shape == (1, 3)
    assert all(np.isnan(value).all() for value in asdict(nothing).values())


def test_voices_come_back_as_they_were_written(tmp_path) -> None:
    generator = np.random.default_rng(0)
    spoken = [
        Spoken(
            generator.normal(size=(frames, 3)).astype(np.float32),
            np.arange(phones, dtype=np.float32),
            np.full(phones, 100.0, np.float32),
        )
        for frames, phones in ((5, 2), (3, 4))
    ]
    writer = VoiceWriter()
    key = {"seed": 0, "draw": 0, "shots": 1, "steps": 0}
    writer.add(key, ["u1", "u2"], spoken)
    writer.save(tmp_path, [{**key, "step": 0, "support_loss": 1.0}], {"arm": "a"})
    voices = Voices.open(tmp_path)
    for (_, row), said in zip(voices.points.iterrows(), spoken, strict=True):
        # Kept in half precision.
        np.testing.assert_allclose(voices.mel(row), said.mel, rtol=1e-3, atol=1e-3)
        np.testing.assert_array_equal(voices.durations(row), said.durations)
        np.testing.assert_array_equal(voices.pitch(row), said.pitch_hz)
    np.save(tmp_path / "mel.npy", np.zeros((2, 3), np.float16))
    with pytest.raises(ValueError, match="delete it and run the adapt stage again"):
        Voices.open(tmp_path)


def test_a_missing_voice_folder_is_an_error(tmp_path) -> None:
    with pytest.raises(ValueError, match="is not whole"):
        Voices.open(tmp_path / "nowhere")


def distance(one: Snapshot, other: Snapshot) -> float:
    return sum((one.voice[n] - v).square().sum().item() for n, v in other.voice.items())


def test_an_anchor_keeps_the_voice_near_its_start(setting, utterances, arm) -> None:
    ways = {a: snapshots(setting, utterances, arm, anchor=a) for a in (0.0, 0.1, 10.0)}
    free, near, nearer = (distance(way[-1], way[0]) for way in ways.values())
    assert nearer < near < free


def test_the_anchor_is_half_the_squared_distance(setting, utterances, arm) -> None:
    """The first step starts at distance 0; the second step's loss has the penalty in it."""
    rule = GradientDescent(0.01)
    free = snapshots(setting, utterances, arm, rule=rule)
    strategy, learner = arm
    support = utterances.batch(["s6_2", "s6_3"])
    how = MannerParams(parameters="all", space={"sgd": (0.01, 0.01)})
    start = strategy.voice(learner, support)
    walk = adapt(learner.acoustic, start, support, rule, how, setting.loss, [0, 1, 2], anchor=3.0)
    _, first, second = walk
    plain = voice_loss(learner.acoustic, first.voice, support, setting.loss).item()
    assert second.support_loss == pytest.approx(plain + 1.5 * distance(free[1], free[0]), rel=1e-5)


def test_what_is_held_back_picks_the_step_and_is_not_adapted_to(setting, utterances, arm) -> None:
    _, learner = arm
    held = utterances.batch(["s6_4"])
    rule = Adam(0.05)  # too fast: the last step is not the best one
    taken = snapshots(setting, utterances, arm, ("s6_2", "s6_3", "s6_4"), rule, hold_back=True)
    losses = [voice_loss(learner.acoustic, s.voice, held, setting.loss).item() for s in taken]
    assert losses == sorted(losses, reverse=True)
    walk = snapshots(setting, utterances, arm, ("s6_2", "s6_3"), rule)
    plain = [voice_loss(learner.acoustic, s.voice, held, setting.loss).item() for s in walk]
    assert all(kept <= every + 1e-6 for kept, every in zip(losses, plain, strict=True))


def test_what_did_best_on_the_held_back_utterance_outlives_divergence(
    setting, utterances, arm
) -> None:
    names, wild = ("s6_2", "s6_3", "s6_4"), GradientDescent(1e20)
    taken = snapshots(setting, utterances, arm, names, wild, hold_back=True)
    assert distance(taken[-1], taken[0]) == 0


def test_a_single_utterance_is_not_held_back(setting, utterances, arm) -> None:
    plain = snapshots(setting, utterances, arm, ("s6_2",))
    held = snapshots(setting, utterances, arm, ("s6_2",), hold_back=True)
    assert distance(plain[-1], held[-1]) == 0


def test_other_tempos_are_other_steps_and_the_same_ones_each_time(setting, utterances, arm) -> None:
    plain = snapshots(setting, utterances, arm)
    ways = [snapshots(setting, utterances, arm, tempo=0.3) for _ in range(2)]
    assert distance(ways[0][-1], ways[1][-1]) == 0
    assert distance(ways[0][-1], plain[-1]) > 0


def test_low_rank_updates_leave_the_other_parameters(setting, utterances, arm) -> None:
    taken = snapshots(setting, utterances, arm, subset="low_rank", rank=1)
    assert taken[-1].support_loss < taken[1].support_loss
    bias = "mel.bias"
    torch.testing.assert_close(taken[-1].voice[bias], taken[0].voice[bias], rtol=0, atol=0)
    numbers = moved_parameters(taken[0].voice, LowRank(1))["adapted_parameters"]
    assert numbers < moved_parameters(taken[0].voice, Subset("all"))["adapted_parameters"]


def experiment(**adaptation) -> Experiment:
    path = Path(__file__).parents[1] / "presets/default.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    values["strategies"]["maml"]["adaptation"] = adaptation
    return parse(Experiment, values, "")


def test_an_arm_adapts_as_the_experiment_says_where_it_says_nothing_else() -> None:
    manner = read_manner(experiment(), "maml")
    assert manner.parameters == "all"
    assert set(manner.space) == {"adam", "preconditioned_sgd"}
    manner = read_manner(experiment(parameters="speaker", space={"adam": [0.01, 0.1]}), "maml")
    assert manner == MannerParams(parameters="speaker", space={"adam": (0.01, 0.1)})
    assert read_manner(experiment(), "pretrain_finetune").parameters == "all"


@pytest.mark.parametrize(
    ("adaptation", "message"),
    [
        ({"parameters": "tail"}, "no parameter subset 'tail'; choose among"),
        ({"parameters": "low_rank"}, "rank goes with parameters: low_rank"),
        ({"rank": 2}, "rank goes with parameters: low_rank"),
        ({"parameters": "low_rank", "rank": 2}, "give the arm a space without"),
        ({"tempo": 1.0}, "strategies.maml.adaptation.tempo"),
        ({"anchor": [2.0, 1.0]}, "the lower bound comes first"),
        ({"ankor": 2.0}, "strategies.maml.adaptation.ankor: unknown key"),
    ],
)
def test_a_wrong_manner_is_told(adaptation, message) -> None:
    with pytest.raises(ParamsError, match=message):
        read_manner(experiment(**adaptation), "maml")


def test_speaker_vector_is_part_of_a_voice(setting, utterances, arm) -> None:
    taken = snapshots(setting, utterances, arm, subset="speaker")
    assert not torch.equal(taken[0].voice[SPEAKER], taken[-1].voice[SPEAKER])
