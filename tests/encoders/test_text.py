"""A text encoder keeps what the original says, in order, and answers without torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from commerce_ai.encoders import exporting, text
from commerce_ai.encoders.text import FILES, TextEncoder

TEXTS = [
    "The parcel came two weeks late and the box was torn.",
    "Great shoes, they fit perfectly and look even better than in the pictures!",
    "How do I return an order?",
    "质量很好，物流也快",
    "ok",
    "The battery of this laptop is a joke. " * 40,  # longer than the encoder reads
]


@pytest.fixture
def encoder(exported_encoder: Path) -> TextEncoder:
    return text.load(exported_encoder)


def test_vectors_are_those_of_the_original_to_a_hundredth(encoder: TextEncoder) -> None:
    theirs = _original_vectors(TEXTS)
    cosine = (encoder.encode(TEXTS) * theirs).sum(1)
    assert cosine.mean() >= 0.99
    assert cosine.min() >= 0.95  # a text of one word has nothing to average its rounding away
    # Int8 must not reshuffle who is near whom: a question about returns is nearest to what is nearest to it.
    query = encoder.encode(["I want to send my order back"])[0]
    assert int(np.argmax(encoder.encode(TEXTS) @ query)) == 2


def test_rows_keep_their_order_and_do_not_depend_on_their_neighbours(encoder: TextEncoder) -> None:
    together = encoder.encode(TEXTS)
    for row, each in enumerate(TEXTS):
        np.testing.assert_array_equal(together[row], encoder.encode([each])[0])
    in_batches = encoder.encode(TEXTS, batch=4)
    assert ((together * in_batches).sum(1) > 0.95).all()


def test_every_vector_has_unit_length_an_empty_text_included(encoder: TextEncoder) -> None:
    vectors = encoder.encode(["", " ", *TEXTS])
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS) + 2, encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_what_is_remembered_is_what_was_encoded(encoder: TextEncoder) -> None:
    texts = [*TEXTS[:3], TEXTS[0]]
    np.testing.assert_array_equal(encoder.encode(texts, remember=True), encoder.encode(texts))
    np.testing.assert_array_equal(encoder.encode(texts[::-1], remember=True), encoder.encode(texts[::-1]))
    assert encoder.encode([], remember=True).shape == (0, encoder.dim)


def test_copies_in_two_artifacts_share_one_session(exported_encoder: Path, tmp_path: Path) -> None:
    exporting.export(tmp_path / "one")
    exporting.export(tmp_path / "two")
    assert text.load(tmp_path / "one") is text.load(tmp_path / "two") is text.load(exported_encoder)
    # Another limit is another encoder, however equal the graph is.
    about = json.loads((tmp_path / "two" / "encoder.json").read_text())
    (tmp_path / "two" / "encoder.json").write_text(json.dumps({**about, "max_tokens": 8}))
    assert text.load(tmp_path / "two") is not text.load(tmp_path / "one")


def test_an_artifact_is_three_files_and_needs_neither_torch_nor_transformers(
    exported_encoder: Path, tmp_path: Path
) -> None:
    exporting.export(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(FILES)
    program = f"""
import sys
from pathlib import Path
from commerce_ai.encoders import text
print(text.load(Path({str(tmp_path)!r})).encode(["hello"]).shape)
print(sorted(sys.modules.keys() & {{"torch", "transformers", "sklearn", "scipy", "pandas"}}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["(1, 384)", "[]"]


def test_a_source_that_is_no_encoder_is_named(settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path / "var"
    (tmp_path / "nothing").mkdir()
    with pytest.raises(exporting.NoEncoder, match="nothing"):
        exporting.export(tmp_path / "out", tmp_path / "nothing")
    assert not list((tmp_path / "var" / "encoders").iterdir())  # nothing half made is left


def test_the_setting_names_a_folder(settings, tmp_path: Path, exported_encoder: Path) -> None:
    bundled = exporting._origin(None)
    settings.TEXT_ENCODER = str(bundled)
    assert exporting.exported() == exported_encoder  # what was made of the same files is used again
    settings.TEXT_ENCODER = str(tmp_path)
    shutil.copy(Path(bundled) / "config.json", tmp_path)
    settings.VAR_DIR = tmp_path / "var"
    with pytest.raises(exporting.NoEncoder):
        exporting.exported()


def _original_vectors(texts: list[str]) -> np.ndarray:
    import torch
    from transformers import AutoModel, AutoTokenizer

    origin = str(exporting._origin(None))
    model, tokenizer = AutoModel.from_pretrained(origin).eval(), AutoTokenizer.from_pretrained(origin)
    rows = []
    for each in texts:
        with torch.no_grad():
            hidden = model(**tokenizer(each, truncation=True, max_length=256, return_tensors="pt")).last_hidden_state
        rows.append(torch.nn.functional.normalize(hidden.mean(1), dim=1).numpy()[0])
    return np.array(rows)
