"""A second device for machines that have none: it computes on the CPU and is as strict as CUDA.

A :class:`OnDevice` is a tensor whose data lie on the CPU while torch believes them elsewhere, so
that placement, automatic differentiation and ``torch.func`` take the paths that they take on CUDA.
:func:`refuse` is what CUDA would refuse: operands on two devices, drivers of LAPACK alone,
products of integers, a generator of the other device. Reading a value back to the host is allowed,
as there, and counted, since on a GPU it waits.

What it cannot show: kernels of CUDA (their rounding, their speed, what they lack beyond the list
below), memory, streams, and code that asks for the device by its name.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten

DEVICE = torch.device("lazy")
"""A device that torch knows and nothing computes on. Automatic differentiation works on it without
a backend, as it does not on "cuda" in a build without CUDA."""

CPU = torch.device("cpu")

CROSSING = {aten.copy_, aten._to_copy}
"""What may have operands on two devices."""

INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}
"""What a device tensor may be indexed with from the CPU."""

PRODUCTS = {aten.mm, aten.bmm, aten.mv, aten.dot, aten.addmm, aten.addmv, aten.baddbmm, aten.vdot}
"""What CUDA has for floating point numbers only."""

CPU_ONLY = {aten.histogram, aten._histogramdd_bin_edges, aten._histogramdd_from_bin_cts}

WAITING = {aten._local_scalar_dense, aten.nonzero, aten.equal, aten.is_nonzero}
"""What makes the host wait for the device."""


class OnDevice(Tensor):
    """A tensor that is said to lie on :data:`DEVICE`.

    Arguments:
        data: its numbers, on the CPU.
    """

    data_on_cpu: Tensor

    @staticmethod
    def __new__(cls, data: Tensor) -> OnDevice:
        dense = data.layout == torch.strided
        where = {"strides": data.stride(), "storage_offset": data.storage_offset()} if dense else {}
        made = Tensor._make_wrapper_subclass(
            cls, data.shape, **where, dtype=data.dtype, layout=data.layout, device=DEVICE
        )
        made.data_on_cpu = data
        return made

    def __repr__(self, **_: Any) -> str:
        return f"OnDevice({self.data_on_cpu})"

    def tolist(self) -> Any:
        """The numbers; torch itself refuses this for subclasses."""
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(
        cls, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        return computed(function, args, kwargs or {})


@dataclass
class Log:
    """What was done on the device.

    Arguments:
        operations: how many of each.
        waits: how often the host waited, by the place in the package that asked.
    """

    operations: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)


class _Dispatched(TorchDispatchMode):
    """Sends every operation to :func:`computed`: factories have no tensor that would do so."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.log = log

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        return computed(function, args, kwargs or {}, self.log)


class _Literals(TorchFunctionMode):
    """Makes tensors from numbers on the CPU first: torch does this beneath all modes."""

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if function in (Tensor.__getitem__, Tensor.__setitem__) and isinstance(args[0], OnDevice):
            return function(args[0], _index(args[1]), *args[2:])
        where = kwargs.get("device")
        if function is Tensor.new_tensor:
            where = where if where is not None else args[0].device
            kwargs = {"dtype": args[0].dtype, **kwargs}
            function, args = torch.tensor, args[1:]
        if function in (torch.tensor, torch.as_tensor, torch.asarray) and where is not None:
            given = args[0] if args else kwargs.get("data")
            if isinstance(given, Tensor):
                return given.to(where, kwargs.get("dtype") or given.dtype)
            return function(*args, **{**kwargs, "device": CPU}).to(where)
        return function(*args, **kwargs)


def _index(index: Any) -> Any:
    """An index with tensors in the place of its lists."""
    if isinstance(index, tuple):
        return tuple(map(_index, index))
    if isinstance(index, list):
        # An empty list has no numbers to tell that they are integers.
        return torch.tensor(index, dtype=None if index else torch.int64)
    return index


@contextmanager
def stand_in() -> Iterator[Log]:
    """The device is there, as long as this lasts."""
    log = Log()
    with _Literals(), _Dispatched(log):
        yield log


def computed(
    function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], log: Log | None = None
) -> Any:
    """An operation of torch, done on the CPU, the result where it belongs."""
    found = list(_tensors((*args, *kwargs.values())))
    away = any(isinstance(x, OnDevice) for x in found)
    on_device = _on_device(function, args, kwargs, away)
    if not (away or on_device):
        return function(*args, **kwargs)
    if log is not None and (on_device or function.overloadpacket in CROSSING):
        log.operations[str(function)] += 1
        if waits(function, args, kwargs):
            log.waits[_caller()] += 1
    if on_device:
        refuse(function, args, kwargs)
    plain = [_mapped(x, _below) for x in args]
    options = {name: _mapped(x, _below) for name, x in kwargs.items()}
    if not on_device:
        return function(*plain, **options)
    if options.get("device") is not None:
        options["device"] = CPU
    if function.overloadpacket is aten._efficientzerotensor:
        # It has no data: what knows that would not see it behind a wrapper.
        function = aten.zeros.default
    if function.overloadpacket is aten.linalg_lstsq:
        options["driver"] = "gels"
    result = function(*plain, **options)
    changed = _changed(function, args)
    if changed is None:
        return _mapped(result, _above)
    if torch.Tag.inplace_view in function.tags:
        _reshape_outside(function, args, kwargs)
    return changed


