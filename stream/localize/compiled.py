"""How the inner loops are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile a function when it is first called; what was compiled is kept for the next process where that can be.

    It lets other threads run, and adds and multiplies in any order.
    """
    try:
        made = njit(cache=True, nogil=True, fastmath=True, error_model="numpy")(function)
    except RuntimeError:  # no folder that can be written: neither beside the source nor the user's
        made = njit(nogil=True, fastmath=True, error_model="numpy")(function)
    return cast(Function, made)
