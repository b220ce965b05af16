"""The expressive, disentangled face latent space of stage 1 (VASA-1 sec. 3.1).

    x_hat = G2D( P( w_to_driver o G3D( w_from_source o v_source ) ) )   (MegaPortraits eq. 1-3)

with V_app = G3D(w_from_source o v_source) kept canonical, so that one source is encoded once and
decoded for any number of motions.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from vasa.geometry.warp import frontal_grid, warp_from_canonical, warp_to_canonical
from vasa.models.blocks import ImageTrunk, ResBlock, VectorEncoder
from vasa.models.generator import ImageGenerator, VolumeRefiner
from vasa.models.warp_generator import WarpGenerator
from vasa.types import FaceLatents

POSE_DIM = 6


class FaceAutoencoder(nn.Module):
    """Encoders of appearance, identity, pose and dynamics, and the decoder of them.

    Differs from the papers: the identity network is a small trunk and not a ResNet-50 at small
    sizes; the dynamics encoder sees a frontalised crop (`frontal_grid`) of the picture, placed by
    the pose encoder's own reading.

    Args:
        image_size: side of the square picture, px.
        volume_size: c, d, h, w of the appearance volume.
        z_id_dim: width of the identity code.
        z_dyn_dim: width of the dynamics code.
        condition_dim: width of the warp generators' condition.
        appearance_channels: stages of the appearance encoder.
        identity_channels: stages of the identity encoder.
        pose_channels: stages of the pose encoder.
        dynamics_channels: stages of the dynamics encoder.
        warp_channels: stages of the warp generators.
        refine_channels: hidden width of G3D.
        generator_channels: stages of G2D.
        blocks_per_stage: residual blocks a stage, in encoders and G2D.
        stem_stride: stride of the encoders' stems.
        last_scale: enlargement of G2D's last convolution.
        max_offset: largest non-rigid offset, in half volumes.
        crop_extent: half side of the dynamics crop, in head units.
        crop_depth: depth of the face bowl of the dynamics crop, in head units.
    """

    def __init__(
        self,
        *,
        image_size: int,
        volume_size: list[int],
        z_id_dim: int,
        z_dyn_dim: int,
        condition_dim: int,
        appearance_channels: list[int],
        identity_channels: list[int],
        pose_channels: list[int],
        dynamics_channels: list[int],
        warp_channels: list[int],
        refine_channels: int,
        generator_channels: list[int],
        blocks_per_stage: int,
        stem_stride: int,
        last_scale: int,
        max_offset: float,
        crop_extent: float,
        crop_depth: float,
    ) -> None:
        super().__init__()
        channels, depth, height, width = volume_size
        appearance_side = image_size // stem_stride // 2 ** (len(appearance_channels) - 1)
        generator_side = height * 2 ** (len(generator_channels) - 1) * last_scale
        if appearance_side != height or height != width:
            raise ValueError(
                f"expected an appearance encoder that ends at {height} x {width}, "
                f"these stages end at {appearance_side} x {appearance_side}"
            )
        if generator_side != image_size:
            raise ValueError(
                f"expected a generator that ends at {image_size} px, got {generator_side}"
            )
        self.image_size = image_size
        self.z_dyn_dim = z_dyn_dim
        self.volume_size = tuple(volume_size)
        self.crop_extent = crop_extent
        self.crop_depth = crop_depth
        self.appearance = ImageTrunk(
            channels=appearance_channels,
            stem_stride=stem_stride,
            blocks_per_stage=blocks_per_stage,
        )
        self.to_volume = nn.Conv2d(appearance_channels[-1], channels * depth, 1)
        self.volume_block = ResBlock(in_channels=channels, out_channels=channels, dims=3)

        def vector_encoder(stages: list[int], out_dim: int) -> VectorEncoder:
            return VectorEncoder(
                image_size=image_size,
                channels=stages,
                stem_stride=stem_stride,
                blocks_per_stage=blocks_per_stage,
                out_dim=out_dim,
            )

        def warp_generator() -> WarpGenerator:
            return WarpGenerator(
                channels=warp_channels,
                volume_size=(depth, height, width),
                z_dyn_dim=z_dyn_dim,
                z_id_dim=z_id_dim,
                condition_dim=condition_dim,
                max_offset=max_offset,
            )

        self.identity = vector_encoder(identity_channels, z_id_dim)
        self.pose = vector_encoder(pose_channels, POSE_DIM)
        self.dynamics = vector_encoder(dynamics_channels, z_dyn_dim)
        nn.init.normal_(self.pose.head.weight, std=1e-3)
        nn.init.zeros_(self.pose.head.bias)
        self.warp_source = warp_generator()
        self.warp_driver = warp_generator()
        self.refine = VolumeRefiner(channels=channels, hidden=refine_channels)
        self.generate = ImageGenerator(
            in_channels=channels * depth,
            channels=generator_channels,
            blocks_per_stage=blocks_per_stage,
            last_scale=last_scale,
        )

    def dynamics_crop(self, image: Tensor, pose: Tensor, flow: Tensor | None = None) -> Tensor:
        """The frontalised crop that the dynamics encoder sees.

        Args:
            image: `b 3 h w` in [0, 1].
            pose: where the face is, `b 6`; no gradient flows into it.
            flow: random offsets of the crop (augmentation), half pictures, `b h w 2`.
        """
        grid = frontal_grid(
            pose.detach().float(),
            self.image_size,
            extent=self.crop_extent,
            depth=self.crop_depth,
        )
        if flow is not None:
            grid = grid + flow
        return F.grid_sample(image, grid, padding_mode="border", align_corners=False)

    def motion(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Pose `b 6` and dynamics `b m` of pictures `b 3 h w`, without the appearance path."""
        z_pose = self.pose(image).float()
        z_dyn = self.dynamics(self.dynamics_crop(image, z_pose)).float()
        return z_pose, z_dyn

    def canonical_volume(
        self, image: Tensor, *, z_id: Tensor, z_pose: Tensor, z_dyn: Tensor
    ) -> Tensor:
        """V_app of pictures `b 3 h w`, carried to canonical space and refined, `b c d h w`."""
        features = self.to_volume(self.appearance(image))
        posed = self.volume_block(
            rearrange(features, "b (c d) h w -> b c d h w", d=self.volume_size[1])
        )
        offsets = self.warp_source(z_dyn, z_id)
        return self.refine(warp_to_canonical(posed.float(), z_pose, offsets))

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
        offsets = self.warp_driver(latents.z_dyn, latents.z_id)
        posed = warp_from_canonical(latents.app_volume.float(), latents.z_pose, offsets)
        return self.generate(posed)

    def forward(self, source: Tensor, driver: Tensor) -> Tensor:
        """The source's face in the driver's motion, `b 3 h w` each."""
        z_pose, z_dyn = self.motion(driver)
        return self.decode(self.encode(source).with_motion(z_pose=z_pose, z_dyn=z_dyn))

    @torch.no_grad()
    def num_parameters(self) -> int:
        """Trainable numbers in all."""
        return sum(parameter.numel() for parameter in self.parameters())
