"""What we are measured beside: each answers rows in the host's memory, and rows that lie on the device.

A system has `host(from_row, rows)`, which gives the answers as an array in the host's memory, good until the
next call, and `device(from_row, rows)`, which starts the computation on resident rows and does not wait.

What a system needs of the model is prepared once, by a function of the model and the device; what it needs for
batches of one size is made for each size. On the device "cpu" the same code runs without graphs: it shows that
shapes, types and answers are right, and no figure of it is worth anything.
"""

from __future__ import annotations

import os

import numpy as np

from models import Model, trees_of
from steps import reason


class Rivals:
    """Every system that takes a model, for batches of any size."""

    def __init__(self, model: Model, device: str) -> None:
        self.model, self.device = model, device
        self.prepared: dict = {}

    def at(self, batch: int) -> dict:
        """The systems by name; the words of those that do not run here."""
        return {name: self.one(prepare, system, batch) for name, (prepare, system) in systems_for(self.model).items()}

    def one(self, prepare, system, batch: int):
        # Whatever keeps a system from running here is its row of the table.
        if prepare not in self.prepared:
            try:
                self.prepared[prepare] = prepare(self.model, self.device)
            except Exception as error:
                self.prepared[prepare] = reason(error)
        prepared = self.prepared[prepare]
        if isinstance(prepared, str):
            return prepared
        try:
            return system(self.model, self.device, prepared, batch)
        except Exception as error:
            return reason(error)


def systems_for(model: Model) -> dict:
    """How each is prepared, and what it then is for one size of batch."""
    if model.is_forest:
        own = {"nvForest": (nvforest_of, NvForest), "tensor trees, traversal": (traversal, Recorded),
               "tensor trees, perfect": (perfect, Recorded)}
    else:
        own = {"torch eager": (network, Eager), "torch.compile": (network, Compiled), "torch CUDA graph": (network, Recorded)}
    return {"ONNX Runtime, CPU": (session_of, OnnxRuntime)} | own


# ---- ONNX Runtime -----------------------------------------------------------------------------------------------

def session_of(model: Model, _device: str):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    return onnxruntime.InferenceSession(str(model.place / "model.onnx"), options, providers=["CPUExecutionProvider"])


class OnnxRuntime:
    """All cores; no device."""

    def __init__(self, model: Model, _device: str, session, _batch: int) -> None:
        self.session, self.rows = session, model.rows

    def host(self, at: int, rows: int) -> np.ndarray:
        return self.session.run(None, {"x": self.rows[at : at + rows]})[-1]


# ---- PyTorch ----------------------------------------------------------------------------------------------------

def torch_for(device: str):
    """PyTorch, if it has that device, with plain FP32."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("PyTorch finds no GPU")
    torch.set_float32_matmul_precision("highest")
    return torch


def network(model: Model, device: str):
    torch = torch_for(device)
    layers = []
    for w, b in model.trained:
        layer = torch.nn.Linear(*w.shape)
        layer.weight.data, layer.bias.data = torch.from_numpy(w.T.copy()), torch.from_numpy(b.copy())
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1], torch.nn.Softmax(dim=1)).to(device).eval()


def traversal(model: Model, device: str):
    """Hummingbird's TreeTraversal: all rows step down all trees together, by gathers."""
    torch = torch_for(device)
    trees, says, base = trees_of(model.trained)
    widest, depth = max(tree.node_count for tree in trees), max(tree.max_depth for tree in trees)
    shape = (len(trees), widest)
    column, left, right = (np.zeros(shape, np.int64) for _ in range(3))
    threshold, values = np.zeros(shape, np.float64), np.zeros((*shape, says[0].shape[1]), np.float32)
    for at, tree in enumerate(trees):
        children, others, count = tree.children_left, tree.children_right, tree.node_count
        leaf, own = children < 0, np.arange(count)
        column[at, :count] = np.where(leaf, 0, tree.feature)
        threshold[at, :count] = np.where(leaf, 0, tree.threshold)
        left[at, :count] = np.where(leaf, own, children) + at * widest
        right[at, :count] = np.where(leaf, own, others) + at * widest
        values[at, :count] = says[at]
    columns, lefts, rights, thresholds = (torch.from_numpy(array.reshape(-1)).to(device) for array in (column, left, right, threshold))
    table = torch.from_numpy(values.reshape(-1, values.shape[-1])).to(device)
    roots = torch.arange(len(trees), device=device) * widest

    def compute(rows):
        at = roots.expand(len(rows), -1)
        for _ in range(depth):
            x = torch.gather(rows, 1, columns[at])
            at = torch.where(x <= thresholds[at], lefts[at], rights[at])
        return table[at].sum(dim=1) + base

    return compute


def perfect(model: Model, device: str):
    """Hummingbird's PerfectTreeTraversal: trees filled up, so that a child's place is a formula."""
    torch = torch_for(device)
    trees, says, base = trees_of(model.trained)
    depth = max(tree.max_depth for tree in trees)
    columns = np.zeros((len(trees), 2**depth), np.int64)
    thresholds = np.full((len(trees), 2**depth), np.inf)
    values = np.zeros((len(trees), 2**depth, says[0].shape[1]), np.float32)
    for number, tree in enumerate(trees):
        left, right, feature, threshold = tree.children_left, tree.children_right, tree.feature, tree.threshold
        nodes = np.zeros(1, np.int64)
        for level in range(depth):
            leaf, places = left[nodes] < 0, slice(2**level - 1, 2 ** (level + 1) - 1)
            columns[number, places] = np.where(leaf, 0, feature[nodes])
            thresholds[number, places] = np.where(leaf, np.inf, threshold[nodes])
            # Nobody goes to the second child of what was a leaf.
            both = np.where(leaf, nodes, left[nodes]), np.where(leaf, nodes, right[nodes])
            nodes = np.stack(both, axis=1).reshape(-1)
        values[number] = says[number][nodes]
    column, threshold = torch.from_numpy(columns.reshape(-1)).to(device), torch.from_numpy(thresholds.reshape(-1)).to(device)
    table = torch.from_numpy(values.reshape(-1, values.shape[-1])).to(device)
    roots = torch.arange(len(trees), device=device) * 2**depth

    def compute(rows):
        place = torch.zeros(len(rows), len(trees), dtype=torch.int64, device=device)
        for level in range(depth):
            at = roots + (2**level - 1) + place
            place = 2 * place + (torch.gather(rows, 1, column[at]) > threshold[at])
        return table[roots + place].sum(dim=1) + base

    return compute


