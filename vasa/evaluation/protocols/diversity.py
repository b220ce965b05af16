"""Several samples of one audio: do they differ where they may and agree where they must?

Lips are told by the sound, so samples should agree; head, gaze, blinks and brows are the model's to
choose. The variance between samples at the same instant is taken over the variance over time:
0 where all samples do the same, 1 where they have no more in common than two instants, above it
where they differ in level too. The control is the same of samples of different audio. Everything is
re-measured from frames.
"""

from collections.abc import Sequence

from vasa.evaluation.metrics.diversity import DiversityShare
from vasa.evaluation.results import Bootstrap, ResultRow
from vasa.evaluation.sample_spread import SourceSamples

NOTES = {
    "lips": "opening and width; should agree: near 0, and far below the control",
    "head": "yaw, pitch and roll; may differ",
    "gaze": "may differ but for its main direction, which is asked",
    "blink": "may differ",
    "brows": "height over the eyes; may differ",
}


def diversity(
    *, samples: Sequence[SourceSamples], split: str, bootstrap: Bootstrap
) -> list[ResultRow]:
    """Rows `diversity/<part>_share`; intervals are over sources.

    Args:
        samples: of every source.
        split: of the clips.
        bootstrap: how intervals are made.
    """
    rows = []
    for part, note in NOTES.items():
        if any(part not in source.same for source in samples):
            continue
        same, different = DiversityShare(), DiversityShare()
        for source in samples:
            same.update(source.same[part])
            different.update(source.different[part])
        count = samples[0].same[part].shape[0]
        rows.append(
            bootstrap.row(
                metric=f"diversity/{part}_share",
                measured=same,
                control=different,
                control_name="samples of different audio, same picture",
                split=split,
                unit="share",
                note=f"variance between {count} samples of one audio over variance over time; "
                f"{note}; re-measured from the generated frames",
            )
        )
    return rows
