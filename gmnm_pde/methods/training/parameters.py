"""The trained parameters of a network as one vector."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from gmnm_pde.networks import Network


def trained(network: Network) -> dict[str, nn.Parameter]:
    """The parameters that training may change, by name."""
    return {name: value for name, value in network.named_parameters() if value.requires_grad}


def vector(network: Network) -> Tensor:
    """All of them one after the other, (p,)."""
    return torch.cat([value.detach().reshape(-1) for value in trained(network).values()])


def put(network: Network, theta: Tensor) -> None:
    """Set them from a vector (p,), in place."""
    start = 0
    with torch.no_grad():
        for value in trained(network).values():
            value.copy_(theta[start : start + value.numel()].reshape(value.shape))
            start += value.numel()


def copied(network: Network, theta: Tensor | None = None) -> Network:
    """A network of its own, with other parameters if they are given."""
    result = copy.deepcopy(network)
    if theta is not None:
        put(result, theta)
    return result


def gradient(loss: Tensor, network: Network, *, keep: bool = False) -> Tensor:
    """d loss/d theta, (p,); zero for parameters that it does not depend on.

    Arguments:
        keep: the graph, for another gradient.
    """
    found = torch.autograd.grad(
        loss,
        list(trained(network).values()),
        retain_graph=keep,
        allow_unused=True,
        materialize_grads=True,
    )
    return torch.cat([part.reshape(-1) for part in found])
