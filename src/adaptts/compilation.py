"""The loss of a voice and its gradient, compiled into one function by torch.compile.

It does in a few passes over memory what takes PyTorch hundreds of operations. One code serves
batches of any length; utterances are joined, so that nothing is computed for padding. The code
stays in PyTorch's cache, a folder (TORCHINDUCTOR_CACHE_DIR), from one process to the next.

PyTorch's compiler has given wrong derivatives without a word, so each code's first ones are held
against PyTorch's own differentiation.
"""

import copy
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field, fields
from functools import cache, lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.func import grad, grad_and_value

from adaptts.episodes.batch import Batch, cut, join
from adaptts.models.acoustic import AcousticModel, Parameters
from adaptts.objectives import shares, voice_terms, weighted_sum
from adaptts.params import LossParams

TERMS = [term.name for term in fields(LossParams)]

# A second derivative is taken of so many at a time, unless one utterance is longer. It needs some
# 12 KiB for each, and some 3 ms for each time.
PIECE_FRAMES, FEWER_FRAMES = 2000, 400


def check_compiler() -> None:
    """Raises ValueError if there is no C++ compiler."""
    compiler = os.environ.get("CXX", "g++")
    if not shutil.which(compiler):
        raise ValueError(
            f"training.compile wants a C++ compiler, but there is no {compiler}; install g++, "
            "name yours in CXX, or set training.compile to false"
        )


def compiled_voice_loss(
    acoustic: AcousticModel,
    shared: Parameters,
    own: Parameters,
    batch: Batch,
    weights: LossParams,
    piece_frames: int = PIECE_FRAMES,
) -> Tensor:
    """The `voice_loss` of a voice made of both parts; it can be differentiated by `own`.

    That gradient can be differentiated in turn, by both parts. Of the way there nothing is kept but
    the parameters: the second derivative begins anew, as a code of its own. It takes the batch in
    pieces of some `piece_frames`, so that its memory does not grow with the batch. No name is in
    both parts, and a batch is not changed in place between calls.

    Raises ValueError if the compiler errs about the derivatives.
    """
    scales = torch.tensor(astuple(weights), dtype=batch.mel.dtype)
    if acoustic not in _codes:
        _codes[acoustic] = _compile(_Structure(acoustic))
    places = _Places(batch, acoustic.reach, piece_frames)
    loss = _Loss(_codes[acoustic], tuple(own), tuple(shared), places, scales)
    inputs = [*own.values(), *shared.values()]
    with torch.no_grad():
        gradient, value = loss.differentiate(inputs)
    return _Known.apply(value, loss, *gradient, *inputs)


class _Structure:
    """An acoustic model without its weights; equal to another that has the same shapes."""

    def __init__(self, acoustic: AcousticModel) -> None:
        self.shapes = tuple((name, p.shape) for name, p in acoustic.named_parameters())
        self.acoustic = copy.deepcopy(acoustic).to("meta")

    def __hash__(self) -> int:
        return hash(self.shapes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Structure) and self.shapes == other.shapes


@dataclass(frozen=True)
class _Code:
    """Each function is compiled when it is called first."""

    acoustic: AcousticModel  # without weights
    # own, shared, weight of each of TERMS, batch -> the derivatives by own, and the loss
    gradient: Callable[..., Any]
    # own, shared, direction, weights, batch -> the derivatives by both of the gradient's product
    # with the direction
    curvature: Callable[..., Any]
    # What has been held against PyTorch's own differentiation.
    checked: set[tuple[Any, ...]] = field(default_factory=set)


# To find it by the structure takes half a millisecond.
_codes: WeakKeyDictionary[AcousticModel, _Code] = WeakKeyDictionary()


@cache
def _compile(structure: _Structure) -> _Code:
    from adaptts.fusion import compile_near

    acoustic = structure.acoustic

    def loss(own: Parameters, shared: Parameters, scales: Tensor, *batch: Tensor) -> Tensor:
        terms = voice_terms(acoustic, {**shared, **own}, Batch.from_tensors(batch))
        return weighted_sum(terms, dict(zip(TERMS, scales.unbind(), strict=True)))

    def curvature(
        own: Parameters, shared: Parameters, direction: Parameters, *given: Tensor
    ) -> tuple[Parameters, Parameters]:
        def slope(own: Parameters, shared: Parameters) -> Tensor:
            gradient = grad(loss)(own, shared, *given)
            return torch.stack([(gradient[n] * direction[n]).sum() for n in own]).sum()

        return grad(slope, argnums=(0, 1))(own, shared)

    return _Code(
        acoustic,
        compile_near(grad_and_value(loss), guard_filter_fn=_what_changes),
        compile_near(curvature, guard_filter_fn=_what_changes),
    )


def _what_changes(guards: Sequence[Any]) -> list[bool]:
    """What is looked at before each call: the tensors and PyTorch's modes, not the model."""
    kept = ("TENSOR_MATCH", "SHAPE_ENV", "GLOBAL_STATE")
    return [guard.guard_type in kept for guard in guards]


@dataclass(frozen=True)
class _Places:
    """A batch as the code takes it: joined, whole or in pieces."""

    batch: Batch
    gap: int  # places between utterances
    piece_frames: int

    def whole(self) -> list[Tensor]:
        return _of_any_length(join(self.batch, self.gap))

    def pieces(self) -> list[tuple[Tensor, list[Tensor]]]:
        """Each with its shares of TERMS, [4]."""
        found = []
        for piece in cut(self.batch, self.piece_frames):
            share = shares(piece, self.batch)
            tensors = _of_any_length(join(piece, self.gap))
            found.append((torch.stack([share[name] for name in TERMS]), tensors))
        return found


