"""torch.compile, told to keep little.

Its compiler, Inductor, does in one pass over memory whatever reads the same; what the derivatives
compute anew, so as not to keep it, is thereby computed early and kept after all. Apart from
`adaptts.compilation` because importing Inductor takes a second.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch._inductor.choices import InductorChoices
from torch._inductor.virtualized import V

# How far apart, in the order of the program, the operations of one pass may be.
DISTANCE = 12


class Near(InductorChoices):
    """Fuses only what stands close together in the program."""

    def uuid(self) -> str:
        """Names this rule in the compiler's cache."""
        return f"adaptts-near-{DISTANCE}"

    @staticmethod
    def can_fuse(scheduler: Any, node1: Any, node2: Any, shared_data_score: int) -> bool:
        apart = max(node1.max_order - node2.min_order, node2.max_order - node1.min_order)
        near = apart <= DISTANCE
        return near and InductorChoices.can_fuse(scheduler, node1, node2, shared_data_score)


def compile_near(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """The function as compiled code, without breaks; `options` as torch.compile's."""
    options |= {
        "inductor_choices_class": Near,
        # Results that others wait for are written early, and each in its turn.
        "realize_opcount_threshold": 6,
        "reorder_for_locality": False,
        # Written out, sums over fewer than 8 channels make the second derivatives wrong.
        "unroll_reductions_threshold": 1,
    }
    # Otherwise PyTorch counts all models as one function, and refuses to compile it a ninth time.
    apart = {"isolate_recompiles": True, "recompile_limit": 64}
    code = torch.compile(function, fullgraph=True, options=options, **apart)

    def call(*inputs: Any) -> Any:
        # Had the process compiled anything before, the option would not be looked at.
        with V.set_choices_handler(Near()):
            return code(*inputs)

    return call
