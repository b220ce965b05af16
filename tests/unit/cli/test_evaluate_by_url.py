"""`vasa evaluate data=URL` measures what it measures of the folder, whatever the network does."""

import json
from functools import partial

import pytest

pytest.importorskip("aiohttp", reason="needs the extra `remote`")

import fault_server
from small_runs import save_small_runs

from data_prep.synth.build import build_set
from vasa.cli import main
from vasa.data import remote


def test_rows_by_url_are_those_of_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "Patience", partial(remote.Patience, first_wait_s=0.01))
    people = {"train": 3, "val": 1, "test": 2}
    build_set(
        output=tmp_path / "sets" / "faces",
        size=32,
        people=people,
        clips_per_person=1,
        seconds=0.8,
        seed=0,
        format="shards",
        workers=1,
    )
    save_small_runs(tmp_path)
    words = ["evaluate", "protocol=disentanglement"]
    words += [f"{role}={tmp_path}/{role}" for role in ("stage1", "expert")]
    words += ["evaluation.counterfactual_people=2", "evaluation.counterfactual_states=3"]
    words += ["evaluation.counterfactual_bases=1", "evaluation.probe_mlp_steps=1"]
    words += ["evaluation.num_resamples=10", "evaluation.probe_frame_stride=10"]
    with fault_server.web_server(tmp_path / "sets") as (url, faults):
        faults.planned = {
            f"faces/{name}": ["503"] for name in ("index.parquet", "config.json", "test/000000.tar")
        }
        faults.planned["faces/train/000000.tar"] = ["cut"]
        found = []
        for name, data in (("here", str(tmp_path / "sets" / "faces")), ("there", f"{url}/faces")):
            output = tmp_path / name / "results.jsonl"
            assert main([*words, f"data={data}", f"output={output}"]) == 0
            rows = [json.loads(line) for line in output.read_text().splitlines()]
            found.append({row["metric"]: (row["value"], row["ci_low"]) for row in rows})
        assert not any(faults.planned.values())
    assert found[0] == found[1] and len(found[0]) > 10
