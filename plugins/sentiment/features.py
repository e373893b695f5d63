"""From texts to n-grams: pairs of words where words are spaced, one to four characters where they are not (Chinese).

An n-gram is a 64-bit number, computed from its characters, so that a vocabulary is a sorted array and needs no
dictionary of strings. `surfaces` gives the n-grams of a text as people read them, in the same order.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Script = Literal["words", "characters"]

WORDS: Script = "words"
CHARACTERS: Script = "characters"
SCRIPTS: tuple[Script, ...] = (WORDS, CHARACTERS)
UNSPACED = ("zh", "ja", "yue", "th")
MOST_IN_A_ROW = 4  # characters of an n-gram
LENGTHS = range(1, MOST_IN_A_ROW + 1)
MOST_CHARACTERS = 10_000  # of a text; what comes later changes no verdict

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_SPACE = re.compile(r"\s+")
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LETTER = re.compile(r"[^\W\d_]")
_UNSPACED_SHARE = 0.3


def script_of(text: str, language: str | None = None) -> Script:
    """How a text is cut: by its language (BCP 47) where that is given, else by the letters it is written in."""
    if language:
        return CHARACTERS if language.lower().split("-")[0] in UNSPACED else WORDS
    letters = len(_LETTER.findall(text[:500]))
    return CHARACTERS if letters and len(_UNSPACED.findall(text[:500])) > _UNSPACED_SHARE * letters else WORDS


def scripts_of(texts: Sequence[str], languages: Iterable[str | None] | None = None) -> list[Script]:
    """`script_of` for each text."""
    given = languages if languages is not None else (None for _ in texts)
    return [script_of(text, language) for text, language in zip(texts, given, strict=True)]


def grams(text: str, script: Script) -> Hashes:
    """The n-grams of a text as numbers, repeats included; empty for a text without a letter or digit."""
    if script == CHARACTERS:
        one = _mixed(np.frombuffer(_squeezed(text).encode("utf-32-le"), np.uint32).astype(np.uint64))
        found = [one]
        for longer in range(1, MOST_IN_A_ROW):
            found.append(_mixed(found[-1][:-1] * _PRIME + one[longer:]))
        return np.concatenate(found)
    words = np.array([_hash(each) for each in words_of(text)], np.uint64)
    return np.concatenate([words, _mixed(words[:-1] * _PRIME + words[1:])])


def surfaces(text: str, script: Script) -> list[str]:
    """The n-grams of `grams` as they are read, in the same order."""
    if script == CHARACTERS:
        kept = _squeezed(text)
        return [kept[start : start + n] for n in LENGTHS for start in range(len(kept) - n + 1)]
    words = words_of(text)
    return words + [f"{one} {two}" for one, two in itertools.pairwise(words)]


def words_of(text: str) -> list[str]:
    """The words of a text in small letters."""
    return _WORD.findall(text[:MOST_CHARACTERS].lower().replace("’", "'"))


def _squeezed(text: str) -> str:
    return _SPACE.sub("", text[:MOST_CHARACTERS].lower()).encode("utf-8", "ignore").decode()


@lru_cache(maxsize=50_000)
def _hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "ignore"), digest_size=8).digest(), "little")


_PRIME = np.uint64(0x9E3779B97F4A7C15)


def _mixed(values: Hashes) -> Hashes:
    """Splitmix64's finaliser: nearby numbers become unrelated ones. Overflow is meant."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
