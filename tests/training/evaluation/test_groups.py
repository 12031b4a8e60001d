"""Faces fall into groups by data set, yaw and mask type."""

from __future__ import annotations

import numpy as np
import pytest

from unmask_sdk.errors import DataError
from unmask_sdk.training.datasets.landmark_file import FaceRecord
from unmask_sdk.training.evaluation.groups import (
    choose_corpora,
    corpus_of,
    make_groups,
    yaw_degrees,
)
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES
from unmask_sdk.training.synthesis.mesh import EARS, NOSE_TIP, mean_face


@pytest.mark.parametrize(
    ("name", "person", "expected"),
    [
        ("1.jpg", "1.jpg", ""),
        ("bob/1.jpg", "bob", ""),
        ("utkface/1.jpg", "utkface/1.jpg", "utkface"),
        ("lfw/Bob/1.jpg", "Bob", "lfw"),
        ("sharp/senat_fr/037/0.webp", "senat_fr/037", "sharp/senat_fr"),
    ],
)
def test_the_data_set_of_an_image_is_its_outer_folders(name, person, expected):
    assert corpus_of(name, person) == expected


@pytest.mark.parametrize("yaw", [-30, -10, 0, 15, 30])
def test_yaw_is_that_of_a_head_turned_in_space(yaw):
    """Ears and nose tip of MediaPipe's canonical face, in cm, turned and seen from far away."""
    points = np.zeros((468, 3))
    points[list(EARS)] = [[-7.664182, 0.673132, -2.435867], [7.664182, 0.673132, -2.435867]]
    points[NOSE_TIP] = [0, -0.463170, 7.586580]
    angle = np.radians(yaw)
    turned = np.c_[points[:, 0] * np.cos(angle) + points[:, 2] * np.sin(angle), -points[:, 1]]
    assert yaw_degrees(turned) == pytest.approx(yaw, abs=0.1)


def test_the_mean_face_looks_ahead():
    assert abs(yaw_degrees(mean_face())) < 3


def test_small_data_sets_inside_another_are_no_group_of_their_own():
    corpora = ["lfw"] * 5 + ["sharp/large"] * 30 + ["sharp/small"] * 29
    yaws = np.zeros(len(corpora))
    yaws[:3] = [16, -31, 31]
    kinds = np.resize(np.array(MASK_TYPES), (len(corpora), 1))
    groups = {group.title: group for group in make_groups(corpora, yaws, kinds)}
    assert {title: int(group.faces.sum()) for title, group in groups.items()} == {
        "all": 64, "lfw": 5, "sharp": 59, "sharp/large": 30,
        "yaw below 15°": 61, "yaw 15° to 30°": 1, "yaw beyond 30°": 2,
        "surgical": 13, "cloth": 13, "n95": 13, "dark": 13, "scarf": 12,
    }  # fmt: skip


def test_a_single_data_set_is_no_group():
    kinds = np.array([["surgical"]] * 40)
    titles = [group.title for group in make_groups(["sharp/a"] * 40, np.zeros(40), kinds)]
    assert titles == ["all", "yaw below 15°", "surgical"]


def test_a_mask_type_selects_one_value_of_each_face():
    kinds = np.array([MASK_TYPES] * 3)
    values = np.arange(15).reshape(3, 5)
    groups = {group.title: group for group in make_groups([""] * 3, np.zeros(3), kinds)}
    np.testing.assert_array_equal(groups["all"].select(values, kinds), values)
    np.testing.assert_array_equal(groups["n95"].select(values, kinds), [[2], [7], [12]])


def test_faces_are_chosen_by_folder():
    names = ("lfw/a/1.jpg", "sharp/x/b/1.jpg", "sharp/y/c/1.jpg", "sharper/d/1.jpg")
    faces = [FaceRecord(name, "val", mean_face(), name) for name in names]

    def chosen(*corpora):
        return [face.name for face in choose_corpora(faces, list(corpora))]

    assert chosen("sharp") == list(names[1:3])
    assert chosen("sharp/y", "lfw/") == [names[0], names[2]]
    with pytest.raises(DataError, match=r"no face in the data set 'utkface'.*lfw, sharp, sharper"):
        chosen("lfw", "utkface")
