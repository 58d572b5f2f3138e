"""INF-LLaVA in plain PyTorch: DCM, DEM and projector written out, CLIP and LLaMA from `transformers`.

Equation numbers are those of the paper (arXiv 2407.16198). Where the authors' released code differs from the paper,
the released code is followed, because the released weights were trained with it. Everything is computed densely, as
the authors run it: all 2 * N * N + 1 vision passes and every position of the enhancement.

Shapes: `N` crops per side, `P` crop side in pixels, `h = P / patch` tokens per crop side, `C` vision channels,
`D` channels of the language model.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

CLIP_VIT_L_14_336 = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
}
LLAMA_KEYS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
    "rope_theta",
    "rms_norm_eps",
    "max_position_embeddings",
    "hidden_act",
    "tie_word_embeddings",
)


# --- Configuration ----------------------------------------------------------------------------------------------------


@dataclass
class Config:
    """What `config.json` says, with the released values for what a released file leaves out."""

    vision: CLIPVisionConfig
    language: LlamaConfig
    crops_per_side: int
    dem_heads: int
    select_layer: int
    bos_id: int

    @property
    def crop(self) -> int:
        """P."""
        return self.vision.image_size

    @property
    def grid(self) -> int:
        """h, tokens per crop side."""
        return self.vision.image_size // self.vision.patch_size

    @property
    def side(self) -> int:
        """S = N * P. It wins over `preprocessor_config.json`, which a released checkpoint leaves at 336."""
        return self.crops_per_side * self.crop


def read_config(folder: Path, weights: Weights) -> Config:
    """Read `config.json`; refuse what this reference does not compute."""
    raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for key, wanted in {
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_feature": "patch",
        "image_aspect_ratio": "pad",
        "mm_use_im_start_end": False,
    }.items():
        if raw.get(key, wanted) != wanted:
            raise ValueError(f"config.json: {key} = {raw[key]!r}, only {wanted!r} is implemented")
    extra = raw.get("inf_llava", {})
    for key, released in {
        "low_resolution": True,
        "pooling": "bilinear",
        "modules": "dcm_dem",
        "enhancement": "both",
        "fusion": "linear_concat",
        "dem": "released",
    }.items():
        if extra.get(key, released) != released:
            raise ValueError(f"config.json: inf_llava.{key} = {extra[key]!r}; see write_ablations.py for the ablations")

    llama = {key: raw[key] for key in LLAMA_KEYS if key in raw}
    # Training may have added a padding row without raising `vocab_size`.
    llama["vocab_size"] = weights.shape("model.embed_tokens.weight")[0]
    language = LlamaConfig(**llama, attn_implementation="eager")
    vision = CLIPVisionConfig(**raw.get("vision_config", CLIP_VIT_L_14_336), attn_implementation="eager")
    return Config(
        vision=vision,
        language=language,
        crops_per_side=extra.get("crops_per_side", 3),
        dem_heads=extra.get("dem_heads", 8),
        select_layer=raw.get("mm_vision_select_layer", -2),
        bos_id=raw.get("bos_token_id", 128000),
    )


# --- Dual-perspective Cropping Module (section 4.2, eq. 9-17) ---------------------------------------------------------


def local_crops(x: Tensor, n: int) -> Tensor:
    """Contiguous crops, row-major: continuous detail. `[3, N*P, N*P]` -> `[N*N, 3, P, P]`."""
    p = x.shape[-1] // n
    return torch.stack([x[:, r * p : (r + 1) * p, c * p : (c + 1) * p] for r in range(n) for c in range(n)])


def global_crops(x: Tensor, n: int) -> Tensor:
    """Every N-th pixel from offset (r, c), row-major: the whole picture. `[3, N*P, N*P]` -> `[N*N, 3, P, P]`."""
    return torch.stack([x[:, r::n, c::n] for r in range(n) for c in range(n)])


def low_resolution(x: Tensor, p: int) -> Tensor:
    """PyTorch's bicubic (a = -0.75) without antialiasing, as the release has it. `[3, N*P, N*P]` -> `[3, P, P]`."""
    return F.interpolate(x[None], size=(p, p), mode="bicubic", align_corners=False, antialias=False)[0]


