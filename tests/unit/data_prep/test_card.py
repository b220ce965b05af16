"""The card says what the set's files say, the same each time, whatever names strangers give."""

import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_faces import draw_clip

from data_prep.card import CardFacts, sample_clips, table_text, write_card
from data_prep.card_plots import GROUPS, bin_edges
from vasa.data.shards import FaceShardWriter
from vasa.types import InputError

CARD = CardFacts(
    title="Drawn faces", about=("About it.", "And more."), networks=("net 1",), prep_version="p-1"
)


@pytest.fixture
def root(tmp_path):
    with FaceShardWriter(tmp_path / "set", clips_per_shard=4, prep_version="p-1") as writer:
        for speaker in range(5):
            split = "train" if speaker < 4 else "test"
            writer.write(draw_clip(speaker=speaker, clip=0, num_frames=25, split=split))
        writer.drop(key="b", reason="too_short", detail="24 frames")
        writer.drop(key="a", reason="too_short", detail="3 frames")
        writer.drop(key="c", reason="silent", detail="-90 dB")
    return tmp_path / "set"


def card_of(root):
    write_card(root, card=CARD)
    return (root / "card.md").read_text()


def rows_of(text, first):
    """Cells of the table whose header begins with `first`, by the row's first cell."""
    lines = iter(text.splitlines())
    header = next(line for line in lines if line.startswith(f"| {first} |"))
    width = header.count("|")
    assert next(lines).count("---") == width - 1
    found = {}
    for line in lines:
        if not line.startswith("|"):
            break
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        assert len(cells) == width - 1, "a name broke its row"
        found[cells[0].strip()] = [cell.strip() for cell in cells[1:]]
    return found


def files_of(root):
    paths = [root / "card.md", *sorted((root / "card").iterdir())]
    return {path.name: path.read_bytes() for path in paths}


def change_index(root, **columns):
    table = pd.read_parquet(root / "index.parquet").assign(**columns)
    table.to_parquet(root / "index.parquet", index=False)


def test_it_counts_clips_speakers_hours_and_what_was_left_out(root):
    text = card_of(root)
    assert text.startswith("# Drawn faces\n\nAbout it.\n\nAnd more.\n")
    counts = rows_of(text, "split")
    assert counts["train"] == ["4", "4", "0.001", "1.00 / 1.00 / 1.00"]
    assert counts["all"][0] == "5"
    assert rows_of(text, "source")["drawn"][:2] == ["CC0-1.0", "5"]
    assert rows_of(text, "reason") == {
        "too_short": ["2", "25.0%", "a", "3 frames"],
        "silent": ["1", "12.5%", "c", "-90 dB"],
    }
    assert list(rows_of(text, "reason")) == ["too_short", "silent"]
    assert "- preparation: p-1\n- net 1" in text
    assert "stats.json" not in text


def test_every_picture_is_there_and_named(root):
    text = card_of(root)
    named = set(re.findall(r"\]\(card/(\w+\.png)\)", text))
    assert named == {"clips.png", "picture.png"} == {p.name for p in (root / "card").iterdir()}
    for name in named:
        with Image.open(root / "card" / name) as picture:
            assert min(picture.size) > 150
            assert not picture.info.keys() & {"Software", "Creation Time", "date"}


def test_the_same_set_gives_the_same_bytes_and_old_pictures_go(root):
    write_card(root, card=CARD)
    before = files_of(root)
    (root / "card" / "stale.png").write_bytes(b"")
    write_card(root, card=CARD)
    assert files_of(root) == before


def test_columns_that_are_there_are_drawn_and_others_named(root):
    change_index(
        root, yaw_deg=[0.0, 1.0, 2.0, 3.0, np.nan], level_db=np.nan, speech_share=[0.5] * 5
    )
    text = card_of(root)
    assert rows_of(text, "measure")["Yaw, mean; &gt; 0 to picture left (degrees)"][1] == "4"
    assert rows_of(text, "measure")["Time with speech (%)"][3] == "50"
    missing = text[text.index("Not measured") :].split("\n")[0]
    assert "`level_db`" in missing and "`pitch_deg`" in missing and "`yaw_deg`" not in missing
    assert {"pose.png", "sound.png"} <= files_of(root).keys()


def test_a_figure_shows_the_values(root):
    """Other numbers, another picture: the histograms are of the columns."""
    change_index(root, yaw_deg=[0.0, 1.0, 2.0, 3.0, 4.0])
    write_card(root, card=CARD)
    first = files_of(root)["pose.png"]
    change_index(root, yaw_deg=[0.0, 0.0, 0.0, 3.0, 4.0])
    write_card(root, card=CARD)
    assert files_of(root)["pose.png"] != first


