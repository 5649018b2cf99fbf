"""What we are measured beside: each answers rows in the host's memory, and rows that lie on the device.

A system has `host(from_row, rows)`, which gives the answers as an array in the host's memory, and
`device(from_row, rows)`, which starts the computation on resident rows and does not wait.
"""

from __future__ import annotations

import os

import numpy as np

from models import Model


def all_of(model: Model, batch: int) -> dict:
    """Every system that is there and takes the model, by name; the words of those that are not."""
    makers = {"ONNX Runtime, CPU": OnnxRuntime}
    if model.is_forest:
        makers |= {"nvForest": NvForest, "tensor trees, traversal": Traversal, "tensor trees, perfect": Perfect}
    else:
        makers |= {"torch eager": Eager, "torch.compile": Compiled, "torch CUDA graph": Captured}
    systems = {}
    for name, maker in makers.items():
        try:
            systems[name] = maker(model, batch)
        except Exception as error:  # whatever keeps a system from running here is its row of the table
            systems[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return systems


class OnnxRuntime:
    """All cores; no device."""

    def __init__(self, model: Model, batch: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        self.session = onnxruntime.InferenceSession(str(model.place / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.rows = model.rows

    def host(self, at: int, rows: int) -> np.ndarray:
        return self.session.run(None, {"x": self.rows[at : at + rows]})[-1]


class OnDevice:
    """A function of torch over resident rows; the host's rows go through pinned memory."""

    def __init__(self, model: Model, batch: int) -> None:
        import torch

        if not torch.cuda.is_available():
            raise RuntimeError("no GPU")
        self.torch, self.batch = torch, batch
        self.rows = model.rows
        self.there = torch.from_numpy(model.rows).cuda()
        self.pinned = torch.empty(batch, model.rows.shape[1]).pin_memory()
        self.build(model)
        with torch.inference_mode():
            answer = self.compute(self.there[:batch])
        self.out = torch.empty(answer.shape).pin_memory()

    def host(self, at: int, rows: int) -> np.ndarray:
        self.pinned.numpy()[:] = self.rows[at : at + rows]
        with self.torch.inference_mode():
            self.out.copy_(self.compute(self.pinned.cuda(non_blocking=True)), non_blocking=True)
        self.torch.cuda.current_stream().synchronize()
        return self.out.numpy()

    def device(self, at: int, rows: int) -> None:
        with self.torch.inference_mode():
            self.compute(self.there[at : at + rows])

    def synchronize(self) -> None:
        self.torch.cuda.synchronize()


class Eager(OnDevice):
    def build(self, model: Model) -> None:
        torch = self.torch
        torch.backends.cuda.matmul.allow_tf32 = False
        layers = []
        for w, b in model.trained:
            layer = torch.nn.Linear(*w.shape)
            layer.weight.data, layer.bias.data = torch.from_numpy(w.T.copy()), torch.from_numpy(b)
            layers += [layer, torch.nn.ReLU()]
        self.compute = torch.nn.Sequential(*layers[:-1], torch.nn.Softmax(dim=1)).cuda().eval()


class Compiled(Eager):
    def build(self, model: Model) -> None:
        super().build(model)
        self.compute = self.torch.compile(self.compute, mode="reduce-overhead")
        with self.torch.inference_mode():
            for _ in range(4):
                self.compute(self.there[: self.batch])
        self.synchronize()


class Recorded(OnDevice):
    """What was built, as one CUDA graph: copy in, compute, copy out."""

    def record(self, function) -> None:
        torch = self.torch
        self.into = self.there[: self.batch].clone()
        stream = torch.cuda.Stream()
        with torch.inference_mode(), torch.cuda.stream(stream):
            for _ in range(3):
                answer = function(self.into)
        stream.synchronize()
        self.result = torch.empty(answer.shape).pin_memory()
        self.alone, self.whole = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with torch.inference_mode():
            with torch.cuda.graph(self.alone):
                self.answer = function(self.into)
            with torch.cuda.graph(self.whole):
                self.into.copy_(self.pinned, non_blocking=True)
                self.result.copy_(function(self.into), non_blocking=True)
        self.compute = lambda rows: self.answer

    def host(self, at: int, rows: int) -> np.ndarray:
        self.pinned.numpy()[:] = self.rows[at : at + rows]
        self.whole.replay()
        self.torch.cuda.current_stream().synchronize()
        return self.result.numpy()

    def device(self, at: int, rows: int) -> None:
        self.into.copy_(self.there[at : at + rows], non_blocking=True)
        self.alone.replay()


class Captured(Recorded, Eager):
    def build(self, model: Model) -> None:
        Eager.build(self, model)
        self.record(self.compute)


def trees_of(model: Model):
    """Trees of scikit-learn, and what a leaf says: one row of numbers."""
    trained = model.trained
    if hasattr(trained, "predict_proba"):
        trees = [estimator.tree_ for estimator in trained.estimators_]
        says = [tree.value[:, 0, :] / tree.value[:, 0, :].sum(axis=1, keepdims=True) / len(trees) for tree in trees]
        return trees, says, 0.0
    trees = [estimator.tree_ for estimator in trained.estimators_[:, 0]]
    return trees, [trained.learning_rate * tree.value[:, 0, :] for tree in trees], float(trained.init_.constant_.ravel()[0])


class Traversal(Recorded):
    """Hummingbird's TreeTraversal: all rows step down all trees together, by gathers."""

    def build(self, model: Model) -> None:
        torch = self.torch
        trees, says, base = trees_of(model)
        widest, depth = max(tree.node_count for tree in trees), max(tree.max_depth for tree in trees)
        shape = (len(trees), widest)
        column, left, right = (np.zeros(shape, np.int64) for _ in range(3))
        threshold, values = np.zeros(shape, np.float64), np.zeros((*shape, says[0].shape[1]), np.float32)
        for at, tree in enumerate(trees):
            leaf, count = tree.children_left < 0, tree.node_count
            own = np.arange(count)
            column[at, :count] = np.where(leaf, 0, tree.feature)
            threshold[at, :count] = np.where(leaf, 0, tree.threshold)
            left[at, :count] = np.where(leaf, own, tree.children_left) + at * widest
            right[at, :count] = np.where(leaf, own, tree.children_right) + at * widest
            values[at, :count] = says[at]
        flat = [torch.from_numpy(array.reshape(-1)).cuda() for array in (column, left, right, threshold)]
        columns, lefts, rights, thresholds = flat
        table = torch.from_numpy(values.reshape(-1, values.shape[-1])).cuda()
        roots = torch.arange(len(trees), device="cuda") * widest

        def compute(rows):
            at = roots.expand(len(rows), -1)
            for _ in range(depth):
                x = torch.gather(rows, 1, columns[at])
                at = torch.where(x <= thresholds[at], lefts[at], rights[at])
            return table[at].sum(dim=1) + base

        self.record(compute)


class Perfect(Recorded):
    """Hummingbird's PerfectTreeTraversal: trees filled up, so that a child's place is a formula."""

    def build(self, model: Model) -> None:
        torch = self.torch
        trees, says, base = trees_of(model)
        depth = max(tree.max_depth for tree in trees)
        columns = np.zeros((len(trees), 2**depth), np.int64)
        thresholds = np.full((len(trees), 2**depth), np.inf)
        values = np.zeros((len(trees), 2**depth, says[0].shape[1]), np.float32)
        for number, tree in enumerate(trees):
            filled = [(0, 0, 0)]
            for node, level, place in filled:
                if level == depth:
                    values[number, place] = says[number][node]
                    continue
                leaf = tree.children_left[node] < 0
                if not leaf:
                    columns[number, 2**level - 1 + place] = tree.feature[node]
                    thresholds[number, 2**level - 1 + place] = tree.threshold[node]
                # Nobody goes to the second child of what was a leaf.
                filled.append((node if leaf else tree.children_left[node], level + 1, 2 * place))
                filled.append((node if leaf else tree.children_right[node], level + 1, 2 * place + 1))
        column, threshold = torch.from_numpy(columns.reshape(-1)).cuda(), torch.from_numpy(thresholds.reshape(-1)).cuda()
        table = torch.from_numpy(values.reshape(-1, values.shape[-1])).cuda()
        roots = torch.arange(len(trees), device="cuda") * 2**depth

        def compute(rows):
            place = torch.zeros(len(rows), len(trees), dtype=torch.int64, device="cuda")
            for level in range(depth):
                at = roots + (2**level - 1) + place
                place = 2 * place + (torch.gather(rows, 1, column[at]) > threshold[at])
            return table[roots + place].sum(dim=1) + base

        self.record(compute)


class NvForest:
    """The layout and chunk that it finds best for the batch."""

    def __init__(self, model: Model, batch: int) -> None:
        import cupy
        import nvforest

        self.cupy, self.rows = cupy, model.rows
        loaded = nvforest.load_from_sklearn(model.trained, device="gpu", precision="single")
        self.forest = loaded.optimize(batch_size=batch)
        self.there = cupy.asarray(model.rows)
        self.predict = getattr(self.forest, "predict_proba", None) or self.forest.predict

    def host(self, at: int, rows: int) -> np.ndarray:
        answer = self.predict(self.cupy.asarray(self.rows[at : at + rows]))
        return self.cupy.asnumpy(answer).reshape(rows, -1)

    def device(self, at: int, rows: int) -> None:
        self.predict(self.there[at : at + rows])

    def synchronize(self) -> None:
        self.cupy.cuda.Device().synchronize()
