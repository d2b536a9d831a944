"""An arm's adaptation step size, chosen on the validation speakers."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from adaptts.adaptation import adapt, speak
from adaptts.evaluation.distortion import mel_distortion
from adaptts.inner_loop import DivergedError, make_rule
from adaptts.params import TrialParams
from pipeline.arms import Arm, Data, open_arm, open_data
from pipeline.stage import Stage, run, whole


def main(stage: Stage) -> None:
    name, params = stage.item["arm"], stage.params
    data = open_data(params)
    arms = {seed: open_arm(params, data, name, seed) for seed in params.seeds}
    trials = params.adaptation.trials if arms[params.seeds[0]].strategy.takes_steps else []
    rows = []
    for trial in tqdm(trials, desc=stage.address, unit="trial", disable=None):
        distortions = [
            try_out(stage, data, arms[seed], seed, speaker, trial)
            for seed in params.seeds
            for speaker in params.split.validation
        ]
        rows.append(
            {
                "arm": name,
                "rule": trial.rule,
                "step_size": trial.step_size,
                "distortion": float(np.mean(distortions)),
            }
        )
    table = pd.DataFrame(rows, columns=["arm", "rule", "step_size", "distortion"])
    if trials and not np.isfinite(table["distortion"]).any():
        raise DivergedError(f"every trial of {name} diverged; add smaller step sizes")
    table["chosen"] = table["distortion"] == table["distortion"].min()
    chosen = table[table["chosen"]].head(1)[["rule", "step_size"]].to_dict("records")
    with whole(Path("tuning") / name) as folder:
        table.to_csv(folder / "trials.csv", index=False)
        text = json.dumps(chosen[0] if chosen else {}, indent=1)
        (folder / "chosen.json").write_text(text + "\n", encoding="utf-8")


def try_out(
    stage: Stage, data: Data, arm: Arm, seed: int, speaker: str, trial: TrialParams
) -> float:
    """The mean distortion in dB of a validation speaker's queries, over the steps up to the
    headline's; infinite if the voice diverged.
    """
    params = stage.params
    headline = params.evaluation.headline
    names = data.support(speaker, params.draw_of(seed), headline.shots)
    support = data.utterances.batch(names)
    queries = data.queries(speaker)
    rule = make_rule(trial.rule, trial.step_size, arm.strategy.preconditioner)
    texts = data.utterances.batch(queries)
    distortions = []
    try:
        for snapshot in adapt(
            arm.learner.acoustic,
            arm.strategy.voice(arm.learner, support),
            support,
            rule,
            params.adaptation.parameters,
            params.training.loss,
            [steps for steps in params.adaptation.steps if 0 < steps <= headline.steps],
        ):
            spoken = speak(arm.learner.acoustic, snapshot.voice, texts, data.utterances)
            distortions += [
                mel_distortion(said.mel, data.utterances.store.mel(utterance))
                for said, utterance in zip(spoken, queries, strict=True)
            ]
    except DivergedError:
        return float("inf")
    return float(np.mean(distortions))


if __name__ == "__main__":
    run(main, ["arm"], DivergedError)
