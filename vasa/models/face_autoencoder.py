"""The expressive, disentangled face latent space of stage 1 (VASA-1 sec. 3.1).

    x_hat = G2D( P( w_to_driver o G3D( w_from_source o v_source ) ) )   (MegaPortraits eq. 1-3)

with V_app = G3D(w_from_source o v_source) kept canonical, so that one source is encoded once and
decoded for any number of motions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vasa.geometry.warp import warp_from_canonical, warp_to_canonical
from vasa.models.blocks import ImageTrunk, ResBlock, VectorEncoder
from vasa.models.dynamics_encoder import DynamicsEncoder
from vasa.models.generator import ImageGenerator, VolumeRefiner
from vasa.models.lift import VolumeLift
from vasa.models.pose_encoder import PoseEncoder
from vasa.models.warp_generator import WarpGenerator
from vasa.types import FaceLatents

POSE_DIM = 6


class FaceAutoencoder(nn.Module):
    """Encoders of appearance, identity, pose and dynamics, and the decoder of them.

    Differs from the papers: the identity network is a trunk as the other encoders'
    (`VectorEncoder`) and not a ResNet-50, at every size; the appearance encoder also hands on the
    picture itself; features are lifted to depth by weights that start from a head-shaped shell, and
    a layer behind them stands still (`lift.py`); the dynamics encoder (`DynamicsEncoder`) looks
    where the pose encoder says the face is; G2D is conditioned on the motion (`ImageGenerator`): on
    dynamics for the inside of a mouth, on pose because the light stands still when a head turns.

    Args:
        image_size: side of the square picture, px.
        volume_size: c, d, h, w of the appearance volume, without its still layer.
        volume_fold: side of the pixel blocks folded into channels before G2D's first stage.
        head_radii: radii of the shell that lifting starts from, in head units.
        head_thickness: of the shell, in radii.
        head_shape: d, h, w of the learned mean head shape (`VolumeLift`).
        still_logit: how near the still layer is at the start (`VolumeLift`).
        z_id_dim: width of the identity code.
        z_dyn_dim: width of the dynamics code.
        condition_dim: width of the warp generators' condition.
        appearance_channels: stages of the appearance encoder.
        identity_channels: stages of the identity encoder.
        pose_channels: stages of the pose encoder.
        pose_hidden: width between landmarks and pose.
        dynamics_channels: convolutions of the dynamics encoder.
        dynamics_hidden: width of its hidden layer.
        warp_channels: stages of the warp generators.
        warp_size: d, h, w at which warp fields are made.
        refine_channels: hidden width of G3D.
        generator_channels: stages of G2D.
        blocks_per_stage: residual blocks a stage, in encoders and G2D.
        stem_stride: stride of the appearance, identity and pose encoders' stems.
        last_scale: enlargement of G2D's last stage.
        detail_channels: width of its convolutions at full size.
        max_offset: largest non-rigid offset, in half volumes.
        glimpses: x, y and half side in head units of each crop of the dynamics encoder.
        glimpse_size: its side, px.
        bowl_radius: radius of the face bowl that the crops are frontalised by, in head units.
        bowl_depth: its depth, in head units.
        is_deep: whether each plane of the volume has features of its own (`VolumeLift`).
        dynamics_blocks: residual blocks behind each convolution of the dynamics encoder.
        warp_start_depth: depth at which warp fields begin; None for that of `warp_size`.
        refine_coarser: widths of G3D's coarser levels; None for none (`VolumeRefiner`).
        refine_scale: how many times coarser than the volume G3D's finest level is.
        generator_blocks: residual blocks of each stage of G2D; None for `blocks_per_stage`.
        is_checkpointed: whether residual blocks keep only their input for the gradient and are
            computed again: less memory, a third more work, the same numbers.

    The options with a default are those that the smallest size does without.
    """

    def __init__(
        self,
        *,
        image_size: int,
        volume_size: list[int],
        volume_fold: int,
        head_radii: list[float],
        head_thickness: float,
        head_shape: list[int],
        still_logit: float,
        z_id_dim: int,
        z_dyn_dim: int,
        condition_dim: int,
        appearance_channels: list[int],
        identity_channels: list[int],
        pose_channels: list[int],
        pose_hidden: int,
        dynamics_channels: list[int],
        dynamics_hidden: int,
        warp_channels: list[int],
        warp_size: list[int],
        refine_channels: int,
        generator_channels: list[int],
        blocks_per_stage: int,
        stem_stride: int,
        last_scale: int,
        detail_channels: int,
        max_offset: float,
        glimpses: list[list[float]],
        glimpse_size: int,
        bowl_radius: float,
        bowl_depth: float,
        is_deep: bool = False,
        dynamics_blocks: int = 0,
        warp_start_depth: int | None = None,
        refine_coarser: list[int] | None = None,
        refine_scale: int = 2,
        generator_blocks: list[int] | None = None,
        is_checkpointed: bool = False,
    ) -> None:
        super().__init__()
        channels, depth, height, width = volume_size
        generator_side = height * 2 ** (len(generator_channels) - 1) * last_scale // volume_fold
        if height != width or generator_side != image_size:
            raise ValueError(
                f"expected a square volume and a generator that ends at {image_size} px, "
                f"got {height} x {width} and {generator_side} px"
            )
        self.image_size = image_size
        self.z_dyn_dim = z_dyn_dim
        self.z_id_dim = z_id_dim
        self.volume_size = tuple(volume_size)
        self.appearance = ImageTrunk(
            channels=appearance_channels,
            stem_stride=stem_stride,
            blocks_per_stage=blocks_per_stage,
        )
        self.lift = VolumeLift(
            in_channels=appearance_channels[-1],
            channels=channels,
            depth=depth,
            head_radii=head_radii,
            head_thickness=head_thickness,
            head_shape=head_shape,
            still_logit=still_logit,
            is_deep=is_deep,
        )

        def warp_generator(residual_channels: int) -> WarpGenerator:
            return WarpGenerator(
                channels=warp_channels,
                field_size=warp_size,
                start_depth=warp_start_depth or warp_size[0],
                z_dyn_dim=z_dyn_dim,
                z_id_dim=z_id_dim,
                condition_dim=condition_dim,
                max_offset=max_offset,
                residual_channels=residual_channels,
            )

        self.identity = VectorEncoder(
            image_size=image_size,
            channels=identity_channels,
            stem_stride=stem_stride,
            blocks_per_stage=blocks_per_stage,
            out_dim=z_id_dim,
        )
        self.pose = PoseEncoder(
            channels=pose_channels,
            stem_stride=stem_stride,
            blocks_per_stage=blocks_per_stage,
            hidden=pose_hidden,
        )
        self.dynamics = DynamicsEncoder(
            glimpses=glimpses,
            glimpse_size=glimpse_size,
            channels=dynamics_channels,
            blocks=dynamics_blocks,
            hidden=dynamics_hidden,
            z_dyn_dim=z_dyn_dim,
            bowl_radius=bowl_radius,
            bowl_depth=bowl_depth,
        )
        self.warp_source = warp_generator(0)
        self.warp_driver = warp_generator(4)  # colours and coverage
        self.refine = VolumeRefiner(
            channels=channels,
            hidden=refine_channels,
            coarser=refine_coarser or [],
            scale=refine_scale,
        )
        self.generate = ImageGenerator(
            volume_channels=channels,
            depth=depth + 1,
            fold=volume_fold,
            channels=generator_channels,
            blocks=generator_blocks or [blocks_per_stage] * len(generator_channels),
            last_scale=last_scale,
            detail_channels=detail_channels,
            condition_dim=condition_dim,
        )
        self.to_condition = nn.Linear(z_dyn_dim + POSE_DIM, condition_dim)
        for module in self.modules():
            if isinstance(module, ResBlock):
                module.is_checkpointed = is_checkpointed

    def motion(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Pose `b 6` and dynamics `b m` of pictures `b 3 h w`, without the appearance path."""
        z_pose = self.pose(image).float()
        z_dyn = self.dynamics(self.dynamics.view(image, z_pose), z_pose).float()
        return z_pose, z_dyn

    def canonical_volume(
        self, image: Tensor, *, z_id: Tensor, z_pose: Tensor, z_dyn: Tensor
    ) -> Tensor:
        """V_app of pictures `b 3 h w`, carried to canonical space and refined, `b c d+1 h w`.

        The last plane is the still layer: in the picture's space, not the head's.
        """
        size = self.volume_size[-1]
        pixels = F.interpolate(image, (size, size), mode="bilinear", antialias=True) * 2 - 1
        posed = self.lift(self.appearance(image), pixels, z_pose)
        moving, still = posed[:, :, :-1], posed[:, :, -1:]
        offsets, _ = self.warp_source(z_dyn, z_id)
        moving = self.refine(warp_to_canonical(moving, z_pose, offsets))
        return torch.cat((moving, still), dim=2)

    def encode(self, image: Tensor) -> FaceLatents:
        """All four latents of pictures `b 3 h w` in [0, 1]."""
        z_pose, z_dyn = self.motion(image)
        z_id = self.identity(image).float()
        volume = self.canonical_volume(image, z_id=z_id, z_pose=z_pose, z_dyn=z_dyn)
        return FaceLatents(app_volume=volume, z_id=z_id, z_pose=z_pose, z_dyn=z_dyn)

    def decode(self, latents: FaceLatents) -> Tensor:
        """Pictures `b 3 h w` in [0, 1]; one appearance serves any number of motions.

        Args:
            latents: app_volume and z_id with batch b or 1; z_pose and z_dyn with batch b.
        """
        offsets, residual = self.warp_driver(latents.z_dyn, latents.z_id)
        volume = latents.app_volume.float()
        moved = warp_from_canonical(volume[:, :, :-1], latents.z_pose, offsets, residual)
        still = volume[:, :, -1:].expand(len(moved), -1, -1, -1, -1)
        volume = torch.cat((moved, still), dim=2)
        motion = torch.cat((latents.z_dyn, latents.z_pose), dim=-1)
        return self.generate(volume, F.silu(self.to_condition(motion)))

    def forward(self, source: Tensor, driver: Tensor) -> Tensor:
        """The source's face in the driver's motion, `b 3 h w` each."""
        z_pose, z_dyn = self.motion(driver)
        return self.decode(self.encode(source).with_motion(z_pose=z_pose, z_dyn=z_dyn))

    @torch.no_grad()
    def num_parameters(self) -> int:
        """Trainable numbers in all."""
        return sum(parameter.numel() for parameter in self.parameters())
