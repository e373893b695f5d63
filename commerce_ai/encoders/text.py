"""Texts as vectors: a sentence encoder served by onnxruntime and `tokenizers`, never torch or transformers.

`exporting.export` (trainer, lab) writes an encoder's three files, `load` answers from them. Two plugins whose artifacts
hold the same encoder share one session in a process: a session is known by what its file contains, not by its place.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

MODEL, TOKENIZER, ABOUT = "encoder.onnx", "tokenizer.json", "encoder.json"
FILES = (MODEL, TOKENIZER, ABOUT)
UNKNOWN = ("[UNK]", "<unk>")
REMEMBERED = 60_000  # texts whose vectors one encoder keeps where it is told to: 92 MB at 384 numbers


def load(folder: Path) -> TextEncoder:
    """The encoder in `folder`. Sessions are shared within the process by content, each with few threads."""
    contents = tuple((folder / name).read_bytes() for name in (ABOUT, TOKENIZER))
    key = "/".join((_hash_of(folder / MODEL), *(hashlib.blake2b(each).hexdigest() for each in contents)))
    with _lock:
        if key not in _loaded:
            _loaded[key] = TextEncoder(folder)
        return _loaded[key]


class TextEncoder:
    """Vectors of texts: unit length, so that a dot product is a cosine. Safe for several threads.

    `name` is the encoder's, `dim` the length of a vector, `max_tokens` where a text is cut off.
    """

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        about = json.loads((folder / ABOUT).read_text())
        self.name: str = about["name"]
        self.dim: int = about["dim"]
        self.max_tokens: int = about["max_tokens"]
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.max_tokens)
        self._session = _session(folder / MODEL)
        self._inputs = {each.name for each in self._session.get_inputs()}
        self._remembered: dict[str, Vectors] = {}

    def encode(self, texts: Sequence[str], batch: int = 1, *, remember: bool = False) -> Vectors:
        """float32 ``[texts, dim]``, in the order of `texts`; an empty text has a vector, too.

        `batch` texts of like length run together. One at a time is the default: int8 scales its activations over
        whatever runs together, so that a text's vector would depend on its neighbours, and on two cores it is no
        slower. With `remember` the vectors of known texts are kept, for fits that meet the same texts again.
        """
        if remember:
            return self._remembering(list(texts), batch)
        made = np.zeros((len(texts), self.dim), np.float32)
        for start in range(0, len(texts), 1024):  # bounds what tokens take
            tokens = [each.ids for each in self._tokenizer.encode_batch(list(texts[start : start + 1024]))]
            order = sorted(range(len(tokens)), key=lambda index: len(tokens[index]))
            for first in range(0, len(order), batch):
                rows = order[first : first + batch]
                made[[start + row for row in rows]] = self._run([tokens[row] for row in rows])
        return made

    def unknown_share(self, texts: Sequence[str]) -> float:
        """The share of tokens that the encoder does not know: near 0 in its own languages, high in foreign ones."""
        known = (self._tokenizer.token_to_id(each) for each in UNKNOWN)
        unknown = next((each for each in known if each is not None), -1)
        ids = [
            token for each in self._tokenizer.encode_batch(list(texts), add_special_tokens=False) for token in each.ids
        ]
        return ids.count(unknown) / max(len(ids), 1)

    def _run(self, tokens: Sequence[Sequence[int]]) -> Vectors:
        longest = max(map(len, tokens))
        ids = np.zeros((len(tokens), longest), np.int64)
        mask = np.zeros((len(tokens), longest), np.int64)
        for row, each in enumerate(tokens):
            ids[row, : len(each)] = each
            mask[row, : len(each)] = 1
        (vectors,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        return vectors

    def _remembering(self, texts: list[str], batch: int) -> Vectors:
        new = [each for each in dict.fromkeys(texts) if each not in self._remembered]
        if len(self._remembered) + len(new) > REMEMBERED:
            self._remembered.clear()
            new = list(dict.fromkeys(texts))
        known = dict(zip(new, self.encode(new, batch), strict=True))
        if len(known) <= REMEMBERED:
            self._remembered |= known
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        return np.stack([known[each] if each in known else self._remembered[each] for each in texts])


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _threads()
    options.inter_op_num_threads = 1
    # Without its own arena a session gives back what a long text took; texts are short, so it costs little time.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _threads() -> int:
    """One in a web process, whose own threads are the parallelism; else what OMP_NUM_THREADS allows, four at most."""
    if os.environ.get("COMMERCE_AI_PROCESS") == "web":
        return 1
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    return int(allowed) if allowed.isdigit() and int(allowed) else min(os.cpu_count() or 1, 4)


def _hash_of(path: Path) -> str:
    about = path.stat()
    return _hash(str(path.resolve()), about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=64)
def _hash(path: str, modified: int, size: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_lock = threading.Lock()
_loaded: dict[str, TextEncoder] = {}
