"""Natural gradient: the gradient in the metric that the residual gives the parameters.

    theta+ = theta - a G^+ grad L / 2 ,     G = J'J ,     grad L / 2 = J' r ,

G being the Gram matrix of the directions that the parameters move the residual in. J. Mueller and
M. Zeinhofer (ICML 2023, arXiv 2302.13163) take the second derivative of the energy as the metric;
for the sum of squared residuals of a linear problem that is J'J. For an overdetermined G the same
direction comes from the kernel of the rows, J' (J J')^+ r, which is cheaper where there are more
parameters than rows. Singular values below ``cut`` of the largest are damped. The step length a is
the best on a logarithmic grid, as there; gauss_newton chooses the damping by the true loss instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch

from gmnm_pde.errors import InputError
from gmnm_pde.methods.base import Setting
from gmnm_pde.methods.training.base import Memory, Stretch, Trained, out_of_time
from gmnm_pde.methods.training.parameters import copied, put, vector
from gmnm_pde.methods.training.spectrum import Form, decomposed

HALVINGS = 30
"""The shortest step that is tried is 0.5 to this power."""


@dataclass(frozen=True)
class NaturalGradient(Trained):
    """Natural gradient with a line search.

    Arguments:
        form: parameter (J'J) | residual (JJ') | auto, the smaller of the two.
        cut: damping in singular values of J, relative to the largest.
    """

    iterations: int = 500
    form: Literal["auto", "parameter", "residual"] = "auto"
    cut: float = 1e-6

    def __post_init__(self) -> None:
        if not 0 < self.cut < 1:
            raise InputError(
                f"natural_gradient: cut is {self.cut:g}.", mend="Give a number between 0 and 1."
            )

    @property
    def stretch(self) -> int:
        return 1

    def advance(self, setting: Setting, memory: Memory, count: int) -> Stretch:
        network = copied(memory.network)
        value, done = math.nan, 0
        for done in range(1, count + 1):
            r, J = memory.objective.linearised(network, memory.weights)
            loss = r.square().sum().item()
            if not math.isfinite(loss):
                trouble = memory.objective.not_finite(network)
                return Stretch(network, math.nan, done, trouble=trouble)
            spectrum = decomposed(J, self._form(*J.shape))
            direction = spectrum.step(r, self.cut**2 * spectrum.largest)
            start, best, value = vector(network), vector(network), loss
            for part in torch.logspace(0, -HALVINGS, HALVINGS + 1, base=2.0).tolist():
                put(network, start + part * direction)
                found = memory.objective.value(network, memory.weights)
                if found < value:
                    best, value = start + part * direction, found
                elif value < loss:
                    break
            put(network, best)
            if not value < loss:
                why = "no step along the natural gradient lowers the loss any more"
                return Stretch(network, value, done, ended=why)
            if out_of_time(setting):
                break
        return Stretch(network, value, done)

    def _form(self, n: int, p: int) -> Form:
        if self.form == "parameter":
            return "primal"
        if self.form == "residual":
            return "dual"
        return "primal" if n >= p else "dual"
