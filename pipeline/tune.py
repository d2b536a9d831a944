"""How an arm adapts best on the validation speakers: a search over its space, with Optuna.

Every arm has the same number of trials. The first of them stand in the middle of each update
rule's step sizes; where the others stand follows from those before them and the seed.
"""

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
# A row of the validation speakers' mean distortion, in dB.
CURVE = ["arm", "seed", "shots", "steps", "distortion"]
RANDOM_TRIALS = 4  # before the sampler learns from what was tried; failures do not teach it


def main(stage: Stage) -> None:
    name, params = stage.item["arm"], stage.params
    data = open_data(params, params.training.compile)
    arms = {seed: open_arm(params, data, name, seed) for seed in params.seeds}
    table, judged = pd.DataFrame(columns=COLUMNS), pd.DataFrame(columns=CURVE)
    if arms[params.seeds[0]].strategy.takes_steps:
        table, judged = search(stage, data, arms)
    chosen = table.loc[table["chosen"].astype(bool), ["rule", "step_size", "anchor"]]
    manner = chosen.to_dict("records")[0] if len(chosen) else {}
    curve = validate(stage, data, arms, TrialParams(**manner) if manner else None, judged)
    with whole(Path("tuning") / name) as folder:
        table.to_csv(folder / "trials.csv", index=False)
        (folder / "chosen.json").write_text(json.dumps(manner, indent=1) + "\n", encoding="utf-8")
        curve.to_csv(folder / "validation.csv", index=False)
    stage.clear_scratch()


def search(stage: Stage, data: Data, arms: dict[int, Arm]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All trials of an arm, a row each, with the columns COLUMNS; and the curve of the chosen one,
    at the headline's shots, with the columns CURVE.
    """
    name, wanted = stage.item["arm"], stage.params.adaptation.trials
    manner = read_manner(stage.params, name)
    study = open_study(stage)
    done = len(finished(study))
    for number in tqdm(
        range(done, wanted), stage.address, wanted, initial=done, unit="trial", disable=None
    ):
        trial = ask(study, manner, number, stage.params.adaptation.seed)
        try:
            distortion, curve = try_out(stage, data, arms, manner, suggest(trial, manner))
        except DivergedError:
            study.tell(trial, state=TrialState.FAIL)
        else:
            trial.set_user_attr("curve", curve)
            study.tell(trial, distortion)
    trials = finished(study)
    table = pd.DataFrame(describe(name, trials, manner), columns=COLUMNS)
    if not (table["state"] == "complete").any():
        raise DivergedError(
            f"every trial of {name} diverged; give it a space of smaller step sizes"
        )
    best = int(table["distortion"].to_numpy(dtype=float, na_value=np.inf).argmin())
    table["chosen"] = table.index == best
    curve = pd.DataFrame(trials[best].user_attrs["curve"], columns=CURVE[1:])
    return table, curve.assign(arm=name)[CURVE]


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
) -> tuple[float, list[list]]:
    """The mean distortion in dB of the validation speakers' queries, over the steps up to the
    headline's and over seeds; and for each seed and number of steps a row of CURVE, without arm.

    Raises DivergedError if a voice did.
    """
    shots = stage.params.evaluation.headline.shots
    steps = judged_steps(stage)
    distortions, curve = [], []
    for seed, arm in arms.items():
        found = measure(stage, data, arm, seed, manner, trial, shots, steps)
        curve += [[seed, shots, *row] for row in zip(steps, found.mean(axis=(0, 2)), strict=True)]
        distortions.append(found)
    return float(np.mean(distortions)), [[*map(int, row[:3]), float(row[3])] for row in curve]


def judged_steps(stage: Stage) -> list[int]:
    """The numbers of steps at which a trial is judged."""
    headline = stage.params.evaluation.headline
    return [count for count in stage.params.adaptation.steps if 0 < count <= headline.steps]


def measure(
    stage: Stage,
    data: Data,
    arm: Arm,
    seed: int,
    manner: MannerParams,
    trial: TrialParams,
    shots: int,
    steps: list[int],
) -> np.ndarray:
    """Distortions in dB [validation speakers, steps, queries]."""
    found = []
    for speaker in stage.params.split.validation:
        names = data.support(speaker, stage.params.draw_of(seed), shots)
        queries = data.queries(speaker)
        texts = data.utterances.batch(queries)
        for snapshot in make_voice(arm, manner, data.utterances.batch(names), trial, steps):
            spoken = speak(arm.learner.acoustic, snapshot.voice, texts, data.utterances)
            found.append(
                [
                    mel_distortion(said.mel, data.utterances.store.mel(utterance))
                    for said, utterance in zip(spoken, queries, strict=True)
                ]
            )
    return np.array(found).reshape(len(stage.params.split.validation), len(steps), -1)


def validate(
    stage: Stage,
    data: Data,
    arms: dict[int, Arm],
    chosen: TrialParams | None,
    judged: pd.DataFrame,
) -> pd.DataFrame:
    """The validation speakers' mean distortion at all shots, up to the steps of the headline, for
    the first seed; with what is `judged` of the chosen trial already. Columns CURVE.

    This chooses nothing here: readers of the report choose by it. Where a voice diverges, NaN.
    """
    name, params = stage.item["arm"], stage.params
    seed, manner = params.seeds[0], read_manner(params, name)
    rows = []
    for shots in params.episodes.shots:
        known = shots == params.evaluation.headline.shots or chosen is None
        steps = [0] if known else [0, *judged_steps(stage)]
        trial = chosen or TrialParams("sgd", 1.0)  # of arms that take no step
        try:
            found = measure(stage, data, arms[seed], seed, manner, trial, shots, steps)
            means = found.mean(axis=(0, 2))
        except DivergedError:
            means = np.full(len(steps), np.nan)
        rows += [(name, seed, shots, *row) for row in zip(steps, means, strict=True)]
    table = pd.concat([judged, pd.DataFrame(rows, columns=CURVE)] if len(judged) else
                      [pd.DataFrame(rows, columns=CURVE)])  # fmt: skip
    return table.sort_values(["seed", "shots", "steps"], ignore_index=True)


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
