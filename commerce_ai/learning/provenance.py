"""What a run was made of: which rows, which code, which device."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import cache

from django.conf import settings

import commerce_ai
from commerce_ai.learning.learner import Frames


def of_frames(frames: Frames) -> str:
    """Equal for equal rows whatever their order: schema, row count and the sum of the rows' hashes of each frame.

    The hashes are polars' own, so fingerprints compare between runs of one polars version.
    """
    digest = hashlib.sha256()
    for name in sorted(frames):
        frame = frames[name]
        total = frame.hash_rows(seed=0).sum() if frame.height and frame.width else 0
        digest.update(f"{name} {frame.schema} {frame.height} {total}\n".encode())
    return digest.hexdigest()


@cache
def of_code() -> str:
    """The revision: of the image, else git's (with ``+`` where files differ from it), else the package's version."""
    if revision := os.environ.get("COMMERCE_AI_REVISION"):
        return revision[:64]
    folder = settings.BASE_DIR
    if (folder / ".git").exists():
        try:
            revision = _git("rev-parse", "--short=12", "HEAD")
            return revision + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
        except (OSError, subprocess.SubprocessError):
            pass
    return commerce_ai.__version__


def device() -> str:
    """Where torch computes, if the learner has loaded it; else the CPU."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return f"cuda: {torch.cuda.get_device_name()}"
    return "cpu"


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(settings.BASE_DIR), *arguments], capture_output=True, text=True, timeout=5, check=True
    )
    return done.stdout.strip()
