"""Each data set's own folders and metadata become one clip list."""

import json
from dataclasses import replace

import pytest

from data_prep.index import SplitRule, find_clips
from data_prep.layouts import ClipSource
from data_prep.work import work_file
from vasa.types import InputError

RULE = SplitRule(val=0.0, test=0.0)


def make(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def test_grid_talkers_whatever_lies_between(tmp_path):
    make(
        tmp_path, "s1/bbaf2n.mpg", "s2/video/mpg_6000/lbax4n.mpg", "s34.processed/a.mpg", "x/b.mpg"
    )
    clips = find_clips(tmp_path, rule=RULE, data="grid")
    assert [clip.key for clip in clips] == ["s1/bbaf2n", "s2/lbax4n", "s34/a"]
    assert {(clip.source, clip.licence) for clip in clips} == {("GRID", "CC-BY-4.0")}


def test_voxceleb2_crops_keep_the_official_test_people(tmp_path):
    make(
        tmp_path,
        "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4",
        "dev/mp4/id00012/21Uxsk56VDQ/00002.mp4",
        "test/mp4/id00017/01dfn2spqyE/00001.mp4",
    )
    clips = find_clips(tmp_path, rule=RULE, data="voxceleb2")
    assert [(clip.key, clip.split) for clip in clips] == [
        ("id00012/21Uxsk56VDQ-00001", "train"),
        ("id00012/21Uxsk56VDQ-00002", "train"),
        ("id00017/01dfn2spqyE-00001", "test"),
    ]
    assert clips[0].region is None
    assert clips[0].end_s is None


def test_voxceleb2_texts_give_stretch_and_region_of_whole_videos(tmp_path):
    make(tmp_path, "video/21Uxsk56VDQ.mp4")
    text = tmp_path / "dev/txt/id00012/21Uxsk56VDQ/00001.txt"
    text.parent.mkdir(parents=True)
    text.write_text(
        "Identity  : \tid00012\nReference : \t21Uxsk56VDQ\nOffset    : \t-3\n"
        "FV Conf   : \t17.931\t(1)\nASD Conf  : \t2.944\n\nFRAME \tX \tY \tW \tH \n"
        "000050 \t0.40 \t0.10 \t0.20 \t0.30 \n000051 \t0.30 \t0.20 \t0.20 \t0.30 \n"
    )
    other = tmp_path / "dev/txt/id00012/gone/00007.txt"
    other.parent.mkdir(parents=True)
    other.write_text(text.read_text())
    first, gone = find_clips(tmp_path, rule=RULE, data="voxceleb2")
    assert first.path == tmp_path / "video/21Uxsk56VDQ.mp4"
    assert (first.start_s, first.end_s) == (2.0, 2.08)
    assert first.region == pytest.approx((0.3, 0.1, 0.6, 0.5))
    assert not gone.path.exists()  # listed; left out with a reason when it is prepared
    text.write_text("no frames\n")
    with pytest.raises(InputError, match="FRAME X Y W H"):
        find_clips(tmp_path, rule=RULE, data="voxceleb2")


def test_hdtf_numbers_after_a_name_are_the_same_person(tmp_path):
    make(
        tmp_path,
        *("WRA_MikeJohanns0_000.mp4", "WRA_MikeJohanns1_001.mp4"),
        *("RD_Radio3_000.mp4", "RD_Radio31_000.mp4", "WDA_BarackObama_000.mp4"),
    )
    clips = find_clips(tmp_path, rule=RULE, data="hdtf")
    assert {clip.video: clip.speaker for clip in clips} == {
        "RD_Radio31_000": "RD_Radio31",
        "RD_Radio3_000": "RD_Radio3",
        "WDA_BarackObama_000": "WDA_BarackObama",
        "WRA_MikeJohanns0_000": "WRA_MikeJohanns",
        "WRA_MikeJohanns1_001": "WRA_MikeJohanns",
    }


def test_celebv_takes_cut_clips_as_they_are_and_stretches_of_whole_videos(tmp_path):
    row = {
        "ytb_id": "aaa",
        "duration": {"start_sec": 81.6, "end_sec": 86.2},
        "bbox": {"top": 0.0, "bottom": 0.8, "left": 0.3, "right": 0.7},
    }
    (tmp_path / "celebvhq_info.json").write_text(
        json.dumps({"meta_info": {}, "clips": {"aaa_0": row, "aaa_1": row}})
    )
    make(tmp_path, "raw/aaa.mp4", "cut/aaa_1.mp4")
    whole, cut = find_clips(tmp_path, rule=RULE, data="celebv")
    assert whole.path.name == "aaa.mp4"
    assert (whole.start_s, whole.end_s) == (81.6, 86.2)
    assert whole.region == (0.3, 0.0, 0.7, 0.8)
    assert (cut.path.name, cut.start_s, cut.region) == ("aaa_1.mp4", 0.0, None)
    assert {whole.speaker, cut.speaker} == {"aaa"}
    with pytest.raises(InputError, match="found none"):
        find_clips(make(tmp_path / "empty", "a.mp4"), rule=RULE, data="celebv")


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_a_table_says_everything(tmp_path, suffix):
    make(tmp_path, "clips/a.mp4", "clips/b.mp4")
    table = tmp_path / f"table{suffix}"
    if suffix == ".csv":
        table.write_text(
            "path,speaker,split,start_s,end_s,left,top,right,bottom,licence\n"
            "clips/a.mp4,anna,test,1.5,4,0.1,0.2,0.6,0.9,CC0\n"
            "clips/a.mp4,anna,test,5,,,,,,\nclips/b.mp4,ben,,,,,,,,\n"
        )
    else:
        rows = [
            {"path": "clips/a.mp4", "speaker": "anna", "split": "test", "start_s": 1.5, "end_s": 4,
             "left": 0.1, "top": 0.2, "right": 0.6, "bottom": 0.9, "licence": "CC0"},
            {"path": "clips/a.mp4", "speaker": "anna", "split": "test", "start_s": 5},
            {"path": "clips/b.mp4", "speaker": "ben"},
        ]  # fmt: skip
        table.write_text(json.dumps(rows))
    first, second, third = find_clips(table, rule=RULE, data="list")
    assert (first.key, second.key, third.key) == ("anna/a~1", "anna/a~2", "ben/b")
    assert (first.start_s, first.end_s, first.region) == (1.5, 4.0, (0.1, 0.2, 0.6, 0.9))
    assert (second.start_s, second.end_s, second.region) == (5.0, None, None)
    assert [clip.split for clip in (first, second, third)] == ["test", "test", "train"]
    assert (first.licence, second.licence, first.source) == ("CC0", "unknown", "table")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,speaker\nclips/a.mp4,\n", "without path or speaker"),
        ("speaker\nanna\n", "columns path, speaker"),
        ("path,speaker,start_s\na.mp4,anna,soon\n", "soon"),
        ("path,speaker,split\na.mp4,anna,dev\n", "expected a split of"),
        ("path,speaker,split\na.mp4,anna,test\nb.mp4,anna,train\n", "in one split, got 'anna'"),
    ],
)
def test_mistakes_in_a_table_are_said(tmp_path, text, said):
    table = tmp_path / "table.csv"
    table.write_text(text)
    with pytest.raises(InputError, match=said):
        find_clips(table, rule=RULE, data="list")


def test_unknown_layouts_and_missing_tables_are_said(tmp_path):
    with pytest.raises(InputError, match="expected data to be one of folder, list, grid"):
        find_clips(tmp_path, rule=RULE, data="lrs2")
    with pytest.raises(InputError, match="expected a table of clips"):
        find_clips(tmp_path / "no.csv", rule=RULE, data="list")


def test_another_stretch_of_a_file_is_another_result(tmp_path):
    whole = ClipSource(path=tmp_path / "a.mp4", speaker="anna", video="a", split="train")
    part = replace(whole, start_s=1.0)
    assert work_file(tmp_path, whole) == work_file(tmp_path, replace(whole))
    assert work_file(tmp_path, whole) != work_file(tmp_path, part)
