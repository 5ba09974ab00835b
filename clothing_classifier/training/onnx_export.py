"""One learner, two files: a pickle for fastai, and an ONNX network that serves without torch, checked against each other"""
import json
import time
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from fastai.vision.all import *
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from ..images import open_image
from ..predict import Classifier, preprocess, softmax
from ..settings import Settings
from ..training.callbacks import Mirrored
from ..training.features import has_head


class ExportError(RuntimeError):
    "The exported network does not agree with the learner; its text has the figures"


def serving_meta(
    learn:Learner, # From `train`
    settings:Settings, # Whose `[train]`
    serving:dict # `temperature` and `thresholds`, from `evaluate`
)->dict: # `labels`, `preprocessing`, `temperature`, `thresholds`
    "What the serving side needs to know"
    mean, std = imagenet_stats
    return dict(labels=list(learn.dls.vocab), preprocessing=dict(size=settings.train.network_size, resize='squish', resample='bilinear', mean=mean, std=std)) | serving


def write_onnx(
    model:nn.Module, # Ends in logits
    meta:dict, # From `serving_meta`
    path:str|Path, # `.onnx`
    **more # Further metadata
)->Path: # `path`
    "The network in fp32 as one ONNX file with its metadata"
    n, path = meta['preprocessing']['size'], Path(path)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        prog = torch.onnx.export(model.eval().cpu(), (torch.zeros(2, 3, n, n),), input_names=['image'], output_names=['logits'],
            dynamic_shapes=({0: torch.export.Dim('batch')},), dynamo=True, verbose=False)
    tmp = path.with_suffix('.tmp')
    prog.save(tmp, external_data=False)
    _finish(tmp, path, meta, more)
    return path


def _finish(tmp, path, meta, more):
    "Write the metadata into `tmp` and rename it to `path`"
    m = onnx.load(tmp)
    del m.metadata_props[:]
    for node in m.graph.node: del node.metadata_props[:] # Where torch stood when it wrote them: paths of this machine
    onnx.helper.set_model_props(m, {k: json.dumps(v) for k,v in (meta | more).items()})
    onnx.save(m, tmp)
    tmp.replace(path)


class _Pictures(CalibrationDataReader):
    "Feeds training pictures, one at a time"
    def __init__(self, paths, prep): self.it = ({'image': preprocess(open_image(p), **prep)[None]} for p in paths)
    def get_next(self): return next(self.it, None)


def write_int8(
    fp32:str|Path, # From `write_onnx`
    path:str|Path, # `.onnx`
    paths, # Training pictures
    meta:dict, # From `serving_meta`
    **more # Further metadata
)->Path: # `path`
    "The network with 8-bit weights and activations"
    path, prep = Path(path), {k: meta['preprocessing'][k] for k in ('size','mean','std')}
    pre, tmp = path.with_suffix('.pre.tmp'), path.with_suffix('.tmp')
    quant_pre_process(str(fp32), str(pre), skip_symbolic_shape=True)
    first = next(o.name for o in onnx.load(pre).graph.node if o.op_type == 'Conv')
    quantize_static(str(pre), str(tmp), _Pictures(paths, prep), quant_format=QuantFormat.QDQ, per_channel=True, nodes_to_exclude=[first],
        weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8, calibrate_method=CalibrationMethod.MinMax)
    pre.unlink()
    _finish(tmp, path, meta, more)
    return path


def _scale(bn): return bn.weight/(bn.running_var + bn.eps).sqrt()


class Map(nn.Module):
    "Features -> for each category a map of what speaks for it, (n, categories, h, w)"
    def __init__(self,
        head:nn.Sequential # As `create_head` makes it
    ):
        super().__init__()
        self.head = head

    def _gradient(self, on):
        "Of the logits with respect to the pooled features, (n, categories, 1024), given the units that are `on` after the ReLU"
        bn1, lin1, bn2, lin2 = self.head[2], self.head[4], self.head[6], self.head[8]
        return (lin2.weight*_scale(bn2)*on[:,None]) @ (lin1.weight*_scale(bn1))

    def forward(self, f):
        top, mean = self._gradient((self.head[:6](f) > 0).to(f.dtype)).chunk(2, -1)
        flat = f.flatten(2) # (n, 512, h*w)
        peak = flat*(flat == flat.amax(2, keepdim=True)).to(f.dtype)
        return (mean @ flat/flat.shape[2] + top @ peak).unflatten(2, f.shape[2:])


