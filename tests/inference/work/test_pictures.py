"""Arrays as pictures."""

from __future__ import annotations

import numpy as np
import pytest

from digits.inference.work.pictures import (
    MAX_MAPS,
    MAX_WIDTH,
    colour_map,
    draw_activations,
    draw_weights,
    heat_map,
    overlay,
)

RNG = np.random.default_rng(5)


def test_the_colour_map_grows_lighter_all_the_way() -> None:
    colours = colour_map().astype(int)
    assert colours.shape == (256, 3)
    lightness = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) >= -0.5).all()
    assert lightness[-1] - lightness[0] > 180


def test_a_heat_map_goes_from_the_least_to_the_greatest_value() -> None:
    values = np.array([[-3.0, 1.0], [0.5, 9.0]])
    colours = heat_map(values)
    np.testing.assert_array_equal(colours[0, 0], colour_map()[0])
    np.testing.assert_array_equal(colours[1, 1], colour_map()[255])


def test_values_that_are_not_finite_are_grey_and_harm_no_others() -> None:
    colours = heat_map(np.array([np.nan, 0, 1, np.inf, -np.inf]))
    assert colours.tolist()[0] == colours.tolist()[3] == colours.tolist()[4] == [128] * 3
    np.testing.assert_array_equal(colours[2], colour_map()[255])
    assert heat_map(np.full((2, 2), np.nan)).shape == (2, 2, 3)


def test_equal_values_are_one_colour() -> None:
    assert len(np.unique(heat_map(np.ones((4, 4))).reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize(
    "shape",
    [(64, 112, 112), (832, 7, 7), (1000,), (1024, 1, 1), (1, 600, 900), (2, 3, 1200), (7, 5), (1,)],
)
def test_activations_of_any_shape_fit_the_width(shape: tuple[int, ...]) -> None:
    drawing = draw_activations(RNG.normal(size=shape))
    height, width, channels = drawing.pixels.shape
    assert channels == 3
    assert 0 < width <= MAX_WIDTH
    assert 0 < height <= 2 * MAX_WIDTH
    assert drawing.note == ""


def test_a_tile_a_channel_each_at_its_place() -> None:
    maps = np.zeros((4, 10, 10))
    maps[2] = 1
    pixels = draw_activations(maps).pixels
    half = pixels.shape[0] // 2
    bottom_left = pixels[half + 2 : -2, 2 : half - 2]
    np.testing.assert_array_equal(bottom_left.reshape(-1, 3).min(axis=0), colour_map()[255])
    top_left = pixels[2 : half - 2, 2 : half - 2]
    np.testing.assert_array_equal(top_left.reshape(-1, 3).max(axis=0), colour_map()[0])


def test_thousands_of_maps_are_sampled_with_a_note() -> None:
    drawing = draw_weights(RNG.normal(size=(256, 384, 3, 3)))
    assert drawing.note == f"{MAX_MAPS:,} of 98,304 filters, evenly spaced"
    assert max(drawing.pixels.shape) <= MAX_WIDTH


def test_filters_over_three_channels_are_in_colour() -> None:
    filters = np.zeros((2, 3, 5, 5))
    filters[0, 2] = 1  # the third plane of B,G,R is red
    pixels = draw_weights(filters).pixels
    assert [255, 0, 0] in pixels.reshape(-1, 3).tolist()
    assert [0, 0, 255] not in pixels.reshape(-1, 3).tolist()


def test_large_matrices_show_evenly_spaced_rows_and_columns() -> None:
    drawing = draw_weights(RNG.normal(size=(4096, 2304)))
    assert drawing.pixels.shape == (600, 600, 3)
    assert drawing.note == "600 of 4096 rows and 600 of 2304 columns, evenly spaced"
    small = draw_weights(np.eye(10))
    assert small.note == ""
    np.testing.assert_array_equal(small.pixels[0, 0], colour_map()[255])


def test_an_overlay_has_the_pictures_size_and_both_in_it() -> None:
    picture = np.full((20, 30, 3), 100, np.uint8)
    heat = np.zeros((4, 6))
    heat[:, 3:] = 1
    mixed = overlay(picture, heat)
    assert mixed.shape == (20, 30, 3)
    level = [
        np.abs(2 * mixed[10, column].astype(int) - 100 - colour_map()).sum(axis=1).argmin()
        for column in (0, -1)
    ]
    assert level[0] < 25
    assert level[1] > 230
