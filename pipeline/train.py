"""An arm's own training, from the trunk."""

from pathlib import Path

from adaptts.episodes.sampler import Sampler
from adaptts.strategies.training import save_training, train
from pipeline import tracking
from pipeline.arms import open_data, start_arm
from pipeline.stage import Stage, run, whole

# The trunk has seen the draws of `seed`; an arm sees others, the same for every arm.
NEW_DRAWS = 1_000_003


def main(stage: Stage) -> None:
    name, seed = stage.item["arm"], int(stage.item["seed"])
    data = open_data(stage.params)
    arm = start_arm(stage.params, data, name, seed)
    sampler = Sampler(data.utterances, data.episodes, seed + NEW_DRAWS)
    checkpoint = stage.scratch() / "checkpoint.safetensors"
    with tracking.training(stage) as log:
        training = train(
            arm.strategy, arm.learner, sampler, stage.params.training.arm, log, checkpoint
        )
    with whole(Path("models") / name / str(seed)) as folder:
        save_training(folder, arm.learner, training, {"arm": name, "seed": seed})
    stage.clear_scratch()


if __name__ == "__main__":
    run(main, ["arm", "seed"])
