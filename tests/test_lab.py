"""The lab: learners on files, no database. What it prints, what it leaves behind, what it says when it can't."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from django.core.management import CommandError, call_command

from commerce_ai import lab, registry
from commerce_ai.learning.bench import Bench, BenchError
from commerce_ai.learning.folders import WORK
from tests.recommendation.frames import clubs

ROOT = Path(__file__).resolve().parent.parent
POPULARITY, COLLABORATIVE = "recommendation.popularity", "recommendation.collaborative"
ALS = {
    "method": "als", "factors": "4", "iterations": "3", "alpha": "3", "regularization": "1", "recency_half_life": "5",
    "trend": "0", "neighbours": "20", "popularity_half_life_days": "0",
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """interactions.parquet and .csv, later.parquet, customers.csv."""
    folder, frame = tmp_path_factory.mktemp("data"), clubs()
    cut = frame["timestamp"].sort()[int(frame.height * 0.85)]
    frame.filter(pl.col("timestamp") < cut).write_parquet(folder / "interactions.parquet")
    frame.filter(pl.col("timestamp") < cut).write_csv(folder / "interactions.csv")
    frame.filter(pl.col("timestamp") >= cut).write_parquet(folder / "later.parquet")
    pl.DataFrame({"customer_id": [1000, 1001, 5]}).write_csv(folder / "customers.csv")
    return folder


@pytest.fixture(scope="module")
def artifact(data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lab") / "out"
    lab.fit(POPULARITY, {"interactions": data / "interactions.parquet"}, artifact=folder)
    return folder


def run(*arguments) -> str:
    out = io.StringIO()
    call_command("lab", *map(str, arguments), stdout=out)
    return out.getvalue()


def refused(*arguments) -> str:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert caught.value.returncode == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# --- fit --------------------------------------------------------------------------------------------------


def test_fit_prints_the_metric_beside_the_baseline_and_writes_one_folder(data, tmp_path):
    said = run("fit", POPULARITY, "--input", f"interactions={data}/interactions.csv", "--artifact", tmp_path / "out")
    assert "held out: ndcg@20 0." in said and "bestsellers of all time 0." in said and " s" in said
    assert tree(tmp_path)[0] == "out" and not (tmp_path / "out" / WORK).exists()
    about = json.loads((tmp_path / "out" / "learner.json").read_text())
    assert about["learner"] == POPULARITY and about["schema_version"] == 1
    assert about["params"]["half_life_days"] is not None
    assert about["metrics"]["ndcg@20"] == pytest.approx(about["metrics"]["ndcg@20"])
    assert set(about) >= {"baseline", "product_version", "data_fingerprint", "rows", "seconds", "notes"}
    assert about["rows"] == {"interactions": pl.read_csv(data / "interactions.csv").height}


def test_csv_and_parquet_of_the_same_rows_give_the_same_artifact(data, tmp_path, artifact):
    lab.fit(POPULARITY, {"interactions": data / "interactions.csv"}, artifact=tmp_path / "out")
    assert tree(tmp_path / "out") == tree(artifact)
    for file in artifact.glob("*.npy"):
        assert (np.load(file) == np.load(tmp_path / "out" / file.name)).all()


def test_the_refit_learns_from_all_rows(data, artifact):
    history = np.load(artifact / "history_products.npy")
    frame = pl.read_parquet(data / "interactions.parquet")
    assert len(history) == frame.select("customer_id", "product_id").unique().height


def test_parameters_are_typed_and_kept(data, tmp_path):
    settings = [each for name, value in ALS.items() for each in ("--set", f"{name}={value}")]
    run("fit", COLLABORATIVE, "--input", f"interactions={data}/interactions.parquet", "--artifact", tmp_path, *settings)
    params = lab.about(tmp_path)["params"]
    assert (params["method"], params["factors"], params["alpha"], params["remove_seen"]) == ("als", 4, 3.0, True)


def test_columns_under_other_names_are_mapped(data, tmp_path):
    pl.read_parquet(data / "interactions.parquet").rename({"customer_id": "user", "product_id": "item"}).write_csv(
        tmp_path / "rows.csv"
    )
    said = run(
        "fit", POPULARITY, "--input", f"interactions={tmp_path}/rows.csv", "--artifact", tmp_path / "out",
        "--map", "customer_id=user", "--map", "interactions.product_id=item",
    )  # fmt: skip
    assert "held out" in said


def test_an_artifact_is_replaced_and_foreign_folders_are_not(data, tmp_path):
    source = {"interactions": data / "interactions.parquet"}
    lab.fit(COLLABORATIVE, source, artifact=tmp_path / "out", params=ALS)
    lab.fit(POPULARITY, source, artifact=tmp_path / "out")
    assert lab.about(tmp_path / "out")["learner"] == POPULARITY
    assert "item_vectors.npy" not in tree(tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not lose")
    with pytest.raises(lab.LabError, match="not empty"):
        lab.fit(POPULARITY, source, artifact=tmp_path / "mine")
    with pytest.raises(lab.LabError, match="not a folder"):
        lab.fit(POPULARITY, source, artifact=tmp_path / "mine" / "thesis.txt")
    assert tree(tmp_path / "mine") == ["thesis.txt"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"customer_id,product_id,timestamp\n", "no rows"),
        (b"customer_id,product_id,timestamp\n1,2,2024-01-01\n1,2", "row 2: the row has 2 fields"),
        (b"customer_id,product_id,timestamp\n1,2,tomorrow\n", "column 'timestamp', row 1: 'tomorrow'"),
        (b"customer_id,product_id,timestamp\n1,\xff,2024-01-01\n", "row 1: byte 0xff is not UTF-8"),
        (b"customer_id,product_id\n1,2\n", "'timestamp' or 'position' is needed"),
        (b"customer_id,product_id,timestamp\n1,2,2024-01-01\n", "1 interaction for each of train, validation and test"),
        (b"customer_id,product_id,timestamp,kind\n1,2,2024-01-01,look\n", "none of view, wishlist, cart, purchase"),
        (b"PAR1 and then nothing", "not a whole Parquet file"),
    ],
)
def test_a_file_that_is_wrong_gets_one_message_and_leaves_nothing(content, words, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    message = refused("fit", POPULARITY, "--input", f"interactions={path}", "--artifact", tmp_path / "out")
    assert words in message
    assert tree(tmp_path) == ["rows.csv"]


def test_a_refused_fit_leaves_an_older_artifact_whole(data, tmp_path):
    lab.fit(POPULARITY, {"interactions": data / "interactions.parquet"}, artifact=tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    (tmp_path / "one.csv").write_text("customer_id,product_id,timestamp\n1,2,2024-01-01\n")
    refused("fit", POPULARITY, "--input", f"interactions={tmp_path}/one.csv", "--artifact", tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit", "recommendation.magic", "--artifact", "x"], "there are: "),
        (["fit", POPULARITY, "--artifact", "x"], "interactions: the frame is needed"),
        (["fit", POPULARITY, "--artifact", "x", "--input", "orders=a.csv"], "orders: there is no such frame"),
        (
            ["fit", POPULARITY, "--artifact", "x", "--input", "interactions=nowhere.csv"],
            "nowhere.csv: there is no such file",
        ),
        (["fit", POPULARITY, "--artifact", "x", "--input", "interactions"], "name=value"),
        (["fit", POPULARITY, "--artifact", "x", "--set", "half_live_days=3"], "did you mean 'half_life_days'"),
        (["fit", POPULARITY, "--artifact", "x", "--set", "remove_seen=maybe"], "true or false"),
        (["fit", COLLABORATIVE, "--artifact", "x", "--set", "method=magic"], "one of auto, als, item_to_item"),
        (["fit", POPULARITY, "--artifact", "x", "--set", "seed=1", "--set", "seed=2"], "given twice"),
        (
            ["fit", POPULARITY, "--artifact", "x", "--map", "nothing=user", "--input", "interactions=a"],
            "no column 'nothing'",
        ),
        (["predict", "nowhere", "--output", "y", "--input", "customers=a.csv"], "not an artifact folder"),
        (["explain", "nowhere"], "not an artifact folder"),
        (["adopt", "nowhere", "--shop", "demo"], "not an artifact folder"),
        (["schema", "recommendation.magic"], "there is no learner"),
    ],
)
def test_what_was_asked_wrongly_is_said_clearly(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert words in refused(*arguments)
    assert tree(tmp_path) == []


# --- a fit that was stopped -------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from commerce_ai import lab
lab._registry()
from plugins.recommendation import als
als.SECONDS_BETWEEN_CHECKPOINTS = 0.0
stage, steps = "", 0
def say(line):
    print(line, flush=True)
class Report(lab.LineReport):
    def __call__(self, *, step=None, **said):
        super().__call__(step=step, **said)
        if "all" in str(self._checkpoints) and step == 2:
            os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "kill":
    lab.LineReport = Report
lab.fit("recommendation.collaborative", {{"interactions": {source!r}}}, artifact={out!r}, params={params!r}, say=say)
"""


