"""Writes what torch.save makes of small state dicts: the fixtures of tests/stages/pytorch.rs.

    python tests/reference/write_pytorch.py tests/fixtures/pytorch
"""

import collections
import pathlib
import sys

import torch


def main(folder: pathlib.Path) -> None:
    torch.manual_seed(0)
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 8
    state = collections.OrderedDict()
    state["f32"] = base
    state["view"] = base[1:3]  # an offset into the same storage
    state["f16"] = (base - 1).half()
    state["bf16"] = (base * 3).bfloat16().reshape(2, 12)
    state["parameter"] = torch.nn.Parameter(base[0].clone())
    state["ids"] = torch.arange(5).expand((1, -1))
    state["scalar"] = torch.tensor(2.5)
    torch.save(state, folder / "pytorch_model.bin")
    torch.save({"transposed": base.t()}, folder / "transposed.bin")
    torch.save(state, folder / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.save({"state": 3, "rate": 0.1, "none": None, "flag": True}, folder / "no_tensors.bin")
    torch.save(torch.nn.Linear(2, 2), folder / "module.bin")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
