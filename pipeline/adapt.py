"""A held-out speaker's voices, for every seed, number of shots and step."""

import json
import sys
from pathlib import Path

from tqdm import tqdm

from adaptts.adaptation import VoiceWriter, adapt, moved_parameters, silence, speak
from adaptts.inner_loop import DivergedError, GradientDescent, UpdateRule
from adaptts.params import TrialParams, parse
from pipeline.arms import Arm, Data, open_arm, open_data
from pipeline.stage import Stage, run, whole


def main(stage: Stage) -> None:
    name, speaker, params = stage.item["arm"], stage.item["speaker"], stage.params
    data = open_data(params)
    writer, curve, costs = VoiceWriter(), [], []
    points = [(seed, shots) for seed in params.seeds for shots in params.episodes.shots]
    arms = {seed: open_arm(params, data, name, seed) for seed in params.seeds}
    adapted = {}
    for seed, shots in tqdm(points, desc=stage.address, unit="voice", disable=None):
        support = data.support(speaker, params.draw_of(seed), shots)
        key = {"seed": seed, "draw": params.draw_of(seed), "shots": shots}
        adapted = make_voice(stage, data, arms[seed], support, key, writer, curve, costs)
    with whole(Path("voices") / name / speaker) as folder:
        writer.save(folder, curve, {"arm": name, "speaker": speaker, **adapted, "runs": costs})


def make_voice(
    stage: Stage,
    data: Data,
    arm: Arm,
    support_names: list[str],
    key: dict[str, int],
    writer: VoiceWriter,
    curve: list[dict],
    costs: list[dict],
) -> dict[str, int]:
    """Adapt to one support set, and say the queries at every snapshot; returns what adapted."""
    params, acoustic = stage.params, arm.learner.acoustic
    support = data.utterances.batch(support_names)
    names = data.queries(stage.item["speaker"])
    queries = data.utterances.batch(names)
    start = arm.strategy.voice(arm.learner, support)
    takes_steps = arm.strategy.takes_steps
    subset = params.adaptation.parameters if takes_steps else "speaker"
    steps = params.adaptation.steps if takes_steps else [0]
    rule = chosen_rule(stage, arm) if takes_steps else GradientDescent(0.0)
    seconds, told = 0.0, 0
    try:
        for snapshot in adapt(acoustic, start, support, rule, subset, params.training.loss, steps):
            spoken = speak(acoustic, snapshot.voice, queries, data.utterances)
            writer.add({**key, "steps": snapshot.steps}, names, spoken)
            curve.append({**key, "step": snapshot.steps, "support_loss": snapshot.support_loss})
            seconds, told = snapshot.seconds, told + 1
    except DivergedError as error:
        # The step size was chosen on other speakers; this one's values are missing from here on.
        print(f"{stage.address}: {key}: {error}", file=sys.stderr)
        for missing in steps[told:]:
            nothing = [silence(data.setting.mels) for _ in names]
            writer.add({**key, "steps": missing}, names, nothing)
    costs.append({**key, "steps": steps[max(told - 1, 0)], "adaptation_seconds": seconds})
    if not arm.strategy.uses_support:
        return {"adapted_parameters": 0, "bytes_per_voice": 0}
    return moved_parameters(start, subset)


def chosen_rule(stage: Stage, arm: Arm) -> UpdateRule:
    path = Path("tuning") / stage.item["arm"] / "chosen.json"
    trial = parse(TrialParams, json.loads(path.read_text(encoding="utf-8")), str(path))
    return arm.strategy.rule(arm.learner, trial.rule, trial.step_size)


if __name__ == "__main__":
    run(main, ["arm", "speaker"])
