"""Write `tests/fixtures/ablations/`: what the paper's ablations compute between tower and projector, one small case each.

Random features and weights stand for the tower's and the checkpoint's. Everything is computed on whole maps, densely,
from the formulas of the paper (sections 4.2 and 4.3, Tab. 3 to 6) and, where the paper has none, those of
`tests/fixtures/README.md`. For odd N the low-resolution features are those of the middle global crop, and for N = 1
all three are the same: so it is in the model, where their pixels are equal.

    python tests/reference/write_ablations.py
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from model import Attention, cut_strided, cut_tiles, join_strided, join_tiles
from safetensors.torch import save_file
from torch import Tensor

OUT = Path(__file__).parents[1] / "fixtures" / "ablations" / "ablations.safetensors"
C, HEADS, HIDDEN = 16, 2, 8
EPS = 1e-5
DEM, PROJECTOR = "model.spatial_embed", "model.mm_projector"

# name: (N, h, the block `inf_llava` without N and heads)
FUSIONS = ("conv3x3", "multiplication", "weighted_addition", "maxpool", "addition")
CASES: dict[str, tuple[int, int, dict]] = {
    "released": (3, 4, {}),
    "low_alone": (3, 4, {"modules": "none"}),
    "high_alone": (3, 4, {"low_resolution": False}),
    "average": (3, 4, {"pooling": "average"}),
    "average_high_alone": (3, 4, {"pooling": "average", "low_resolution": False}),
    "local": (3, 4, {"modules": "local"}),
    "global": (3, 4, {"modules": "global"}),
    "local_global": (3, 4, {"modules": "local_global"}),
    "local_average": (3, 4, {"modules": "local", "pooling": "average"}),
    "global_average": (3, 4, {"modules": "global", "pooling": "average"}),
    "local_global_average": (3, 4, {"modules": "local_global", "pooling": "average"}),
    "enhancement_global": (3, 4, {"enhancement": "global"}),
    "enhancement_local": (3, 4, {"enhancement": "local"}),
    **{f"fusion_{fusion}": (3, 4, {"fusion": fusion}) for fusion in FUSIONS},
    "paper": (3, 4, {"dem": "paper"}),
    "paper_global": (3, 4, {"dem": "paper", "enhancement": "global"}),
    "paper_local": (3, 4, {"dem": "paper", "enhancement": "local"}),
    "paper_average_conv3x3": (3, 4, {"dem": "paper", "pooling": "average", "fusion": "conv3x3"}),
    # One crop a side.
    "n1": (1, 3, {}),
    "n1_low_alone": (1, 3, {"modules": "none"}),
    "n1_local": (1, 3, {"modules": "local"}),
    "n1_conv3x3": (1, 3, {"fusion": "conv3x3"}),
    # Even N; N that does not divide h; N > h, where crops die that are alive otherwise.
    "n2_low_alone": (2, 3, {"modules": "none"}),
    "n2_local_global": (2, 3, {"modules": "local_global"}),
    "n2_average": (2, 3, {"pooling": "average"}),
    "n2_conv3x3": (2, 3, {"fusion": "conv3x3"}),
    "n2_paper": (2, 3, {"dem": "paper"}),
    "n4_conv3x3": (4, 2, {"fusion": "conv3x3"}),
    "n4_paper": (4, 2, {"dem": "paper"}),
    "n4_local": (4, 2, {"modules": "local"}),
    "n5_conv3x3": (5, 2, {"fusion": "conv3x3"}),
    "n5_conv3x3_high_alone": (5, 2, {"fusion": "conv3x3", "low_resolution": False}),
    "n5_paper": (5, 2, {"dem": "paper"}),
    "n5_paper_conv3x3": (5, 2, {"dem": "paper", "fusion": "conv3x3"}),
    "n5_average": (5, 2, {"pooling": "average"}),
}
EQUAL = ({"global", "low_alone"}, {"n1_local", "n1_low_alone"})


def random_weights(generator: torch.Generator) -> dict[str, Tensor]:
    """Every tensor that some configuration has, under its checkpoint name."""

    def normal(*shape: int, scale: float = 1.0, mean: float = 0.0) -> Tensor:
        return mean + scale * torch.randn(*shape, generator=generator)

    weights: dict[str, Tensor] = {}

    def linear(name: str, inputs: int, outputs: int) -> None:
        weights[f"{name}.weight"] = normal(outputs, inputs, scale=inputs**-0.5)
        weights[f"{name}.bias"] = normal(outputs, scale=0.2)

    def norm(name: str) -> None:
        weights[f"{name}.weight"] = normal(C, scale=0.2, mean=1.0)
        weights[f"{name}.bias"] = normal(C, scale=0.2)

    for attention in ("attention", "attention_global", "attention_local"):
        for index in range(4):
            linear(f"{DEM}.{attention}.linears.{index}", C, C)
        norm(f"{DEM}.{attention}.ln")
    for ffn in ("ffn_crop", "ffn_stride"):
        linear(f"{DEM}.{ffn}.0", C, C // 16)
        linear(f"{DEM}.{ffn}.2", C // 16, C // 2)
    weights[f"{DEM}.conv_fuse.weight"] = normal(C, 2 * C, 3, 3, scale=(18 * C) ** -0.5)
    weights[f"{DEM}.conv_fuse.bias"] = normal(C, scale=0.2)
    weights[f"{DEM}.weight_crop"] = normal(C)
    weights[f"{DEM}.weight_stride"] = normal(C)
    norm(f"{DEM}.ln_fuse")
    linear(f"{PROJECTOR}.0", C, HIDDEN)
    linear(f"{PROJECTOR}.2", HIDDEN, HIDDEN)
    return weights


def random_features(n: int, h: int, generator: torch.Generator) -> dict[str, Tensor]:
    """The three features for one N and h."""
    local = torch.randn(n * n, h * h, C, generator=generator)
    glob = torch.randn(n * n, h * h, C, generator=generator)
    low = torch.randn(h * h, C, generator=generator)
    if n % 2 == 1:
        low = glob[(n * n) // 2].clone()
    if n == 1:
        local = glob.clone()
    return {"local": local, "global": glob, "low": low}


class Reference:
    """One configuration on whole maps."""

    def __init__(self, weights: dict[str, Tensor], n: int, options: dict) -> None:
        self.weights, self.n, self.options = weights, n, options

    def tensor(self, name: str) -> Tensor:
        return self.weights[f"{DEM}.{name}"]

    def norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (C,), self.tensor(f"{name}.weight"), self.tensor(f"{name}.bias"), EPS)

    def ffn(self, x: Tensor, name: str) -> Tensor:
        for index in (0, 2):
            x = F.linear(x, self.tensor(f"{name}.{index}.weight"), self.tensor(f"{name}.{index}.bias"))
            x = F.gelu(x) if index == 0 else x
        return x

    def attention(self, name: str) -> Attention:
        module = Attention(C, HEADS)
        prefix = f"{DEM}.{name}."
        state = {key.removeprefix(prefix): value for key, value in self.weights.items() if key.startswith(prefix)}
        module.load_state_dict(state)
        return module

    def enhance(self, local: Tensor, glob: Tensor) -> tuple[Tensor, Tensor]:
        """The maps L and G -> L' and G'; a map that is not enhanced stays as it is."""
        n, directions = self.n, self.options.get("enhancement", "both")
        local_enhanced, global_enhanced = local, glob
        if self.options.get("dem", "released") == "paper":
            # Equations 18 to 21 cut both maps as the global crops are cut, 22 to 25 as the local ones.
            if directions in ("both", "global"):
                sets = self.attention("attention_global")(cut_strided(glob, n), cut_strided(local, n))
                global_enhanced = join_strided(sets, n)
            if directions in ("both", "local"):
                tiles = self.attention("attention_local")(cut_tiles(local, n), cut_tiles(glob, n))
                local_enhanced = join_tiles(tiles, n)
        else:
            attention = self.attention("attention")
            if directions in ("both", "global"):
                global_enhanced = join_tiles(attention(cut_tiles(glob, n), cut_tiles(local, n)), n)
            if directions in ("both", "local"):
                local_enhanced = join_strided(attention(cut_strided(local, n), cut_strided(glob, n)), n)
        return local_enhanced, global_enhanced

    def fuse(self, local: Tensor, glob: Tensor) -> Tensor:
        """L' and G' -> the fused map."""
        match self.options.get("fusion", "linear_concat"):
            case "linear_concat":
                fused = torch.cat([self.ffn(local, "ffn_crop"), self.ffn(glob, "ffn_stride")], dim=-1) + glob + local
            case "conv3x3":
                both = torch.cat([local, glob], dim=-1).permute(2, 0, 1)[None]
                weight, bias = self.tensor("conv_fuse.weight"), self.tensor("conv_fuse.bias")
                fused = F.conv2d(both, weight, bias, padding=1)[0].permute(1, 2, 0)
            case "multiplication":
                fused = glob * local
            case "weighted_addition":
                fused = self.tensor("weight_crop") * local + self.tensor("weight_stride") * glob
            case "maxpool":
                fused = torch.maximum(glob, local)
            case "addition":
                fused = glob + local
            case other:
                raise ValueError(other)
        return self.norm(fused, "ln_fuse")

    def merged(self, features: dict[str, Tensor]) -> Tensor:
        """`[h*h, C]`, before the projector."""
        n, low = self.n, features["low"]
        h = math.isqrt(low.shape[0])
        local, glob = join_tiles(features["local"], n), join_strided(features["global"], n)
        match self.options.get("modules", "dcm_dem"):
            case "dcm_dem":
                fused = self.fuse(*self.enhance(local, glob))
            case "local":
                fused = local
            case "global":
                fused = glob
            case "local_global":
                fused = local + glob
            case "none":
                return low
            case other:
                raise ValueError(other)
        fused = fused.permute(2, 0, 1)[None]
        if self.options.get("pooling", "bilinear") == "average":
            pooled = F.avg_pool2d(fused, n)
        else:
            pooled = F.interpolate(fused, size=(h, h), mode="bilinear", align_corners=False, antialias=False)
        high = pooled[0].flatten(1).T
        return (low + high) / 2 if self.options.get("low_resolution", True) else high

    def visual_tokens(self, merged: Tensor) -> Tensor:
        for index in (0, 2):
            weight, bias = (self.weights[f"{PROJECTOR}.{index}.{part}"] for part in ("weight", "bias"))
            merged = F.linear(merged, weight, bias)
            merged = F.gelu(merged) if index == 0 else merged
        return merged


@torch.no_grad()
def main() -> None:
    generator = torch.Generator().manual_seed(2407_16198)
    weights = random_weights(generator)
    tensors, features = dict(weights), {}
    for n, h, _ in CASES.values():
        if (n, h) not in features:
            features[n, h] = random_features(n, h, generator)
            tensors |= {f"n{n}h{h}.features_{part}": value for part, value in features[n, h].items()}
    cases = []
    for name, (n, h, options) in CASES.items():
        reference = Reference(weights, n, options)
        merged = reference.merged(features[n, h])
        tensors[f"{name}.merged"] = merged
        tensors[f"{name}.visual_tokens"] = reference.visual_tokens(merged)
        block = {"crops_per_side": n, "dem_heads": HEADS, **options}
        cases.append({"name": name, "features": f"n{n}h{h}", "tokens_per_side": h, "inf_llava": block})
    OUT.parent.mkdir(exist_ok=True)
    tensors = {name: value.clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}
    save_file(tensors, OUT, metadata={"cases": json.dumps(cases)})
    print(f"{OUT}: {len(cases)} cases, {OUT.stat().st_size} bytes")
    # Every choice must show. With odd N the selected positions of the global map are the low resolution.
    for index, one in enumerate(cases):
        for other in cases[:index]:
            alike = {one["name"], other["name"]}
            same_input = one["features"] == other["features"]
            if same_input and alike not in EQUAL:
                first, second = (tensors[f"{name}.merged"] for name in alike)
                assert not torch.allclose(first, second, atol=1e-2), alike


if __name__ == "__main__":
    main()
