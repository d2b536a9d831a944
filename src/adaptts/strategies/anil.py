"""Almost no inner loop (Raghu et al. 2020): only the head adapts to a task.

All else is learned by the outer loop alone, at second order, so that the head adapts well on top.
"""

from typing import Annotated

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from adaptts.models.adapted import known_subset
from adaptts.params import STRICT
from adaptts.strategies.maml import Maml, MamlParams


def proper_subset(name: str) -> str:
    """The name itself. Raises ValueError if there is no such subset, or it is everything."""
    if known_subset(name) == "all":
        raise ValueError("anil adapts a part, such as `head`; with all parameters it is maml")
    return name


@dataclass(frozen=True, config=STRICT)
class AnilParams(MamlParams):
    parameters: Annotated[str, AfterValidator(proper_subset)]  # the head


class Anil(Maml):
    Params = AnilParams