# --- Dual-perspective Enhancement Module (section 4.3, eq. 18-27) -----------------------------------------------------


def cut_tiles(x: Tensor, n: int) -> Tensor:
    """N*N contiguous tiles of a map, as token rows. `[N*h, N*h, C]` -> `[N*N, h*h, C]`."""
    h = x.shape[0] // n
    return torch.stack([x[r * h : (r + 1) * h, c * h : (c + 1) * h].flatten(0, 1) for r in range(n) for c in range(n)])


def join_tiles(tiles: Tensor, n: int) -> Tensor:
    """The inverse of `cut_tiles`. `[N*N, h*h, C]` -> `[N*h, N*h, C]`."""
    h = math.isqrt(tiles.shape[1])
    out = tiles.new_empty(n * h, n * h, tiles.shape[2])
    for index, tile in enumerate(tiles):
        r, c = divmod(index, n)
        out[r * h : (r + 1) * h, c * h : (c + 1) * h] = tile.unflatten(0, (h, h))
    return out


def cut_strided(x: Tensor, n: int) -> Tensor:
    """N*N strided sets of a map, as token rows. `[N*h, N*h, C]` -> `[N*N, h*h, C]`."""
    return torch.stack([x[r::n, c::n].flatten(0, 1) for r in range(n) for c in range(n)])


def join_strided(sets: Tensor, n: int) -> Tensor:
    """The inverse of `cut_strided`. `[N*N, h*h, C]` -> `[N*h, N*h, C]`."""
    h = math.isqrt(sets.shape[1])
    out = sets.new_empty(n * h, n * h, sets.shape[2])
    for index, rows in enumerate(sets):
        r, c = divmod(index, n)
        out[r::n, c::n] = rows.unflatten(0, (h, h))
    return out