def test_all_columns_of_the_groups_can_be_drawn(root):
    columns = [measure.column for group in GROUPS for measure in group.measures]
    assert len(set(columns)) == len(columns)
    values = {name: np.arange(5.0) for name in columns if name != "frames"}
    change_index(root, **values)
    text = card_of(root)
    assert "Not measured" not in text
    assert len(rows_of(text, "measure")) == len(columns)


def test_hostile_names_stay_in_their_cells(root):
    evil = "a | b\n| c | `d` <script>x</script> ![p](http://e.f/g) $m$ \u202e" + "y" * 500
    change_index(root, source=evil, licence="x\n\n# heading")
    drops = pd.read_parquet(root / "dropped.parquet").assign(key=evil, detail=evil)
    drops.to_parquet(root / "dropped.parquet", index=False)
    text = card_of(root)
    assert len(rows_of(text, "source")) == 1 and len(rows_of(text, "reason")) == 2
    assert "<script" not in text and "\n# heading" not in text
    assert "p](http" not in text and r"p\](http" in text
    assert "http://" not in text and "\u202e" not in text and "yyy" * 40 not in text


@pytest.mark.parametrize("name", ["s1", "ar18/16650", "a_b-c.d", "Émile Zola", "李"])
def test_ordinary_names_are_left_alone(name):
    assert table_text(name) == name


def test_long_and_empty_names():
    assert table_text("x" * 99, limit=10) == "x" * 9 + "…"
    assert table_text("\n") == "(empty)"
    assert table_text("a\\|b") == r"a\\\|b"


def test_an_older_index_without_licences_asks_the_clips(root):
    table = pd.read_parquet(root / "index.parquet").drop(columns=["licence", "source"])
    table.to_parquet(root / "index.parquet", index=False)
    assert rows_of(card_of(root), "source")["drawn"][:2] == ["CC0-1.0", "5"]


def test_a_set_without_clips_has_a_card(tmp_path):
    with FaceShardWriter(tmp_path, clips_per_shard=4, prep_version="p-1") as writer:
        writer.drop(key="a", reason="no_face")
    text = card_of(tmp_path)
    assert "The set holds no clip." in text and "100.0%" in text
    assert not list((tmp_path / "card").iterdir())


def test_statistics_of_another_run_are_noticed(root):
    (root / "stats.json").write_text('{"splits": {"train": {"clips": 7}}, "dropped": {}}')
    assert "counts otherwise" in card_of(root)


def test_no_set_no_card(tmp_path):
    with pytest.raises(InputError, match="index.parquet"):
        write_card(tmp_path, card=CARD)
    assert not list(tmp_path.iterdir())


def index_of(**clips):
    rows = [("train", name, i) for name, num in clips.items() for i in range(num)]
    return pd.DataFrame(rows, columns=["split", "speaker", "clip"])


def test_speakers_come_one_by_one_before_any_comes_twice():
    chosen = sample_clips(index_of(s1=50, s2=1, s10=50), limit=7)
    assert list(chosen["speaker"]) == ["s1"] * 3 + ["s2"] + ["s10"] * 3
    assert list(chosen["clip"])[:3] == [8, 25, 41], "spread over the speaker's clips"


def test_of_many_speakers_evenly_spaced_ones_are_shown():
    chosen = sample_clips(index_of(**{f"s{i}": 2 for i in range(100)}), limit=10)
    assert list(chosen["speaker"]) == [f"s{i}" for i in range(5, 100, 10)]


def test_one_odd_clip_does_not_squeeze_the_histogram():
    values = np.append(np.linspace(1, 2, 400), 1e6)
    assert bin_edges(values, step=0, num_bins=20)[-1] == 2
    assert bin_edges(np.linspace(1, 2, 400), step=0, num_bins=20)[[0, -1]].tolist() == [1, 2]


@pytest.mark.parametrize("values", [[3.0], [0.0, 0.0], [-2.0, 5.0], [1e-12, 2e-12]])
@pytest.mark.parametrize("step", [0, 1, 0.04])
def test_bins_rise_and_hold_what_they_should(values, step):
    edges = bin_edges(np.array(values), step=step, num_bins=10)
    assert (np.diff(edges) > 0).all()
    assert np.histogram(values, edges)[0].sum() == len(values)
