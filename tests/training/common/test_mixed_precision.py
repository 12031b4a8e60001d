"""Forward passes run in bfloat16 where the device computes in it natively, else in float32."""

from __future__ import annotations

import platform

import pytest
import torch

from unmask_sdk.training.common.mixed_precision import autocast, computes_in_bfloat16

CPU = torch.device("cpu")


def result_dtype() -> torch.dtype:
    """Returns the dtype of a matrix product under `autocast`."""
    with autocast(CPU):
        return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


@pytest.mark.parametrize(
    ("native", "dtype"),
    [(True, torch.bfloat16), (False, torch.float32)],
    ids=["native", "emulated"],
)
def test_an_x86_cpu_needs_avx512_bf16(monkeypatch, native, dtype):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    assert computes_in_bfloat16(CPU) is native
    assert result_dtype() == dtype


def test_an_arm_cpu_without_onednn_runs_in_float32(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not computes_in_bfloat16(CPU)
    assert result_dtype() == torch.float32


@pytest.mark.parametrize("native", [True, False])
def test_a_gpu_that_emulates_bfloat16_runs_in_float32(monkeypatch, native):
    class Selected:
        def __init__(self, device: torch.device) -> None:
            assert device == torch.device("cuda:1")

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    def supported(including_emulation: bool = True) -> bool:
        return native or including_emulation

    monkeypatch.setattr(torch.cuda, "device", Selected)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert computes_in_bfloat16(torch.device("cuda:1")) is native


@pytest.mark.skipif(platform.system() != "Linux", reason="reads /proc/cpuinfo")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="names x86 instructions")
def test_this_cpu_is_judged_by_its_instructions():
    with open("/proc/cpuinfo") as file:
        flags = file.read().split()
    assert computes_in_bfloat16(CPU) == ("avx512_bf16" in flags)
