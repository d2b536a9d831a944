"""The derivatives written by hand, against numeric ones and against PyTorch's of the plain form."""

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from adaptts.models.derivatives import predictor_layer, residual_block
from adaptts.models.products import FEW, convolve
from benchmarks import plain_operations

CHANNELS, WIDTH = 4, 3
# Double precision: what is left is rounding.
EXACT = {"rtol": 1e-10, "atol": 1e-12}


@pytest.fixture(autouse=True)
def plain_convolutions():
    """The plain form with PyTorch's own convolution."""
    with plain_operations.plain_operations():
        yield


def draw(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.double).requires_grad_()


@pytest.fixture
def mask() -> Tensor:
    return torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], dtype=torch.double).unsqueeze(-1)


@pytest.fixture
def arguments() -> list[Tensor]:
    """All of a block's but its mask, in their order."""
    shapes = [
        (2, 5, CHANNELS),
        (2, 2 * CHANNELS),
        (CHANNELS, WIDTH * CHANNELS),
        (CHANNELS,),
        (CHANNELS, CHANNELS),
        (CHANNELS,),
    ]
    return [draw(*shape, seed=seed) for seed, shape in enumerate(shapes)]


@pytest.fixture
def layer() -> list[Tensor]:
    """What two layers of a predictor take, one behind another: x, weight, shift; weight, shift."""
    shapes = [(2, 5, CHANNELS), (6, WIDTH * CHANNELS), (2, 6), (6, WIDTH * 6), (2, 6)]
    return [draw(*shape, seed=seed) for seed, shape in enumerate(shapes)]


def second_order(block, arguments: list[Tensor], mask: Tensor, wanted: list[int]) -> list[Tensor]:
    """Derivatives of a function of the gradient by the wanted arguments, by all that move."""
    moving = [arguments[place] for place in wanted]
    hidden, condition, *rest = arguments
    gradient = torch.autograd.grad(
        block(hidden, condition, mask, *rest).sin().sum(), moving, create_graph=True
    )
    return list(torch.autograd.grad(sum(g.cos().sum() for g in gradient), moving))


def test_a_block_is_its_plain_form(arguments, mask) -> None:
    hidden, condition, *rest = arguments
    torch.testing.assert_close(
        residual_block(hidden, condition, mask, *rest),
        plain_operations.residual_block(hidden, condition, mask, *rest),
        **EXACT,
    )


def test_a_convolution_is_its_plain_form() -> None:
    hidden, weight, bias = draw(2, 7, 3, seed=0), draw(4, 5 * 3, seed=1), draw(4, seed=2)
    torch.testing.assert_close(
        convolve(hidden, weight, bias), plain_operations.convolve(hidden, weight, bias), **EXACT
    )


def test_derivatives_of_a_block_agree_with_numeric_ones(arguments, mask) -> None:
    def block(hidden: Tensor, condition: Tensor, *rest: Tensor) -> Tensor:
        return residual_block(hidden, condition, mask, *rest)

    assert gradcheck(block, arguments)
    assert gradgradcheck(block, arguments)


@pytest.mark.parametrize(
    "wanted", [[0, 1, 2, 3, 4, 5], [0], [1], [2], [3], [4], [5], [0, 4], [1, 3]]
)
def test_second_derivatives_are_right_whatever_adapts(arguments, mask, wanted) -> None:
    for place, argument in enumerate(arguments):
        argument.requires_grad_(place in wanted)
    if wanted == [5]:  # the result is linear in it, its gradient a function of sin's alone
        arguments[0].requires_grad_()
    found = second_order(residual_block, arguments, mask, wanted)
    expected = second_order(plain_operations.residual_block, arguments, mask, wanted)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, **EXACT)


def test_blocks_one_behind_another_have_the_second_derivatives_of_their_plain_form(
    arguments, mask
) -> None:
    """What comes through the convolution's result is passed on once, along both ways together."""

    def twice(block):
        def chain(hidden: Tensor, condition: Tensor, mask: Tensor, *rest: Tensor) -> Tensor:
            return block(block(hidden, condition, mask, *rest), condition, mask, *rest)

        return chain

    wanted = list(range(6))
    found = second_order(twice(residual_block), arguments, mask, wanted)
    expected = second_order(twice(plain_operations.residual_block), arguments, mask, wanted)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, **EXACT)