# All inner steps of a task are taken on the same support.
_whole = lru_cache(maxsize=2)(_Places.whole)
_pieces = lru_cache(maxsize=2)(_Places.pieces)


@dataclass(frozen=True)
class _Loss:
    """The loss of voices on a batch. `inputs`: a voice's values, of `own` and then of `shared`."""

    code: _Code
    own: tuple[str, ...]
    shared: tuple[str, ...]
    places: _Places
    scales: Tensor  # [4] the weight of each of TERMS

    def differentiate(self, inputs: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """The derivatives by each of `own`, and the loss."""
        own, shared = self._named(inputs)
        by_own, value = self.code.gradient(own, shared, self.scales, *_whole(self.places))
        found = [by_own[name] for name in self.own]
        if self._begins("gradient", inputs):
            expected, _ = self._differentiate_plainly(inputs)
            _compare("derivatives", self.own, found, expected)
        return found, value

    def bend(self, inputs: Sequence[Tensor], direction: Sequence[Tensor]) -> list[Tensor]:
        """The derivatives by each of the inputs of the gradient's product with a direction."""
        own, shared = self._named(inputs)
        along = {name: part.detach() for name, part in zip(self.own, direction, strict=True)}
        total: list[Tensor] = []
        for share, piece in _pieces(self.places):
            by_own, by_shared = self.code.curvature(own, shared, along, self.scales * share, *piece)
            found = [*(by_own[n] for n in self.own), *(by_shared[n] for n in self.shared)]
            total = [a + b for a, b in zip(total, found, strict=True)] if total else found
        if self._begins("curvature", inputs):
            expected = self._bend_plainly(inputs, direction)
            _compare("second derivatives", (*self.own, *self.shared), total, expected)
        return total

    def _begins(self, what: str, inputs: Sequence[Tensor]) -> bool:
        """Whether such derivatives have not been checked yet; they have from now on."""
        kind = (what, self.own, self.shared, inputs[0].dtype)
        begins = kind not in self.code.checked
        self.code.checked.add(kind)
        return begins

    def _differentiate_plainly(
        self, inputs: Sequence[Tensor]
    ) -> tuple[Sequence[Tensor], list[Tensor]]:
        """`differentiate` by PyTorch, to be differentiated by the second result."""
        with torch.enable_grad():
            values = [value.detach().requires_grad_() for value in inputs]
            voice = dict(zip((*self.own, *self.shared), values, strict=True))
            terms = voice_terms(self.code.acoustic, voice, self.places.batch)
            loss = weighted_sum(terms, dict(zip(TERMS, self.scales.unbind(), strict=True)))
            own = values[: len(self.own)]
            return torch.autograd.grad(loss, own, create_graph=True, materialize_grads=True), values

    def _bend_plainly(
        self, inputs: Sequence[Tensor], direction: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        gradient, values = self._differentiate_plainly(inputs)
        with torch.enable_grad():
            slope = torch.stack([(a * b).sum() for a, b in zip(gradient, direction, strict=True)])
            return torch.autograd.grad(slope.sum(), values, materialize_grads=True)

    def _named(self, inputs: Sequence[Tensor]) -> tuple[Parameters, Parameters]:
        # All of one kind: for an nn.Parameter the code would be compiled anew.
        values, count = [value.detach() for value in inputs], len(self.own)
        return (
            dict(zip(self.own, values[:count], strict=True)),
            dict(zip(self.shared, values[count:], strict=True)),
        )


def _compare(
    what: str, names: Sequence[str], found: Sequence[Tensor], expected: Sequence[Tensor]
) -> None:
    largest = max(float(other.detach().abs().max()) for other in expected)
    for name, one, other in zip(names, found, expected, strict=True):
        apart = float((one - other).detach().abs().max())
        # Rounding may be all there is of a number that is next to nothing.
        if not apart <= 0.01 * float(other.detach().abs().max()) + 1e-4 * largest:
            raise ValueError(
                f"PyTorch's compiler is wrong about this model: its {what} by {name} are off by "
                f"{apart:.2g}, where the largest is {largest:.2g}; set training.compile to false"
            )


def _of_any_length(batch: Batch) -> list[Tensor]:
    """The batch's tensors, which say that phones and frames may be more or fewer."""
    # Contiguous, else how they lie would count too.
    tensors = [tensor.contiguous() for tensor in batch.tensors()]
    for tensor in tensors:
        if tensor.ndim > 1:
            torch._dynamo.maybe_mark_dynamic(tensor, 1)
    return tensors


class _Known(Function):
    """A number whose gradient by some of the inputs has been computed with it."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, loss: _Loss, *tensors: Tensor) -> Tensor:
        """tensors: the gradient and then the inputs."""
        ctx.loss = loss
        ctx.save_for_backward(*tensors)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, by_value: Tensor) -> tuple[Tensor | None, ...]:
        count = len(ctx.loss.own)
        found, inputs = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        if torch.is_grad_enabled():
            found = _Gradient.apply(list(found), ctx.loss, *inputs)
        if by_value.requires_grad or by_value != 1:  # else a product would be a copy
            found = [by_value * gradient for gradient in found]
        return None, None, *[None] * count, *found, *[None] * len(ctx.loss.shared)


class _Gradient(Function):
    """A gradient that is known, as what can be differentiated."""

    @staticmethod
    def forward(ctx: Any, known: list[Tensor], loss: _Loss, *inputs: Tensor) -> tuple[Tensor, ...]:
        ctx.loss = loss
        ctx.save_for_backward(*inputs)
        return tuple(gradient.detach() for gradient in known)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *direction: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *ctx.loss.bend(ctx.saved_tensors, direction)
