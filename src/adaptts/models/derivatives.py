"""The arithmetic of the parts; that of the conditional block with derivatives written by hand.

Meta-learning differentiates the gradient of the inner loop's loss. PyTorch can do that for any
operation, but keeps what each of its many small steps read; by hand an inner step keeps half of
that. The second derivative is Pearlmutter's (1994) exact product with the Hessian, turned round:
with the inputs moving in a direction v, the rates of change (`…_rate`) of what the passes compute
are the derivatives of the gradient weighed by v. Derivatives of third order are refused.

Shapes: B utterances, L places, C channels. A convolution's weight is [outputs, width · inputs].
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

EPSILON = 1e-5  # added to the variance that a normalisation divides by


def normalise(hidden: Tensor) -> Tensor:
    """Layer normalisation over channels, without learned scale or shift."""
    return F.layer_norm(hidden, hidden.shape[-1:], eps=EPSILON)


def convolve(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A convolution of odd width with zeros beyond the ends: [B, L, C] -> [B, L, outputs]."""
    return _Convolution.apply(hidden, weight) + bias


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
    result, *_ = _Block.apply(hidden, condition, mask, weight, bias, output_weight, output_bias)
    return result


def _by_group(
    function: type[Function], info: Any, in_dims: tuple[int | None, ...], inputs: tuple[Tensor, ...]
) -> tuple[Any, Any]:
    """The rule for torch.func.vmap of a function that takes groups in front as they are."""
    grouped = [
        value.expand(info.batch_size, *value.shape) if place is None else value.movedim(place, 0)
        for place, value in zip(in_dims, inputs, strict=True)
    ]
    results = function.apply(*grouped)
    return results, 0 if isinstance(results, Tensor) else (0,) * len(results)


# Convolution as one product: y = taps(x) Wᵀ, with the places around each one side by side. Its
# derivatives are products of the same kinds, so that those of any order follow.