class Eager:
    """A function of PyTorch; the host's rows go through pinned memory."""

    def __init__(self, model: Model, device: str, function, batch: int) -> None:
        self.torch = torch_for(device)
        self.on_gpu = device == "cuda"
        self.rows, self.batch = model.rows, batch
        self.there = self.torch.from_numpy(model.rows).to(device)
        self.pinned = self.host_memory((batch, model.rows.shape[1]))
        self.out = self.host_memory((batch, model.answers.shape[1]))
        self.function = function
        self.build()

    def build(self) -> None:
        pass

    def host_memory(self, shape):
        memory = self.torch.empty(shape)
        return memory.pin_memory() if self.on_gpu else memory

    def host(self, at: int, rows: int) -> np.ndarray:
        self.pinned.numpy()[:] = self.rows[at : at + rows]
        with self.torch.inference_mode():
            self.out.copy_(self.function(self.pinned.to(self.there.device, non_blocking=True)), non_blocking=True)
        self.wait()
        return self.out.numpy()

    def device(self, at: int, rows: int) -> None:
        with self.torch.inference_mode():
            self.function(self.there[at : at + rows])

    def wait(self) -> None:
        """For this stream alone."""
        if self.on_gpu:
            self.torch.cuda.current_stream().synchronize()

    def synchronize(self) -> None:
        if self.on_gpu:
            self.torch.cuda.synchronize()


class Compiled(Eager):
    """For this size alone. A run overwrites what the run before has answered; nobody holds on to that here."""

    def build(self) -> None:
        # Else it notices that sizes change, and compiles for all of them.
        self.torch.compiler.reset()
        self.function = self.torch.compile(self.function, mode="reduce-overhead" if self.on_gpu else "default", dynamic=False)
        with self.torch.inference_mode():
            for _ in range(4):
                self.function(self.there[: self.batch])
        self.synchronize()


class Recorded(Eager):
    """As one CUDA graph: copy in, compute, copy out. Another has the computation alone."""

    def build(self) -> None:
        if not self.on_gpu:
            return
        cuda = self.torch.cuda
        self.into = self.there[: self.batch].clone()
        self.alone, self.whole, aside = cuda.CUDAGraph(), cuda.CUDAGraph(), cuda.Stream()
        with self.torch.inference_mode():
            # First calls make and load what may not be made within a capture.
            aside.wait_stream(cuda.current_stream())
            with cuda.stream(aside):
                for _ in range(3):
                    self.function(self.into)
            cuda.current_stream().wait_stream(aside)
            # Each graph has memory of its own, so neither overwrites what the other works on.
            with cuda.graph(self.alone, stream=aside):
                self.answer = self.function(self.into)
            with cuda.graph(self.whole, stream=aside):
                self.into.copy_(self.pinned, non_blocking=True)
                self.out.copy_(self.function(self.into), non_blocking=True)
        cuda.synchronize()

    def host(self, at: int, rows: int) -> np.ndarray:
        if not self.on_gpu:
            return super().host(at, rows)
        self.pinned.numpy()[:] = self.rows[at : at + rows]
        self.whole.replay()
        self.wait()
        return self.out.numpy()

    def device(self, at: int, rows: int) -> None:
        if not self.on_gpu:
            return super().device(at, rows)
        self.into.copy_(self.there[at : at + rows], non_blocking=True)
        self.alone.replay()


# ---- nvForest ---------------------------------------------------------------------------------------------------

def nvforest_of(model: Model, device: str):
    # Loads the libraries that nvForest's own needs, which it does not do itself where libraft is not installed.
    import rmm  # noqa: F401
    import nvforest

    return nvforest.load_from_sklearn(model.trained, device="gpu" if device == "cuda" else "cpu", precision="single")


class NvForest:
    """The layout and chunk that it finds best for the batch. Each of its calls waits for the GPU."""

    def __init__(self, model: Model, device: str, loaded, batch: int) -> None:
        self.on_gpu = device == "cuda"
        method = "predict_proba" if loaded.is_classifier else "predict"
        few = min(10, len(model.rows) // batch)
        data = model.rows[: few * batch].reshape(few, batch, -1)
        self.predict = getattr(loaded.optimize(data=data, predict_method=method, timeout=0.1), method)
        self.rows = self.there = model.rows
        if self.on_gpu:
            import cupy

            self.cupy, self.there = cupy, cupy.asarray(model.rows)

    def host(self, at: int, rows: int) -> np.ndarray:
        # It takes rows of either memory, and answers in the device's.
        answer = self.predict(self.rows[at : at + rows])
        return self.cupy.asnumpy(answer) if self.on_gpu else answer

    def device(self, at: int, rows: int) -> None:
        self.predict(self.there[at : at + rows])

    def synchronize(self) -> None:
        if self.on_gpu:
            self.cupy.cuda.Device().synchronize()
