"""Recursive filters as second-order sections: design, steady state, response, and the filter that runs.

They give what ``scipy.signal`` gives (tests compare them), without loading it: with ``scipy.stats`` and what that needs
it is most of the time that a restart takes. Only its compiled loop is used, loaded by itself; where a release of SciPy
keeps that elsewhere, ``scipy.signal`` is loaded after all.

Design: analogue prototype, transformed, then the bilinear transform (Oppenheim & Schafer, Discrete-Time Signal
Processing, chapter 7). All orders are even, so that poles and zeros come in pairs. A section is
``(b0, b1, b2, 1, a1, a2)``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy

from stream.types import ComplexArray, FloatArray


def butterworth_highpass(order: int, corner_hz: float, rate_hz: float) -> FloatArray:
    """Return a Butterworth high-pass, 3 dB down at the corner; shape (order / 2, 6)."""
    warped = 4.0 * np.tan(np.pi * corner_hz / rate_hz)
    angle = np.pi * np.arange(-order + 1, order, 2) / (2 * order)
    return _sections(np.zeros(order, dtype=np.complex128), warped / -np.exp(1j * angle), 1.0)


def chebyshev2_lowpass(order: int, attenuation_db: float, stop_hz: float, rate_hz: float) -> FloatArray:
    """Return a Chebyshev low-pass of the second type, down by the attenuation from ``stop_hz`` on."""
    warped = 4.0 * np.tan(np.pi * stop_hz / rate_hz)
    mu = np.arcsinh(np.sqrt(10.0 ** (0.1 * attenuation_db) - 1.0)) / order
    m = np.arange(-order + 1, order, 2)
    zeros = 1j / np.sin(m * np.pi / (2 * order))
    circle = -np.exp(1j * np.pi * m / (2 * order))
    poles = 1.0 / (np.sinh(mu) * circle.real + 1j * np.cosh(mu) * circle.imag)
    gain = float((np.prod(-poles) / np.prod(-zeros)).real)
    return _sections(warped * zeros, warped * poles, gain)


def _sections(zeros: ComplexArray, poles: ComplexArray, gain: float) -> FloatArray:
    """Transform to the z plane (at a rate of 2) and pair: the sharpest poles last, each with the zeros nearest."""
    gain *= float((np.prod(4.0 - zeros) / np.prod(4.0 - poles)).real)
    zeros, poles = (4.0 + zeros) / (4.0 - zeros), (4.0 + poles) / (4.0 - poles)
    upper = poles[poles.imag > 0]
    left = list(zeros[zeros.imag > 0]) if np.any(zeros.imag) else list(zeros[::2])
    rows = []
    for pole in upper[np.argsort(np.abs(1.0 - np.abs(upper)), kind="stable")]:
        zero = left.pop(int(np.argmin(np.abs(np.array(left) - pole))))
        rows.append([1.0, -2.0 * zero.real, abs(zero) ** 2, 1.0, -2.0 * pole.real, abs(pole) ** 2])
    sections: FloatArray = np.array(rows[::-1])
    sections[0, :3] *= gain
    return sections


def steady_state(sections: FloatArray) -> FloatArray:
    """Return the state after a constant input of one for ever, shape (n_sections, 2)."""
    state = np.empty((len(sections), 2))
    level = 1.0
    for row, (b0, b1, b2, _, a1, a2) in enumerate(sections):
        first = (b1 - a1 * b0 + b2 - a2 * b0) / (1.0 + a1 + a2)
        state[row] = level * first, level * ((1.0 + a1) * first - (b1 - a1 * b0))
        level *= (b0 + b1 + b2) / (1.0 + a1 + a2)
    return state


def response(sections: FloatArray, frequencies_hz: FloatArray, rate_hz: float) -> ComplexArray:
    """Return the complex response, shape (n_frequencies,)."""
    z = np.exp(-2j * np.pi * frequencies_hz / rate_hz)
    powers = np.stack((np.ones_like(z), z, z * z))
    found: ComplexArray = np.prod((sections[:, :3] @ powers) / (sections[:, 3:] @ powers), axis=0)
    return found


def run(sections: FloatArray, samples: FloatArray, state: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Filter along the last axis.

    Parameters
    ----------
    sections : array, shape (n_sections, 6)
    samples : array, shape (n,) or (n_channels, n)
    state : array, shape (n_sections, 2) or (n_sections, n_channels, 2)
        See :func:`steady_state`; zero at rest.

    Returns
    -------
    samples, state : arrays of float64
        Filtered, and the state to go on with; the arguments are left as they were.
    """
    filtered = np.array(np.atleast_2d(samples), dtype=np.float64, order="C")
    flat = state.reshape(len(sections), len(filtered), 2)
    carried = np.array(flat.transpose(1, 0, 2), dtype=np.float64, order="C")
    _loop(sections, filtered, carried)
    return filtered.reshape(samples.shape), carried.transpose(1, 0, 2).reshape(state.shape)


def _load_loop() -> Callable[[FloatArray, FloatArray, FloatArray], None]:
    """Return the compiled loop over samples and sections, which works in place."""
    name = "scipy.signal._sosfilt"
    for path in sorted(Path(scipy.__path__[0], "signal").glob("_sosfilt.*")):
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            continue
        try:
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            loop: Callable[[FloatArray, FloatArray, FloatArray], None] = module._sosfilt
        except (ImportError, AttributeError):
            continue
        return loop
    return _slow_to_load


def _slow_to_load(sections: FloatArray, samples: FloatArray, state: FloatArray) -> None:
    from scipy import signal  # noqa: PLC0415 - only where its compiled part cannot be had by itself

    samples[:], carried = signal.sosfilt(sections, samples, axis=1, zi=state.transpose(1, 0, 2))
    state[:] = carried.transpose(1, 0, 2)


_loop = _load_loop()