def test_a_fit_killed_hard_goes_on_where_it_was(data, tmp_path):
    source, out = str(data / "interactions.parquet"), str(tmp_path / "out")
    code = KILLED.format(source=source, out=out, params=ALS)

    def attempt(how: str):
        return subprocess.run([sys.executable, "-c", code, how], capture_output=True, text=True, cwd=ROOT, check=False)

    killed = attempt("kill")
    assert killed.returncode == -9, killed.stderr
    left = tree(tmp_path / "out")
    assert all(each.startswith(WORK) for each in left) and any("item_factors-2" in each for each in left)
    with pytest.raises(lab.LabError, match="not an artifact"):
        lab.predict(tmp_path / "out", {"customers": data / "customers.csv"})
    second = attempt("go on")
    assert second.returncode == 0, second.stderr
    assert "taking up" in second.stdout
    whole = lab.fit(COLLABORATIVE, {"interactions": source}, artifact=tmp_path / "whole", params=ALS)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    resumed = lab.about(tmp_path / "out")
    assert resumed["metrics"]["ndcg@20"] == pytest.approx(whole.metrics["ndcg@20"])
    vectors = [np.load(tmp_path / each / "item_vectors.npy") for each in ("out", "whole")]
    assert vectors[0] == pytest.approx(vectors[1], rel=1e-3, abs=1e-5)


