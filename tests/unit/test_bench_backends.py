"""What the matched-filter network costs on each provider: measured where it is, named with the reason where not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipelines.show.backends import backends
from stream.errors import ProviderError
from stream.infer.model import CARILLON, GRAPH
from stream.infer.session import Session
from stream.settings import InferSettings


def test_each_provider_is_measured_or_says_why_not() -> None:
    found: Any = backends(hops=(16,), runs=2)
    rows = {(row["provider"], row["precision"]): row for row in found["grid"]}
    assert list(rows) == [("cpu", "fp32"), ("cuda", "fp32"), ("tensorrt", "fp32"), ("tensorrt", "fp16")]
    assert rows["cpu", "fp32"]["p50_ms"] > 0
    assert all(("p50_ms" in row) != ("why_not" in row) for row in rows.values())
    assert found["model"] == "carillon-1"


def test_half_precision_without_tensorrt_is_refused() -> None:
    with pytest.raises(ProviderError, match=r"infer\.provider=tensorrt"):
        Session(CARILLON / GRAPH, InferSettings(half=True))


def test_an_input_that_is_held_gives_what_the_array_gives() -> None:
    session = Session(CARILLON.parent / "first" / "head.onnx", InferSettings())
    rng = np.random.default_rng(1)
    shape = [16 if isinstance(n, str) else n for n in session_shape(session)]
    one, other = (rng.standard_normal(shape).astype(np.float32) for _ in range(2))
    (expected,), (actual,) = session.run(one, other), session.run(one, session.hold(other))
    np.testing.assert_array_equal(actual, expected)


def session_shape(session: Session) -> list[Any]:
    shape: list[Any] = session._session.get_inputs()[0].shape
    return shape
