"""What `vasa prep` and `vasa encode` can be told; conf/ holds the values."""

from dataclasses import dataclass, field

from vasa.data.schema import FPS
from vasa.types import InputError

SYNC_RULES = ("record", "drop", "shift")


@dataclass(kw_only=True)
class SplitSettings:
    """Shares of speakers, and speakers placed by name (they come first)."""

    val: float
    test: float
    val_speakers: list[str] = field(default_factory=list)
    test_speakers: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class PartitionSettings:
    """Which share of the clips (`vasa prep`) or shards (`vasa encode`) a run works on.

    Attributes:
        index: of this run's share, from 0.
        count: shares.
    """

    index: int
    count: int

    def check(self) -> None:
        """There is such a share.

        Raises:
            InputError: there is none.
        """
        if not 0 <= self.index < self.count:
            raise InputError(
                "expected partition.index from 0 to partition.count - 1, got "
                f"{self.index} of {self.count}"
            )


@dataclass(kw_only=True)
class EncodeSettings:
    """How `vasa encode` works; none of it is part of the result.

    Attributes:
        batch_size: pictures at once.
        device: where stage 1 and the audio encoder compute.
        max_bad_share: clips that cannot be read, of all, at most.
        num_threads: of PyTorch; null: its default.
        partition: which share of the shards a run works on.
    """

    batch_size: int
    device: str
    max_bad_share: float
    num_threads: int | None
    partition: PartitionSettings

    def check(self) -> None:
        """Values that no set can be made with.

        Raises:
            InputError: out of range.
        """
        self.partition.check()
        if self.batch_size < 1 or not 0 <= self.max_bad_share <= 1:
            raise InputError(
                "expected batch_size of at least 1 and max_bad_share from 0 to 1, got "
                f"{self.batch_size} and {self.max_bad_share}"
            )


@dataclass(kw_only=True)
class ShotSettings:
    """What is taken for a cut (PySceneDetect's adaptive detector).

    Attributes:
        ratio: how many times its neighbours' change a picture's change must be.
        min_change: and at least this much, of 255, mean over hue, saturation and lightness.
        min_frames: least length of a shot.
    """

    ratio: float
    min_change: float
    min_frames: int


@dataclass(kw_only=True)
class TrackSettings:
    """How a face is followed.

    Attributes:
        chunk_frames: frames measured together; each such chunk begins with a look for other faces.
        detect_every: frames between detections; boxes in between are interpolated.
        min_presence: landmark logit from which a frame's labels are trusted.
        max_gap: frames without a usable face that a clip may hold in a row.
        max_jump: shift between frames, in face sides, that is taken for another face.
        rival_side: another face counts if its side is at least this share of the main one's.
    """

    chunk_frames: int
    detect_every: int
    min_presence: float
    max_gap: int
    max_jump: float
    rival_side: float


@dataclass(kw_only=True)
class FaceSettings:
    """What a face must be.

    Attributes:
        min_px: least side of the landmark box in the source, median over a second.
        max_yaw_deg: largest turn to the side, median over a second.
        max_pitch_deg: largest turn up or down, median over a second.
        max_rival_s: another large face is borne for no longer than this.
        max_identity_spread: largest distance of dlib's embeddings within a clip (see
            `data_prep.same_person`).
    """

    min_px: float
    max_yaw_deg: float
    max_pitch_deg: float
    max_rival_s: float
    max_identity_spread: float


@dataclass(kw_only=True)
class ClipSettings:
    """What a clip must be.

    Attributes:
        min_s: shorter ones are dropped.
        max_s: longer ones are cut into equal parts.
        min_fps: least frame rate of the source.
        max_growth: how much larger than the face asks for the steady crop may be to hold a moving
            head; beyond it the clip is cut in two.
        max_outside: share of the crop that may lie outside of the picture (edges are repeated).
    """

    min_s: float
    max_s: float
    min_fps: float
    max_growth: float
    max_outside: float

    @property
    def min_frames(self) -> int:
        """`min_s` in frames."""
        return max(1, round(self.min_s * FPS))

    @property
    def max_frames(self) -> int:
        """`max_s` in frames."""
        return round(self.max_s * FPS)


