"""Clip lists: drawn by rule and seed, written, read back, and refused where they do not fit."""

from collections import Counter

import pandas as pd
import pytest
import yaml

from vasa.cli.paths import conf_dir
from vasa.evaluation.lists import ClipList, build_list, listed_rows, read_list, write_list
from vasa.evaluation.method_settings import ListRule
from vasa.types import InputError


@pytest.fixture
def index() -> pd.DataFrame:
    rows = [
        {
            "key": f"p{person}/v/{clip:03d}",
            "speaker": f"p{person}",
            "split": "test" if person < 60 else "train",
            "source": "VoxCeleb2",
            "frames": 25 * (3 + clip),
        }
        for person in range(80)
        for clip in range(14)
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


def rules() -> dict[str, ListRule]:
    with open(f"{conf_dir()}/evaluation/synth.yaml") as file:
        return {name: ListRule(**rule) for name, rule in yaml.safe_load(file)["list_rules"].items()}


def test_voxceleb2_is_46_people_of_10_clips_of_5_to_15_s(index):
    rule = rules()["voxceleb2"]
    found = build_list(index, name="voxceleb2", rule=rule, split="test", seed=0)
    rows = listed_rows(index, found, split="test")
    speakers = Counter(rows["speaker"])
    assert len(rows) == 460 and len(speakers) == 46 and set(speakers.values()) == {10}
    assert all(125 <= frames <= 375 for frames in rows["frames"])
    assert list(rows["key"]) == list(found.keys)
    shuffled = index.sample(frac=1, random_state=1)
    again = build_list(shuffled, name="voxceleb2", rule=rule, split="test", seed=0)
    assert again == found
    other = build_list(index, name="voxceleb2", rule=rule, split="test", seed=1)
    assert other.sha256 != found.sha256


def test_a_set_that_is_too_small_or_another_is_refused(index):
    rule = rules()["voxceleb2"]
    with pytest.raises(InputError, match="expected 46 people with 10 clips.*found 20"):
        build_list(index, name="voxceleb2", rule=rule, split="train", seed=0)
    with pytest.raises(InputError, match="source hdtf"):
        build_list(index, name="hdtf", rule=rules()["hdtf"], split="test", seed=0)


def test_one_minute_clips_are_at_most_32(index):
    index["frames"] = 1500
    found = build_list(index, name="onemin", rule=rules()["onemin"], split="test", seed=0)
    assert len(found.keys) == 32


def test_a_list_survives_its_file_and_comments_are_no_keys(tmp_path):
    path = tmp_path / "list.txt"
    written = ClipList(keys=("b/1", "a/2"), about="by hand")
    write_list(path, written)
    found = read_list(path)
    assert found.keys == written.keys and found.sha256 == written.sha256
    assert found.about == "by hand" and written.sha256 in path.read_text()
    path.write_text("b/1\na/2\nb/1\n")
    with pytest.raises(InputError, match="b/1 twice"):
        read_list(path)
    with pytest.raises(InputError, match="list_rule"):
        read_list(tmp_path / "none.txt")


def test_clips_of_another_set_or_split_are_refused(index):
    with pytest.raises(InputError, match="x/1"):
        listed_rows(index, ClipList(keys=("p0/v/000", "x/1")), split="test")
    with pytest.raises(InputError, match=r"p70/v/000 of train"):
        listed_rows(index, ClipList(keys=("p0/v/000", "p70/v/000")), split="test")
