"""Blinks counted in a series of lid closure."""

from torch import Tensor


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
