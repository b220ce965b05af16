import math

import numpy as np
import pytest
import torch

from vasa.inference.pose_override import read_pose
from vasa.types import InputError

MOTION = torch.randn((7, 10), generator=torch.Generator().manual_seed(0))


def test_no_wish_is_no_edit():
    assert read_pose(None) is None


def test_constants_are_fixed_in_the_models_units_and_the_rest_is_left():
    edit = read_pose({"yaw": 10, "pitch": None, "scale": 1.5, "ty": -0.2})
    out = edit(MOTION, 100)
    torch.testing.assert_close(out[:, 0], torch.full((7,), math.radians(10)))
    torch.testing.assert_close(out[:, 4], torch.full((7,), -0.2))
    torch.testing.assert_close(out[:, 5], torch.full((7,), math.log(1.5)))
    left = [1, 2, 3, *range(6, 10)]
    assert torch.equal(out[:, left], MOTION[:, left])


@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_a_track_goes_by_frame_and_its_last_row_holds(tmp_path, kind):
    path = tmp_path / f"track.{kind}"
    if kind == "csv":
        path.write_text("roll, yaw\n1,10\n,20\n3,30\n")
    else:
        np.savez(path, roll=np.array([1, np.nan, 3]), yaw=np.array([10, 20, 30]))
    edit = read_pose(str(path))
    out = edit(MOTION, 0)
    yaw = torch.tensor([10.0, 20, 30, 30, 30, 30, 30]).deg2rad()
    torch.testing.assert_close(out[:, 0], yaw)
    torch.testing.assert_close(out[:3, 2].rad2deg(), torch.tensor([1, MOTION[1, 2].rad2deg(), 3]))
    pieces = [edit(part, start) for part, start in zip(MOTION.split(2), (0, 2, 4, 6), strict=True)]
    assert torch.equal(torch.cat(pieces), out)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"yaw": 61}, "-60 to 60 degrees for yaw"),
        ({"pitch": -50}, "-45 to 45 degrees for pitch"),
        ({"scale": 0}, "0.5 to 2 for scale"),
        ({"tx": 2}, "-0.5 to 0.5 for tx"),
        ({"yaw": "left"}, "expected a number for yaw"),
        ({"jaw": 1}, "yaw, pitch, roll"),
        ({}, "yaw, pitch, roll"),
        ("nowhere.csv", "found none at nowhere.csv"),
        ([1, 2], "found none"),
    ],
)
def test_what_cannot_be_is_refused(asked, words):
    with pytest.raises(InputError, match=words):
        read_pose(asked)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a header and rows"),
        ("yaw\n", "a header and rows"),
        ("yaw,roll\n1\n", "as many cells"),
        ("yaw\n1\n99\n", r"frame 1\), got 99"),
        ("time,yaw\n0,1\n", "got time, yaw"),
    ],
)
def test_a_bad_track_is_told_of(tmp_path, text, words):
    (tmp_path / "track.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_pose(str(tmp_path / "track.csv"))


def test_bad_arrays_are_told_of(tmp_path):
    np.savez(tmp_path / "a.npz", yaw=np.zeros(3), roll=np.zeros(2))
    (tmp_path / "b.npz").write_bytes(b"no")
    np.savez(tmp_path / "c.npz", yaw=np.zeros((3, 2)))
    for name, words in (("a", "one length"), ("b", "could not read"), ("c", "one length")):
        with pytest.raises(InputError, match=words):
            read_pose(str(tmp_path / f"{name}.npz"))
