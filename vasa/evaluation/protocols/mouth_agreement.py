"""Does the mouth of a video move as the truth of an audio says?"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from torch import Tensor

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.metrics.clip_metric import ClipMetric
from vasa.evaluation.metrics.correlation import ClipCorrelation, PooledCorrelation


class MouthAgreement:
    """Correlations of a video's re-measured mouth with the truth of one audio or of several."""

    def __init__(self) -> None:
        self.metrics: dict[str, ClipMetric] = {
            "mouth_correlation": ClipCorrelation(),
            "mouth_correlation_pooled": PooledCorrelation(),
            "mouth_width_correlation": ClipCorrelation(),
        }

    def add(self, mouth: Tensor, truth: EvaluationClip) -> None:
        """Adds the measured mouth `t 2` of a video against a clip's labels, over common frames."""
        count = min(len(mouth), len(truth.mouth))
        kept = truth.valid[:count].nonzero().flatten()
        found, wanted = mouth[kept], truth.mouth[kept]
        self.metrics["mouth_correlation"].update(found[:, 0], wanted[:, 0])
        self.metrics["mouth_correlation_pooled"].update(found[:, 0], wanted[:, 0])
        self.metrics["mouth_width_correlation"].update(found[:, 1], wanted[:, 1])

    @contextmanager
    def one_unit(self) -> Iterator[None]:
        """All that is added inside is one draw of the bootstrap."""
        with ExitStack() as stack:
            for metric in self.metrics.values():
                stack.enter_context(metric.one_unit())
            yield