def _taps(hidden: Tensor, width: int) -> Tensor:
    """[B, L, C] -> [B · L, width · C], zeros beyond the ends."""
    padded = F.pad(hidden, (0, 0, width // 2, width // 2))
    windows = padded.unfold(-2, width, 1).transpose(-1, -2)
    return windows.reshape(*hidden.shape[:-3], -1, width * hidden.shape[-1])


def _convolve(hidden: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return _places(_linear(_taps(hidden, _width(hidden, weight)), weight, bias), hidden)


def _correlate(gradient: Tensor, hidden: Tensor, width: int) -> Tensor:
    """The derivative by the weight, [outputs, width · inputs]."""
    return _rows(gradient).mT @ _taps(hidden, width)


def _turned(weight: Tensor, width: int) -> Tensor:
    """The weight of the convolution that leads from the gradient by the result to that by x."""
    taps = weight.unflatten(-1, (width, -1)).flip(-2)  # [outputs, width, inputs]
    return taps.transpose(-3, -1).flatten(-2)


def _width(hidden: Tensor, weight: Tensor) -> int:
    return weight.shape[-1] // hidden.shape[-1]


def _rows(hidden: Tensor) -> Tensor:
    """[B, L, C] -> [B · L, C]"""
    return hidden.flatten(-3, -2)


def _places(rows: Tensor, hidden: Tensor) -> Tensor:
    """[B · L, C] -> [B, L, C]"""
    return rows.unflatten(-2, hidden.shape[-3:-1])


def _linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if bias is None:
        return rows @ weight.mT
    if rows.ndim == 2:
        return torch.addmm(bias, rows, weight.mT)
    return torch.baddbmm(bias.unsqueeze(-2), rows, weight.mT)


def _linear_onto(result: Tensor, rows: Tensor, weight: Tensor) -> Tensor:
    """result + rows Wᵀ, in the place of `result`."""
    if rows.ndim == 2:
        return result.addmm_(rows, weight.mT)
    return result.baddbmm_(rows, weight.mT)


class _Convolution(Function):
    @staticmethod
    def forward(hidden: Tensor, weight: Tensor) -> Tensor:
        return _convolve(hidden, weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight = ctx.saved_tensors
        width = _width(hidden, weight)
        by_hidden, by_weight = ctx.needs_input_grad
        return (
            _Convolution.apply(gradient, _turned(weight, width)) if by_hidden else None,
            _Correlation.apply(gradient, hidden, width) if by_weight else None,
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        return _by_group(_Convolution, info, in_dims, inputs)


class _Correlation(Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor, hidden: Tensor, width: int) -> Tensor:
        ctx.save_for_backward(gradient, hidden)
        ctx.width = width
        return _correlate(gradient, hidden, width)

    @staticmethod
    def backward(ctx: Any, rate: Tensor) -> tuple[Tensor | None, ...]:
        gradient, hidden = ctx.saved_tensors
        by_gradient, by_hidden, _ = ctx.needs_input_grad
        return (
            _Convolution.apply(hidden, rate) if by_gradient else None,
            _Convolution.apply(gradient, _turned(rate, ctx.width)) if by_hidden else None,
            None,
        )


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
        u = _convolve(torch.addcmul(shift, normal, scale).mul_(mask), weight, bias)
        update = _linear(_rows(F.silu(u)), output_weight, output_bias)
        return _places(update, hidden).add_(hidden).mul_(mask), u, mean, r

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
        found = _BlockGradient.apply(gradient, by_u, ctx.needs_input_grad, *ctx.saved_tensors)
        return (*found[:2], None, *found[2:])

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        return _by_group(_Block, info, in_dims, inputs)


class _BlockGradient(Function):
    @staticmethod
    def forward(
        ctx: Any,
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
        width = _width(hidden, weight)
        scale, shift = _scale_and_shift(condition)
        normal = (hidden - mean).mul_(r)
        gradient = gradient * mask
        through_z = _silu_slope(_by_linear(gradient, output_weight), u)
        by_u = through_z if by_u is None else through_z.add_(by_u)
        by_y = _convolve(by_u, _turned(weight, width)).mul_(mask)
        ctx.save_for_backward(
            gradient, hidden, condition, mask, weight, output_weight, u, mean, r, by_y
        )
        ctx.set_materialize_grads(False)
        y = torch.addcmul(shift, normal, scale).mul_(mask)
        return (
            _project(by_y * scale, hidden, mean, r).add_(gradient),
            torch.cat([(by_y * normal).sum(-2), by_y.sum(-2)], -1),
            _correlate(by_u, y, width) if by_weight else None,
            by_u.sum((-3, -2)) if by_bias else None,
            _outer(gradient, F.silu(u)) if by_output_weight else None,
            gradient.sum((-3, -2)) if by_output_bias else None,
        )

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
    ) -> tuple[Tensor | None, ...]:
        gradient, hidden, condition, mask, weight, output_weight, u, mean, r, by_y = (
            ctx.saved_tensors
        )
        if hidden_rate is None:
            hidden_rate = torch.zeros_like(hidden)
        if condition_rate is None:
            condition_rate = torch.zeros_like(condition)
        width = _width(hidden, weight)
        scale, shift = _scale_and_shift(condition)
        scale_rate, shift_rate = condition_rate.unsqueeze(-2).chunk(2, -1)
        # What the forward and the backward pass had.
        normal = (hidden - mean).mul_(r)
        by_normal = by_y * scale
        by_z = _by_linear(gradient, output_weight)
        by_u = _silu_slope(by_z, u)
        # Along the forward pass.
        normal_rate = _project(hidden_rate, hidden, mean, r)
        y_rate = torch.addcmul(shift_rate, normal, scale_rate)
        y_rate = y_rate.addcmul_(normal_rate, scale).mul_(mask)
        y_rate_taps = _taps(y_rate, width)
        u_rate = _linear(y_rate_taps, weight, bias_rate)
        if weight_rate is not None:
            y = torch.addcmul(shift, normal, scale).mul_(mask)
            u_rate = _linear_onto(u_rate, _taps(y, width), weight_rate)
        u_rate = _places(u_rate, hidden)
        z_rate = _silu_slope(u_rate, u)
        result_rate = _linear(_rows(z_rate), output_weight, output_bias_rate)
        by_u_rate = _silu_bend(u).mul_(by_z).mul_(u_rate)
        if output_weight_rate is not None:
            result_rate = _linear_onto(result_rate, _rows(F.silu(u)), output_weight_rate)
            by_u_rate += _silu_slope(_by_linear(gradient, output_weight_rate), u)
        # Along the backward pass, but for what comes through u.
        projected = _project(by_normal, hidden, mean, r)
        by_hidden_rate = _bend(normal, r, by_normal, projected, hidden_rate, normal_rate)
        by_scale_rate = by_y * normal_rate
        by_normal_rate = by_y * scale_rate
        by_shift_rate = torch.zeros_like(shift_rate)
        if weight_rate is not None:
            by_y_rate = _convolve(by_u, _turned(weight_rate, width)).mul_(mask)
            by_normal_rate.addcmul_(by_y_rate, scale)
            by_scale_rate.addcmul_(by_y_rate, normal)
            by_shift_rate = by_y_rate.sum(-2, keepdim=True)
        by_hidden_rate += _project(by_normal_rate, hidden, mean, r)
        by_scale_rate = by_scale_rate.sum(-2, keepdim=True)
        return (
            _places(result_rate, hidden).add_(hidden_rate).mul_(mask),
            None,
            None,
            by_hidden_rate,
            torch.cat([by_scale_rate, by_shift_rate], -1).squeeze(-2),
            None,
            _rows(by_u).mT @ y_rate_taps,
            None,
            _outer(gradient, z_rate),
            None,
            by_u_rate,
            None,
            None,
        )


def _scale_and_shift(condition: Tensor) -> tuple[Tensor, Tensor]:
    """[B, 2C] -> 1 + scale and shift, each [B, 1, C]."""
    scale, shift = condition.unsqueeze(-2).chunk(2, -1)
    return 1 + scale, shift


def _by_linear(gradient: Tensor, weight: Tensor) -> Tensor:
    return _places(_rows(gradient) @ weight, gradient)


def _outer(left: Tensor, right: Tensor) -> Tensor:
    """Σ left rightᵀ over utterances and places: [B, L, M], [B, L, N] -> [M, N]."""
    return _rows(left).mT @ _rows(right)
