"""CAPP as a metric over clips; `vasa.models.capp` says who embeds."""

from torch import Tensor
from torch.nn import functional

from vasa.evaluation.metrics.clip_metric import ClipMean


class CappScore(ClipMean):
    """CAPP: cosine of the embeddings of head motion and of sound, mean over windows, then clips.

    Range: -1 to 1, higher is better; about 0 where they have nothing to do with each other. Source:
    VASA-1 sec. 4.2, after CLIP (Radford et al. 2021); only numbers of one network compare.
    """

    higher_is_better = True

    def update(self, pose: Tensor, audio: Tensor) -> None:
        """Adds one clip: embeddings of its windows, and of the sound set against each, `n e`."""
        cosine = functional.cosine_similarity(pose.double(), audio.double(), dim=-1)
        self.add_frames(cosine)
