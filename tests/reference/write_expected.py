"""Write `expected.safetensors` and `expected.json`: what PyTorch computes with an INF-LLaVA checkpoint."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from model import InfLlava, load
from preprocess import preprocess
from prompt import IMAGE_ID, Turn, encode, load_tokenizer, render

CASES: list[tuple[str, int | None, list[Turn]]] = [
    ("single", 0, [("<image>\nWhat is in the image?", None)]),
    ("wide", 1, [("<image>\nHow many red circles are there? Café 你好 🙂", None)]),
    ("tall", 2, [("<image>\nRead the sign.", None)]),
    (
        "multi_turn",
        1,
        [("<image>\nDescribe the picture in detail.", "There are 2 blue squares."), ("What colour is the car?", None)],
    ),
    ("grey", 3, [("<image>\nyes or no?", None)]),
    ("text_only", None, [("How many birds?", None)]),
]
"""Name, image, turns. A case whose image is not there is left out."""

TOKENIZER_TEXTS = [
    "",
    " ",
    "Hello, world!",
    "I'm   here\n\n\nnow",
    "1234567 ab12",
    "Café 你好 🙂",
    "<|eot_id|>",
    "tabs\tand  spaces ",
    "\r\nwindows\r\n",
]

LATE = {"features_low", "dem_output", "merged", "visual_tokens"}
EARLY_FIRST = {"crops_local", "crops_global"}
"""Kept of image 0 alone, with `clip_local0_hidden*`."""
EARLY = {"square_u8", "pixel_values", "features_local", "features_global", "dem_fused_map"}
"""Kept of images 0 and 1."""


def is_kept(stage: str, image: int, keep: str) -> bool:
    """Whether a stage of an image goes into the file: the largest only for the first images."""
    if stage in LATE or keep == "all":
        return True
    if keep == "late":
        return False
    if stage in EARLY_FIRST or stage.startswith("clip_local0_hidden"):
        return image == 0
    return image < 2 if stage in EARLY else True


def find_images(folder: Path) -> list[Path]:
    """The files in `folder`, `2.png` before `10.png`."""
    if not folder.is_dir():
        return []
    files = [file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")]
    return sorted(files, key=lambda file: [int(s) if s.isdigit() else s for s in re.split(r"(\d+)", file.name)])


def see_images(
    model: InfLlava, folder: Path, files: list[Path], keep: str, tensors: dict[str, Tensor]
) -> tuple[list[dict[str, Any]], list[Tensor]]:
    """Run every image through the vision stages. -> entries of `expected.json`, visual tokens `[h*h, D]` each."""
    entries, tokens = [], []
    for index, file in enumerate(files):
        picture = preprocess(file, model.config.side)
        stages = {"square_u8": picture.square_u8, "pixel_values": picture.pixel_values}
        stages |= model.see(picture.pixel_values)
        tokens.append(stages["visual_tokens"])
        for stage, tensor in stages.items():
            if is_kept(stage, index, keep):
                tensor = tensor.cpu() if tensor.dtype == torch.uint8 else tensor.float().cpu()
                tensors[f"{index}.{stage}"] = tensor.contiguous()
        path, root = file.resolve(), folder.resolve()
        entries.append(
            {
                "file": path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path),
                "width": picture.width,
                "height": picture.height,
                "mode": picture.mode,
                "square_u8_sha256": hashlib.sha256(picture.square_u8.numpy().tobytes()).hexdigest(),
            }
        )
        print(f"image {index}: {file.name}, {picture.width} x {picture.height}", file=sys.stderr)
    return entries, tokens


def answer_cases(
    model: InfLlava, tokenizer: Any, tokens: list[Tensor], steps: int, keep: str, tensors: dict[str, Tensor]
) -> list[dict[str, Any]]:
    """Continue every case's prompt greedily. -> entries of `expected.json`."""
    entries = []
    for name, image, turns in CASES:
        if image is not None and image >= len(tokens):
            continue
        prompt = render(turns)
        input_ids = encode(tokenizer, model.config.bos_id, prompt)
        inputs_embeds = model.embed(input_ids, None if image is None else tokens[image], IMAGE_ID)
        prompt_logits, step_logits, greedy_ids = model.generate(inputs_embeds, steps)

        tensors[f"{name}.prompt_logits_last8"] = prompt_logits
        tensors[f"{name}.step_logits"] = step_logits
        if name == "single" and keep != "late":
            tensors["single.inputs_embeds"] = inputs_embeds[0].float().cpu()
        best_two = step_logits.topk(2).values
        entries.append(
            {
                "name": name,
                "image": image,
                "turns": turns,
                "prompt": prompt,
                "input_ids": input_ids,
                "sequence_length": inputs_embeds.shape[1],
                "greedy_ids": greedy_ids,
                "greedy_text": tokenizer.decode(greedy_ids, skip_special_tokens=True),
                "min_top2_margin": (best_two[:, 0] - best_two[:, 1]).min().item(),
            }
        )
        print(f"case {name}: {entries[-1]['greedy_text']!r}", file=sys.stderr)
    return entries


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, metavar="MODEL_DIR", help="checkpoint in the released layout")
    parser.add_argument("--out", type=Path, help="where the two files go (default: MODEL_DIR)")
    parser.add_argument("--image", type=Path, nargs="+", metavar="FILE", help="default: all in MODEL_DIR/images")
    parser.add_argument("--vision-tower", type=Path, metavar="DIR", help="CLIP, if the checkpoint does not hold it")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    parser.add_argument("--steps", type=int, default=24, help="ids to generate for each case (default: 24)")
    parser.add_argument(
        "--keep",
        choices=["default", "late", "all"],
        default="default",
        help="stages to write: the largest for the first images alone; none of the large ones; all of all images",
    )
    return parser.parse_args()


@torch.inference_mode()
def main() -> None:
    args = parse_arguments()
    # On CUDA, convolutions round f32 to 10-bit mantissas (TF32) unless told otherwise: far outside the tolerances.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False

    model = load(args.model, args.vision_tower, args.device, getattr(torch, args.dtype))
    tokenizer = load_tokenizer(args.model)
    files = args.image or find_images(args.model / "images")

    tensors: dict[str, Tensor] = {}
    images, tokens = see_images(model, args.model, files, args.keep, tensors)
    cases = answer_cases(model, tokenizer, tokens, args.steps, args.keep, tensors)
    expected = {
        "images": images,
        "cases": cases,
        "tokenizer_cases": [
            {"text": text, "ids": tokenizer.encode(text, add_special_tokens=False)} for text in TOKENIZER_TEXTS
        ],
        "config": {"n": model.config.crops_per_side, "crop": model.config.crop, "new": args.steps, "dtype": args.dtype},
    }

    out = args.out or args.model
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / "expected.safetensors")
    text = json.dumps(expected, indent=1, ensure_ascii=False)
    (out / "expected.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
