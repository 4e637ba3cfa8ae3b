"""Gauss-Newton for all parameters of any network, with a trust region on the true loss.

Around theta the weighted residual is r + J s. The step of damping l,

    v = -(J'J + l I)^-1 J' r ,

is the minimum of the linear model in a ball whose radius falls with l (K. Levenberg, 1944; D. W.
Marquardt, 1963). One factorisation gives the steps of all radii; several are tried, and the one
with the smallest true loss is taken. None that raises the loss ever is. The next iteration starts
from the damping that was best.

A network's residual curves much more along some directions than along others, which keeps the
radius small long before the minimum. The step therefore follows the curve to second order,

    s = v + a / 2 ,      a = -(J'J + l I)^-1 J' r_vv ,

with the second derivative r_vv along v from one more evaluation, wherever a is not too long beside
v (M. K. Transtrum and J. P. Sethna, arXiv 1201.5885, eqs. 6 and 14). On Poisson's equation with 501
parameters that took the loss from 4e-5 after 100 iterations to 3e-7 after 90.

Where an evaluation costs much less than a factorisation (variable projection: a tenth of it), the
step goes on to where the linear model leads, by a chord step, one more evaluation,

    s + c ,      c = -(J'J + l I)^-1 J' (r(s) - r - J v) ,

which lowers the loss in 95 of 100 cases, and smaller dampings become possible.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gmnm_pde.methods.base import Setting
from gmnm_pde.methods.training.base import Memory, Stretch, Trained
from gmnm_pde.methods.training.parameters import copied, put, vector
from gmnm_pde.methods.training.spectrum import Spectrum, decomposed, form_for

FIRST = 1e-3
"""The first damping, of the largest squared singular value."""

LADDER = 4.0
"""From one damping to the next one that is tried."""

DOWN = 4
"""Smaller dampings that are tried as long as they are better."""

UP = 20
"""Larger ones that are tried before no step is found."""

LONG = 0.75
"""The acceleration is left out where 2 |a| / |v| is larger."""

PROBE = 0.1
"""Of v, the distance of the finite difference for r_vv."""

FEW_STEPS = 20
"""Iterations that are looked back on to tell whether the loss still falls."""


@dataclass(frozen=True)
class Engine:
    """Between iterations.

    Arguments:
        damping: that was best, None at first.
        largest: squared singular value.
        losses: after each iteration.
    """

    damping: float | None = None
    largest: float = 0.0
    losses: tuple[float, ...] = ()


@dataclass(frozen=True)
class Trial:
    """A step that was tried."""

    loss: float
    damping: float
    step: Tensor


@dataclass(frozen=True)
class GaussNewton(Trained):
    """Levenberg-Marquardt with geodesic acceleration.

    Arguments:
        accelerate: follow the curve to second order.
        tolerance: decrease of the loss over 20 iterations below which it stops.
    """

    iterations: int = 500
    start_iterations: int = 10
    accelerate: bool = True
    tolerance: float = 0.05

    @property
    def stretch(self) -> int:
        # An iteration takes long enough for a line of its own.
        return 1

    def retreat(self, engine: Engine | None) -> Engine:
        engine = engine or Engine()
        damping = None if engine.damping is None else 100 * engine.damping
        return Engine(damping, engine.largest, engine.losses)

    def advance(self, setting: Setting, memory: Memory, count: int) -> Stretch:
        engine: Engine = memory.engine or Engine()
        network = copied(memory.network)
        r, J = memory.objective.linearised(network, memory.weights)
        loss = r.square().sum().item()
        if not math.isfinite(loss):
            return Stretch(network, math.nan, 1, trouble=memory.objective.not_finite(network))
        if loss == 0.0:
            return Stretch(network, loss, 1, engine, ended="the residual is zero")
        spectrum = decomposed(J, form_for(J, engine.damping, engine.largest))
        damping = FIRST * spectrum.largest if engine.damping is None else engine.damping
        start = vector(network)

        def rows(step: Tensor) -> Tensor:
            put(network, start + step)
            return memory.objective.residual(network, memory.weights)

        model = Model(rows, r, J, spectrum, self.accelerate)
        best = searched(model, damping, loss)
        put(network, start if best is None else start + best.step)
        if best is None:
            return Stretch(network, loss, 1, engine, ended="no step lowers the loss any more")
        engine = Engine(best.damping, spectrum.largest, (*engine.losses, best.loss))
        return Stretch(network, best.loss, 1, engine, ended=self._settled(engine))

    def _settled(self, engine: Engine) -> str | None:
        losses = engine.losses
        if len(losses) <= FEW_STEPS or losses[-1] < (1 - self.tolerance) * losses[-1 - FEW_STEPS]:
            return None
        return f"the loss fell by less than {self.tolerance:.0%} in {FEW_STEPS} iterations"


@dataclass(frozen=True)
class Model:
    """The loss around a network: steps of any damping, and what they lead to.

    Arguments:
        rows: the weighted residual after a step (p,), (n,).
        r, J: it and its Jacobian at the start.
        accelerate: follow the curve to second order.
        correct: take one step more, back to where the linear model leads.
    """

    rows: Callable[[Tensor], Tensor]
    r: Tensor
    J: Tensor
    spectrum: Spectrum
    accelerate: bool = True
    correct: bool = False

    def tried(self, damping: float) -> Trial:
        """The step of a damping."""
        v = self.spectrum.step(self.r, damping)
        step = v + 0.5 * self._acceleration(v, damping) if self.accelerate else v
        after = self.rows(step)
        trial = Trial(_squares(after), damping, step)
        if not self.correct or trial.loss == math.inf:
            return trial
        step = step + self.spectrum.step(after - (self.r + self.J @ v), damping)
        corrected = Trial(_squares(self.rows(step)), damping, step)
        return corrected if corrected.loss < trial.loss else trial

    def promised(self, damping: float) -> float:
        """The loss of the linear model after the step of a damping."""
        return _squares(self.r + self.J @ self.spectrum.step(self.r, damping))

    def _acceleration(self, v: Tensor, damping: float) -> Tensor:
        """a, zero where it is too long or not finite."""
        change = self.rows(PROBE * v) - self.r
        second = (2 / PROBE) * (change / PROBE - self.J @ v)
        a = self.spectrum.step(second, damping)
        short = 2 * a.norm() <= LONG * v.norm()
        return a if bool(short) else torch.zeros_like(a)


def _squares(rows: Tensor) -> float:
    """The sum of squares, infinite where it is not finite."""
    loss = rows.square().sum().item()
    return loss if math.isfinite(loss) else math.inf


def searched(model: Model, damping: float, loss: float) -> Trial | None:
    """The best step near a damping: smaller ones as long as they pay, else larger ones until one
    lowers the loss; None if none does."""
    best = model.tried(damping)
    # Of two that raise the loss, the smaller damping may raise it less, and leads nowhere.
    for _ in range(DOWN if best.loss < loss else 0):
        trial = model.tried(best.damping / LADDER)
        if not trial.loss < best.loss:
            break
        best = trial
    # A larger damping promises less: where even its promise is kept, it is not worth a try.
    if best.damping == damping and best.loss > model.promised(LADDER * damping):
        for _ in range(UP):
            trial = model.tried(best.damping * LADDER)
            if trial.loss >= best.loss and best.loss < loss:
                break
            best = trial
    return best if best.loss < loss else None
