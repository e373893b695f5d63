"""Third-party packages of the tests, really installed: into a folder of their own, so that no other run sees them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = (HERE / "dummy_plugin", HERE / "dummy_learner")


def install(var: Path) -> None:
    """Install what changed, and put the folder on the path of this process and of those that it starts."""
    site = var / "site"
    site.mkdir(parents=True, exist_ok=True)
    with (var / "site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = var / "site.state"
        wanted = _fingerprint()
        if not state.exists() or state.read_text() != wanted:
            # Built from copies: setuptools writes beside the sources.
            copies = var / "site-sources"
            shutil.rmtree(copies, ignore_errors=True)
            for package in PACKAGES:
                shutil.copytree(package, copies / package.name)
            subprocess.run(
                [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--upgrade",
                 "--target", str(site), *map(str, sorted(copies.iterdir()))], check=True,
            )  # fmt: skip
            state.write_text(wanted)
    sys.path.insert(0, str(site))
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(site), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    )


def _fingerprint() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for package in PACKAGES:
        for file in sorted(package.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts and ".egg-info" not in str(file):
                digest.update(str(file.relative_to(HERE)).encode() + file.read_bytes())
    return digest.hexdigest()
