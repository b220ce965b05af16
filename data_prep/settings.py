"""What `vasa prep` can be told; conf/prep.yaml holds the values."""

from dataclasses import dataclass, field

from vasa.types import InputError


@dataclass(kw_only=True)
class SplitSettings:
    """Shares of speakers, and speakers placed by name (they come first)."""

    val: float
    test: float
    val_speakers: list[str] = field(default_factory=list)
    test_speakers: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class PartitionSettings:
    """Which share of the clips a run prepares.

    Attributes:
        index: of this run's share, from 0.
        count: shares; with more than one a run prepares its share and writes no shards.
    """

    index: int
    count: int


@dataclass(kw_only=True)
class TrackSettings:
    """How a face is followed.

    Attributes:
        chunk_frames: frames decoded and measured together.
        detect_every: frames between detections; boxes in between are interpolated.
        min_presence: landmark logit from which a frame's labels are trusted.
        max_gap: frames without a trusted face that a clip may hold in a row.
        max_jump: shift between frames, in face sides, that is taken for a cut.
        min_face_px: least side of the landmark box in the source.
        rival_side: another face counts if its side is at least this share of the main one's.
        rival_share: share of the wide looks with a rival, from which a clip has several faces.
    """

    chunk_frames: int
    detect_every: int
    min_presence: float
    max_gap: int
    max_jump: float
    min_face_px: float
    rival_side: float
    rival_share: float


@dataclass(kw_only=True)
class ClipSettings:
    """What a clip must be.

    Attributes:
        min_frames: shorter ones are dropped.
        max_frames: longer ones are cut into equal parts.
        min_fps: least frame rate of the source.
        min_sound_db: least level (root mean square, dB of full scale).
        min_light: least mean brightness of the face, in [0, 1].
        max_growth: how much larger than the face asks for the steady crop may be to hold a moving
            head; beyond it the clip is cut in two.
        max_outside: share of the crop that may lie outside of the picture (edges are repeated).
    """

    min_frames: int
    max_frames: int
    min_fps: float
    min_sound_db: float
    min_light: float
    max_growth: float
    max_outside: float


@dataclass(kw_only=True)
class LabelSettings:
    """Attributes:
    emotion_every: frames between runs of the emotion network; interpolated in between.
    """

    emotion_every: int


@dataclass(kw_only=True)
class ClipRecipe:
    """All that decides what one clip becomes; one that takes longer than the limit is dropped."""

    size: int
    track: TrackSettings
    clip: ClipSettings
    label: LabelSettings
    time_limit_s: float


@dataclass(kw_only=True)
class PrepSettings:
    """All of conf/prep.yaml; a key that is not here is a mistake."""

    data: str
    input: str
    output: str
    size: int
    include: list[str]
    speakers: list[str]
    per_speaker: int | None
    limit: int | None
    source: str
    licence: str
    workers: int
    clips_per_shard: int
    partition: PartitionSettings
    split: SplitSettings
    track: TrackSettings
    clip: ClipSettings
    label: LabelSettings
    time_limit_s: float

    def recipe(self) -> ClipRecipe:
        """The part that decides what one clip becomes."""
        return ClipRecipe(
            size=self.size,
            track=self.track,
            clip=self.clip,
            label=self.label,
            time_limit_s=self.time_limit_s,
        )

    def check(self) -> None:
        """Values that no set can be made with.

        Raises:
            InputError: out of range.
        """
        if self.size < 32 or self.size % 2:
            raise InputError(f"expected an even size of at least 32 px, got size={self.size}")
        if self.workers < 1:
            raise InputError(f"expected at least 1 worker, got workers={self.workers}")
        if self.time_limit_s <= 0:
            raise InputError(f"expected time_limit_s above 0, got {self.time_limit_s}")
        if not 0 <= self.partition.index < self.partition.count:
            raise InputError(
                "expected partition.index from 0 to partition.count - 1, got "
                f"{self.partition.index} of {self.partition.count}"
            )
        if self.split.val < 0 or self.split.test < 0 or self.split.val + self.split.test > 1:
            raise InputError(
                "expected split.val and split.test of at least 0 and at most 1 together, got "
                f"{self.split.val} and {self.split.test}"
            )
        both = set(self.split.val_speakers) & set(self.split.test_speakers)
        if both:
            raise InputError(f"expected a speaker in one split, got {sorted(both)} in val and test")
        if not 1 <= self.clip.min_frames <= self.clip.max_frames:
            raise InputError(
                "expected clip.min_frames of at least 1 and at most clip.max_frames, got "
                f"{self.clip.min_frames} and {self.clip.max_frames}"
            )
