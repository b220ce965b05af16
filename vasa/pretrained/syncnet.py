"""The published weights of SyncNet, by which the literature's S_C and S_D are measured.

The reference (github.com/joonson/syncnet_python, run_pipeline.py) looks at another square than a
face crop of this project. It takes, frame by frame, the box of an S3FD detector (median over 13
frames), pads it by 0.4 of half its longer side s, and hangs the square low: 1.4 s wide, from the
top of the box to 0.4 s below its bottom, scaled to 224 px; beyond the picture it is grey. Our crop
is one square for the whole clip, 2 head units wide, centred between the ears. On the mean head,
with the extent of the face mesh for S3FD's box, the reference's square is 0.81 of ours, its top
0.33 below ours and its bottom 0.14 below our edge: `REFERENCE_CROP`, grey where we have no picture.

So left: no S3FD, no square that follows the head, and the strip below the crop, where the reference
sees a neck, is grey. Values are the official network's and the official procedure's on this
project's crops.
"""

import pickle
import warnings
from pathlib import Path

import torch

from vasa.models.published_syncnet import PublishedSyncNet
from vasa.pretrained.registry import REGISTRY, file_sha256, require_weight
from vasa.types import InputError

NAME = "syncnet_v2"
REFERENCE_CROP = (0.094, 0.332, 0.812)
"""Left, top and side over the side of a face crop."""
_WIDTHS = {"width_divisor": 1, "embedding_dim": 1024}
_CONVERT = (
    "python -c \"import torch; net = torch.load('{path}', map_location='cpu', weights_only=False); "
    "torch.save(net.state_dict(), '{path}.state')\""
)


def official_syncnet_file() -> Path:
    """The weights' file.

    Raises:
        InputError: it is in none of the folders of VASA_WEIGHTS nor in the user's cache.
    """
    return require_weight(NAME, is_exact=False)


def describe_official_syncnet() -> dict[str, str]:
    """What a result names: the expert, its file, checksum and licence."""
    entry, path = REGISTRY[NAME], official_syncnet_file()
    return {
        "name": entry.name,
        "file": path.name,
        "sha256": file_sha256(path),
        "licence": entry.licence,
    }


def load_official_syncnet() -> PublishedSyncNet:
    """The published SyncNet in evaluation mode; nothing in the file is run.

    A file of another checksum than Oxford's is loaded with a warning: copies were saved again with
    the same weights. Results name the checksum of what they were made with.

    Raises:
        InputError: no file, a pickled module, or a state dict of another network.
    """
    entry, path = REGISTRY[NAME], official_syncnet_file()
    if (found := file_sha256(path)) != entry.sha256:
        warnings.warn(
            f"{path} has sha256 {found[:8]}..., the file of {entry.source} {entry.sha256[:8]}...; "
            "S_C and S_D are official only if its weights are the same",
            stacklevel=2,
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"expected a state dict in {path}, got a pickle that would run code when it is loaded "
            "(a whole module, as some copies are). Convert it once, beside the SyncNetModel.py "
            f"of a syncnet_python that you trust: {_CONVERT.format(path=path)}; then put "
            f"{path.name}.state in its place. Or get the state dict from {entry.source}"
        ) from error
    except (RuntimeError, EOFError, KeyError, ValueError) as error:
        raise InputError(
            f"expected the weights of {NAME} in {path}, got a file that torch does not read "
            f"({type(error).__name__}); get it from {entry.source}"
        ) from error
    net = PublishedSyncNet(crop=REFERENCE_CROP, **_WIDTHS)
    try:
        net.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"expected the state dict of the published SyncNet in {path}, got another one: "
            f"{reason}; get it from {entry.source}"
        ) from error
    return net.eval().requires_grad_(False)
