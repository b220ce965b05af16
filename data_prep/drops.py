"""Why a clip or a part of it is left out."""

from enum import StrEnum


class Reason(StrEnum):
    """Reasons in `dropped.parquet`."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    UNDECODABLE = "undecodable"
    NO_VIDEO = "no_video"
    NO_AUDIO = "no_audio"
    SILENT = "silent"
    LOW_FRAME_RATE = "low_frame_rate"
    TOO_SHORT = "too_short"
    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    LOST_FACE = "lost_face"
    TOO_SMALL = "too_small"
    EXTREME_POSE = "extreme_pose"
    IDENTITY_CHANGES = "identity_changes"
    OUT_OF_PICTURE = "out_of_picture"
    MOVES_TOO_MUCH = "moves_too_much"
    DARK = "dark"
    LOW_QUALITY = "low_quality"
    CLIPPED_SOUND = "clipped_sound"
    NO_SPEECH = "no_speech"
    OUT_OF_SYNC = "out_of_sync"
    UNSURE_SYNC = "unsure_sync"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    FAILED = "failed"


class Dropped(Exception):
    """A clip is left out.

    Args:
        reason: one of `Reason`.
        detail: what was found.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
