"""An arm's own training, from the trunk or from scratch."""

from safetensors.torch import save_file

from adaptts.episodes.sampler import Sampler
from adaptts.inner_loop import DivergedError
from adaptts.strategies import read_start
from adaptts.strategies.training import read_cost, save_training, train
from pipeline import tracking
from pipeline.arms import folder_of, open_data, start_arm
from pipeline.stage import Stage, run, whole

# The trunk has seen the draws of `seed`; an arm sees others, the same for every arm.
NEW_DRAWS = 1_000_003


def main(stage: Stage) -> None:
    name, seed, params = stage.item["arm"], int(stage.item["seed"]), stage.params
    start = read_start(name, params.strategies[name])
    data = open_data(params, params.training.compile)
    arm = start_arm(params, data, name, seed)
    sampler = Sampler(data.utterances, data.episodes, seed + NEW_DRAWS)
    optimisation = params.training.arm if start == "trunk" else params.training.from_scratch()
    checkpoint = stage.scratch() / "checkpoint.safetensors"
    with tracking.training(stage) as log:
        training = train(
            arm.strategy,
            arm.learner,
            sampler,
            optimisation,
            log,
            checkpoint,
            params.training.budget,
        )
    trunk = read_cost(folder_of("trunk", seed)) if start == "trunk" else {}
    cost = {"arm": name, "seed": seed, "start": start, **training.cost(trunk)}
    with whole(folder_of(name, seed)) as folder:
        save_training(folder, arm.learner, cost, training)
        save_file(arm.strategy.preconditioner, folder / "preconditioner.safetensors")
    stage.clear_scratch()


if __name__ == "__main__":
    run(main, ["arm", "seed"], DivergedError)
