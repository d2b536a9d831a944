"""How an arm adapts best on the validation speakers: a search over its space, with Optuna.

Every arm has the same number of trials. The first of them stand in the middle of each update
rule's step sizes; where the others stand follows from those before them and the seed.
"""

import itertools
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import optuna
import pandas as pd
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from tqdm import tqdm

from adaptts.adaptation import read_manner, speak
from adaptts.evaluation.distortion import mel_distortion
from adaptts.inner_loop import DivergedError
from adaptts.params import MannerParams, Rule, TrialParams
from pipeline.arms import Arm, Data, open_arm, open_data
from pipeline.stage import Stage, run, whole
from pipeline.voices import make_voice

COLUMNS = [
    "arm", "trial", "rule", "step_size", "least", "largest", "anchor", "distortion", "state",
    "chosen",
]  # fmt: skip
RANDOM_TRIALS = 4  # before the sampler learns from what was tried; failures do not teach it


def main(stage: Stage) -> None:
    name, params = stage.item["arm"], stage.params
    data = open_data(params)
    arms = {seed: open_arm(params, data, name, seed) for seed in params.seeds}
    table = pd.DataFrame(columns=COLUMNS)
    if arms[params.seeds[0]].strategy.takes_steps:
        table = search(stage, data, arms)
    chosen = table.loc[table["chosen"].astype(bool), ["rule", "step_size", "anchor"]]
    with whole(Path("tuning") / name) as folder:
        table.to_csv(folder / "trials.csv", index=False)
        text = json.dumps(chosen.to_dict("records")[0] if len(chosen) else {}, indent=1)
        (folder / "chosen.json").write_text(text + "\n", encoding="utf-8")
    stage.clear_scratch()


def search(stage: Stage, data: Data, arms: dict[int, Arm]) -> pd.DataFrame:
    """All trials of an arm, a row each, with the columns COLUMNS."""
    name, wanted = stage.item["arm"], stage.params.adaptation.trials
    manner = read_manner(stage.params, name)
    study = open_study(stage)
    done = len(finished(study))
    for number in tqdm(
        range(done, wanted), stage.address, wanted, initial=done, unit="trial", disable=None
    ):
        trial = ask(study, manner, number, stage.params.adaptation.seed)
        try:
            distortion = try_out(stage, data, arms, manner, suggest(trial, manner))
        except DivergedError:
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, distortion)
    table = pd.DataFrame(describe(name, finished(study), manner), columns=COLUMNS)
    if not (table["state"] == "complete").any():
        raise DivergedError(
            f"every trial of {name} diverged; give it a space of smaller step sizes"
        )
    table["chosen"] = table.index == table["distortion"].idxmin()
    return table


def open_study(stage: Stage) -> optuna.Study:
    """The search where an interruption has left it, or a new one."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(stage.scratch() / "trials.journal")))
    return optuna.create_study(storage=storage, study_name=stage.address, load_if_exists=True)


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that came to an end; one that was interrupted is made again."""
    return study.get_trials(states=[TrialState.COMPLETE, TrialState.FAIL])


def ask(study: optuna.Study, manner: MannerParams, number: int, seed: int) -> optuna.Trial:
    """The next trial: the middle of an update rule's step sizes first, for each in turn."""
    # A sampler for each trial, so that an interrupted search goes on as it would have.
    study.sampler = TPESampler(seed=seed + number, n_startup_trials=RANDOM_TRIALS)
    if number < len(manner.space) and not study.get_trials(states=[TrialState.WAITING]):
        rule, bounds = list(manner.space.items())[number]
        middle = {"rule": rule, rule: math.sqrt(math.prod(bounds))}
        if manner.anchor:
            middle["anchor"] = math.sqrt(math.prod(manner.anchor))
        study.enqueue_trial(middle)
    return study.ask()


def suggest(trial: optuna.Trial, manner: MannerParams) -> TrialParams:
    """What to try next in the arm's space."""
    rule = cast(Rule, trial.suggest_categorical("rule", list(manner.space)))
    step_size = trial.suggest_float(rule, *manner.space[rule], log=True)
    anchor = trial.suggest_float("anchor", *manner.anchor, log=True) if manner.anchor else 0.0
    return TrialParams(rule, step_size, anchor)


def try_out(
    stage: Stage, data: Data, arms: dict[int, Arm], manner: MannerParams, trial: TrialParams
) -> float:
    """The mean distortion in dB of the validation speakers' queries, over the steps up to the
    headline's and over seeds.

    Raises DivergedError if a voice did.
    """
    params = stage.params
    headline = params.evaluation.headline
    steps = [count for count in params.adaptation.steps if 0 < count <= headline.steps]
    distortions = []
    for (seed, arm), speaker in itertools.product(arms.items(), params.split.validation):
        names = data.support(speaker, params.draw_of(seed), headline.shots)
        queries = data.queries(speaker)
        texts = data.utterances.batch(queries)
        for snapshot in make_voice(arm, manner, data.utterances.batch(names), trial, steps):
            spoken = speak(arm.learner.acoustic, snapshot.voice, texts, data.utterances)
            distortions += [
                mel_distortion(said.mel, data.utterances.store.mel(utterance))
                for said, utterance in zip(spoken, queries, strict=True)
            ]
    return float(np.mean(distortions))


def describe(
    arm: str, trials: Iterable[optuna.trial.FrozenTrial], manner: MannerParams
) -> Iterator[dict[str, Any]]:
    """A row for each trial; least and largest are the bounds of its step size."""
    for number, trial in enumerate(trials, 1):
        values = trial.params
        least, largest = manner.space[values["rule"]]
        yield {
            "arm": arm,
            "trial": number,
            "rule": values["rule"],
            "step_size": values[values["rule"]],
            "least": least,
            "largest": largest,
            "anchor": values.get("anchor", 0.0),
            "distortion": trial.value,
            "state": "complete" if trial.state == TrialState.COMPLETE else "diverged",
        }


if __name__ == "__main__":
    run(main, ["arm"], DivergedError)
