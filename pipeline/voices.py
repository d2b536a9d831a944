"""A new voice of an arm, as tuning and adaptation make it."""

from collections.abc import Iterator, Sequence

from adaptts.adaptation import Snapshot, adapt
from adaptts.episodes.batch import Batch
from adaptts.params import MannerParams, TrialParams
from pipeline.arms import Arm


def make_voice(
    arm: Arm, manner: MannerParams, support: Batch, trial: TrialParams, steps: Sequence[int]
) -> Iterator[Snapshot]:
    """The voice along its gradient steps; raises DivergedError as `adaptation.adapt` does."""
    return adapt(
        arm.learner.acoustic,
        arm.strategy.voice(arm.learner, support),
        support,
        arm.strategy.rule(arm.learner, trial.rule, trial.step_size),
        manner,
        arm.strategy.setting.loss,
        steps,
        trial.anchor,
        arm.strategy.setting.compile,
    )
