"""Quasi-Newton training with the full inverse Hessian: BFGS and self-scaled Broyden.

With s the last step, y the change of the gradient and H the approximate inverse Hessian,

    H+ = (H - H y y' H / (y'Hy)  +  phi v v') / tau  +  s s' / (y's) ,
    v  = (y'Hy)^(1/2) ( s / (y's) - H y / (y'Hy) ) ,

BFGS being phi = tau = 1. Self-scaled Broyden (M. Al-Baali, Comput. Optim. Appl. 9, 1998) chooses
tau and phi from b = s'B s / (y's) and h = y'Hy / (y's), B = H^-1, at every step. J. F. Urban, P.
Stefanou and J. A. Pons, arXiv 2405.04230, found both to train physics-informed networks
to errors orders of magnitude below those of L-BFGS. The memory is p^2 numbers.

The line search satisfies the strong Wolfe conditions (``scipy.optimize.line_search``). With step
length a, s'B s = -a s'g, so that B itself is never needed.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import line_search
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.methods.base import Setting
from gmnm_pde.methods.training.base import Memory, Stretch, Trained, out_of_time
from gmnm_pde.methods.training.parameters import copied, put, vector
from gmnm_pde.networks import Network

LARGEST = 10_000
"""Parameters above which p^2 numbers are too many."""

Array = NDArray[np.float64]
Variant = Literal["bfgs", "ssbfgs", "ssbroyden"]


@dataclass(frozen=True)
class Engine:
    """Between stretches.

    Arguments:
        inverse: H, (p, p), None to start from the identity.
        before: the loss before the last one, which tells the length of the first trial step.
        restarted: whether H was thrown away because it gave no step.
        length: part of the first step that is tried.
    """

    inverse: Tensor | None = None
    before: float | None = None
    restarted: bool = False
    length: float = 1.0


@dataclass(frozen=True)
class BFGS(Trained):
    """BFGS on all parameters.

    Arguments:
        variant: bfgs | ssbfgs (scaled, phi = 1) | ssbroyden.
    """

    iterations: int = 2000
    variant: Variant = "bfgs"

    def retreat(self, engine: Engine | None) -> Engine:
        return Engine(length=0.1 * (engine or Engine()).length)

    def advance(self, setting: Setting, memory: Memory, count: int) -> Stretch:
        engine: Engine = memory.engine or Engine()
        network = copied(memory.network)
        self._refuse_large(len(vector(network)))
        loss = Loss(memory, network)
        x = vector(network)
        value, slope = loss(x)
        if not math.isfinite(value):
            return Stretch(network, math.nan, 1, trouble=memory.objective.not_finite(network))
        H, before, restarted, done = engine.inverse, engine.before, engine.restarted, 0
        while done < count:
            done += 1
            moved = searched(loss, x, value, slope, H, before, engine.length)
            if moved is None and (H is None or restarted):
                put(network, x)
                why = "no step along the gradient lowers the loss any more"
                return Stretch(network, value, done, Engine(H, before, True), ended=why)
            if moved is None:
                H, restarted, before = None, True, None
                continue
            H = updated(H, moved, slope, self.variant)
            x, slope, restarted = x + moved.step, moved.slope, False
            before, value = value, moved.loss
            if out_of_time(setting):
                break
        put(network, x)
        return Stretch(network, value, done, Engine(H, before, restarted, 1.0))

    def _refuse_large(self, p: int) -> None:
        if p > LARGEST:
            raise InputError(
                f"the method {self.name} keeps a matrix of {p} x {p} numbers for a network of {p} "
                "parameters.",
                mend=f"Use lbfgs, or a network of at most {LARGEST} parameters.",
            )


@dataclass(frozen=True)
class SSBroyden(BFGS):
    """Self-scaled Broyden on all parameters."""

    variant: Variant = "ssbroyden"


class Loss:
    """The loss and its gradient as functions of the parameters; the last values are kept."""

    def __init__(self, memory: Memory, network: Network) -> None:
        self.memory, self.network = memory, network
        self._known: tuple[Tensor, float, Tensor] | None = None

    def __call__(self, x: Tensor) -> tuple[float, Tensor]:
        if self._known is None or not torch.equal(self._known[0], x):
            put(self.network, x)
            value, slope = self.memory.objective.value_and_gradient(
                self.network, self.memory.weights
            )
            # A search goes back from what is not finite, as from what is too large.
            value = value if math.isfinite(value) else math.inf
            self._known = x.clone(), value, slope.nan_to_num(0.0, 0.0, 0.0)
        return self._known[1], self._known[2]


@dataclass(frozen=True)
class Moved:
    """An accepted step.

    Arguments:
        step: s.
        length: a, of the search direction.
        loss, slope: at its end.
    """

    step: Tensor
    length: float
    loss: float
    slope: Tensor


def searched(
    loss: Loss,
    x: Tensor,
    value: float,
    slope: Tensor,
    H: Tensor | None,
    before: float | None,
    part: float,
) -> Moved | None:
    """A step along -H g with the strong Wolfe conditions, None if there is none."""
    direction = -slope if H is None else -(H @ slope)
    if not float(direction @ slope) < 0:
        return None
    if H is None:
        direction = direction * (part / max(1.0, float(direction.norm())))

    def at(z: Array) -> tuple[float, Tensor]:
        return loss(torch.from_numpy(np.ascontiguousarray(z)).to(x))

    with warnings.catch_warnings():
        # That no step was found is said by its result.
        warnings.simplefilter("ignore")
        length, *_ = line_search(
            lambda z: at(z)[0],
            lambda z: at(z)[1].cpu().numpy().astype(np.float64),
            x.cpu().numpy().astype(np.float64),
            direction.cpu().numpy().astype(np.float64),
            slope.cpu().numpy().astype(np.float64),
            value,
            before,
            c2=0.9,
            maxiter=20,
        )
    if length is None:
        return None
    step = float(length) * direction
    after, new_slope = loss(x + step)
    return Moved(step, float(length), after, new_slope) if after < value else None


def updated(H: Tensor | None, moved: Moved, slope: Tensor, variant: Variant) -> Tensor:
    """H+ of a variant."""
    s, y = moved.step, moved.slope - slope
    ys = float(y @ s)
    if H is None:
        # Scaled by the first pair (J. Nocedal and S. Wright, Numerical Optimization, eq. 6.20).
        H = torch.eye(len(s), dtype=s.dtype, device=s.device) * (ys / float(y @ y) if ys > 0 else 1)
        b = ys / float(y @ y)
        bs = float(s @ s) / b if ys > 0 else 0.0
    else:
        bs = -moved.length * float(s @ slope)
    Hy = H @ y
    yHy = float(y @ Hy)
    if not (ys > 0 and yHy > 0 and bs > 0):
        return H
    tau, phi = scaling(bs / ys, yHy / ys, len(s), variant)
    v = math.sqrt(yHy) * (s / ys - Hy / yHy)
    inner = H - torch.outer(Hy, Hy) / yHy + phi * torch.outer(v, v)
    return inner / tau + torch.outer(s, s) / ys


def scaling(b: float, h: float, p: int, variant: Variant) -> tuple[float, float]:
    """tau and phi.

    Arguments:
        b: s'B s / (y's).
        h: y'Hy / (y's); b h >= 1 by Cauchy and Schwarz.
        p: number of parameters.
    """
    if variant == "bfgs":
        return 1.0, 1.0
    tau = min(1.0, 1.0 / b)
    if variant == "ssbfgs":
        return tau, 1.0
    a = max(b * h - 1.0, 1e-300)
    c = math.sqrt(a / (1.0 + a))
    rho = min(1.0, h * (1.0 - c))
    theta = max((rho - 1.0) / a, min(1.0 / rho, (1.0 - b) / b))
    sigma = 1.0 + a * theta
    phi = (1.0 - theta) / sigma
    mean = sigma ** (-1.0 / max(p - 1, 1))
    if theta > 0:
        return tau * min(mean, 1.0 / theta), phi
    return min(tau * mean, sigma), phi
