"""From turns of a conversation to the prompt's text and its token ids."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

IMAGE = "<image>"
IMAGE_ID = -200
"""Stands for the picture in `input_ids`."""

BOS_TEXT = "<|begin_of_text|>"
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)

Turn = tuple[str, str | None]
"""A question and its answer; the answer that is to be generated is None."""


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """`tokenizer.json` as it stands, else whatever the folder's tokenizer files describe."""
    file = folder / "tokenizer.json"
    if file.exists():
        return PreTrainedTokenizerFast(tokenizer_file=str(file), clean_up_tokenization_spaces=False)
    return AutoTokenizer.from_pretrained(folder)


def render(turns: list[Turn]) -> str:
    """The release's `llama3` template. An open last turn ends with the assistant's header."""

    def message(role: str, text: str) -> str:
        return f"<|start_header_id|>{role}<|end_header_id|>\n\n{text}"

    prompt = BOS_TEXT + message("system", SYSTEM) + "<|eot_id|>"
    for question, answer in turns:
        prompt += message("user", question) + "<|eot_id|>" + message("assistant", answer or "")
        if answer is not None:
            prompt += "<|eot_id|>"
    return prompt


def encode(tokenizer: PreTrainedTokenizerBase, bos_id: int, prompt: str) -> list[int]:
    """Ids of a prompt, -200 in the picture's place, tokenised as the release does.

    Every piece between pictures is encoded with a BOS in front, and only the first piece keeps it. Since the prompt
    begins with the BOS as text too, its ids begin with two of them, with a picture or without; the weights were
    trained so.

    This path recognises special tokens anywhere in the prompt. `inf-llava` encodes what a user typed without them;
    for the fixed questions asked here the two agree.
    """
    ids = [bos_id]
    for index, piece in enumerate(prompt.split(IMAGE)):
        if index > 0:
            ids.append(IMAGE_ID)
        # Adding the BOS by hand makes this independent of the tokenizer file's post-processor.
        ids += tokenizer.encode(piece, add_special_tokens=False)
    return ids
