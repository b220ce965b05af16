"""What the protocol `methods` compares, and by which rules clip lists are drawn."""

from dataclasses import dataclass

from vasa.types import InputError

OWN_METHODS = (
    *("real", "ours", "shuffled", "still"),
    *("random_motion", "retrieval", "ridge"),
)
TALKING = ("ours", "shuffled")
FROM_TRAINING = ("random_motion", "retrieval", "ridge")
GENERATED = (*TALKING, *FROM_TRAINING)
"""Methods whose frames stage 1 draws."""
PUBLISHED = ("fvd_25", "fid")
"""Distances by networks that were published, whose files the user brings."""


@dataclass(kw_only=True)
class MethodSettings:
    """What the protocol `methods` compares.

    Attributes:
        names: of the project's own methods.
        folders: folders of mp4 by the name of a method outside the project; None: no such method
            (so that a command line may give any names).
        num_samples: videos an audio of ours; their scores are averaged.
        length_tolerance_frames: by which a folder's video may miss the clip's length.
        library: set whose training clips random motion, retrieval and ridge take from; None: the
            evaluated set.
        train_clips: of it.
        ridge_folds: parts in which people are left out to choose the ridge's penalties.
        num_mels: bands of speech as retrieval and ridge hear it.
        context_frames: neighbours on either side that the ridge hears.
        retrieval_frames: of a retrieved window, even.
        motion_window_frames: of FD-motion.
        published: further Fréchet distances, of `PUBLISHED`; each needs its network's file.
        fvd_rows: 25-frame clips a side of FVD_25, at most.
        write_inputs: whether each clip's picture and sound are written out for other programs.
    """

    names: list[str]
    folders: dict[str, str] | None
    num_samples: int
    length_tolerance_frames: int
    library: str | None
    train_clips: int
    ridge_folds: int
    num_mels: int
    context_frames: int
    retrieval_frames: int
    motion_window_frames: int
    published: list[str]
    fvd_rows: int
    write_inputs: bool

    @property
    def outside(self) -> dict[str, str]:
        """Folders by name; empty where there are none."""
        return self.folders or {}

    def check(self) -> None:
        """What the types can't say.

        Raises:
            InputError: an unknown method, a folder that takes one's name, or numbers out of range.
        """
        if unknown := [name for name in self.names if name not in OWN_METHODS]:
            raise InputError(
                f"expected evaluation.methods.names of {', '.join(OWN_METHODS)}, got "
                f"{', '.join(unknown)}; another program's videos are "
                "evaluation.methods.folders={NAME: FOLDER}"
            )
        for name in self.outside:
            if name in (*OWN_METHODS, "uncoded") or "/" in name or not name:
                raise InputError(
                    f"expected a name of its own for the folder {name!r}, without slashes and "
                    f"none of {', '.join(OWN_METHODS)}"
                )
        if not self.names and not self.outside:
            raise InputError("expected at least one method in evaluation.methods.names or folders")
        if self.retrieval_frames < 2 or self.retrieval_frames % 2:
            raise InputError(
                "expected an even evaluation.methods.retrieval_frames of 2 or more, got "
                f"{self.retrieval_frames}"
            )
        if unknown := [name for name in self.published if name not in PUBLISHED]:
            raise InputError(
                f"expected evaluation.methods.published of {', '.join(PUBLISHED)}, got "
                f"{', '.join(unknown)}"
            )
        if self.ridge_folds < 2:
            raise InputError(
                f"expected evaluation.methods.ridge_folds of 2 or more, got {self.ridge_folds}"
            )
        for name in ("num_samples", "motion_window_frames", "train_clips", "fvd_rows"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"expected evaluation.methods.{name} of at least 1, got {getattr(self, name)}"
                )

    def needs(self) -> tuple[str, ...]:
        """Roles of the runs without which these methods can't be made and scored."""
        return ("syncnet", "stage2") if set(self.names) & set(TALKING) else ("syncnet",)


@dataclass(kw_only=True)
class ListRule:
    """How a clip list is drawn from an index; None leaves a bound out.

    Attributes:
        num_speakers: people, drawn by the seed.
        clips_per_speaker: clips of each, drawn by the seed.
        num_clips: of the whole list: at most, or with `num_speakers` exactly, spread over these as
            evenly as they have clips, everybody with one at least.
        min_seconds: of a clip.
        max_seconds: of a clip.
        source: words that a clip's source begins with, in any case.
    """

    num_speakers: int | None = None
    clips_per_speaker: int | None = None
    num_clips: int | None = None
    min_seconds: float | None = None
    max_seconds: float | None = None
    source: str | None = None

    def check(self, name: str) -> None:
        """What the types can't say.

        Raises:
            InputError: clips of a person beside clips of all, or fewer clips than people.
        """
        if self.num_speakers is None or self.num_clips is None:
            return
        if self.clips_per_speaker is not None or self.num_clips < self.num_speakers:
            raise InputError(
                f"expected evaluation.list_rules.{name} of num_speakers with clips_per_speaker, or "
                "with num_clips of at least one a person, got num_speakers "
                f"{self.num_speakers}, clips_per_speaker {self.clips_per_speaker} and num_clips "
                f"{self.num_clips}"
            )
