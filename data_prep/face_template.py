"""Derives the rigid face template of `vasa.pretrained.head_pose` from clips of talking people.

    python -m data_prep.face_template FOLDER OUT.npz

The file that ships comes from 118 clips of 44 people (LRW-AR, GRID, LRS3, HDTF): mean positions of
landmarks only, no picture and no person's own shape.

1. Landmarks of a few frames of a few clips of every speaker.
2. Generalised Procrustes: all of them onto their common mean, to convergence, every speaker with
   the same weight; a point's weight is the inverse of its variance within a clip, so that lips,
   jaw and lids hardly count.
3. Symmetry: every point is averaged with the mirror image of its partner (the partner is found
   by mirroring the mean itself).
4. Axes: x joins mirror partners, so yaw and roll are zero by symmetry. Pitch is zero where
   speakers hold their heads on average (presenters looking into the camera).
5. Origin: between the two points next to the ears, raised to the nose bridge. Unit: half the
   side of the steady crop, in which the face from hairline to chin takes `FACE_HEIGHT`.
"""

import sys
from collections import defaultdict
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from data_prep.decode import stream_frames
from data_prep.layouts import VIDEO_SUFFIXES
from vasa.geometry.rotation import angles_from_rotation, rotation_from_angles
from vasa.pretrained.face_detector import FaceDetector
from vasa.pretrained.head_pose import fit_similarity
from vasa.pretrained.landmarks import CHIN, FOREHEAD, NUM_MESH, FaceLandmarker

FACE_HEIGHT = 0.58
"""Landmark height (hairline to chin) over the crop's side: the whole head then takes about 0.83."""
NOSE_BRIDGE, RIGHT_EAR, LEFT_EAR = 168, 127, 356
CLIPS_A_SPEAKER, FRAMES_A_CLIP, FRAME_STEP = 4, 6, 5


def collect(folder: Path) -> dict[str, list[np.ndarray]]:
    """Landmarks `t 468 3` of clips, by speaker (the parent folder's name)."""
    detector, landmarker = FaceDetector(), FaceLandmarker()
    paths: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in VIDEO_SUFFIXES:
            paths[path.parent.name].append(path)
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    for speaker, clips in paths.items():
        for path in clips[:: max(1, len(clips) // CLIPS_A_SPEAKER)][:CLIPS_A_SPEAKER]:
            frames = np.stack(
                list(islice(stream_frames(path), 0, FRAMES_A_CLIP * FRAME_STEP, FRAME_STEP))
            )
            images = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
            shapes = []
            for i, faces in enumerate(detector.detect(images)):
                if len(faces) == 1 and faces.scores[0] > 0.8:
                    with torch.no_grad():
                        points, presence = landmarker(images[i : i + 1], faces.squares())
                    if presence[0] > 10:
                        shapes.append(points[0, :NUM_MESH].numpy())
            if len(shapes) == FRAMES_A_CLIP:
                found[speaker].append(np.stack(shapes))
    return found


def mirror_partners(points: np.ndarray) -> np.ndarray:
    """For every point of a nearly symmetric frontal shape `n 3`, its partner's index `n`."""
    mirrored = points * np.array([-1.0, 1.0, 1.0])
    distance = ((mirrored[:, None] - points[None]) ** 2).sum(axis=-1)
    partners = distance.argmin(axis=1)
    assert (partners[partners] == np.arange(len(points))).all(), "mirror partners must be mutual"
    return partners


def derive(shapes: dict[str, list[np.ndarray]], *, num_rounds: int = 12) -> dict[str, np.ndarray]:
    """Template points `468 3` and weights `468` from landmarks by speaker."""
    clips = [clip for clips in shapes.values() for clip in clips]
    speaker_weight = np.concatenate([[1 / len(c)] * len(c) for c in shapes.values()])
    everything = torch.from_numpy(np.concatenate(clips)).double()
    mean = everything[0] - everything[0].mean(dim=0)
    weights = torch.full((NUM_MESH,), 1 / NUM_MESH, dtype=torch.float64)
    for _ in range(num_rounds):
        fit = fit_similarity(mean, weights, everything)
        aligned = fit.to_head(everything).reshape(len(clips), FRAMES_A_CLIP, NUM_MESH, 3)
        mean = torch.einsum("c,cnd->nd", torch.from_numpy(speaker_weight), aligned.mean(dim=1))
        mean = mean / speaker_weight.sum()
        variance = (aligned - aligned.mean(dim=1, keepdim=True)).square().sum(-1).mean((0, 1))
        weights = 1 / (variance + 0.25 * variance.median())
        weights = weights / weights.sum()
    mean = _straighten(mean.numpy())
    fit = fit_similarity(torch.from_numpy(mean), weights, everything)
    pitch = angles_from_rotation(fit.rotation)[:, 1].reshape(len(clips), -1).mean(dim=1).numpy()
    turn = np.array([0.0, (pitch * speaker_weight).sum() / speaker_weight.sum(), 0.0])
    mean = mean @ rotation_from_angles(torch.from_numpy(turn)).numpy().T
    origin = (mean[RIGHT_EAR] + mean[LEFT_EAR]) / 2
    origin[1] = mean[NOSE_BRIDGE, 1]
    unit = (mean[CHIN, 1] - mean[FOREHEAD, 1]) / (2 * FACE_HEIGHT)
    return {
        "points": ((mean - origin) / unit).astype(np.float32),
        "weights": weights.numpy().astype(np.float32),
    }


def _straighten(mean: np.ndarray) -> np.ndarray:
    """A nearly frontal mean shape, centred and made exactly symmetric."""
    across = mean[LEFT_EAR] - mean[RIGHT_EAR]
    across = across / np.linalg.norm(across)
    down = mean[CHIN] - mean[FOREHEAD]
    down = down - across * (down @ across)
    down = down / np.linalg.norm(down)
    turn = np.stack([across, down, np.cross(across, down)])
    points = (mean - (mean[LEFT_EAR] + mean[RIGHT_EAR]) / 2) @ turn.T
    partners = mirror_partners(points)
    return (points + points[partners] * np.array([-1.0, 1.0, 1.0])) / 2


def main() -> None:
    """Derive and save the template."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    shapes = collect(folder)
    np.savez_compressed(out, **derive(shapes))
    print(f"{out}: {sum(map(len, shapes.values()))} clips of {len(shapes)} speakers")


if __name__ == "__main__":
    main()
