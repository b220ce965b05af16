"""Make one image say one sound file: a talking video with sound."""

from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from vasa.cli.paths import conf_dir


@hydra.main(version_base="1.3", config_path=conf_dir(), config_name="generate")
def main(cfg: DictConfig) -> None:
    """Check the inputs, generate, write the video and what it was made from."""
    import torch
    from omegaconf import OmegaConf
    from tqdm import tqdm

    from vasa.cli.outputs import file_hash, is_complete, mark_complete
    from vasa.data.audio import read_audio
    from vasa.data.audio_features import fit_to_frames
    from vasa.data.video import write_video
    from vasa.inference.picture import read_picture
    from vasa.inference.pipeline import RenderSettings, TalkingFace, to_video_frames
    from vasa.inference.sound import check_speech, conversion_notice
    from vasa.models.checkpoint import model_hash
    from vasa.types import InputError

    config = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    assert isinstance(config, dict)
    config = {str(key): value for key, value in config.items()}
    output = Path(config["output"])
    if output.suffix != ".mp4":
        raise InputError(f"expected output=NAME.mp4, got {output}")
    image = read_picture(Path(config["image"]))
    samples = torch.from_numpy(read_audio(Path(config["audio"])))
    check_speech(samples)
    if notice := conversion_notice(Path(config["audio"])):
        print(notice)
    if config["num_threads"]:
        torch.set_num_threads(config["num_threads"])
    record = {
        "config": config,
        "image": file_hash(Path(config["image"])),
        "audio": file_hash(Path(config["audio"])),
        "stage1": model_hash(config["stage1"]),
        "stage2": model_hash(config["stage2"]),
    }
    marker = output.with_suffix(".json")
    if output.is_file() and is_complete(marker, record):
        print(f"already complete: {output}")
        return
    face = TalkingFace.load(
        stage1=Path(config["stage1"]),
        stage2=Path(config["stage2"]),
        device=torch.device(config["device"]),
    )
    motion = motion_settings(config, face=face)
    crop = face_locator(config)(image, size=face.autoencoder.image_size)
    frames = face.generate(
        crop,
        samples,
        motion=motion,
        render=RenderSettings(
            batch_size=config["batch_size"], start_blend_s=config["start_blend_s"]
        ),
        track=lambda batches: tqdm(batches, desc="decode", unit="batch"),
    )
    marker.unlink(missing_ok=True)
    write_video(output, to_video_frames(frames), fit_to_frames(samples[None])[0].numpy())
    mark_complete(marker, record, frames=len(frames))
    print(f"wrote {output}: {len(frames)} frames at 25 fps with sound")


def motion_settings(config: dict[str, Any], *, face: Any) -> Any:
    """How motion is sampled, from the configuration."""
    from vasa.diffusion.sampler import make_sampler
    from vasa.inference.windows import MotionControls, MotionSettings
    from vasa.types import InputError

    gaze, distance = config["gaze"], config["distance"]
    if gaze is not None and (not isinstance(gaze, list) or len(gaze) != 2):
        raise InputError(f"expected gaze=[theta,phi] in rad or null, got {gaze}")
    if not (distance in (None, "mean") or isinstance(distance, (int, float))):
        raise InputError(f"expected distance=mean, null or a number, got {distance}")
    try:
        sampler = make_sampler(
            name=config["sampler"],
            schedule=face.motion_model.schedule,
            num_steps=config["steps"],
            eta=config["eta"],
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    controls = MotionControls(
        gaze=None if gaze is None else (float(gaze[0]), float(gaze[1])),
        distance=distance,
        emotion=emotion_weights(config["emotion"]),
    )
    return MotionSettings(
        guidance=config["guidance"], sampler=sampler, seed=config["seed"], controls=controls
    )


def emotion_weights(named: dict[str, float] | None) -> tuple[float, ...] | None:
    """Weights of the eight emotions from those that are named; what is left over is neutral."""
    from vasa.data.schema import EMOTIONS
    from vasa.types import InputError

    if named is None:
        return None
    if not isinstance(named, dict) or not set(named) <= set(EMOTIONS):
        raise InputError(
            f"expected emotion={{NAME: WEIGHT}} with names of {', '.join(EMOTIONS)}, got {named}"
        )
    weights = {name: float(named.get(name, 0.0)) for name in EMOTIONS}
    if "neutral" not in named:
        weights["neutral"] = max(0.0, 1 - sum(weights.values()))
    return tuple(weights.values())


def face_locator(config: dict[str, Any]) -> Any:
    """The expert if one is given, else the detector of `vasa prep` if its weights are there."""
    from data_prep.locate import TrackedFaceLocator
    from data_prep.settings import TrackSettings
    from vasa.inference.face_locator import ExpertLocator
    from vasa.models.checkpoint import load_model
    from vasa.types import InputError

    if config["expert"] is not None:
        return ExpertLocator(expert=load_model(config["expert"]))
    if TrackedFaceLocator.available():
        return TrackedFaceLocator(settings=TrackSettings(**config["track"]))
    raise InputError(
        "expected a way to find the face: set VASA_WEIGHTS to the folder of face_detect.pt and "
        "face_landmarks.pt, or give expert=RUN (a trained face expert) for a picture that is "
        "a face crop already"
    )


if __name__ == "__main__":
    main()