class Attention(nn.Module):
    """Multi-head cross-attention with a residual from the raw query input (eq. 20-25).

    The paper has separate matrices for its two directions; the release shares these.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.linears = nn.ModuleList(nn.Linear(channels, channels) for _ in range(4))  # query, key, value, output
        self.ln = nn.LayerNorm(channels)

    def forward(self, q: Tensor, kv: Tensor) -> Tensor:
        """`LN(out(softmax(Q K^T / sqrt(d)) V) + q)`. `[B, T, C]`, `[B, T, C]` -> `[B, T, C]`."""
        to_query, to_key, to_value, to_output = self.linears
        query, key, value = (
            linear(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, heads, T, C / heads]
            for linear, x in ((to_query, q), (to_key, kv), (to_value, kv))
        )
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        mixed = (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
        return self.ln(to_output(mixed) + q)


class Enhancement(nn.Module):
    """DEM. The attribute names are the checkpoint's, below `model.spatial_embed`."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()

        def feed_forward() -> nn.Sequential:
            return nn.Sequential(
                nn.Linear(channels, channels // 16), nn.GELU(), nn.Linear(channels // 16, channels // 2)
            )

        self.attention = Attention(channels, heads)
        self.ffn_crop = feed_forward()
        self.ffn_stride = feed_forward()
        self.ln_fuse = nn.LayerNorm(channels)

    def forward(self, features_local: Tensor, features_global: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """Both features `[N*N, h*h, C]` -> the fused map `[N*h, N*h, C]` and what is left of it, `[h*h, C]`."""
        h = math.isqrt(features_local.shape[1])

        # Recombination: local features tile, global features interleave.
        local_map = join_tiles(features_local, n)
        global_map = join_strided(features_global, n)

        # Mutual enhancement (eq. 20-25): in every tile the global features query the local ones, in every strided set
        # the local features query the global ones. The paper exchanges the two cuts.
        global_enhanced = join_tiles(self.attention(cut_tiles(global_map, n), cut_tiles(local_map, n)), n)
        local_enhanced = join_strided(self.attention(cut_strided(local_map, n), cut_strided(global_map, n)), n)

        # Fusion by linear-concat.
        halves = torch.cat([self.ffn_crop(local_enhanced), self.ffn_stride(global_enhanced)], dim=-1)
        fused = self.ln_fuse(halves + global_enhanced + local_enhanced)

        # The paper pools by averaging (eq. 7); the release samples bilinearly.
        sampled = F.interpolate(
            fused.permute(2, 0, 1)[None], size=(h, h), mode="bilinear", align_corners=False, antialias=False
        )
        return fused, sampled[0].flatten(1).T.contiguous()


# --- The whole model --------------------------------------------------------------------------------------------------


class InfLlava:
    """All parts of a checkpoint on one device."""

    def __init__(self, config: Config) -> None:
        """Shapes alone; `load` brings the weights."""
        channels = config.vision.hidden_size
        width = config.language.hidden_size
        self.config = config
        with torch.device("meta"):
            self.vision = CLIPVisionModel(config.vision).eval()
            self.enhancement = Enhancement(channels, config.dem_heads).eval()
            self.projector = nn.Sequential(nn.Linear(channels, width), nn.GELU(), nn.Linear(width, width)).eval()
            self.language = LlamaForCausalLM(config.language).eval()

    @property
    def device(self) -> torch.device:
        return self.language.device

    def see(self, pixel_values: Tensor) -> dict[str, Tensor]:
        """Every stage from `[3, S, S]` pixels to `[h*h, D]` visual tokens, by its name in `expected.safetensors`."""
        n = self.config.crops_per_side
        x = pixel_values.to(self.device, self.language.dtype)
        stages: dict[str, Tensor] = {
            "crops_local": local_crops(x, n),
            "crops_global": global_crops(x, n),
            "low": low_resolution(x, self.config.crop),
        }
        # One set of crops at a time: crops never see each other in the encoder.
        hidden = self._hidden_states(stages["crops_local"])
        stages |= {f"clip_local0_hidden{layer}": states[0] for layer, states in enumerate(hidden)}
        stages["features_local"] = hidden[-1][:, 1:]  # without the class token
        stages["features_global"] = self._hidden_states(stages["crops_global"])[-1][:, 1:]
        stages["features_low"] = self._hidden_states(stages["low"][None])[-1][0, 1:]

        fused, enhanced = self.enhancement(stages["features_local"], stages["features_global"], n)
        stages["dem_fused_map"] = fused
        stages["dem_output"] = enhanced
        stages["merged"] = (stages["features_low"] + enhanced) / 2
        stages["visual_tokens"] = self.projector(stages["merged"])
        return stages

    def _hidden_states(self, crops: Tensor) -> list[Tensor]:
        """What enters each encoder layer, up to and with the selected one. `[B, 3, P, P]` -> `[B, 1 + h*h, C]` each."""
        states = self.vision(crops, output_hidden_states=True).hidden_states
        assert len(states) == self.config.vision.num_hidden_layers + 1
        return list(states[: len(states) + self.config.select_layer + 1])

    def embed(self, input_ids: list[int], visual_tokens: Tensor | None, image_id: int) -> Tensor:
        """Embedded prompt, the visual tokens in the picture's place. -> `[1, T, D]`."""
        table = self.language.get_input_embeddings()
        pieces = []
        for token in input_ids:
            if token == image_id:
                assert visual_tokens is not None
                pieces.append(visual_tokens)
            else:
                pieces.append(table(torch.tensor([token], device=self.device)))
        return torch.cat(pieces)[None]

    def generate(self, inputs_embeds: Tensor, steps: int) -> tuple[Tensor, Tensor, list[int]]:
        """Greedy continuation, past stop ids too.

        -> logits of the last 8 prompt positions `[8, V]`, logits that chose each id `[steps, V]`, the ids.
        """
        out = self.language(inputs_embeds=inputs_embeds, use_cache=True, logits_to_keep=8)
        prompt_logits = out.logits[0].float().cpu()
        rows, ids = [prompt_logits[-1]], [int(prompt_logits[-1].argmax())]
        for _ in range(steps - 1):
            last = torch.tensor([[ids[-1]]], device=self.device)
            out = self.language(input_ids=last, past_key_values=out.past_key_values, use_cache=True)
            rows.append(out.logits[0, -1].float().cpu())
            ids.append(int(rows[-1].argmax()))
        return prompt_logits, torch.stack(rows), ids


# --- Weights ----------------------------------------------------------------------------------------------------------


class Weights:
    """Names and tensors of a checkpoint folder: safetensors or pickled, sharded or not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = self._find(folder)

    @staticmethod
    def _find(folder: Path) -> list[Path]:
        for stem in ("model.safetensors", "pytorch_model.bin"):
            index = folder / f"{stem}.index.json"
            if index.exists():
                names = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
                return [folder / name for name in sorted(set(names))]
            if (folder / stem).exists():
                return [folder / stem]
        raise FileNotFoundError(f"{folder}: no model.safetensors or pytorch_model.bin, with or without an index")

    def items(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor; never more than one shard in memory (of safetensors, one tensor)."""
        for file in self.files:
            if file.suffix == ".safetensors":
                with safe_open(file, framework="pt") as shard:
                    for name in shard.keys():
                        yield name, shard.get_tensor(name)
            else:
                yield from torch.load(file, map_location="cpu", weights_only=True).items()

    def shape(self, wanted: str) -> list[int]:
        """Shape of one tensor."""
        for file in self.files:
            if file.suffix == ".safetensors":
                with safe_open(file, framework="pt") as shard:
                    if wanted in shard.keys():
                        return shard.get_slice(wanted).get_shape()
            else:
                shard = torch.load(file, map_location="meta", weights_only=True)
                if wanted in shard:
                    return list(shard[wanted].shape)
        raise KeyError(f"{self.folder}: no {wanted}")


VISION_PREFIXES = ("model.vision_tower.vision_tower.vision_model.", "vision_model.")
# Tables that older versions of `transformers` saved although they follow from the configuration.
DERIVED = ("rotary_emb.inv_freq", "embeddings.position_ids")


def load(folder: Path, vision_folder: Path | None, device: str, dtype: torch.dtype) -> InfLlava:
    """Read a checkpoint, tensor by tensor, straight to `device` and `dtype`: no second copy of the model exists."""
    weights = Weights(folder)
    model = InfLlava(read_config(folder, weights))
    vision = getattr(model.vision, "vision_model", model.vision)  # `transformers` 4 has one level more

    def place(name: str, tensor: Tensor, only_vision: bool) -> bool:
        """Put one tensor where it belongs; False if it belongs nowhere."""
        targets: list[tuple[str, nn.Module]] = [(prefix, vision) for prefix in VISION_PREFIXES]
        if not only_vision:
            targets += [
                ("model.spatial_embed.", model.enhancement),
                ("model.mm_projector.", model.projector),
                ("", model.language),
            ]
        for prefix, module in targets:
            if name.startswith(prefix):
                key = name.removeprefix(prefix)
                if key not in dict(module.named_parameters()):
                    return False
                module.load_state_dict({key: tensor.to(device, dtype)}, strict=False, assign=True)
                return True
        return False

    unknown = [
        name
        for name, tensor in weights.items()
        if not place(name, tensor, only_vision=False) and not name.endswith(DERIVED)
    ]
    if unknown:
        raise ValueError(f"{folder}: unknown tensors: {', '.join(unknown[:8])} ({len(unknown)} in all)")
    if vision_folder is not None:
        # A whole CLIP repository holds the text tower too: what fits nowhere is passed over.
        for name, tensor in Weights(vision_folder).items():
            place(name, tensor, only_vision=True)
    model.language.tie_weights()

    # Tables that no checkpoint holds were made without values: make them again.
    positions = torch.arange(model.config.grid**2 + 1, device=device)[None]
    vision.embeddings.position_ids = positions
    with torch.device(device):
        model.language.model.rotary_emb = type(model.language.model.rotary_emb)(model.config.language)

    for part in (model.vision, model.enhancement, model.projector, model.language):
        tensors = [*part.named_parameters(), *part.named_buffers()]
        missing = [name for name, tensor in tensors if tensor.is_meta]
        if missing:
            hint = "; pass --vision-tower DIR" if part is model.vision else ""
            raise ValueError(f"{folder}: {len(missing)} tensors are missing: {', '.join(missing[:8])}{hint}")
    return model
