"""Is it one person throughout a clip? Embeddings of a few of its frames, compared."""

import numpy as np
import torch

from data_prep.track import to_images
from vasa.pretrained.identity import DlibIdentity

_EVERY = 12
_MOST = 16
_LEAST = 3
_SHARE = 0.8


def identity_spread(
    frames: np.ndarray, landmarks: np.ndarray, valid: np.ndarray, net: DlibIdentity
) -> float:
    """The distance from a clip's most typical face that four fifths of its faces keep within.

    dlib's usual threshold for another person is 0.6. Four fifths, so that one turned or blurred
    frame decides nothing, while another person shown for longer than a fifth of the clip does.

    Args:
        frames: crops, uint8 `t h w 3`.
        landmarks: in pixels of the crops, `t 478 3`.
        valid: frames that may be looked at, `t`.
        net: the embedding.
    """
    places = np.flatnonzero(valid)
    num = int(np.clip(len(places) // _EVERY, _LEAST, _MOST))
    chosen = places[np.unique(np.linspace(0, len(places) - 1, num).round().astype(int))]
    with torch.no_grad():
        faces = net(to_images(frames[chosen]), torch.from_numpy(landmarks[chosen]).float())
    apart = torch.cdist(faces, faces, compute_mode="donot_use_mm_for_euclid_dist")
    typical = int(apart.sum(dim=0).argmin())
    return float(torch.quantile(apart[typical], _SHARE, interpolation="higher"))
