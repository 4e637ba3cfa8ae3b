"""Jets and fields: what a person's residual sees."""

from __future__ import annotations

import copy
import math
import operator

import numpy as np
import pytest
import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Field, Jet, as_column, bind, orders_of, unit_orders

POINTS = torch.tensor([[0.5, 1.0], [-0.25, 2.0], [1.5, -1.0]], dtype=torch.float64)
NORMALS = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, -1.0]], dtype=torch.float64)


def polynomial(name: str, orders: tuple[int, ...]) -> Tensor:
    """Derivatives of u = x^3 y^2 + 2 and of v = x - y."""
    x, y = POINTS.T
    i, j = orders
    if name == "v":
        return {(0, 0): x - y, (1, 0): x * 0 + 1, (0, 1): x * 0 - 1}.get((i, j), x * 0)
    falling = math.perm(3, i) * math.perm(2, j)
    power = x ** max(3 - i, 0) * y ** max(2 - j, 0) if falling else x * 0
    return falling * power + (2.0 if i == j == 0 else 0.0)


def jet(normals: Tensor | None = NORMALS, unknowns: str = "uv") -> Jet:
    return Jet("xy", unknowns, POINTS, polynomial, normals)


@pytest.fixture
def u() -> Field:
    return Field(jet(), "u")


@pytest.fixture
def value() -> Tensor:
    return polynomial("u", (0, 0))


# jets


def test_a_derivative_is_fetched_when_first_asked_for_and_once():
    asked = []

    def values(name: str, orders: tuple[int, ...]) -> Tensor:
        asked.append((name, orders))
        return polynomial(name, orders)

    j = Jet("xy", "uv", POINTS, values)
    assert not asked
    u = Field(j, "u")
    for _ in range(2):
        assert torch.equal(u.xx + u.yy + u.xx, 2 * polynomial("u", (2, 0)) + u.yy)
    assert asked == [("u", (2, 0)), ("u", (0, 2))]
    assert set(j.leaves) == set(asked)


def test_mixed_derivatives_are_the_same_in_any_order():
    j = jet()
    u = Field(j, "u")
    assert torch.equal(u.xy, u.yx)
    assert torch.equal(u.xxy, u.xyx)
    assert set(j.leaves) == {("u", (1, 1)), ("u", (2, 1))}


def test_coordinates_and_normals_by_name():
    j = jet()
    assert torch.equal(j.coordinate("y"), POINTS[:, 1])
    assert torch.equal(j.normal("y"), NORMALS[:, 1])


def test_normal_derivative():
    j = jet()
    expected = NORMALS[:, 0] * polynomial("u", (1, 0)) + NORMALS[:, 1] * polynomial("u", (0, 1))
    torch.testing.assert_close(j.normal_derivative("u"), expected, rtol=1e-15, atol=0)
    torch.testing.assert_close(Field(j, "u").n, expected, rtol=1e-15, atol=0)
    torch.testing.assert_close(Field(j, "v").n, NORMALS @ NORMALS.new_tensor([1.0, -1.0]))


def test_there_are_no_normals_inside():
    inside = jet(normals=None)
    for ask in (
        lambda: inside.normal("x"),
        lambda: inside.normal_derivative("u"),
        lambda: Field(inside, "u").n,
        lambda: bind(lambda nx: nx, "xy", "uv")(inside),
    ):
        with pytest.raises(InputError, match="normal") as error:
            ask()
        assert "boundary" in error.value.mend


def test_a_coordinate_called_n_is_a_coordinate():
    j = Jet("xn", "u", POINTS, polynomial, NORMALS)
    assert torch.equal(Field(j, "u").n, polynomial("u", (0, 1)))


def test_multi_indices():
    assert orders_of("xxy", "xy") == (2, 1)
    assert orders_of("yxzx", ("x", "y", "z")) == (2, 1, 1)
    assert orders_of("", "xy") == (0, 0)
    assert unit_orders("xyz", "y") == (0, 1, 0)


def test_a_letter_that_is_no_coordinate(u):
    with pytest.raises(InputError, match="u_xz: 'z' is not a coordinate"):
        u.xz  # noqa: B018
    with pytest.raises(InputError, match="v_t"):
        orders_of("t", "xy", "v")


def test_a_field_is_no_place_for_private_names(u):
    """Copying and numpy look for such names: they must see that there are none."""
    with pytest.raises(AttributeError):
        u._nothing  # noqa: B018
    assert not hasattr(u, "__array__")
    assert copy.copy(u).value.equal(u.value)


# fields behave as the tensor of their values

OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]


@pytest.mark.parametrize("operation", OPERATORS, ids=lambda operation: operation.__name__)
@pytest.mark.parametrize(
    "other",
    [2, 2.5, np.float64(1.5), torch.tensor(3.0).double(), POINTS[:, 0].abs() + 1],
    ids=["int", "float", "numpy", "scalar", "tensor"],
)
def test_arithmetic(u, value, operation, other):
    for left, right, expected in (
        (u, other, operation(value, other)),
        (other, u, operation(other, value)),
    ):
        result = operation(left, right)
        assert type(result) is Tensor
        assert torch.equal(result, expected)


