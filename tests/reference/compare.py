"""Compare two files of stage tensors, and the `.json` files beside them where both exist.

Prints each tensor's largest and mean absolute difference. Exits 1 if anything lies outside the tolerances.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

Arrays = dict[str, np.ndarray]
IMAGE_KEYS = ("width", "height", "mode", "square_u8_sha256")
CASE_KEYS = ("image", "turns", "prompt", "input_ids", "sequence_length")


def common_prefix(a: list[int], b: list[int]) -> int:
    """How many leading ids agree."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


class Report:
    """Prints findings and remembers whether one was bad."""

    def __init__(self) -> None:
        self.failures = 0

    def line(self, ok: bool, text: str) -> None:
        self.failures += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {text}")


def compare_json(a: dict[str, Any], b: dict[str, Any], a_tensors: Arrays, tolerance: float, report: Report) -> None:
    """Pictures, prompts, ids and texts. An id may differ where the best two logits are within the tolerance."""
    for i, (x, y) in enumerate(zip(a["images"], b["images"], strict=False)):
        bad = [key for key in IMAGE_KEYS if x[key] != y[key]]
        report.line(not bad, f"image {i}: {'differs in ' + ', '.join(bad) if bad else 'equal, squares to the byte'}")
    b_cases = {case["name"]: case for case in b["cases"]}
    for x in a["cases"]:
        y = b_cases.get(x["name"])
        if y is None:
            continue
        bad = [key for key in CASE_KEYS if x[key] != y[key]]
        same = common_prefix(x["greedy_ids"], y["greedy_ids"])
        length = min(len(x["greedy_ids"]), len(y["greedy_ids"]))
        note = f"{same} of {length} ids equal"
        if same < length:
            # Each side's logits may be off by the tolerance, so a gap of twice that decides nothing.
            second, first = np.sort(a_tensors[f"{x['name']}.step_logits"][same])[-2:]
            note += f", then a gap of {first - second:.2e} between the best two logits"
            if not first - second <= 2 * tolerance:
                bad.append("greedy_ids")
        elif len(x["greedy_ids"]) == len(y["greedy_ids"]) and x["greedy_text"] != y["greedy_text"]:
            bad.append("greedy_text")
        report.line(not bad, f"case {x['name']}: {note}{'; differs in ' + ', '.join(bad) if bad else ''}")
    bad = a["tokenizer_cases"] != b["tokenizer_cases"]
    report.line(not bad, f"tokenizer cases: {'differ' if bad else 'equal'}")


def comparable_steps(name: str, jsons: list[dict[str, Any]]) -> int | None:
    """Rows of step logits that followed the same ids: up to the first that chose differently. None means all."""
    case, _, stage = name.partition(".")
    ids = [c["greedy_ids"] for expected in jsons for c in expected["cases"] if c["name"] == case]
    if stage != "step_logits" or len(ids) < 2:
        return None
    return min(common_prefix(*ids) + 1, *map(len, ids))


def compare_tensors(
    a: Arrays, b: Arrays, jsons: list[dict[str, Any]], args: argparse.Namespace, report: Report
) -> None:
    """Every tensor of either file."""
    print(f"     {'tensor':34} {'shape':18} {'largest':>9} {'mean':>9} {'allowed':>9}")
    for name in sorted(a.keys() | b.keys()):
        if name not in a or name not in b:
            report.line(args.common, f"{name:34} only in {args.a if name in a else args.b}")
            continue
        x, y = a[name], b[name]
        steps = comparable_steps(name, jsons)
        if steps is not None:
            x, y = x[:steps], y[:steps]
        if x.shape != y.shape:
            report.line(False, f"{name:34} {x.shape} and {y.shape}")
            continue
        allowed = args.features
        if name.endswith("square_u8"):
            allowed = 0.0
        elif "logits" in name:
            allowed = args.logits
        difference = np.abs(x.astype(np.float64) - y.astype(np.float64))
        largest, mean = difference.max(initial=0.0), difference.mean() if difference.size else 0.0
        shape = "x".join(map(str, x.shape))
        # `<=` is false for NaN too.
        report.line(bool(largest <= allowed), f"{name:34} {shape:18} {largest:9.2e} {mean:9.2e} {allowed:9.0e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("a", type=Path, metavar="A.safetensors")
    parser.add_argument("b", type=Path, metavar="B.safetensors")
    parser.add_argument("--features", type=float, default=2e-4, help="absolute tolerance of features (2e-4)")
    parser.add_argument("--logits", type=float, default=1e-3, help="absolute tolerance of logits (1e-3)")
    parser.add_argument("--common", action="store_true", help="a tensor that only one file has is no failure")
    args = parser.parse_args()

    report = Report()
    a, b = load_file(args.a), load_file(args.b)
    jsons: list[dict[str, Any]] = []
    siblings = [path.with_suffix(".json") for path in (args.a, args.b)]
    if all(path.exists() for path in siblings):
        jsons = [json.loads(path.read_text(encoding="utf-8")) for path in siblings]
    compare_tensors(a, b, jsons, args, report)
    if jsons:
        compare_json(*jsons, a, args.logits, report)
    print(f"{report.failures} outside the tolerances" if report.failures else "all within the tolerances")
    sys.exit(1 if report.failures else 0)


if __name__ == "__main__":
    main()