def test_what_another_fit_left_is_not_taken_up(data, tmp_path, monkeypatch):
    source = {"interactions": data / "interactions.parquet"}
    learner, fits = type(registry.learner(POPULARITY)), []
    fit = learner.fit

    def stopping(self, frames, params, report, validation=None):
        fits.append(validation is not None)
        if validation is None and len(fits) == 2:
            raise KeyboardInterrupt
        return fit(self, frames, params, report, validation)

    monkeypatch.setattr(learner, "fit", stopping)
    with pytest.raises(KeyboardInterrupt):
        lab.fit(POPULARITY, source, artifact=tmp_path / "out")
    assert fits == [True, False] and (tmp_path / "out" / WORK).exists()
    lab.fit(POPULARITY, source, artifact=tmp_path / "out", params={"remove_seen": "false"})
    assert fits == [True, False, True, False]
    assert lab.about(tmp_path / "out")["params"]["remove_seen"] is False


def test_two_fits_do_not_write_into_one_folder(data, tmp_path, monkeypatch):
    source = {"interactions": data / "interactions.parquet"}
    words = []

    def meanwhile(line):
        if not words:
            with pytest.raises(lab.LabError) as caught:
                lab.fit(POPULARITY, source, artifact=tmp_path / "out")
            words.append(str(caught.value))

    lab.fit(POPULARITY, source, artifact=tmp_path / "out", say=meanwhile)
    assert "another process is writing" in words[0] and lab.about(tmp_path / "out")


def test_the_command_line_writes_only_the_artifact_and_starts_nothing(data, tmp_path):
    # Nobody listens at these addresses: whoever asks a service fails.
    environment = {
        "DJANGO_SETTINGS_MODULE": "commerce_ai.settings",
        "COMMERCE_AI_VAR": str(tmp_path / "var"),
        "DATABASE_URL": "postgres://nobody@localhost:1/none",
        "REDIS_URL": "redis://localhost:1",
        "SECRET_KEY": "x" * 50,
        "FIELD_KEYS": "a:" + "A" * 43 + "=",
        "HASH_KEY": "A" * 43 + "=",
    }

    def command(*arguments):
        words = [sys.executable, str(ROOT / "manage.py"), "lab", *map(str, arguments)]
        return subprocess.run(
            words, capture_output=True, text=True, cwd=tmp_path, check=False, env={**os.environ, **environment}
        )

    done = command("fit", POPULARITY, "--input", f"interactions={data}/interactions.parquet", "--artifact", "out")
    assert done.returncode == 0, done.stderr
    assert not {each for each in tree(tmp_path) if not each.startswith("out")}
    wrong = command("fit", POPULARITY, "--input", "interactions=nowhere.csv", "--artifact", "new")
    assert wrong.returncode == 2 and wrong.stderr.strip().endswith("there is no such file")
    assert not (tmp_path / "new").exists()


# --- the other verbs --------------------------------------------------------------------------------------


def test_predict_writes_a_file_and_gives_the_frame(data, artifact, tmp_path):
    said = run("predict", artifact, "--input", f"customers={data}/customers.csv", "--output", tmp_path / "p.parquet")
    answer = pl.read_parquet(tmp_path / "p.parquet")
    assert f"{answer.height} rows" in said
    assert answer["customer_id"].unique(maintain_order=True).to_list() == [1000, 1001, 5]
    again = lab.predict(artifact, {"customers": pl.DataFrame({"customer_id": [1000, 1001, 5]})})
    assert again.equals(answer)


