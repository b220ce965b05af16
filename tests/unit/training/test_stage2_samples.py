"""Stage 2's clip is its window on its own face, with its own sound."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from small_faces import write_small_faces
from small_motion import small_config, small_encoder

from data_prep.encode import encode_set
from vasa.cli.outputs import mark_complete
from vasa.cli.paths import conf_dir
from vasa.data.audio import read_audio
from vasa.data.motion_faces import face_of
from vasa.data.remote import open_shards
from vasa.data.shards import index_hash, read_clip, read_index
from vasa.data.video import decode_mp4
from vasa.models.checkpoint import model_hash, save_model
from vasa.training.config import build
from vasa.training.runner import train
from vasa.types import InputError

NUM_FRAMES = 40


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> SimpleNamespace:
    """Faces, a stage 1 of random weights, and the motion that it sees in them."""
    root = tmp_path_factory.mktemp("made")
    faces = write_small_faces(root / "faces", num_frames=NUM_FRAMES)
    with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
        model = compose("train", ["experiment=stage1/tiny", "module.expert=x", "data.root=x"])
    config = OmegaConf.to_container(model.module.model, resolve=True)
    assert isinstance(config, dict)
    torch.manual_seed(0)
    net = build(model.module.model).eval()
    save_model(net, config, root / "stage1" / "model")
    digest = model_hash(root / "stage1")
    encode_set(
        data=faces,
        output=root / "motion",
        net=net,
        stage1_hash=digest,
        audio=small_encoder(),
        batch_size=16,
        max_bad_share=0.0,
        device=torch.device("cpu"),
    )
    made_from = {"data": index_hash(faces), "stage1": digest}
    mark_complete(root / "motion" / "done.json", made_from, config={"data": str(faces)})
    return SimpleNamespace(root=root, faces=faces, motion=root / "motion")


def test_the_face_of_a_motion_clip_is_the_one_it_was_made_from(made):
    row = next(read_index(made.faces, split="val").itertuples())
    clip = read_clip(made.faces, row)
    found = face_of(open_shards(made.motion), clip.key)
    assert np.array_equal(found.frames[:3], clip.frames[:3])
    assert np.array_equal(found.audio[:], clip.audio)


def test_faces_that_are_gone_are_named(made, tmp_path):
    (tmp_path / "done.json").write_text(
        '{"made_from": {"data": "0"}, "config": {"data": "nowhere"}}'
    )
    with pytest.raises(InputError, match="expected the face shards that .* was made from"):
        face_of(open_shards(tmp_path), "x")
    text = f'{{"made_from": {{"data": "00"}}, "config": {{"data": "{made.faces}"}}}}'
    (tmp_path / "done.json").write_text(text)
    with pytest.raises(InputError, match="expected face shards with the index 00"):
        face_of(open_shards(tmp_path), "x")


def test_a_clip_shows_truth_and_sample_with_the_sound(made, tmp_path):
    run = train(
        cfg=small_config(
            made.motion,
            f"run_dir={tmp_path / 'run'}",
            f"module.stage1={made.root / 'stage1'}",
            "module.model.num_motion=38",
            "max_steps=2",
            "sample_every=2",
        )
    )
    samples = run / "samples"
    names = {"motion_0000002.png", "spoken_clip_0000002.mp4", "histograms_0000002.json"}
    assert {path.name for path in samples.iterdir()} == names
    clip = samples / "spoken_clip_0000002.mp4"
    frames = decode_mp4(clip.read_bytes())
    assert frames.shape == (30, 64, 128, 3)  # the window
    row = next(read_index(made.faces, split="val").itertuples())
    sound = read_clip(made.faces, row).audio[: 30 * 640]
    assert np.corrcoef(read_audio(clip)[: 30 * 640], sound)[0, 1] > 0.9
    counted = yaml.safe_load((samples / "histograms_0000002.json").read_text())
    assert set(counted) == {
        f"{kind}_x0_{part}" for kind in ("predicted", "true") for part in ("pose", "dyn")
    }
    spread = counted["true_x0_dyn"]["std"]
    assert 0.5 < spread < 2  # standardised
