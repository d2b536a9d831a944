"""A held-out speaker's voices, for every seed, number of shots and step."""

import json
import sys
from pathlib import Path

from tqdm import tqdm

from adaptts.adaptation import VoiceWriter, moved_parameters, read_manner, silence, speak
from adaptts.inner_loop import DivergedError
from adaptts.models.adapted import Subset, make_adapted
from adaptts.params import TrialParams, parse
from adaptts.strategies.training import peak_memory_bytes
from pipeline.arms import Arm, Data, open_arm, open_data
from pipeline.stage import Stage, run, whole
from pipeline.voices import make_voice

NO_STEP = TrialParams("sgd", 1.0)  # of arms that take none


def main(stage: Stage) -> None:
    name, speaker, params = stage.item["arm"], stage.item["speaker"], stage.params
    data = open_data(params, params.training.compile)
    writer, curve, costs = VoiceWriter(), [], []
    points = [(seed, shots) for seed in params.seeds for shots in params.episodes.shots]
    arms = {seed: open_arm(params, data, name, seed) for seed in params.seeds}
    adapted = {}
    for seed, shots in tqdm(points, desc=stage.address, unit="voice", disable=None):
        support = data.support(speaker, params.draw_of(seed), shots)
        key = {"seed": seed, "draw": params.draw_of(seed), "shots": shots}
        adapted = adapt(stage, data, arms[seed], support, key, writer, curve, costs)
    with whole(Path("voices") / name / speaker) as folder:
        cost = {"arm": name, "speaker": speaker, **adapted, "runs": costs}
        writer.save(folder, curve, {**cost, "peak_memory_bytes": peak_memory_bytes()})


def adapt(
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
    takes_steps = arm.strategy.takes_steps
    manner = read_manner(params, stage.item["arm"])
    trial = chosen_trial(stage) if takes_steps else NO_STEP
    steps = params.adaptation.steps if takes_steps else [0]
    seconds, told = 0.0, 0
    try:
        for snapshot in make_voice(arm, manner, support, trial, steps):
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
    adapted = make_adapted(manner.parameters, manner.rank) if takes_steps else Subset("speaker")
    voice = arm.strategy.voice(arm.learner, support)
    return moved_parameters(voice, adapted, arm.strategy.embeds_support)


def chosen_trial(stage: Stage) -> TrialParams:
    """How the arm adapts best on the validation speakers."""
    path = Path("tuning") / stage.item["arm"] / "chosen.json"
    return parse(TrialParams, json.loads(path.read_text(encoding="utf-8")), str(path))


if __name__ == "__main__":
    run(main, ["arm", "speaker"])
