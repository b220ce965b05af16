"""Batches of frame pairs: a function of (seed, step), larger while the encoders learn alone."""

import pytest
import torch
from five_people import write_five_people

from vasa.data.face_datamodule import FaceDataModule
from vasa.data.order import RowShare
from vasa.types import InputError


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return write_five_people(tmp_path_factory.mktemp("faces"))


def data(faces, **more) -> FaceDataModule:
    return FaceDataModule(
        root=faces,
        split="train",
        frames_per_clip=2,
        min_distance=1,
        seed=3,
        num_steps=6,
        num_workers=0,
        cache_gb=0.1,
        **{"batch_size": 2, **more},
    )


def test_the_first_steps_have_larger_batches_and_the_rest_are_as_without(faces):
    plain, grown = data(faces), data(faces, first_batch_size=4, first_steps=3)
    sizes = [len(grown.batch_at(step)["image"]) for step in range(6)]
    assert sizes == [4, 4, 4, 2, 2, 2]
    for step in range(3, 6):
        first, second = plain.batch_at(step), grown.batch_at(step)
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_larger_batches_have_to_go_evenly_into_the_processes_too(faces):
    grown = data(faces, first_batch_size=3, first_steps=3)
    with pytest.raises(InputError, match="3"):
        grown.share_out(RowShare(index=0, count=2))
    grown = data(faces, first_batch_size=4, first_steps=3)
    grown.share_out(RowShare(index=1, count=2))
    assert torch.equal(grown.own_rows_at(0)["pose"], grown.batch_at(0)["pose"][2:])