@pytest.mark.parametrize("shared", [[], [0], [2], [1, 3, 4]])
def test_blocks_of_several_voices_in_one_pass_are_those_of_each(arguments, mask, shared) -> None:
    """Whatever of the arguments is the same for all voices; with first and second derivatives."""
    own = [draw(3, *a.shape, seed=10 + place) for place, a in enumerate(arguments)]
    taken = [
        a if place in shared else o for place, (a, o) in enumerate(zip(arguments, own, strict=True))
    ]
    dims = tuple(None if place in shared else 0 for place in range(6))

    def each(hidden, condition, mask, *rest) -> Tensor:
        parts = [hidden, condition, *rest]
        rows = [
            [part if dim is None else part[voice] for part, dim in zip(parts, dims, strict=True)]
            for voice in range(3)
        ]
        return torch.stack([residual_block(x, c, mask, *others) for x, c, *others in rows])

    together = torch.func.vmap(residual_block, in_dims=(*dims[:2], None, *dims[2:]))
    found = second_order(together, taken, mask, list(range(6)))
    expected = second_order(each, taken, mask, list(range(6)))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, **EXACT)


@pytest.mark.parametrize("wanted", [[0, 1, 2], [0], [1], [2], [0, 2]])
def test_a_predictors_layer_is_its_plain_form_whatever_adapts(layer, mask, wanted) -> None:
    """Two of them, one behind another; with first and second derivatives."""
    first, second = layer[:3], layer[3:]
    for place, argument in enumerate(layer):
        argument.requires_grad_(place in wanted or place >= 3)

    def chain(one) -> Tensor:
        hidden = one(*first, mask)
        return one(hidden, *second, mask)

    found, expected = [], []
    for results, one in ((found, predictor_layer), (expected, plain_operations.predictor_layer)):
        value, moving = chain(one), [layer[place] for place in wanted]
        gradients = torch.autograd.grad(value.sin().sum(), moving, create_graph=True)
        results += [value, *gradients]
        results += torch.autograd.grad(sum(g.cos().sum() for g in gradients), moving)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, **EXACT)


def test_derivatives_of_a_predictors_layer_agree_with_numeric_ones(layer, mask) -> None:
    def one(*arguments: Tensor) -> Tensor:
        return predictor_layer(*arguments, mask)

    assert gradcheck(one, layer[:3])
    assert gradgradcheck(one, layer[:3])


def test_predictors_layers_of_several_voices_in_one_pass_are_those_of_each(layer, mask) -> None:
    hidden, weight, shift = layer[0], draw(3, 6, 12, seed=7), draw(3, 2, 6, seed=8)
    found = torch.func.vmap(predictor_layer, in_dims=(None, 0, 0, None))(
        hidden, weight, shift, mask
    )
    each = [predictor_layer(hidden, w, s, mask) for w, s in zip(weight, shift, strict=True)]
    torch.testing.assert_close(found, torch.stack(each), **EXACT)


def test_many_places_are_convolved_as_few_are() -> None:
    """By oneDNN, in pieces that overlap by the kernel's reach, and as a whole."""
    hidden, weight, bias = draw(2, FEW, 3, seed=0), draw(4, 5 * 3, seed=1), draw(4, seed=2)
    whole = convolve(hidden, weight, bias)
    parts = [convolve(hidden[:1, start : start + 100], weight, bias) for start in (0, 90)]
    torch.testing.assert_close(whole[:1, :98], parts[0][:, :98], **EXACT)
    torch.testing.assert_close(whole[:1, 92:188], parts[1][:, 2:98], **EXACT)
    torch.testing.assert_close(whole, plain_operations.convolve(hidden, weight, bias), **EXACT)


def test_derivatives_of_a_convolution_agree_with_numeric_ones() -> None:
    arguments = [draw(2, 7, 3, seed=0), draw(4, 5 * 3, seed=1), draw(4, seed=2)]
    assert gradcheck(convolve, arguments)
    assert gradgradcheck(convolve, arguments)


def test_convolutions_of_several_voices_in_one_pass_are_those_of_each() -> None:
    hidden, weight, bias = draw(2, 7, 3, seed=0), draw(5, 4, 9, seed=1), draw(5, 4, seed=2)
    found = torch.func.vmap(convolve, in_dims=(None, 0, 0))(hidden, weight, bias)
    expected = torch.stack([convolve(hidden, w, b) for w, b in zip(weight, bias, strict=True)])
    torch.testing.assert_close(found, expected, **EXACT)


def test_third_derivatives_are_refused(arguments, mask) -> None:
    hidden, condition, *rest = arguments
    (first,) = torch.autograd.grad(
        residual_block(hidden, condition, mask, *rest).sin().sum(), hidden, create_graph=True
    )
    (second,) = torch.autograd.grad(first.sin().sum(), hidden, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        second.sum().backward()
