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


def convolve(hidden: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A convolution of odd width with zeros beyond the ends: [B, L, C] -> [B, L, outputs]."""
    kernel = _kernel(weight, hidden.shape[-1])
    return _sequence(F.conv2d(_image(hidden), kernel, bias, padding=(0, kernel.shape[-1] // 2)))


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
    result, _ = _Block.apply(hidden, condition, mask, weight, bias, output_weight, output_bias)
    return result


def _image(hidden: Tensor) -> Tensor:
    """[B, L, C] as an image one pixel high, in the order of memory that is quick: no copy."""
    return hidden.transpose(1, 2).unsqueeze(2)


def _sequence(image: Tensor) -> Tensor:
    return image.squeeze(2).transpose(1, 2)


def _kernel(weight: Tensor, inputs: int) -> Tensor:
    return weight.view(len(weight), 1, -1, inputs).permute(0, 3, 1, 2)


def _by_input(gradient: Tensor, weight: Tensor, inputs: int) -> Tensor:
    kernel = _kernel(weight, inputs)
    hidden = gradient.new_empty(*gradient.shape[:2], inputs)  # only its shape is read
    return _sequence(_backward(gradient, hidden, kernel, [True, False, False])[0])


def _by_weight(gradient: Tensor, hidden: Tensor, width: int) -> Tensor:
    outputs, inputs = gradient.shape[-1], hidden.shape[-1]
    kernel = _kernel(gradient.new_empty(outputs, width * inputs), inputs)  # its shape
    found = _backward(gradient, hidden, kernel, [False, True, False])[1]
    return found.permute(0, 2, 3, 1).reshape(outputs, width * inputs)


def _backward(
    gradient: Tensor, hidden: Tensor, kernel: Tensor, wanted: list[bool]
) -> tuple[Tensor, ...]:
    padding = [0, kernel.shape[-1] // 2]
    return torch.ops.aten.convolution_backward.default(
        _image(gradient), _image(hidden), kernel, None, [1, 1], padding, [1, 1], False, [0, 0], 1,
        wanted,
    )  # fmt: skip


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
        ctx: Any,
        hidden: Tensor,
        condition: Tensor,
        mask: Tensor,
        weight: Tensor,
        bias: Tensor,
        output_weight: Tensor,
        output_bias: Tensor,
    ) -> tuple[Tensor, Tensor]:
        normal, mean, r = _moments(hidden)
        scale, shift = _scale_and_shift(condition)
        u = convolve(torch.addcmul(shift, normal, scale) * mask, weight, bias)
        result = F.linear(F.silu(u), output_weight, output_bias).add_(hidden).mul_(mask)
        ctx.save_for_backward(
            hidden, condition, mask, weight, bias, output_weight, output_bias, u, mean, r
        )
        ctx.set_materialize_grads(False)
        return result, u

    @staticmethod
    def backward(
        ctx: Any, gradient: Tensor | None, by_u: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        if gradient is None:
            gradient = torch.zeros_like(ctx.saved_tensors[0])
        found = _BlockGradient.apply(gradient, by_u, ctx.needs_input_grad, *ctx.saved_tensors)
        return (*found[:2], None, *found[2:])


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
        channels = hidden.shape[-1]
        scale, shift = _scale_and_shift(condition)
        normal = (hidden - mean).mul_(r)
        gradient = gradient * mask
        through_z = _silu_slope(gradient @ output_weight, u)
        by_u = through_z if by_u is None else through_z.add_(by_u)
        by_y = _by_input(by_u, weight, channels).mul_(mask)
        ctx.save_for_backward(
            gradient, hidden, condition, mask, weight, output_weight, u, mean, r, by_y
        )
        ctx.set_materialize_grads(False)
        y = torch.addcmul(shift, normal, scale).mul_(mask)
        return (
            _project(by_y * scale, hidden, mean, r).add_(gradient),
            torch.cat([(by_y * normal).sum(1), by_y.sum(1)], -1),
            _by_weight(by_u, y, weight.shape[1] // channels) if by_weight else None,
            by_u.sum((0, 1)) if by_bias else None,
            _outer(gradient, F.silu(u)) if by_output_weight else None,
            gradient.sum((0, 1)) if by_output_bias else None,
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
        scale, shift = _scale_and_shift(condition)
        scale_rate, shift_rate = condition_rate.unsqueeze(1).chunk(2, -1)
        # What the forward and the backward pass had.
        normal = (hidden - mean).mul_(r)
        by_normal = by_y * scale
        by_z = gradient @ output_weight
        by_u = _silu_slope(by_z, u)
        # Along the forward pass.
        normal_rate = _project(hidden_rate, hidden, mean, r)
        y_rate = torch.addcmul(shift_rate, normal, scale_rate)
        y_rate = y_rate.addcmul_(normal_rate, scale).mul_(mask)
        u_rate = convolve(y_rate, weight, bias_rate)
        if weight_rate is not None:
            y = torch.addcmul(shift, normal, scale).mul_(mask)
            u_rate += convolve(y, weight_rate)
        z_rate = _silu_slope(u_rate, u)
        result_rate = F.linear(z_rate, output_weight, output_bias_rate).add_(hidden_rate)
        by_u_rate = _silu_bend(u).mul_(by_z).mul_(u_rate)
        if output_weight_rate is not None:
            result_rate += F.linear(F.silu(u), output_weight_rate)
            by_u_rate += _silu_slope(gradient @ output_weight_rate, u)
        # Along the backward pass, but for what comes through u.
        projected = _project(by_normal, hidden, mean, r)
        by_hidden_rate = _bend(normal, r, by_normal, projected, hidden_rate, normal_rate)
        by_scale_rate = by_y * normal_rate
        by_normal_rate = by_y * scale_rate
        by_shift_rate = torch.zeros_like(shift_rate)
        if weight_rate is not None:
            by_y_rate = _by_input(by_u, weight_rate, hidden.shape[-1]).mul_(mask)
            by_normal_rate.addcmul_(by_y_rate, scale)
            by_scale_rate.addcmul_(by_y_rate, normal)
            by_shift_rate = by_y_rate.sum(1, keepdim=True)
        by_hidden_rate += _project(by_normal_rate, hidden, mean, r)
        by_scale_rate = by_scale_rate.sum(1, keepdim=True)
        width = weight.shape[1] // hidden.shape[-1]
        return (
            result_rate.mul_(mask),
            None,
            None,
            by_hidden_rate,
            torch.cat([by_scale_rate, by_shift_rate], -1).squeeze(1),
            None,
            _by_weight(by_u, y_rate, width),
            None,
            _outer(gradient, z_rate),
            None,
            by_u_rate,
            None,
            None,
        )


def _scale_and_shift(condition: Tensor) -> tuple[Tensor, Tensor]:
    """[B, 2C] -> 1 + scale and shift, each [B, 1, C]."""
    scale, shift = condition.unsqueeze(1).chunk(2, -1)
    return 1 + scale, shift


def _outer(left: Tensor, right: Tensor) -> Tensor:
    """Σ left rightᵀ over utterances and places: [B, L, M], [B, L, N] -> [M, N]."""
    return left.flatten(0, 1).T @ right.flatten(0, 1)
