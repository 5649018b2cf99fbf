"""What this machine cannot do faster, measured: dispatch, copies, caches, arithmetic."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import numpy as np

from models import LAYERS, Model


@dataclass
class Floors:
    dispatch_us: float  # an empty graph, launched and waited for
    bus: float  # bytes a second between host and device
    cache: float  # bytes a second out of the second-level cache
    flops: float  # multiplications and additions a second in fp32

    def device_us(self, model: Model, rows: int) -> float:
        """Bytes over the bus, one way, and nodes out of the cache or arithmetic; they may overlap, so the largest."""
        bus = 4 * rows * max(model.rows.shape[1], model.answers.shape[1]) / self.bus
        if model.is_forest:
            return 1e6 * max(bus, 8 * model.visits * rows / self.cache)
        return 1e6 * max(bus, 2 * rows * sum(a * b for a, b in zip(LAYERS, LAYERS[1:])) / self.flops)

    def host_us(self, model: Model, rows: int) -> float:
        return self.dispatch_us + self.device_us(model, rows)


def measured() -> Floors | None:
    """None where PyTorch finds no GPU."""
    import torch

    if not torch.cuda.is_available():
        return None
    torch.set_float32_matmul_precision("highest")
    dispatched = dispatching(torch)
    host = torch.empty(1 << 26, dtype=torch.uint8).pin_memory()
    there, small = host.cuda(), torch.empty(1 << 23, dtype=torch.uint8, device="cuda")
    again = torch.empty_like(small)
    square = torch.rand(4096, 4096, device="cuda")
    return Floors(
        dispatch_us=1e6 * best(dispatched, 300),
        bus=len(host) / best(lambda: (there.copy_(host, non_blocking=True), torch.cuda.synchronize()), 10),
        # Read once and written once, again and again: both fit into the cache.
        cache=2 * len(small) * 50 / best(lambda: ([again.copy_(small) for _ in range(50)], torch.cuda.synchronize()), 10),
        flops=2 * 4096**3 / best(lambda: (square @ square, torch.cuda.synchronize()), 10),
    )


def dispatching(torch):
    """A call that launches a graph of next to nothing and waits for it."""
    one, graph, aside = torch.zeros(1, device="cuda"), torch.cuda.CUDAGraph(), torch.cuda.Stream()
    # What is loaded or made at a first call may not be loaded within a capture.
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        one.add_(1)
    torch.cuda.current_stream().wait_stream(aside)
    with torch.cuda.graph(graph, stream=aside):
        one.add_(1)

    def dispatch() -> None:
        graph.replay()
        torch.cuda.current_stream().synchronize()

    return dispatch


def best(function, calls: int) -> float:
    """The median of the faster half, in seconds."""
    took = []
    for _ in range(calls):
        began = time.perf_counter()
        function()
        took.append(time.perf_counter() - began)
    return statistics.median(sorted(took)[: max(1, calls // 2)])