def _reshape_outside(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Do to a wrapper what was done to the shape of its data."""
    before = torch._C._meta_in_tls_dispatch_include()
    with torch._C._DisableTorchDispatch():
        torch._C._set_meta_in_tls_dispatch_include(True)
        try:
            function(*args, **kwargs)
        finally:
            torch._C._set_meta_in_tls_dispatch_include(before)


def refuse(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raise RuntimeError where CUDA does.

    Tensors on the CPU may take part in what the device does if they have no dimensions and are not
    written to, as indices, or to be copied.
    """
    packet = function.overloadpacket
    if packet in CPU_ONLY:
        raise RuntimeError(f"{function} is not implemented for the device")
    if packet is aten.linalg_lstsq and kwargs.get("driver") not in (None, "gels"):
        raise RuntimeError("torch.linalg.lstsq: driver must be gels on the device")
    if packet in PRODUCTS and not args[0].dtype.is_floating_point:
        raise RuntimeError(f"{function} is not implemented on the device for {args[0].dtype}")
    generator = kwargs.get("generator")
    if generator is not None and generator.device != DEVICE:
        raise RuntimeError(f"{function}: expected a generator of the device, not of the CPU")
    if packet in CROSSING:
        return
    checked = args[:1] + args[2:] if packet in INDEXING else args
    if packet in INDEXING and not isinstance(args[0], OnDevice):
        raise RuntimeError("indices should be on the same device as the indexed tensor (cpu)")
    for item in (*checked, *kwargs.values()):
        inside = isinstance(item, (list, tuple))
        for tensor in _tensors([item]):
            if isinstance(tensor, OnDevice):
                continue
            if inside or tensor.ndim or tensor is _changed(function, args):
                raise RuntimeError(
                    f"{function}: expected all tensors on one device, but one of shape "
                    f"{tuple(tensor.shape)} is on the CPU"
                )


def waits(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether the host waits for the result of an operation on the device."""
    packet = function.overloadpacket
    if packet in CROSSING:
        to = kwargs.get("device") if packet is aten._to_copy else args[0].device
        return to is not None and not _is_device(to)
    masks = [x for x in _tensors(args[1:2]) if x.dtype == torch.bool]
    return packet in WAITING or (packet in INDEXING and bool(masks))


def _on_device(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], away: bool) -> bool:
    """Whether the result of an operation is on the device.

    Arguments:
        away: whether an operand is.
    """
    where = kwargs.get("device")
    if where is not None:
        return _is_device(where)
    if function.overloadpacket is aten.copy_:
        return isinstance(args[0], OnDevice)
    return away


def _tensors(items: Iterable[Any]) -> Iterator[Tensor]:
    """Those among operands; torch's own trees are general, and took most of the time."""
    for item in items:
        if isinstance(item, Tensor):
            yield item
        elif isinstance(item, (list, tuple)):
            yield from _tensors(item)


def _mapped(item: Any, function: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(item, Tensor):
        return function(item)
    if isinstance(item, (list, tuple)):
        parts = [_mapped(x, function) for x in item]
        # Results with names are structures of torch, made from one sequence.
        return type(item)(parts)
    return item


def _below(item: Tensor) -> Tensor:
    return item.data_on_cpu if isinstance(item, OnDevice) else item


def _above(item: Tensor) -> Tensor:
    return item if isinstance(item, OnDevice) else OnDevice(item)


def _is_device(where: Any) -> bool:
    return where is not None and torch.device(where).type == DEVICE.type


def _changed(function: Any, args: Sequence[Any]) -> Tensor | None:
    """The argument that an operation writes to."""
    first = function._schema.arguments[0] if function._schema.arguments else None
    if first is None or first.alias_info is None or not first.alias_info.is_write:
        return None
    return args[0] if isinstance(args[0], Tensor) else None


def _caller() -> str:
    """The line of the package that an operation comes from."""
    frame: FrameType | None = sys._getframe(3)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if "gmnm_pde" in path.parts:
            return f"{path.stem}.{frame.f_code.co_name}:{frame.f_lineno}"
        frame = frame.f_back
    return "outside"