@pytest.mark.parametrize("operation", OPERATORS, ids=lambda operation: operation.__name__)
def test_arithmetic_between_fields(u, value, operation):
    other = Field(jet(), "v")
    expected = operation(value, polynomial("v", (0, 0)))
    torch.testing.assert_close(operation(u, other), expected, equal_nan=True, rtol=0, atol=0)


@pytest.mark.parametrize("operation", [operator.neg, abs], ids=["neg", "abs"])
def test_arithmetic_on_one_field(u, value, operation):
    assert torch.equal(operation(u), operation(value))


@pytest.mark.parametrize(
    "operation",
    [operator.lt, operator.le, operator.gt, operator.ge],
    ids=lambda operation: operation.__name__,
)
def test_comparisons_for_torch_where(u, value, operation):
    assert torch.equal(operation(u, 1.0), operation(value, 1.0))
    assert torch.equal(operation(1.0, u), operation(1.0, value))


def test_torch_functions(u, value):
    zero = torch.zeros(3, dtype=torch.float64)
    v, v_value = Field(jet(), "v"), polynomial("v", (0, 0))
    for result, expected in (
        (torch.exp(u), torch.exp(value)),
        (torch.atan2(u, v), torch.atan2(value, v_value)),
        (torch.maximum(zero, u), torch.maximum(zero, value)),
        (torch.stack([u, v]), torch.stack([value, v_value])),
        (torch.cat((u, u.x)), torch.cat((value, polynomial("u", (1, 0))))),
        (torch.where(v_value > 0, u, 0.0), torch.where(v_value > 0, value, 0.0)),
        (torch.clamp(u, min=v), torch.clamp(value, min=v_value)),
        (torch.sum(input=u, dim=0), value.sum(0)),
    ):
        assert type(result) is Tensor
        assert torch.equal(result, expected)


def test_gradients_pass_through_a_field():
    leaf = POINTS[:, 0].clone().requires_grad_()
    u = Field(Jet("xy", "u", POINTS, lambda name, orders: leaf), "u")
    (torch.sin(u) * 2 + u / 4).sum().backward()
    torch.testing.assert_close(leaf.grad, 2 * torch.cos(leaf.detach()) + 0.25)


# functions with named arguments


def test_arguments_are_matched_by_name():
    j = jet()
    residual = bind(lambda y, u, x, v: u.xx * y + v.x * x, "xy", "uv")
    expected = polynomial("u", (2, 0)) * POINTS[:, 1] + POINTS[:, 0]
    assert torch.equal(residual(j), expected)
    assert torch.equal(bind(lambda *, x: x, "xy", "uv")(j), POINTS[:, 0])
    assert torch.equal(bind(lambda ny, nx: ny - nx, "xy", "uv")(j), NORMALS[:, 1] - NORMALS[:, 0])


def test_only_what_is_asked_for_is_evaluated():
    j = jet(normals=None)
    bind(lambda u, x, y: u.xy, "xy", "uv")(j)
    assert set(j.leaves) == {("u", (1, 1))}


def test_numbers_and_fields_become_columns():
    j = jet()
    assert torch.equal(bind(lambda: 3, "xy", "uv")(j), torch.full((3,), 3.0).double())
    assert torch.equal(bind(lambda u: u, "xy", "uv")(j), polynomial("u", (0, 0)))
    assert torch.equal(as_column(torch.tensor(2), j), torch.full((3,), 2.0).double())
    assert as_column(torch.ones(3, dtype=torch.float32), j).dtype == torch.float64


def test_an_argument_with_a_default_is_the_persons_own():
    residual = bind(lambda u, k=2.0: k * u, "xy", "uv")
    assert torch.equal(residual(jet()), 2 * polynomial("u", (0, 0)))
    # ... unless it is a name that the problem knows.
    assert torch.equal(bind(lambda x=0.0: x, "xy", "uv")(jet()), POINTS[:, 0])


def test_a_residual_of_a_jet_is_taken_as_it_is():
    def residual(jet: Jet) -> Tensor:
        return jet.derivative("u", (1, 0))

    assert bind(residual, "xy", "uv") is residual


WRONG = {
    "w": lambda u, w: u,
    "t": lambda u, t: u,
    "nz": lambda u, nz: u,
    "ux": lambda u, ux: u,
    "rest": lambda u, *rest: u,
}


@pytest.mark.parametrize("name", WRONG)
def test_an_argument_that_names_nothing(name):
    with pytest.raises(InputError, match=f"argument '{name}'") as error:
        bind(WRONG[name], "xy", "uv")
    assert error.value.mend


def test_a_residual_that_is_not_pointwise_is_refused():
    for wrong in (torch.ones(3, 1), torch.ones(4)):
        with pytest.raises(InputError, match="shape"):
            bind(lambda value=wrong: value, "xy", "uv")(jet())
