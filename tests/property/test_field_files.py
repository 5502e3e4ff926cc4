"""Whatever a file of fields holds, it is fields or an error that names the line."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from skymaps import skymap

from stream.errors import ConfigurationError
from stream.sky.field_file import parse_fields
from stream.sky.fields import field_probabilities
from stream.sky.shapes import Polygon
from stream.sky.sums import Sums

SUMS = Sums(skymap(rounds=3))
NUMBERS = st.floats(-400, 400, width=32) | st.sampled_from([0.0, 90.0, -90.0, 180.0, 1e-9, 1e300, float("nan")])
LINES = st.tuples(st.sampled_from(["A", "B", "#", "C polygon"]), st.lists(NUMBERS, max_size=12)).map(
    lambda row: f"{row[0]} {' '.join(map(repr, row[1]))}"
)


@given(st.lists(LINES | st.text(max_size=40), max_size=4).map("\n".join))
def test_a_text_is_fields_with_a_probability_or_an_error(text: str) -> None:
    try:
        fields = parse_fields(text)
    except ConfigurationError as error:
        assert str(error).startswith("fields")
        return
    held = field_probabilities(SUMS, fields)
    assert np.all((held >= 0) & (held <= 1))


@given(
    st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=3, max_size=7),
    st.floats(0, 359),
    st.floats(-90, 90),
)
def test_a_polygon_that_crosses_itself_holds_no_more_than_the_sky(
    corners: list[tuple[float, float]], ra: float, dec: float
) -> None:
    moved = tuple((ra + a, max(-90.0, min(90.0, dec + d))) for a, d in corners)
    try:
        field = Polygon("x", moved)
    except ConfigurationError:
        return
    assert 0 <= field_probabilities(SUMS, [field])[0] <= 1
