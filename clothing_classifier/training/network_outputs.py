"""Further outputs of the exported network: where it looked, and how much a picture looks like the categories"""
import json
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn

from ..files import write_atomically
from .network import Mirrored, has_head


def bytes_with_metadata(
    model:onnx.ModelProto, # changed in place
    metadata:dict # key -> anything that JSON can hold
)->bytes: # content of an `.onnx` file
    "A network with its metadata, and without paths of this machine"
    del model.metadata_props[:]
    for node in model.graph.node: del node.metadata_props[:] # torch writes stack traces there
    onnx.helper.set_model_props(model, {key: json.dumps(value) for key,value in metadata.items()})
    return model.SerializeToString()


def metadata_of(model:onnx.ModelProto)->dict: return {o.key: json.loads(o.value) for o in model.metadata_props}


def onnx_graph(
    model:nn.Module, # in evaluation mode
    example:torch.Tensor, # an input
    dynamic:dict, # dimension -> its `torch.export.Dim`
    inputs:list, # names of the inputs
    outputs:list # names of the outputs
)->onnx.ModelProto:
    "A PyTorch network as ONNX"
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        program = torch.onnx.export(model, (example,), input_names=inputs, output_names=outputs,
            dynamic_shapes=(dynamic,), dynamo=True, verbose=False)
    return program.model_proto


def _scale(batch_norm): return batch_norm.weight/(batch_norm.running_var + batch_norm.eps).sqrt()


class HiResCAM(nn.Module):
    """Features of the body -> for each category a map of what speaks for it, (n, categories, h, w)

    For one picture the ReLU of fastai's head only switches some units off; what remains is linear. So the gradient of
    a logit is a product of matrices, and gradient times feature shares the logit out over the places of the grid
    (https://arxiv.org/abs/2011.08891)."""
    def __init__(self,
        head:nn.Sequential # made by fastai's `create_head`
    ):
        super().__init__()
        self.head = head

    def _gradient(self, active):
        "Gradient of the logits by the pooled features, (n, categories, 2*channels), given the units that are active"
        bn1, linear1, bn2, linear2 = self.head[2], self.head[4], self.head[6], self.head[8]
        return (linear2.weight*_scale(bn2)*active[:,None]) @ (linear1.weight*_scale(bn1))

    def forward(self, f): # (n, channels, h, w)
        active = (self.head[:6](f) > 0).to(f.dtype)
        by_max, by_mean = self._gradient(active).chunk(2, -1)
        flat = f.flatten(2)
        at_max = flat*(flat == flat.amax(2, keepdim=True)).to(f.dtype)
        maps = by_mean @ flat/flat.shape[2] + by_max @ at_max
        return maps.unflatten(2, f.shape[2:])


class FurtherOutputs(nn.Module):
    "Features of the body -> the maps and, where the learner has one, the score of *known*"
    def __init__(self,
        model:nn.Sequential, # body and head
        known:nn.Module|None=None # result of `fit_known_score`
    ):
        super().__init__()
        self.map, self.pool, self.known = HiResCAM(model[1]), model[1][:2], known
        self.mirrored = isinstance(model, Mirrored)

    def forward(self, f):
        if self.mirrored: f = f.unflatten(0, (2, -1))[0] # the second half belongs to the mirror images
        maps = self.map(f)
        return (maps,) if self.known is None else (maps, self.known(self.pool(f)))


def _pooled_tensor(model):
    "Name of the tensor that the head pools"
    return next(o.input[0] for o in model.graph.node if o.op_type in ('ReduceMax','GlobalMaxPool'))


def _further_graph(model, known, outputs):
    "The graph of the further outputs"
    further, batch, Dim = FurtherOutputs(model, known).eval().cpu(), torch.export.Dim('batch'), torch.export.Dim
    dynamic = {0: 2*batch if further.mirrored else batch, 2: Dim('h'), 3: Dim('w')}
    example = torch.zeros(4, model[1][2].num_features//2, 5, 4)
    graph = onnx_graph(further, example, dynamic, ['features'], outputs)
    return onnx.compose.add_prefix(graph, 'extra_', rename_inputs=False, rename_outputs=False)


def add_outputs(
    path:Path, # `.onnx` file, changed in place
    model:nn.Module, # the network that it was made from
    known:nn.Module|None=None # result of `fit_known_score`
)->list: # names of the new outputs; empty if the head is not fastai's
    "Attach the outputs `map` and `score`; the logits stay what they were, to the last bit"
    if not has_head(model): return []
    network, outputs = onnx.load(path), ['map'] if known is None else ['map','score']
    further, features = _further_graph(model, known, outputs), _pooled_tensor(network)
    further.ir_version = network.ir_version
    network.graph.output.append(onnx.helper.make_tensor_value_info(features, onnx.TensorProto.FLOAT, None))
    merged = onnx.compose.merge_models(network, further, io_map=[(features, 'features')], outputs=['logits', *outputs])
    write_atomically(path, bytes_with_metadata(merged, metadata_of(network)))
    return outputs
