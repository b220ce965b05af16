"""Reading faces off pictures in batches, with the measuring expert that the results name."""

from collections.abc import Callable
from dataclasses import fields

import torch
from torch import Tensor

from vasa.types import FaceMeasurements

Instrument = Callable[[Tensor], FaceMeasurements]
"""`image b 3 h w` in [0, 1] to measurements: FaceExpert, or FaceMeasure on real faces."""


def measure(instrument: Instrument, images: Tensor, *, batch_size: int) -> FaceMeasurements:
    """Measurements of every picture of `t c h w`."""
    parts = [instrument(batch) for batch in images.split(batch_size)]
    return FaceMeasurements(
        **{
            item.name: torch.cat([getattr(part, item.name) for part in parts])
            for item in fields(FaceMeasurements)
        }
    )


def in_batches(function: Callable[[Tensor], Tensor], rows: Tensor, *, batch_size: int) -> Tensor:
    """`function` over the rows of a tensor, a batch at a time."""
    return torch.cat([function(batch) for batch in rows.split(batch_size)])
