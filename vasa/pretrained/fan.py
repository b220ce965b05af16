"""68 landmarks by FAN, the face alignment network of the package `face-alignment`.

Bulat and Tzimiropoulos, How far are we from solving the 2D & 3D face alignment problem?, 2017.
The file comes from the user and is read as TorchScript only: nothing is unpickled, nothing is
downloaded. Cutting out the face and reading the heat maps are the package's own functions; its
class `FaceAlignment` is not used, because it downloads its networks and a face detector.
"""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vasa.pretrained.landmarks import ibug68
from vasa.pretrained.registry import file_sha256
from vasa.types import InputError

NUM_POINTS = 68
CROP_SIZE = 256
HEAT_MAP_SIZE = 64
UP_SHIFT = 0.12
"""How far the square's centre lies above the box's, over the box's height (FAN's training)."""
REFERENCE_PX = 195.0
"""Width plus height of a box at the package's scale 1, whose square has a side of 200 px."""
FAN_LICENCE = "BSD-3-Clause package; the weights' own terms are not stated, trained on 300W-LP"
FAN_SOURCE = (
    "https://www.adrianbulat.com/downloads/python-fan/2DFAN4-cd938726ad.zip, the network of "
    "face-alignment up to 1.4.1 (the .pth.tar files of release 1.5 are no TorchScript)"
)
_HASH_SUFFIX = re.compile(r"-([0-9a-f]{8,64})(?=\.|$)")


class FanLandmarks:
    """FAN on faces whose place is known.

    The square is the package's: around the box of the 68 points, its centre moved up by 0.12 box
    heights, its side 200 (width + height) / 195. What lies outside of the picture is black.

    Coordinates: the package reads a peak in heat-map pixel i as i + 0.5, moved a quarter towards
    the larger neighbour, which is an edge coordinate. Its way back to the picture cuts to whole
    pixels, so the points are mapped here, by the corners of the pixels that its crop took. Where
    the network was trained to put its peaks is known to about an eighth of a heat-map pixel only;
    sideways the mirrored picture cancels that.

    Args:
        path: a TorchScript file, `b 3 256 256` RGB in [0, 1] -> heat maps `b 68 64 64` (or a list
            of them, the last counts). If its name carries a checksum, `NAME-<hex>.zip` with at
            least 8 digits, its sha256 must begin so.
        flip: whether the heat maps of the mirrored picture are added, as release 1.5 of the
            package does unless told otherwise; twice the time.

    Raises:
        InputError: no file, another checksum, no TorchScript, or no network of this form.
    """

    name = "face_alignment"

    def __init__(self, path: str | Path, *, flip: bool = True) -> None:
        self.path = Path(path).expanduser()
        self.flip = flip
        self.sha256 = _checked_sha256(self.path)
        self.net: Any = _load(self.path)
        try:
            self._heat_maps(torch.zeros(1, 3, CROP_SIZE, CROP_SIZE))
        except RuntimeError as error:
            raise InputError(
                f"expected a network b 3 256 256 -> b 68 64 64 in {self.path}, got the error "
                f"{str(error).strip().splitlines()[-1]!r}; get {FAN_SOURCE}"
            ) from error

    def describe(self) -> dict[str, str]:
        """What a result names: the expert, its file, checksum and licence."""
        return {
            "name": self.name,
            "file": self.path.name,
            "sha256": self.sha256,
            "licence": FAN_LICENCE,
        }

    @torch.no_grad()
    def __call__(self, frames: np.ndarray, mesh: np.ndarray) -> np.ndarray:
        """The 68 landmarks of one batch.

        Args:
            frames: RGB uint8 `t h w 3`.
            mesh: where the faces are: `t 478 3` (or `t 478 2`) in edge pixels of the frames.

        Returns:
            float32 `t 68 2` in edge pixels of the frames (the centre of pixel i is i + 0.5).

        Raises:
            InputError: a face's square does not touch its frame.
        """
        from face_alignment import utils  # seconds to import, needed by this backend only

        assert frames.dtype == np.uint8 and frames.ndim == 4, "frames are uint8 t h w 3"
        assert len(frames) == len(mesh), "one mesh for every frame"
        points = torch.as_tensor(mesh[..., :2], dtype=torch.float32)
        boxes = utils.create_bounding_box(ibug68(points)).double().numpy()
        extent = boxes[:, 2:] - boxes[:, :2]
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2 - extent[:, 1:] * [[0.0, UP_SHIFT]]
        crops, lows, highs = [], [], []
        for frame, centre, width_height in zip(frames, centres, extent, strict=True):
            scale = float(width_height.sum()) / REFERENCE_PX
            low, high = _corners(centre, scale, height=frame.shape[0], width=frame.shape[1])
            crops.append(utils.crop(frame, centre, scale, float(CROP_SIZE)))
            lows.append(low)
            highs.append(high)
        images = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255
        peaks = utils.get_preds_fromhm(self._heat_maps(images).numpy())[0]
        low, high = np.stack(lows)[:, None], np.stack(highs)[:, None]
        return (low + peaks * ((high - low) / HEAT_MAP_SIZE)).astype(np.float32)

    @torch.no_grad()
    def _heat_maps(self, images: Tensor) -> Tensor:
        heat = _last(self.net(images))
        if self.flip:
            from face_alignment import utils

            heat = heat + utils.flip(_last(self.net(utils.flip(images))), is_label=True)
        return heat.float()


def _last(output: Any) -> Tensor:
    """The heat maps of the last stage.

    Raises:
        RuntimeError: the output is something else.
    """
    heat = output[-1] if isinstance(output, (list, tuple)) else output
    wanted = (NUM_POINTS, HEAT_MAP_SIZE, HEAT_MAP_SIZE)
    if not isinstance(heat, Tensor) or tuple(heat.shape[1:]) != wanted:
        shape = tuple(heat.shape) if isinstance(heat, Tensor) else type(heat).__name__
        raise RuntimeError(f"output {shape}")
    return heat


def _corners(
    centre: np.ndarray, scale: float, *, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Left top and right bottom, in edge pixels, of what the package's `crop` takes."""
    from face_alignment import utils

    size, low, high = float(CROP_SIZE), centre, centre
    if scale > 0:
        low = utils.transform([1, 1], centre, scale, size, True).numpy()
        high = utils.transform([size, size], centre, scale, size, True).numpy()
    if not ((low < high).all() and (low < (width, height)).all() and (high > 0).all()):
        raise InputError(
            f"expected a face in its picture of {width} x {height} px, got a square from "
            f"{low.tolist()} to {high.tolist()}; give the landmarks in pixels of the crops"
        )
    return low.astype(np.float64), high.astype(np.float64)


def _checked_sha256(path: Path) -> str:
    """Checksum of the file, which its name may announce."""
    if not path.is_file():
        raise InputError(
            f"expected the weights of face-alignment's FAN, got no file {path}; get {FAN_SOURCE}"
        )
    found = file_sha256(path)
    named = _HASH_SUFFIX.search(path.name)
    if named and not found.startswith(named[1]):
        raise InputError(
            f"expected a sha256 that begins with {named[1]} of {path}, got {found}; the file is "
            f"damaged or renamed: get it again from {FAN_SOURCE}"
        )
    return found


def _load(path: Path) -> Any:
    try:
        with warnings.catch_warnings():  # torch 2.15 calls jit.load deprecated; 2.11 has no other
            warnings.simplefilter("ignore", FutureWarning)
            return torch.jit.load(str(path), map_location="cpu").eval()
    except RuntimeError as error:
        raise InputError(f"expected a TorchScript file, got {path}; get {FAN_SOURCE}") from error
