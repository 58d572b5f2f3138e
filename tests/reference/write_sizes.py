"""Write `tests/fixtures/family/llava-sizes.json`: what transformers makes of pictures and videos of many sizes.

Everything comes from its own functions and Pillow processors, which need no torch:

- `tiles`: best resolution, size within it, padding, tokens and newlines of LLaVA-NeXT and LLaVA-OneVision, for random
  sizes and for those where the order of operations matters. `*_unrounded` is the original program's count, which does not
  round to seven decimals before it truncates; the formula is written out below.
- `views`: hashes of what the processors make of the tests' pattern.
- `frames`, `intros`: which frames of a video SmolVLM looks at, and how it speaks of them (with num2words). Its video
  processor cannot be imported without torchvision, so `sample` says the same.

    pip install num2words
    python tests/reference/write_sizes.py
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from num2words import num2words
from PIL import Image
from transformers.image_processing_utils import get_patch_output_size, select_best_resolution
from transformers.image_utils import ChannelDimension
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_next.processing_llava_next import LlavaNextProcessor
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.llava_onevision.processing_llava_onevision import LlavaOnevisionProcessor
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from versions import check_pillow

OUT = Path(__file__).parents[1] / "fixtures" / "family" / "llava-sizes.json"
COLUMNS = (
    "spec height width best_height best_width resized_height resized_width top left tokens newlines "
    "tokens_unrounded newlines_unrounded"
).split()
NEXT = [[1, 2], [2, 1], [2, 2], [3, 1], [1, 3]]
SQUARE = [[a, b] for a in range(1, 7) for b in range(1, 7)]
# The side of a view, tokens along it, the pinpoints in tiles, the most views.
SPECS = [(336, 24, NEXT, None), (384, 27, SQUARE, 9), (56, 4, NEXT, None), (48, 3, SQUARE, 4)]
EACH = 450


def pinpoints(view: int, grid: list[list[int]]) -> list[list[int]]:
    return [[view * a, view * b] for a, b in grid]


def features(spec: tuple, height: int, width: int, best: tuple[int, int]) -> list[int]:
    """Tokens, and how many of them are newlines."""
    view, side, _, most = spec
    scale = [best[0] // view, best[1] // view]
    if most is None:
        rest, newlines = LlavaNextProcessor._get_unpadded_features(None, height, width, side, side, *scale)
    else:
        this = SimpleNamespace(vision_aspect_ratio=f"anyres_max_{most}")
        rest, newlines = LlavaOnevisionProcessor._get_unpadded_features(this, height, width, side, side, *scale)
    return [side * side + rest + newlines, newlines]


def unrounded(spec: tuple, height: int, width: int, best: tuple[int, int]) -> list[int]:
    """The same without rounding."""
    view, side, _, most = spec
    rows, columns = best[0] // view * side, best[1] // view * side
    if width / height > columns / rows:
        rows -= (rows - int(height * (columns / width))) // 2 * 2
    else:
        columns -= (columns - int(width * (rows / height))) // 2 * 2
    factor = math.sqrt(rows * columns / (most * side**2)) if most else 0
    if factor > 1.1:
        rows, columns = int(rows // factor), int(columns // factor)
    return [side * side + rows * (columns + 1), rows]


def row(index: int, height: int, width: int) -> list[int]:
    spec = SPECS[index]
    points = pinpoints(spec[0], spec[2])
    keeps = any(int(height * s) * int(width * s) for a, b in points for s in [min(b / width, a / height)])
    if not keeps:  # transformers takes a pinpoint, of which the picture fills no pixel
        return [index, height, width] + [0] * 10
    best = select_best_resolution((height, width), points)
    resized = get_patch_output_size(np.empty((3, height, width), np.bool_), best, ChannelDimension.FIRST)
    (top, _), (left, _) = LlavaOnevisionImageProcessorPil._get_padding_size(None, resized, best)
    counts = features(spec, height, width, best) + unrounded(spec, height, width, best)
    return [index, height, width, *best, *resized, top, left, *counts]


def sizes(index: int, rng: random.Random) -> list[list[int]]:
    def logarithmic() -> int:
        return round(math.exp(rng.uniform(0, math.log(4000))))

    view, _, grid, _ = SPECS[index]
    rows = [row(index, a, b) for a, b in pinpoints(view, grid)]
    rows += [row(index, n * view, n * view) for n in range(1, 8)]
    while len(rows) < EACH * 3 // 4:
        rows.append(row(index, logarithmic(), logarithmic()))
    while len(rows) < EACH:  # near a square, and where the two programs differ
        side = rng.randint(10, 1200)
        found = row(index, side, rng.randint(side // 3, side * 3))
        if len(rows) < EACH * 7 // 8 or found[9:11] != found[11:13]:
            rows.append(found)
    return rows


def pattern(height: int, width: int) -> Image.Image:
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return Image.fromarray((((x * 7 + y * 13 + c * 29) ^ (x * y // 5)) & 255).astype(np.uint8))


def views() -> list[list]:
    """Treatment, view, short side, resample, height, width, sha256 of `[views, P, P, 3]`."""
    plain = {"do_rescale": False, "do_normalize": False}
    next_points, square_points = pinpoints(56, NEXT), pinpoints(48, SQUARE)

    def made(treatment: str, view: int, short: int, resample: int) -> object:
        side = {"height": view, "width": view}
        match treatment:
            case "crop":
                return CLIPImageProcessorPil(size={"shortest_edge": short}, crop_size=side, resample=resample)
            case "pad":
                return LlavaImageProcessorPil(
                    size={"shortest_edge": short}, crop_size=side, resample=resample, do_pad=True
                )
            case "squash":
                return SiglipImageProcessorPil(size=side, resample=resample)
            case "next":
                return LlavaNextImageProcessorPil(
                    size={"shortest_edge": view}, crop_size=side, resample=resample, image_grid_pinpoints=next_points
                )
            case "onevision":
                return LlavaOnevisionImageProcessorPil(
                    size=side, resample=resample, image_grid_pinpoints=square_points
                )
        raise ValueError(treatment)

    # Short sides above and below the view, for the cut and for the black around.
    kinds = [("crop", 56, short) for short in (56, 64, 41)] + [("pad", 56, short) for short in (56, 61, 40)]
    kinds += [("squash", 60, 60), ("next", 56, 56), ("onevision", 48, 48)]
    rows = []
    for treatment, view, short in kinds:
        for resample in (3, 2):
            processor = made(treatment, view, short, resample)
            for height, width in [(1, 1), (56, 56), (97, 60), (31, 200), (150, 9), (48, 47), (700, 6), (240, 239)]:
                images = processor(pattern(height, width), return_tensors="np", **plain)["pixel_values"]
                images = np.asarray(images)
                images = images.reshape(-1, 3, view, view).transpose(0, 2, 3, 1)
                assert np.array_equal(images, images.astype(np.uint8))
                digest = hashlib.sha256(images.astype(np.uint8).tobytes()).hexdigest()
                rows.append([treatment, view, short, resample, height, width, digest])
    return rows


def sample(count: int, native: float, seconds: float, fps: float, most: int) -> list[int]:
    """`SmolVLMVideoProcessor.sample_frames`, which leaves out a second at either end of a long video."""
    wanted = max(min(round(fps * seconds), most), 1)
    begin, end = 0, count - 1
    if seconds - 2 > most * fps:
        begin, end = int(native), min(int(count - native), count - 1)
    if begin >= end:
        begin, end = 0, count - 1
    return np.unique(np.linspace(begin, end, wanted, dtype=int)).tolist()


def frames(rng: random.Random) -> list[list]:
    """Frames, their number a second, seconds, `fps` and `max_frames` of the processor, the frames that are looked at."""
    rows = []
    for index in range(120):
        native = rng.choice([23.976, 24.0, 25.0, 29.97, 30.0, 60.0, 1.0, 0.5, 120.0])
        count = rng.choice([1, 2, 3, 25, rng.randint(1, 300), rng.randint(1, 20000)])
        fps, most = rng.choice([(1, 64), (2, 16), (0.5, 8), (1, 1)])
        seconds = count / native if index % 3 else count / native * rng.uniform(0.5, 1.5)
        rows.append([count, native, seconds, fps, most, sample(count, native, seconds, fps, most)])
    return rows


def intros() -> list[list]:
    """Frames, seconds, how many frames there are and how long the video is, in words."""
    counts = [*range(0, 131), 200, 345, 999, 1000, 1001, 1100, 1234, 20000, 20019, 100000, 123456, 999999]
    seconds = [0, 0.99, 59, 62.5, 3599, 3600, 86399, 86400, 90061, 180000]
    rows = [[count, 62.0] for count in counts] + [[3, time] for time in seconds]
    return [[count, time, num2words(count), str(timedelta(seconds=int(time)))] for count, time in rows]


def main() -> None:
    check_pillow()
    rng = random.Random(7)
    tiles = [found for index in range(len(SPECS)) for found in sizes(index, rng)]
    specs = [
        {"view_px": view, "tokens_per_side": side, "pinpoints": pinpoints(view, grid), "most": most}
        for view, side, grid, most in SPECS
    ]
    parts = {"specs": specs, "columns": COLUMNS, "tiles": tiles}
    parts |= {"views": views(), "frames": frames(rng), "intros": intros()}

    def lines(part: list) -> str:
        return "[\n" + ",\n".join(json.dumps(line) for line in part) + "]"

    text = ",\n".join(f'"{name}": {lines(part)}' for name, part in parts.items())
    OUT.write_text("{" + text + "}\n")
    refused = sum(found[3] == 0 for found in tiles)
    differ = sum(found[9:11] != found[11:13] for found in tiles)
    print(f"{len(tiles)} sizes, {refused} refused, {differ} rounded; {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
