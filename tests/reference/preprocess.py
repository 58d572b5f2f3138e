"""From an image file to the normalised square that INF-LLaVA's cropping module reads.

Two steps depart from the authors' release on purpose, because `inf-llava` departs in the same way: the EXIF
orientation is applied, and transparency is composited on the padding colour (the release ignores the first and
discards the alpha channel). Opaque, unrotated pictures come out the same either way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from versions import check_pillow

check_pillow()

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
PADDING = tuple(int(255 * mean) for mean in CLIP_MEAN)  # (122, 116, 104)


@dataclass
class Picture:
    """One preprocessed image."""

    width: int
    height: int
    mode: str
    """Pillow's mode of the file, before the conversion to RGB."""
    square_u8: torch.Tensor
    """`[S, S, 3]`, u8: padded and resized."""
    pixel_values: torch.Tensor
    """`[3, S, S]`, f32: scaled and normalised."""


def to_rgb(image: Image.Image) -> Image.Image:
    """Upright RGB. Transparent pixels show the padding colour."""
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        backdrop = Image.new("RGBA", image.size, (*PADDING, 255))
        image = Image.alpha_composite(backdrop, image.convert("RGBA"))
    return image.convert("RGB")


def pad_to_square(image: Image.Image) -> Image.Image:
    """Centre the picture on a square of the padding colour; an odd remainder goes right or below."""
    side = max(image.size)
    square = Image.new("RGB", (side, side), PADDING)
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def preprocess(path: Path, side: int) -> Picture:
    """Read `path` and preprocess it to `side` x `side` = N * P pixels a side."""
    with Image.open(path) as opened:
        mode = opened.mode
        rgb = to_rgb(opened)
    square = np.array(pad_to_square(rgb).resize((side, side), Image.Resampling.BICUBIC))

    # The CLIP image processor multiplies in f64, rounds to f32 and normalises in f32.
    scaled = (square.astype(np.float64) * (1 / 255)).astype(np.float32)
    normalised = (scaled - np.array(CLIP_MEAN, np.float32)) / np.array(CLIP_STD, np.float32)
    return Picture(
        width=rgb.width,
        height=rgb.height,
        mode=mode,
        square_u8=torch.from_numpy(square),
        pixel_values=torch.from_numpy(normalised).permute(2, 0, 1).contiguous(),
    )