def test_a_failed_prediction_leaves_no_file(data, artifact, tmp_path):
    (tmp_path / "asked.csv").write_text("customer_id\nanna\n")
    message = refused(
        "predict", artifact, "--input", f"customers={tmp_path}/asked.csv", "--output", tmp_path / "p.csv"
    )  # fmt: skip
    assert "the ids that were learned are integers" in message and tree(tmp_path) == ["asked.csv"]
    missing = refused("predict", artifact, "--input", f"customers={data}/customers.csv", "--output", "/no/where/p.csv")
    assert "No such file" in missing


def test_evaluate_prints_both_columns(data, artifact):
    said = run("evaluate", artifact, "--input", f"interactions={data}/later.parquet")
    line = next(each for each in said.splitlines() if each.startswith("ndcg@20"))
    result = lab.evaluate(artifact, {"interactions": data / "later.parquet"})
    assert line.split()[1:] == [f"{result.metrics['ndcg@20']:.4f}", f"{result.baseline['ndcg@20']:.4f}"]


def test_compare_tells_which_artifact_is_better(data, artifact, tmp_path):
    lab.fit(COLLABORATIVE, {"interactions": data / "interactions.parquet"}, artifact=tmp_path / "als", params=ALS)
    later = {"interactions": data / "later.parquet"}
    found = lab.compare(tmp_path / "als", artifact, later)
    assert found.win_share > 0.9 and found.difference > 0
    assert lab.compare(artifact, artifact, later).win_share == 0
    said = run("compare", tmp_path / "als", artifact, "--input", f"interactions={data}/later.parquet")
    assert f"better in {found.win_share:.0%}" in said and "units" in said


def test_explain_and_schema(artifact, tmp_path):
    run("explain", artifact, "--output", tmp_path / "why.csv")
    assert pl.read_csv(tmp_path / "why.csv").columns == ["feature", "weight"]
    assert "feature" in run("explain", artifact)
    said = run("schema", COLLABORATIVE)
    for words in ("learns from interactions", "customer_id: id", "needed: timestamp or position", "one of auto, als"):
        assert words in said
    assert POPULARITY in run("schema")


def test_a_damaged_artifact_is_said_to_be(artifact, tmp_path):
    import shutil

    shutil.copytree(artifact, tmp_path / "copy")
    (tmp_path / "copy" / "bestsellers.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(lab.LabError, match="damaged"):
        lab.explain(tmp_path / "copy")
    newer = {**lab.about(artifact), "schema_version": 99}
    (tmp_path / "copy" / "learner.json").write_text(json.dumps(newer))
    with pytest.raises(lab.LabError, match="newer version"):
        lab.explain(tmp_path / "copy")


# --- benchmark --------------------------------------------------------------------------------------------


def test_a_benchmark_keeps_each_figure_as_it_comes(tmp_path):
    lines, kept = [], tmp_path / "figures.json"
    bench = Bench("shop speed", data=tmp_path, learner="quick", json_file=kept, write=lines.append)
    bench.published("theirs", {"ndcg@10": 0.5}, "arXiv 1")
    bench.row("ours", {"ndcg@10": np.float32(0.25)}, seconds=1.5, seed=0)
    partial = json.loads(kept.read_text())
    assert not partial["finished"] and partial["rows"][0]["figures"] == {"ndcg@10": 0.25}
    assert any("ours" in line and "0.2500" in line and "1.5 s" in line for line in lines)
    bench.finish()
    assert json.loads(kept.read_text())["finished"] and tree(tmp_path) == ["figures.json"]
    assert bench.wants("quick") and not bench.wants("slow")
    with pytest.raises(BenchError, match="no such file"):
        bench.file("nowhere.parquet")


def test_the_benchmark_command_runs_a_suite_and_names_those_there(tmp_path, monkeypatch):
    def suite(bench):
        bench.note(f"data in {bench.data}, {bench.seeds} seeds")

    monkeypatch.setattr(registry, "suites", lambda: {"recommendation tiny": suite})
    out = io.StringIO()
    call_command("benchmark", "recommendation", "tiny", "--data", str(tmp_path), "--seeds", "3", stdout=out)
    assert f"data in {tmp_path}, 3 seeds" in out.getvalue() and "cores" in out.getvalue()
    call_command("benchmark", "recommendation", stdout=out)
    assert out.getvalue().strip().endswith("recommendation tiny")
    for arguments in (
        ("recommendation", "huge"),
        ("recommendation", "tiny", "--json", str(tmp_path / "no" / "f.json")),
    ):
        with pytest.raises(CommandError) as caught:
            call_command("benchmark", *arguments, stdout=io.StringIO())
        assert caught.value.returncode == 2


def test_the_suites_of_recommendation_say_which_file_is_missing(tmp_path):
    for suite in ("online-retail", "ml-1m"):
        with pytest.raises(CommandError, match="there is no such file") as caught:
            call_command("benchmark", "recommendation", suite, "--data", str(tmp_path), stdout=io.StringIO())
        assert caught.value.returncode == 2
