"""The arithmetic of the conditional block and of a predictor's layer, derivatives by hand.

Meta-learning differentiates the gradient of the inner loop's loss. PyTorch can do that for any
operation, but keeps what each of its many small steps read; by hand an inner step keeps half of
that. The second derivative is Pearlmutter's (1994) exact product with the Hessian, turned round:
with the inputs moving in a direction v, the rates of change (`…_rate`) of what the passes compute
are the derivatives of the gradient weighed by v. Derivatives of third order are refused.

Shapes: B utterances, L places, C channels. A convolution's weight is [outputs, width · inputs].
Several voices, each with weights of its own, are one more axis in front of everything.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from adaptts.models.products import (
    add_convolution,
    add_linear,
    by_voice,
    convolve_once,
    convolve_taps,
    correlate_once,
    correlate_taps,
    linear,
    places_of,
    rows_of,
    taps,
    turned,
    width_of,
)

EPSILON = 1e-5  # added to the variance that a normalisation divides by


def normalise(hidden: Tensor) -> Tensor:
    """Layer normalisation over channels, without learned scale or shift."""
    return F.layer_norm(hidden, hidden.shape[-1:], eps=EPSILON)


def residual_block(
    hidden: Tensor,
    condition: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor,
    output_weight: Tensor,
    output_bias: Tensor,
) -> Tensor:
    """(x + linear(silu(convolve((normalise(x) · (1 + scale) + shift) · mask)))) · mask.

    hidden: x, [B, L, C]; condition: scale and shift, [B, 2C]; mask: [B, L, 1] of 0 and 1.
    """
    return _block(hidden, condition, mask, weight, bias, output_weight, output_bias)


def predictor_layer(hidden: Tensor, weight: Tensor, shift: Tensor, mask: Tensor) -> Tensor:
    """silu(normalise(convolve(x) + shift)) · mask.

    hidden: x, [B, L, C]; shift: [B, outputs]; mask: [B, L, 1] of 0 and 1; -> [B, L, outputs].
    """
    return _layer(hidden, weight, shift, mask)


# The compiler is to take these as they are: what it makes by itself of a Function that is
# differentiated twice loses what depends on what that has saved, and says nothing.


@torch.compiler.allow_in_graph
def _block(*inputs: Tensor) -> Tensor:
    result, *_ = _Block.apply(*inputs)
    return result


@torch.compiler.allow_in_graph
def _layer(*inputs: Tensor) -> Tensor:
    result, *_ = _Layer.apply(*inputs)
    return result


# Normalisation: n = (x − mean) · r with r = 1 / deviation.


def _moments(hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """n, the mean and r."""
    return torch.native_layer_norm(hidden, hidden.shape[-1:], None, None, EPSILON)


def _project(gradient: Tensor, hidden: Tensor, mean: Tensor, r: Tensor) -> Tensor:
    """r (g − mean(g) − n mean(g n)): the derivative of n, a symmetric matrix, times g."""
    return torch.ops.aten.native_layer_norm_backward.default(
        gradient, hidden, hidden.shape[-1:], mean, r, None, None, [True, False, False]
    )[0]


def _bend(
    normal: Tensor, r: Tensor, gradient: Tensor, projected: Tensor, rate: Tensor, moved: Tensor
) -> Tensor:
    """The rate of change of `projected` = project(gradient), as x moves by `rate`.

    moved: project(rate), the rate of change of n.
    """
    along = (rate * normal).mean(-1, keepdim=True)
    across = (gradient * normal).mean(-1, keepdim=True)
    both = (rate * projected).mean(-1, keepdim=True)
    return (along * projected + across * moved + both * normal) * -r


# SiLU: f(x) = x σ(x), f' = σ (1 + x (1 − σ)), f'' = σ (1 − σ) (2 + x (1 − 2σ)).


def _silu_slope(gradient: Tensor, hidden: Tensor) -> Tensor:
    """g f'(x)."""
    return torch.ops.aten.silu_backward.default(gradient, hidden)


def _silu_bend(hidden: Tensor) -> Tensor:
    """f''(x)."""
    sigmoid = hidden.sigmoid()
    return sigmoid * (1 - sigmoid) * (2 + hidden * (1 - 2 * sigmoid))


# The block: n = normalise(x), y = (n · scale + shift) · mask, u = convolve(y), z = silu(u), and the
# result (x + linear(z)) · mask. u is a second result, for the sake of its gradient: what reaches it
# along both ways, the block's result and the block's own gradient, is passed on together.


