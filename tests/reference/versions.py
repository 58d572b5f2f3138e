"""The version of Pillow that the fixtures are from, which `requirements.txt` pins."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import PIL


def check_pillow() -> None:
    """End the program under any other Pillow: from 13 on, some resizes go down before they go across, which rounds otherwise."""
    requirements = Path(__file__).with_name("requirements.txt").read_text()
    pinned = re.search(r"^pillow==(\S+)$", requirements, re.MULTILINE)
    if pinned is None:
        sys.exit("requirements.txt pins no Pillow")
    if PIL.__version__ != pinned[1]:
        sys.exit(
            f"this is Pillow {PIL.__version__}, whose pixels may differ; the fixtures are from {pinned[1]}: "
            f"pip install pillow=={pinned[1]}"
        )
