"""Blinks counted in a series of lid closure."""

from torch import Tensor

from vasa.evaluation.metrics.ratio import ClipRatio


def count_blinks(blink: Tensor, *, shut: float, opened: float) -> int:
    """Times that the eyes shut; a blink that was on in the first frame is not counted.

    Two thresholds, so that a lid that trembles about one of them blinks once.

    Args:
        blink: 0 open to 1 closed, `t`.
        shut: a blink begins where `blink` reaches this,
        opened: and ends where it falls below this.
    """
    count, is_shut = 0, bool(blink[0] >= shut)
    for value in blink.tolist()[1:]:
        if not is_shut and value >= shut:
            count, is_shut = count + 1, True
        elif is_shut and value < opened:
            is_shut = False
    return count


class BlinkRate(ClipRatio):
    """Blinks a second, pooled over clips.

    Range: 0 up; nearer to real is better. Source: Vougioukas et al. 2020 (blinks/s); what a
    blink is: this project.

    Args:
        shut: a blink begins where lid closure reaches this,
        opened: and ends where it falls below this.
        fps: frames a second.
    """

    higher_is_better = None

    def __init__(self, *, shut: float, opened: float, fps: float) -> None:
        super().__init__()
        self.shut, self.opened, self.fps = shut, opened, fps

    def update(self, blink: Tensor) -> None:
        """Adds one clip: lid closure, 0 open to 1 closed, `t`."""
        count = count_blinks(blink, shut=self.shut, opened=self.opened)
        self.add_ratio(count, len(blink) / self.fps)