class Extras(nn.Module):
    "Features of the body -> the map and, where the learner has one, the score of *known*"
    def __init__(self,
        model:nn.Sequential, # Body and head
        known:nn.Module|None=None # From `fit_known`
    ):
        super().__init__()
        self.map, self.pool, self.known, self.half = Map(model[1]), model[1][:2], known, isinstance(model, Mirrored)

    def forward(self, f):
        if self.half: f = f.unflatten(0, (2, -1))[0] # The other half belongs to the mirror images
        return (self.map(f),) if self.known is None else (self.map(f), self.known(self.pool(f)))


def _features(m): return next(o.input[0] for o in m.graph.node if o.op_type in ('ReduceMax','GlobalMaxPool')) # What the head pools


def add_extras(
    path:str|Path, # From `write_onnx` or `write_int8`
    model:nn.Module, # That it was made from
    known:nn.Module|None=None # From `fit_known`
)->list: # Names of the outputs that came to it; none if the head is not fastai's
    "Attach the outputs `map` and `score`"
    if not has_head(model): return []
    path, m, extras = Path(path), onnx.load(path), Extras(model, known).eval().cpu()
    names = ['map'] if known is None else ['map','score']
    tmp, meta = path.with_suffix('.tmp'), {o.key: json.loads(o.value) for o in m.metadata_props}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        f, n = torch.zeros(4, model[1][2].num_features//2, 5, 4), torch.export.Dim('batch')
        dims = {0: 2*n if extras.half else n, 2: torch.export.Dim('h'), 3: torch.export.Dim('w')}
        prog = torch.onnx.export(extras, (f,), input_names=['features'], output_names=names, dynamic_shapes=(dims,), dynamo=True, verbose=False)
    prog.save(tmp, external_data=False)
    o = onnx.compose.add_prefix(onnx.load(tmp), 'extra_', rename_inputs=False, rename_outputs=False)
    o.ir_version = m.ir_version
    m.graph.output.append(onnx.helper.make_tensor_value_info(at := _features(m), onnx.TensorProto.FLOAT, None))
    onnx.save(onnx.compose.merge_models(m, o, io_map=[(at, 'features')], outputs=['logits', *names]), tmp)
    _finish(tmp, path, meta, {})
    return names


def agreement(
    learn:Learner, # The learner, or what `load_learner` opened
    network:str|Path, # `.onnx`
    paths # Pictures
)->dict: # `pictures`, `same` (top-1 equal), `median` and `largest` difference of the top probability
    "Compare an ONNX file with `learn.predict`, without temperature"
    clf, same, diff = Classifier.load(network, threads=1, max_megapixels=25), 0, []
    with learn.no_bar(), learn.no_logging():
        for p in paths:
            category, i, probs = learn.predict(p)
            q = softmax(clf.logits([preprocess(clf.open(p), **clf.prep)]))[0]
            same += clf.labels[q.argmax()] == category
            diff.append(abs(q[int(i)] - float(probs[int(i)])))
    return dict(pictures=len(diff), same=int(same), median=float(np.median(diff)), largest=float(np.max(diff)))


def check_agreement(a, most_different=.005, median=.01):
    "Raise `ExportError` with the figures if `a`, from `agreement`, is not good enough"
    if a['pictures']-a['same'] > most_different*a['pictures'] or a['median'] > median: raise ExportError(f"the exported network and the learner differ: the same category on {a['same']} of {a['pictures']} pictures (needs {1-most_different:.1%}), "
        f"probabilities {a['median']:.4f} apart at the median (at most {median}); nothing was replaced, so look at the conversion before you serve it")
    return a


def measure(
    network:str|Path, # `.onnx`
    paths, # Pictures
    y, # Their categories
    threads:int=1 # Of the network
)->dict: # `accuracy`, `known` (share), `megabytes`, `ms` (median for one picture, decoded already)
    "What a network file is worth, and what it costs"
    clf = Classifier.load(network, threads=threads, max_megapixels=25)
    xs = [preprocess(clf.open(p), **clf.prep) for p in paths]
    ps, ms = [], []
    for x in xs:
        t = time.perf_counter()
        ps.append(clf.answer(x))
        ms.append((time.perf_counter()-t)*1000)
    right, known = [p.category==c for p,c in zip(ps, y)], [p.known for p in ps]
    size = round(Path(network).stat().st_size/1e6, 1)
    return dict(accuracy=float(np.mean(right)), known=round(float(np.mean(known)), 4), megabytes=size, ms=round(float(np.median(ms)), 1))
