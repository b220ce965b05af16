"""Pictures without a face, made on the fly from faces and from nothing.

What a presence head must refuse: noise, plain colour, gradients, scattered shapes, and the colours
and textures of faces without their arrangement.
"""

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from vasa.data.photometric import uniform


def white_noise(face: Tensor, generator: torch.Generator) -> Tensor:
    """Independent pixels, of a random contrast."""
    contrast = uniform(len(face), 1, 1, 1, low=0.2, high=1, generator=generator)
    noise = torch.rand(face.shape, generator=generator)
    return 0.5 + (noise - 0.5) * contrast


def smooth_noise(face: Tensor, generator: torch.Generator) -> Tensor:
    """Noise of several scales added up, like clouds, walls or foliage."""
    size = face.shape[-1]
    total = uniform(len(face), 3, 1, 1, low=0.1, high=0.9, generator=generator).expand(face.shape)
    for cells in (2, 4, 8, 16, 32):
        grid = torch.randn(len(face), 3, cells, cells, generator=generator)
        strength = uniform(len(face), 1, 1, 1, low=0, high=0.25, generator=generator)
        total = total + strength * functional.interpolate(grid, (size, size), mode="bilinear")
    return total.clamp(0, 1)


def flat_colour(face: Tensor, generator: torch.Generator) -> Tensor:
    """One colour, half of the time taken from the face's picture."""
    colour = torch.rand(len(face), 3, 1, 1, generator=generator)
    own = torch.rand(len(face), 1, 1, 1, generator=generator) < 0.5
    return torch.where(own, face.mean(dim=(2, 3), keepdim=True), colour).expand(face.shape)


def gradient(face: Tensor, generator: torch.Generator) -> Tensor:
    """From one colour to another in a random direction."""
    size = face.shape[-1]
    first, second = torch.rand(2, len(face), 3, 1, 1, generator=generator)
    angle = uniform(len(face), 1, 1, 1, low=0, high=6.2832, generator=generator)
    axis = torch.linspace(-1, 1, size)
    along = angle.cos() * axis + angle.sin() * axis[:, None]
    weight = (along / 2.8284 + 0.5).clamp(0, 1)
    return first + (second - first) * weight


def shuffled_patches(face: Tensor, generator: torch.Generator) -> Tensor:
    """The face's own picture cut into 4 x 4 or 8 x 8 patches, put down in another order."""
    cells = (4, 8)[int(torch.randint(2, (), generator=generator))]
    patches = rearrange(face, "b c (i h) (j w) -> b (i j) c h w", i=cells, j=cells)
    order = torch.rand(len(face), cells * cells, generator=generator).argsort(dim=1)
    patches = torch.stack([row[index] for row, index in zip(patches, order, strict=True)])
    return rearrange(patches, "b (i j) c h w -> b c (i h) (j w)", i=cells, j=cells)


def corner(face: Tensor, generator: torch.Generator) -> Tensor:
    """A corner of the picture (background, hair, shoulder) enlarged to the whole."""
    size = face.shape[-1]
    side = size // 5
    flips = torch.rand(2, generator=generator) < 0.5
    if bool(flips[0]):
        face = face.flip(-1)
    if bool(flips[1]):
        face = face.flip(-2)
    return functional.interpolate(face[..., :side, :side], (size, size), mode="bilinear")


def shapes(face: Tensor, generator: torch.Generator) -> Tensor:
    """Ellipses and rectangles in random colours: a head's outline, or skin, is not yet a face."""
    size = face.shape[-1]
    picture = flat_colour(face, generator).clone()
    axis = torch.linspace(-1, 1, size)
    skin = face[..., size * 3 // 8 : size * 5 // 8, size * 3 // 8 : size * 5 // 8]
    skin = skin.mean(dim=(2, 3), keepdim=True)
    for index in range(4):
        centre = uniform(2, len(face), 1, 1, 1, low=-0.6, high=0.6, generator=generator)
        radius = uniform(2, len(face), 1, 1, 1, low=0.1, high=0.9, generator=generator)
        power = 2.0 if index % 2 == 0 else 16.0  # ellipse, or nearly a rectangle
        across = ((axis - centre[0]) / radius[0]).abs() ** power
        down = ((axis[:, None] - centre[1]) / radius[1]).abs() ** power
        random = torch.rand(len(face), 3, 1, 1, generator=generator)
        picture = torch.where(across + down < 1, skin if index == 0 else random, picture)
    return picture


KINDS = (white_noise, smooth_noise, flat_colour, gradient, shuffled_patches, corner, shapes)


def non_faces(face: Tensor, *, generator: torch.Generator) -> Tensor:
    """One picture without a face for each face, all kinds in equal parts as far as they go.

    Args:
        face: face crops, RGB in [0, 1], `b 3 h w`, h = w a multiple of 8.
        generator: source of the draws, on the CPU.

    Returns:
        `b 3 h w` in [0, 1].
    """
    first = int(torch.randint(len(KINDS), (), generator=generator))
    pictures = torch.empty_like(face)
    for kind in range(min(len(KINDS), len(face))):
        make = KINDS[(first + kind) % len(KINDS)]
        pictures[kind :: len(KINDS)] = make(face[kind :: len(KINDS)].cpu(), generator).to(face)
    return pictures
