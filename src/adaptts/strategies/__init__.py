"""The arms of the comparison. A new one is a file here and a line in `STRATEGIES`."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from adaptts.inner_loop import Parameters
from adaptts.params import ParamsError, parse
from adaptts.strategies.anil import Anil
from adaptts.strategies.average import Average
from adaptts.strategies.fomaml import Fomaml
from adaptts.strategies.learner import Setting
from adaptts.strategies.maml import Maml
from adaptts.strategies.maml_plus_plus import MamlPlusPlus
from adaptts.strategies.meta_sgd import MetaSgd
from adaptts.strategies.multitask import Multitask
from adaptts.strategies.pretrain_finetune import PretrainFinetune
from adaptts.strategies.prototype import Prototype
from adaptts.strategies.prototype_finetune import PrototypeFinetune
from adaptts.strategies.reptile import Reptile
from adaptts.strategies.strategy import Strategy

STRATEGIES: Mapping[str, type[Strategy]] = {
    "anil": Anil,
    "average": Average,
    "fomaml": Fomaml,
    "maml": Maml,
    "maml_plus_plus": MamlPlusPlus,
    "meta_sgd": MetaSgd,
    "multitask": Multitask,
    "pretrain_finetune": PretrainFinetune,
    "prototype": Prototype,
    "prototype_finetune": PrototypeFinetune,
    "reptile": Reptile,
}
Start = Literal["trunk", "scratch"]


def read_start(arm: str, values: Mapping[str, Any]) -> Start:
    """What an arm's training begins with: the trunk's weights, or the fresh ones of its seed.

    Raises ParamsError if its entry under `strategies` asks for anything else.
    """
    start = values.get("start", "trunk")
    if start not in get_args(Start):
        raise ParamsError(
            f"strategies.{arm}.start: got {start!r}; choose among {sorted(get_args(Start))}"
        )
    return start


def read_strategy(arm: str, values: Mapping[str, Any]) -> tuple[type[Strategy], object]:
    """An arm's strategy and its params, from its entry under `strategies` in params.yaml.

    Raises ParamsError if the strategy is not registered or a setting breaks its rule.
    """
    settings = dict(values)
    name = settings.pop("strategy", None)
    settings.pop("adaptation", None)  # not the strategy's: see adaptts.adaptation.read_manner
    settings.pop("start", None)  # not the strategy's: see read_start
    if not isinstance(name, str) or name not in STRATEGIES:
        raise ParamsError(
            f"strategies.{arm}.strategy: got {name!r}; choose among {sorted(STRATEGIES)}"
        )
    kind = STRATEGIES[name]
    return kind, parse(kind.Params, settings, f"strategies.{arm}")


def make_strategy(
    arm: str, values: Mapping[str, Any], setting: Setting, preconditioner: Parameters
) -> Strategy:
    """The strategy of an arm, ready to train. Raises ParamsError as `read_strategy` does."""
    kind, params = read_strategy(arm, values)
    return kind(params, setting, preconditioner)
