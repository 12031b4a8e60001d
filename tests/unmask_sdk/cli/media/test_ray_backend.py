"""`unmask folder --ray` on a cluster of two workers, one of which is killed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unmask_sdk.cli.media.batch import Work
from unmask_sdk.cli.media.process_file import Options
from unmask_sdk.cli.media.ray_backend import run_on_ray
from unmask_sdk.cli.media.targets import plan
from unmask_sdk.errors import RuntimeUnavailableError

ray = pytest.importorskip("ray", reason="needs ray: pip install 'unmask-sdk[ray]'")

COUNT = 60
# A time of modification that no file written now has, in nanoseconds.
LATER = 4_000_000_000 * 10**9
EYES = np.array([[250.0, 95.0], [310.0, 95.0]])


@pytest.fixture
def cluster():
    from ray.cluster_utils import Cluster

    memory = 100 * 2**20
    made = Cluster(True, head_node_args={"num_cpus": 0, "object_store_memory": memory})
    for _ in range(2):
        made.add_node(num_cpus=1, object_store_memory=memory)
    yield made
    ray.shutdown()
    made.shutdown()


def test_a_dead_address_is_told_at_once(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(RuntimeUnavailableError, match=r"no Ray .* RAY_ADDRESS=127\.0\.0\.1:1 "):
        list(run_on_ray(Work(tmp_path), [(tmp_path / "a.jpg", tmp_path / "b.jpg")]))


def test_a_lost_worker_loses_nothing_and_doubles_nothing(
    cluster, painter, backdrop, painted_artifacts: Path, tmp_path: Path, monkeypatch
):
    (tmp_path / "in").mkdir()
    photo = Image.fromarray(painter(backdrop, EYES))
    for number in range(COUNT):
        photo.save(tmp_path / "in" / f"{number:02d}.png")
    (tmp_path / "in" / "text.jpg").write_text("hello")
    jobs, _ = plan([tmp_path / "in"], tmp_path / "out")
    options = Options(without_faces=True)
    work = Work(tmp_path / "out", "onnx", artifacts=painted_artifacts, options=options)
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    outcomes = []
    lost = None
    for outcome in run_on_ray(work, jobs):
        outcomes.append(outcome)
        if lost is None:
            lost = list(cluster.worker_nodes)[-1]
            cluster.remove_node(lost, allow_graceful=False)
    assert sorted(outcome.job for outcome in outcomes) == sorted(jobs)
    assert [o.job[0].name for o in outcomes if o.failure is not None] == ["text.jpg"]
    written = sorted(p.name for p in (tmp_path / "out").iterdir() if not p.name.startswith("."))
    assert written == [f"{number:02d}.png" for number in range(COUNT)]
    for name in written:
        with Image.open(tmp_path / "out" / name) as image:
            image.load()
    # All is finished now, and the cluster that is left finds that out.
    for name in written:
        os.utime(tmp_path / "out" / name, ns=(LATER, LATER))
    again = list(run_on_ray(work, jobs[:5]))
    assert all(outcome.done is None and outcome.failure is None for outcome in again)
    assert {(tmp_path / "out" / name).stat().st_mtime_ns for name in written} == {LATER}
