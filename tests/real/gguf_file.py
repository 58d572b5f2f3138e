"""Reads a GGUF file: its metadata, and its tensors as float32.

Written from the format's description, version 3: a header, key-value pairs, one line for each tensor, then the tensors' data,
all little-endian. Tensors may be F32, F16, Q8_0 or Q4_1, the kinds that such a file of a small model holds.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

MAGIC = b"GGUF"
VERSION = 3
STRING, ARRAY = 8, 9
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
"""Metadata types and their `struct` formats."""

BLOCK = 32
"""Values in a quantised block."""
Q8_0 = np.dtype([("scale", "<f2"), ("levels", "i1", BLOCK)])
Q4_1 = np.dtype([("scale", "<f2"), ("minimum", "<f2"), ("levels", "u1", BLOCK // 2)])
"""A level is half a byte: the low halves are the first 16 values, the high halves the last 16."""
KINDS = {0: ("F32", np.dtype("<f4"), 1), 1: ("F16", np.dtype("<f2"), 1), 3: ("Q4_1", Q4_1, BLOCK), 8: ("Q8_0", Q8_0, BLOCK)}
"""Tensor types: name, the dtype of a block, values in a block."""


class GgufError(Exception):
    """The file is no GGUF file, or holds what is not read here."""


class Gguf:
    """A GGUF file in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        if self._take(4) != MAGIC:
            raise GgufError("it does not begin with GGUF")
        if (version := self._scalar(4)) != VERSION:
            raise GgufError(f"its version is {version}, and {VERSION} is read here")
        tensors, pairs = self._scalar(10), self._scalar(10)
        self.metadata: dict[str, Any] = {}
        for _ in range(pairs):
            key = self._string()
            self.metadata[key] = self._value(self._scalar(4))
        self._tensors: dict[str, tuple[tuple[int, ...], int, int]] = {}
        for _ in range(tensors):
            name = self._string()
            # The file gives the fastest dimension first.
            shape = tuple(reversed([self._scalar(10) for _ in range(self._scalar(4))]))
            self._tensors[name] = (shape, self._scalar(4), self._scalar(10))
        alignment = self.metadata.get("general.alignment", 32)
        self._start = -(-self._at // alignment) * alignment

    @property
    def names(self) -> list[str]:
        """The tensors' names, in the file's order."""
        return list(self._tensors)

    def kind(self, name: str) -> str:
        """A tensor's type, such as `Q4_1`."""
        kind = self._tensors[name][1]
        if kind not in KINDS:
            raise GgufError(f"tensor {name} is of type {kind}, and read here are {', '.join(k[0] for k in KINDS.values())}")
        return KINDS[kind][0]

    def tensor(self, name: str) -> np.ndarray:
        """A tensor as float32: level times scale, plus the block's minimum, each step rounded to float32."""
        shape, kind, offset = self._tensors[name]
        label = self.kind(name)
        _, dtype, per_block = KINDS[kind]
        values = int(np.prod(shape, dtype=np.int64))
        if shape[-1] % per_block:
            raise GgufError(f"tensor {name} has rows of {shape[-1]} values, which are no blocks of {per_block}")
        start, count = self._start + offset, values // per_block
        if start + count * dtype.itemsize > len(self._data):
            raise GgufError(f"it ends at byte {len(self._data)}, within tensor {name}")
        blocks = np.frombuffer(self._data, dtype, count, start)
        if label in ("F32", "F16"):
            return blocks.astype(np.float32).reshape(shape)
        scale = blocks["scale"].astype(np.float32)[:, None]
        levels = blocks["levels"]
        if label == "Q8_0":
            return (levels.astype(np.float32) * scale).reshape(shape)
        levels = np.concatenate([levels & 15, levels >> 4], axis=1).astype(np.float32)
        return (levels * scale + blocks["minimum"].astype(np.float32)[:, None]).reshape(shape)

    def _take(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        if len(piece) < count:
            raise GgufError(f"it ends at byte {len(self._data)}, within its header")
        self._at += count
        return piece

    def _scalar(self, kind: int) -> Any:
        if kind not in SCALARS:
            raise GgufError(f"its metadata has a value of the unknown type {kind}")
        layout = SCALARS[kind]
        return struct.unpack(layout, self._take(struct.calcsize(layout)))[0]

    def _string(self) -> str:
        return self._take(self._scalar(10)).decode("utf-8")

    def _value(self, kind: int) -> Any:
        if kind == STRING:
            return self._string()
        if kind == ARRAY:
            item, count = self._scalar(4), self._scalar(10)
            return [self._value(item) for _ in range(count)]
        return self._scalar(kind)