@dataclass(kw_only=True)
class PictureSettings:
    """What a clip's pictures must be; measures are in `data_prep.picture_quality`.

    Attributes:
        min_brightness: of the face, mean, in [0, 1].
        min_sharpness: of the crops, mean, in [0, 1).
        max_blockiness: of the face in the source; 1 shows no blocks.
        min_bits_per_pixel: of the source's video; 0 where the file does not say.
    """

    min_brightness: float
    min_sharpness: float
    max_blockiness: float
    min_bits_per_pixel: float


@dataclass(kw_only=True)
class SoundSettings:
    """What a clip's sound must be; measures are in `data_prep.sound_quality`.

    Attributes:
        min_db: least level (root mean square, dB of full scale), of the file.
        max_clipped_share: share of samples at full scale.
        min_speech_share: share of the time with speech.
    """

    min_db: float
    max_clipped_share: float
    min_speech_share: float


@dataclass(kw_only=True)
class SyncSettings:
    """What becomes of a clip whose sound is early or late (see `data_prep.sync_check`).

    Attributes:
        model: folder of a SyncNet run; null measures nothing.
        rule: `record` keeps all, `drop` leaves clips out, `shift` moves the sound into place.
        max_offset_frames: largest offset; beyond it a clip is dropped (not under `record`).
        min_confidence: least S_C; below it a clip is dropped (not under `record`).
    """

    model: str | None
    rule: str
    max_offset_frames: int
    min_confidence: float


@dataclass(kw_only=True)
class LabelSettings:
    """How labels are made.

    Attributes:
        emotion_every: frames between runs of the emotion network; interpolated in between.
        landmarks: `mesh` or `face_alignment`, where the 68 landmarks come from.
        landmarks_weights: file of the `face_alignment` network.
    """

    emotion_every: int
    landmarks: str
    landmarks_weights: str | None


@dataclass(kw_only=True)
class ClipRecipe:
    """All that decides what one clip becomes."""

    size: int
    shots: ShotSettings
    track: TrackSettings
    face: FaceSettings
    clip: ClipSettings
    picture: PictureSettings
    sound: SoundSettings
    sync: SyncSettings
    label: LabelSettings


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
    time_limit_s: float
    clips_per_shard: int
    shard_mb: float
    partition: PartitionSettings
    split: SplitSettings
    shots: ShotSettings
    track: TrackSettings
    face: FaceSettings
    clip: ClipSettings
    picture: PictureSettings
    sound: SoundSettings
    sync: SyncSettings
    label: LabelSettings

    def recipe(self) -> ClipRecipe:
        """The part that decides what one clip becomes."""
        return ClipRecipe(
            size=self.size,
            shots=self.shots,
            track=self.track,
            face=self.face,
            clip=self.clip,
            picture=self.picture,
            sound=self.sound,
            sync=self.sync,
            label=self.label,
        )

    def check(self) -> None:
        """Values that no set can be made with.

        Raises:
            InputError: out of range.
        """
        if self.size < 32 or self.size % 2:
            raise InputError(f"expected an even size of at least 32 px, got size={self.size}")
        if self.workers < 0:
            raise InputError(f"expected workers of at least 0, got workers={self.workers}")
        if self.shard_mb <= 0 or self.clips_per_shard < 1:
            raise InputError(
                "expected shard_mb above 0 and clips_per_shard of at least 1, got "
                f"{self.shard_mb} and {self.clips_per_shard}"
            )
        if self.sync.rule not in SYNC_RULES:
            raise InputError(
                f"expected sync.rule to be one of {', '.join(SYNC_RULES)}, got {self.sync.rule!r}"
            )
        if self.time_limit_s <= 0:
            raise InputError(f"expected time_limit_s above 0, got {self.time_limit_s}")
        self.partition.check()
        if self.split.val < 0 or self.split.test < 0 or self.split.val + self.split.test > 1:
            raise InputError(
                "expected split.val and split.test of at least 0 and at most 1 together, got "
                f"{self.split.val} and {self.split.test}"
            )
        both = set(self.split.val_speakers) & set(self.split.test_speakers)
        if both:
            raise InputError(f"expected a speaker in one split, got {sorted(both)} in val and test")
        if not 0 < self.clip.min_s <= self.clip.max_s:
            raise InputError(
                "expected clip.min_s above 0 and at most clip.max_s, got "
                f"{self.clip.min_s} and {self.clip.max_s}"
            )
