"""The whole way at micro size: data, training of every stage, video, scores, report.

What is learnt in a few steps is nothing; that every part takes what the one before it made, and
that the same command again finds its work done, is what is seen here.
"""

import json
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from vasa.cli import main
from vasa.data.shards import read_clip, read_index
from vasa.models.checkpoint import load_model, save_model

QUICK = ["logger=none", "trainer.num_threads=2", "sample_every=0", "trainer.precision=32-true"]


def run(*words: str) -> None:
    assert main(list(words)) == 0, words


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the whole chain in it."""
    root = tmp_path_factory.mktemp("pipeline")
    data = f"data.root={root}/data"
    people = ["people.train=6", "people.val=2", "people.test=4"]
    run("synth", f"output={root}/data", "seconds=2", "workers=1", *people)
    for name in ("loss", "metric"):
        run("train", f"experiment=expert/{name}", data, f"run_dir={root}/{name}", "max_steps=4",
            "data.batch_size=4", *QUICK)  # fmt: skip
    run("train", "experiment=stage1/tiny", data, f"module.expert={root}/loss",
        f"run_dir={root}/stage1", "max_steps=4", "module.encoder_steps=2", "data.batch_size=4",
        "sample_every=4", *QUICK[:2], QUICK[3])  # fmt: skip
    run("encode", f"data={root}/data", f"stage1={root}/stage1", f"output={root}/motion")
    run("train", "experiment=stage2/tiny", f"data.root={root}/motion",
        f"module.stage1={root}/stage1", f"run_dir={root}/stage2", "max_steps=4",
        "data.batch_size=4", *QUICK)  # fmt: skip
    run("train", "experiment=syncnet/tiny", data, f"run_dir={root}/syncnet", "max_steps=3",
        "data.batch_size=2", *QUICK)  # fmt: skip
    run("evaluate", "evaluation=synth", f"data={root}/data", f"stage1={root}/stage1",
        f"stage2={root}/stage2", f"syncnet={root}/syncnet", f"expert={root}/metric",
        f"output={root}/results.jsonl", "evaluation.generation.steps=2",
        "evaluation.num_resamples=20")  # fmt: skip
    run("report", f"results={root}/results.jsonl", f"output={root}/report.html",
        f"runs=[{root}/stage1,{root}/stage2]")  # fmt: skip
    return root


def test_results_have_their_controls(made):
    rows = [json.loads(line) for line in (made / "results.jsonl").read_text().splitlines()]
    metrics = {row["metric"] for row in rows}
    wanted = """self_reenactment/psnr self_reenactment/psnr_mouth self_reenactment/ssim
        cross_reenactment/pose_error cross_reenactment/mouth_correlation
        cross_reenactment/identity_similarity probe/z_dyn/mouth_opening_r2 probe/z_dyn/yaw_r2
        generated/mouth_correlation sync/real_offset_accuracy sync/generated_confidence
        sync/real_confidence""".split()
    assert set(wanted) <= metrics
    for row in rows:
        assert {"metric", "value", "control", "control_name", "split", "n", "unit"} <= set(row)


def test_report_is_one_page_with_every_row(made):
    page = (made / "report.html").read_text()
    assert "self_reenactment/psnr" in page
    assert "data:image/" in page and "http://" not in page.replace("http://www.w3.org", "")
    assert (made / "report.md").is_file()


def open_gate(made: Path) -> Path:
    """The expert, after so few steps no judge of faces, made to see one everywhere."""
    config = json.loads((made / "metric" / "model" / "config.json").read_text())
    net = load_model(made / "metric")
    torch.nn.init.constant_(net.presence_head.bias, 100.0)
    save_model(net, config, made / "gate" / "model")
    return made / "gate"


def test_a_video_as_long_as_its_sound(made):
    row = next(read_index(made / "data", split="test").itertuples())
    clip = read_clip(made / "data", row)
    Image.fromarray(clip.frames[0]).save(made / "face.png")
    sound = np.tile(clip.audio, 2)[: int(2.7 * 16000)]
    stereo = np.stack((sound, sound), axis=1)[::2]
    soundfile.write(made / "speech.wav", stereo, 8000)
    run("generate", f"image={made}/face.png", f"audio={made}/speech.wav",
        f"stage1={made}/stage1", f"stage2={made}/stage2", f"output={made}/talking.mp4",
        f"expert={open_gate(made)}", "steps=2")  # fmt: skip
    with av.open(str(made / "talking.mp4")) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert video.average_rate == 25
        frames = sum(1 for _ in container.decode(video=0))
    assert abs(frames - 2.7 * 25) <= 1


def test_the_same_commands_find_it_done(made, capsys):
    before = (made / "stage1" / "model" / "model.safetensors").stat().st_mtime_ns
    run("train", "experiment=stage1/tiny", f"data.root={made}/data",
        f"module.expert={made}/loss", f"run_dir={made}/stage1", "max_steps=4",
        "module.encoder_steps=2", "data.batch_size=4", "sample_every=4",
        *QUICK[:2], QUICK[3])  # fmt: skip
    run("encode", f"data={made}/data", f"stage1={made}/stage1", f"output={made}/motion")
    assert (made / "stage1" / "model" / "model.safetensors").stat().st_mtime_ns == before
    said = capsys.readouterr()
    assert (said.out + said.err).count("complete") >= 2


def test_samples_were_drawn_while_training(made):
    assert list((made / "stage1" / "samples").glob("*.png"))
