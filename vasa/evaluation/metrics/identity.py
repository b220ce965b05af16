"""Whether two pictures show one person, by a face-recognition embedding."""

from torch import Tensor
from torch.nn.functional import cosine_similarity

from vasa.evaluation.metrics.clip_metric import ClipMean


def frame_similarity(result: Tensor, reference: Tensor) -> Tensor:
    """Cosine of each frame's embedding `t e` and the reference's, `e` or `t e`; `t`."""
    return cosine_similarity(result.double(), reference.double(), dim=-1)


class IdentitySimilarity(ClipMean):
    """CSIM: cosine of identity embeddings, mean over frames, then clips.

    Range: -1 to 1, higher is better. Source: Zakharov et al. 2019, who embed by a face
    recogniser; here the embedding is the expert's named in the results.
    """

    higher_is_better = True

    def update(self, result: Tensor, reference: Tensor) -> None:
        """Adds one clip: embeddings of its frames `t e`, and of the person `e` or frames `t e`."""
        self.add_frames(frame_similarity(result, reference))
