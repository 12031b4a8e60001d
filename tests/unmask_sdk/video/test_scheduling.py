"""No encoder gives this process real-time priority, which SVT-AV1 does to root's."""

from __future__ import annotations

import os
import threading

import pytest

from unmask_sdk.core.scheduling import kept_scheduling

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getscheduler"), reason="needs Linux: others have no such call"
)
REAL_TIME = (os.SCHED_FIFO, os.SCHED_RR) if hasattr(os, "SCHED_FIFO") else ()


def _real_time():
    """Returns the threads of this process with real-time priority."""
    threads = map(int, os.listdir("/proc/self/task"))
    return {thread for thread in threads if os.sched_getscheduler(thread) in REAL_TIME}


def test_after_a_video_in_av1_no_thread_is_real_time(painted_model, clip, tmp_path):
    source, before = clip(pix_fmt="yuv420p10le", sound=None), _real_time()
    painted_model.video(source, tmp_path / "out.webm")
    assert _real_time() <= before


def test_threads_of_a_block_lose_real_time_priority():
    end, before = threading.Event(), _real_time()
    with kept_scheduling():
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            pytest.skip("needs the right to set real-time priority")
        # It inherits the policy.
        thread = threading.Thread(target=end.wait)
        thread.start()
        assert len(_real_time() - before) == 2
    assert _real_time() <= before
    end.set()
    thread.join()


def test_the_callers_own_policy_stays():
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pytest.skip("needs the right to set real-time priority")
    try:
        with kept_scheduling():
            pass
        assert os.sched_getscheduler(0) == os.SCHED_RR
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