class _Block(Function):
    @staticmethod
    def forward(
        hidden: Tensor,
        condition: Tensor,
        mask: Tensor,
        weight: Tensor,
        bias: Tensor,
        output_weight: Tensor,
        output_bias: Tensor,
    ) -> tuple[Tensor, ...]:
        normal, mean, r = _moments(hidden)
        scale, shift = _scale_and_shift(condition)
        u = convolve_once(torch.addcmul(shift, normal, scale).mul_(mask), weight, bias)
        update = linear(rows_of(F.silu(u)), output_weight, output_bias)
        return places_of(update, hidden).add_(hidden).mul_(mask), u, mean, r

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        _, u, mean, r = output
        ctx.mark_non_differentiable(mean, r)
        ctx.save_for_backward(*inputs, u, mean, r)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(
        ctx: Any, gradient: Tensor | None, by_u: Tensor | None, *_: None
    ) -> tuple[Tensor | None, ...]:
        if gradient is None:
            gradient = torch.zeros_like(ctx.saved_tensors[0])
        by_hidden, by_condition, *rest, _ = _BlockGradient.apply(
            gradient, by_u, ctx.needs_input_grad, *ctx.saved_tensors
        )
        return by_hidden, by_condition, None, *rest

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        return by_voice(_Block, info, in_dims, inputs)


class _BlockGradient(Function):
    @staticmethod
    def forward(
        gradient: Tensor,
        by_u: Tensor | None,
        needed: tuple[bool, ...],
        hidden: Tensor,
        condition: Tensor,
        mask: Tensor,
        weight: Tensor,
        bias: Tensor,
        output_weight: Tensor,
        output_bias: Tensor,
        u: Tensor,
        mean: Tensor,
        r: Tensor,
    ) -> tuple[Tensor | None, ...]:
        _, _, _, by_weight, by_bias, by_output_weight, by_output_bias = needed
        width = width_of(hidden, weight)
        scale, shift = _scale_and_shift(condition)
        normal = (hidden - mean).mul_(r)
        gradient = gradient * mask
        through_z = _silu_slope(_by_linear(gradient, output_weight), u)
        by_u = through_z if by_u is None else through_z.add_(by_u)
        by_y = convolve_once(by_u, turned(weight, width)).mul_(mask)
        y = torch.addcmul(shift, normal, scale).mul_(mask)
        return (
            _project(by_y * scale, hidden, mean, r).add_(gradient),
            torch.cat([(by_y * normal).sum(-2), by_y.sum(-2)], -1),
            correlate_once(by_u, y, width) if by_weight else None,
            by_u.sum((-3, -2)) if by_bias else None,
            _outer(gradient, F.silu(u)) if by_output_weight else None,
            gradient.sum((-3, -2)) if by_output_bias else None,
            by_y,
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor | None, ...]) -> None:
        gradient, _, _, hidden, condition, mask, weight, _, output_weight, _, *rest = inputs
        by_y = output[-1]
        ctx.mark_non_differentiable(by_y)
        ctx.save_for_backward(gradient, hidden, condition, mask, weight, output_weight, *rest, by_y)
        ctx.set_materialize_grads(False)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,
        hidden_rate: Tensor | None,
        condition_rate: Tensor | None,
        weight_rate: Tensor | None,
        bias_rate: Tensor | None,
        output_weight_rate: Tensor | None,
        output_bias_rate: Tensor | None,
        _: None,
    ) -> tuple[Tensor | None, ...]:
        gradient, hidden, condition, mask, weight, output_weight, u, mean, r, by_y = (
            ctx.saved_tensors
        )
        if hidden_rate is None:
            hidden_rate = torch.zeros_like(hidden)
        if condition_rate is None:
            condition_rate = torch.zeros_like(condition)
        width = width_of(hidden, weight)
        scale, shift = _scale_and_shift(condition)
        scale_rate, shift_rate = condition_rate.unsqueeze(-2).chunk(2, -1)
        # What the forward and the backward pass had.
        gradient = gradient * mask
        normal = (hidden - mean).mul_(r)
        by_normal = by_y * scale
        by_z = _by_linear(gradient, output_weight)
        by_u = _silu_slope(by_z, u)
        # Along the forward pass.
        normal_rate = _project(hidden_rate, hidden, mean, r)
        y_rate = torch.addcmul(shift_rate, normal, scale_rate)
        y_rate = y_rate.addcmul_(normal_rate, scale).mul_(mask)
        y_rate_taps = taps(y_rate, width)
        u_rate = convolve_taps(y_rate_taps, weight, bias_rate)
        if weight_rate is not None:
            y = torch.addcmul(shift, normal, scale).mul_(mask)
            u_rate = add_convolution(u_rate, taps(y, width), weight_rate)
        u_rate = places_of(u_rate, hidden)
        z_rate = _silu_slope(u_rate, u)
        result_rate = linear(rows_of(z_rate), output_weight, output_bias_rate)
        by_u_rate = _silu_bend(u).mul_(by_z).mul_(u_rate)
        if output_weight_rate is not None:
            result_rate = add_linear(result_rate, rows_of(F.silu(u)), output_weight_rate)
            by_u_rate += _silu_slope(_by_linear(gradient, output_weight_rate), u)
        # Along the backward pass, but for what comes through u.
        projected = _project(by_normal, hidden, mean, r)
        by_hidden_rate = _bend(normal, r, by_normal, projected, hidden_rate, normal_rate)
        by_scale_rate = by_y * normal_rate
        by_normal_rate = by_y * scale_rate
        by_shift_rate = torch.zeros_like(shift_rate)
        if weight_rate is not None:
            by_y_rate = convolve_once(by_u, turned(weight_rate, width)).mul_(mask)
            by_normal_rate.addcmul_(by_y_rate, scale)
            by_scale_rate.addcmul_(by_y_rate, normal)
            by_shift_rate = by_y_rate.sum(-2, keepdim=True)
        by_hidden_rate += _project(by_normal_rate, hidden, mean, r)
        by_scale_rate = by_scale_rate.sum(-2, keepdim=True)
        return (
            places_of(result_rate, hidden).add_(hidden_rate).mul_(mask),
            None,
            None,
            by_hidden_rate,
            torch.cat([by_scale_rate, by_shift_rate], -1).squeeze(-2),
            None,
            correlate_taps(by_u, y_rate_taps),
            None,
            _outer(gradient, z_rate),
            None,
            by_u_rate,
            None,
            None,
        )


