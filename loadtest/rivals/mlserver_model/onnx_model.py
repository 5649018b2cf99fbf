"""A runtime for MLServer that serves an ONNX file; MLServer has none of its own."""

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import get_model_uri


class OnnxModel(MLModel):
    """Takes the first input of a request as a tensor and gives back every output of the model."""

    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        path = await get_model_uri(self.settings)
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.output_names = [output.name for output in self.session.get_outputs()]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        answers = self.session.run(self.output_names, {self.input: rows.astype(np.float32, copy=False)})
        outputs = [NumpyCodec.encode_output(name, value) for name, value in zip(self.output_names, answers)]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)
