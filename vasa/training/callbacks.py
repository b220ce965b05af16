"""What happens around each batch, in this order: seeds, operations counted, guard, average, record,
samples, save, clock.

Several processes do all of this together; only global rank zero writes. Logged values are means
over the processes. Gradients are the same in all of them, so a step that is not finite is left out,
or ends the run, in all at once.
"""

from vasa.training.flops import StepFlops
from vasa.training.last_checkpoint import LastCheckpoint
from vasa.training.nonfinite_guard import NonFiniteGuard
from vasa.training.progress import Progress
from vasa.training.record import Record
from vasa.training.samples import Samples
from vasa.training.speed import Speed
from vasa.training.step_seeds import StepSeeds

__all__ = [
    "LastCheckpoint",
    "NonFiniteGuard",
    "Progress",
    "Record",
    "Samples",
    "Speed",
    "StepFlops",
    "StepSeeds",
]
