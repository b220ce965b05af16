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


def drawn(index: pd.DataFrame, name: str, *, seed: int = 0) -> pd.DataFrame:
    found = build_list(index, name=name, rule=rules()[name], split="test", seed=seed)
    return listed_rows(index, found, split="test")


def test_onemin_is_32_clips_of_17_people_each_of_whom_is_there(index):
    index["frames"] = 1500
    speakers = Counter(drawn(index, "onemin")["speaker"])
    assert sorted(speakers.values()) == [1, 1] + [2] * 15, "as even as 32 clips of 17 can be"
    assert set(speakers) != set(Counter(drawn(index, "onemin", seed=1)["speaker"]))
    # Of 17 people two have many clips: they fill up what the others lack.
    few = index[index["speaker"].isin([f"p{n}" for n in range(17)])]
    few = few[few["key"].str.endswith("000") | few["speaker"].isin(["p0", "p1"])]
    speakers = Counter(drawn(few, "onemin")["speaker"])
    assert len(speakers) == 17 and sum(speakers.values()) == 32
    assert {speakers["p0"], speakers["p1"]} == {8, 9}
    short = few.assign(frames=25 * 54)
    with pytest.raises(InputError, match=r"17 people.*at least 55 s.*found 0"):
        drawn(short, "onemin")
    with pytest.raises(InputError, match="32 clips of 17 people.*found 17 at most"):
        drawn(few[few["key"].str.endswith("000")], "onemin")


def test_people_with_more_clips_are_taken_where_those_drawn_have_too_few(index):
    index["frames"] = 1500
    rich = [f"p{n}" for n in range(17)]
    table = index[index["key"].str[-3:].isin(["000", "001"])]
    table = table[table["speaker"].isin(rich) | table["key"].str.endswith("000")]
    found = drawn(table, "onemin")
    assert set(found["speaker"]) == set(rich) and len(found) == 32


def test_minutes_are_at_most_32_of_whoever_there_is(index):
    index["frames"] = 1500
    assert len(drawn(index, "minutes")) == 32
    assert len(drawn(index[index["key"].str.endswith("000")].head(8), "minutes")) <= 8


def test_hdtf_is_one_clip_of_each_person_of_5_s_or_more(index):
    index.loc[index["speaker"].isin(["p1", "p2", "p3"]), "source"] = "HDTF"
    index.loc[index["speaker"] == "p3", "frames"] = 124
    rows = drawn(index, "hdtf")
    assert sorted(rows["speaker"]) == ["p1", "p2"] and min(rows["frames"]) >= 125


def test_grid_is_10_clips_of_each_person(index):
    index.loc[index["speaker"].isin(["p1", "p2", "p3"]), "source"] = "grid/s1"
    fewer = (index["speaker"] == "p3") & (index["key"].str[-3:] > "008")
    speakers = Counter(drawn(index[~fewer], "grid")["speaker"])
    assert speakers == {"p1": 10, "p2": 10}, "whoever has fewer is left out"


@pytest.mark.parametrize("more", [{"clips_per_speaker": 2}, {"num_clips": 4}])
def test_a_rule_that_contradicts_itself_is_refused(more):
    rule = ListRule(**{"num_speakers": 5, "num_clips": 10, **more})
    with pytest.raises(InputError, match=r"list_rules\.mine.*num_speakers 5"):
        rule.check("mine")


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