# The predictor's layer: u = convolve(x) + shift, n = normalise(u), and the result silu(n) · mask. u
# is a second result, as the block's is.


class _Layer(Function):
    @staticmethod
    def forward(hidden: Tensor, weight: Tensor, shift: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        u = convolve_once(hidden, weight).add_(shift.unsqueeze(-2))
        normal, mean, r = _moments(u)
        return F.silu(normal).mul_(mask), u, mean, r

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        _, u, mean, r = output
        hidden, weight, _, mask = inputs
        ctx.mark_non_differentiable(mean, r)
        ctx.save_for_backward(hidden, weight, mask, u, mean, r)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(
        ctx: Any, gradient: Tensor | None, by_u: Tensor | None, *_: None
    ) -> tuple[Tensor | None, ...]:
        if gradient is None:
            gradient = torch.zeros_like(ctx.saved_tensors[3])
        by_hidden, by_weight, by_shift = _LayerGradient.apply(gradient, by_u, *ctx.saved_tensors)
        return by_hidden, by_weight, by_shift, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        return by_voice(_Layer, info, in_dims, inputs)


class _LayerGradient(Function):
    @staticmethod
    def forward(
        gradient: Tensor,
        by_u: Tensor | None,
        hidden: Tensor,
        weight: Tensor,
        mask: Tensor,
        u: Tensor,
        mean: Tensor,
        r: Tensor,
    ) -> tuple[Tensor, ...]:
        gradient = gradient * mask
        normal = (u - mean).mul_(r)
        through_normal = _project(_silu_slope(gradient, normal), u, mean, r)
        by_u = through_normal if by_u is None else through_normal.add_(by_u)
        width = width_of(hidden, weight)
        return (
            convolve_once(by_u, turned(weight, width)),
            correlate_once(by_u, hidden, width),
            by_u.sum(-2),
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        gradient, _, *rest = inputs
        ctx.save_for_backward(gradient, *rest)
        ctx.set_materialize_grads(False)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, hidden_rate: Tensor | None, weight_rate: Tensor | None, shift_rate: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        gradient, hidden, weight, mask, u, mean, r = ctx.saved_tensors
        width = width_of(hidden, weight)
        # What the forward and the backward pass had.
        gradient = gradient * mask
        normal = (u - mean).mul_(r)
        by_normal = _silu_slope(gradient, normal)
        by_u = _project(by_normal, u, mean, r)
        # Along the forward pass.
        u_rate = torch.zeros_like(rows_of(u))
        by_weight_rate = by_hidden_rate = None
        if hidden_rate is not None:
            rate_taps = taps(hidden_rate, width)
            u_rate = add_convolution(u_rate, rate_taps, weight)
            by_weight_rate = correlate_taps(by_u, rate_taps)
        if weight_rate is not None:
            u_rate = add_convolution(u_rate, taps(hidden, width), weight_rate)
            by_hidden_rate = convolve_once(by_u, turned(weight_rate, width))
        u_rate = places_of(u_rate, u)
        if shift_rate is not None:
            u_rate += shift_rate.unsqueeze(-2)
        normal_rate = _project(u_rate, u, mean, r)
        # Along the backward pass, but for what comes through u.
        by_u_rate = _bend(normal, r, by_normal, by_u, u_rate, normal_rate)
        by_normal_rate = _silu_bend(normal).mul_(gradient).mul_(normal_rate)
        by_u_rate += _project(by_normal_rate, u, mean, r)
        result_rate = _silu_slope(normal_rate, normal).mul_(mask)
        return result_rate, None, by_hidden_rate, by_weight_rate, None, by_u_rate, None, None


def _scale_and_shift(condition: Tensor) -> tuple[Tensor, Tensor]:
    """[B, 2C] -> 1 + scale and shift, each [B, 1, C]."""
    scale, shift = condition.unsqueeze(-2).chunk(2, -1)
    return 1 + scale, shift


def _by_linear(gradient: Tensor, weight: Tensor) -> Tensor:
    return places_of(rows_of(gradient) @ weight, gradient)


def _outer(left: Tensor, right: Tensor) -> Tensor:
    """Σ left rightᵀ over utterances and places: [B, L, M], [B, L, N] -> [M, N]."""
    return rows_of(left).mT @ rows_of(right)
