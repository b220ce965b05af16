"""The frozen networks that stage 1's losses look through, and which of them for what."""

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from vasa.losses.perceptual import Features
from vasa.models.checkpoint import load_model
from vasa.pretrained.identity import FaceResIdentity, make_identity
from vasa.pretrained.perceptual import make_perceptual
from vasa.training.stage1_motion import Stage1Motion


class Stage1Frozen(Stage1Motion):
    """The networks are kept so that neither optimiser nor checkpoint nor average sees them."""

    def take_frozen(
        self, expert: str, *, perceptual: str, perceptual_weights: str | None, identity: str
    ) -> None:
        """Load them.

        Args:
            expert: run folder of the face expert.
            perceptual: network of the perceptual distance.
            perceptual_weights: its file.
            identity: network that knows who a face is.

        Raises:
            InputError: an unknown network, or weights that are missing.
        """
        self._frozen: list[nn.Module] = [load_model(Path(expert) / "model").requires_grad_(False)]
        self._perceptual: Features | None = None
        if perceptual != "face_expert":
            self._perceptual = make_perceptual(perceptual, perceptual_weights)
        self._recognition: FaceResIdentity | None = None
        if identity != "face_expert":
            self._recognition = make_identity(identity)

    @property
    def expert(self) -> nn.Module:
        """The frozen face expert that measures results and, unless told otherwise, all the rest."""
        return self._frozen[0]

    def on_fit_start(self) -> None:
        """Take the face expert along to the device; the pretrained networks follow their input."""
        self._frozen[0] = self._frozen[0].to(self.device)

    @property
    def features(self) -> Features:
        """Features of the perceptual distance."""
        if self._perceptual is not None:
            return self._perceptual
        return cast(Features, self.expert.features)

    @property
    def face_features(self) -> Features:
        """Face-recognition features (MegaPortraits takes VGGFace's)."""
        if self._recognition is not None:
            return self._recognition.features
        return cast(Features, self.expert.features)

    def identity_of(self, image: Tensor, embedding: Tensor) -> Tensor:
        """Embeddings `b e` of faces `b 3 h w`, given those of the face expert, measured already."""
        return embedding if self._recognition is None else self._recognition(image)

    @torch.no_grad()
    def identity_of_sources(self, image: Tensor) -> Tensor:
        """Embeddings `b e` of true pictures `b 3 h w`; no gradient flows."""
        if self._recognition is not None:
            return self._recognition(image)
        return self.expert(image).identity
