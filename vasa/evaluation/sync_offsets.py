"""The offset that a SyncNet finds in each clip: as it is, with its sound moved, with another's."""

from dataclasses import dataclass, field

from vasa.models.sync_score import SyncResult

OFFSETS = "offsets"
"""Where a row's stamp keeps them."""


@dataclass(kw_only=True)
class FoundOffsets:
    """A number a clip in each list, frames; positive: the sound is late.

    Attributes:
        moved_by_frames: by which the sound was made late, or early where it is negative.
        keys: of the clips.
        as_it_is: found in the clip; 0 is right.
        moved: found with its sound moved; `moved_by_frames` is right.
        other_sound: found with another clip's sound, where nothing is to be found.
        max_shift: the largest that could be found in the clip as it is.
        max_shift_moved: the same of the moved one, which has fewer windows.
    """

    moved_by_frames: int
    keys: list[str] = field(default_factory=list)
    as_it_is: list[int] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)
    other_sound: list[int] = field(default_factory=list)
    max_shift: list[int] = field(default_factory=list)
    max_shift_moved: list[int] = field(default_factory=list)

    def add(
        self, key: str, *, as_it_is: SyncResult, moved: SyncResult, other_sound: SyncResult
    ) -> None:
        """Adds a clip."""
        self.keys.append(key)
        self.as_it_is.append(as_it_is.offset_frames)
        self.moved.append(moved.offset_frames)
        self.other_sound.append(other_sound.offset_frames)
        self.max_shift.append(as_it_is.max_shift)
        self.max_shift_moved.append(moved.max_shift)
