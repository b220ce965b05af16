"""The frozen networks of the preparation, loaded once a process."""

from data_prep.landmark_backends import make_backend
from data_prep.settings import ClipRecipe
from data_prep.sound_quality import SpeechDetector
from data_prep.sync_check import SyncCheck
from vasa.pretrained.emotion import EmotionNet
from vasa.pretrained.face_detector import FaceDetector
from vasa.pretrained.identity import DlibIdentity
from vasa.pretrained.landmarks import Blendshapes, FaceLandmarker


class PrepExperts:
    """Networks that measure clips.

    Args:
        recipe: which backend of landmarks and which SyncNet.

    Raises:
        InputError: a file is missing or is not the registered one.
    """

    def __init__(self, recipe: ClipRecipe) -> None:
        self.detector = FaceDetector()
        self.landmarker = FaceLandmarker()
        self.blendshapes = Blendshapes()
        self.emotion = EmotionNet()
        self.identity = DlibIdentity()
        self.speech = SpeechDetector()
        self.backend = make_backend(recipe.label.landmarks, recipe.label.landmarks_weights)
        self.sync = SyncCheck(recipe.sync)

    def describe(self) -> dict[str, str | None]:
        """What each label and measure was made by: names with the start of the file's checksum."""

        def named(*nets: type[FaceDetector]) -> str:
            facts = [net.describe() for net in nets]
            return ", ".join(f"{fact['name']}:{fact['sha256'][:8]}" for fact in facts)

        mesh = named(FaceDetector, FaceLandmarker)
        return {
            "landmarks": self.backend.describe(),
            "pose": mesh,
            "gaze": mesh,
            "mouth": mesh,
            "blink": named(Blendshapes),
            "emotion": named(EmotionNet),
            "identity_spread": named(DlibIdentity),
            "speech_share": self.speech.describe(),
            "sync": self.sync.describe(),
        }
