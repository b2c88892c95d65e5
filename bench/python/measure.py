"""Time, memory and the choice of AdamW, as both benchmark scripts measure them."""

import contextlib
import os
import resource
import time

import torch

ADAMW_FORMS = {"fused": {"fused": True}, "foreach": {"foreach": True}, "loop": {"foreach": False, "fused": False}}


def process_seconds() -> float:
    """Seconds since this process started, imports included."""
    with open("/proc/self/stat", encoding="ascii") as file:
        started = int(file.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def peak_rss_mb() -> float:
    """The largest resident memory so far, in MB of 10^6 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def precision_context(precision: str):
    """fp32 as it is, or bf16 by autocast."""
    if precision == "bf16":
        return torch.autocast("cpu", dtype=torch.bfloat16)
    return contextlib.nullcontext()


def fastest_adamw(groups: list[dict]) -> str:
    """Which form of torch's AdamW steps fastest on parameters of these shapes, each timed on stand-ins."""
    seconds = {}
    for form, arguments in ADAMW_FORMS.items():
        copies = [torch.zeros_like(p).requires_grad_() for group in groups for p in group["params"]]
        for p in copies:
            p.grad = torch.zeros_like(p)
        optimizer = torch.optim.AdamW(copies, **arguments)
        optimizer.step()
        started = time.perf_counter()
        for _ in range(3):
            optimizer.step()
        seconds[form] = time.perf_counter() - started
        del optimizer, copies
    return min(seconds, key=seconds.get)
