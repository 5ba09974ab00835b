"""The network as an ONNX file, in 32 or 8 bits, and the check that it answers like the learner"""
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from fastai.vision.core import imagenet_stats
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from ..files import write_atomically
from ..images import open_image
from ..predict import Classifier, preprocess, softmax
from .network_outputs import bytes_with_metadata, metadata_of, onnx_graph


class ExportError(RuntimeError):
    "An export that was stopped before it replaced anything; its text says why and what to do"


def serving_metadata(
    learn, # fastai learner
    size:int, # side of the square input in pixels
    serving:dict # temperature and thresholds, from `evaluate`
)->dict: # labels, preprocessing, temperature, thresholds
    "What an export needs to know besides the network"
    mean, std = imagenet_stats
    preprocessing = dict(size=size, resize='squish', resample='bilinear', mean=mean, std=std)
    return dict(labels=list(learn.dls.vocab), preprocessing=preprocessing) | serving


def write_onnx(
    model:nn.Module, # a network that ends in logits
    metadata:dict, # result of `serving_metadata`
    path:str|Path, # `.onnx` file
    **more # further metadata
)->Path: # `path`
    "The network in 32 bits as one ONNX file with its metadata"
    side, path = metadata['preprocessing']['size'], Path(path)
    batch, example = torch.export.Dim('batch'), torch.zeros(2, 3, side, side)
    graph = onnx_graph(model.eval().cpu(), example, {0: batch}, ['image'], ['logits'])
    write_atomically(path, bytes_with_metadata(graph, metadata | more))
    return path


class _Pictures(CalibrationDataReader):
    "Training pictures, one at a time"
    def __init__(self, paths, preprocessing):
        self.batches = ({'image': preprocess(open_image(path), **preprocessing)[None]} for path in paths)
    def get_next(self): return next(self.batches, None)


def _first_convolution(file): return next(o.name for o in onnx.load(file).graph.node if o.op_type == 'Conv')


def write_int8(
    fp32:str|Path, # result of `write_onnx`
    path:str|Path, # `.onnx` file
    paths, # training pictures, which calibrate the ranges of the activations
    **more # metadata that differs
)->Path: # `path`
    "The network with 8-bit weights and activations"
    metadata = metadata_of(onnx.load(fp32, load_external_data=False))
    preprocessing = {key: metadata['preprocessing'][key] for key in ('size','mean','std')}
    with TemporaryDirectory() as folder:
        prepared, quantized = Path(folder)/'prepared.onnx', Path(folder)/'quantized.onnx'
        quant_pre_process(str(fp32), str(prepared), skip_symbolic_shape=True)
        # The channels of the first convolution differ in range by a factor of a hundred: it stays in 32 bits
        quantize_static(str(prepared), str(quantized), _Pictures(paths, preprocessing),
            nodes_to_exclude=[_first_convolution(prepared)], quant_format=QuantFormat.QDQ, per_channel=True,
            weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8, calibrate_method=CalibrationMethod.MinMax)
        write_atomically(Path(path), bytes_with_metadata(onnx.load(quantized), metadata | more))
    return Path(path)


def agreement(
    learn, # fastai learner, opened by `load_learner`
    network:str|Path, # `.onnx` file
    paths # pictures
)->dict: # pictures, same (answers), median and largest difference of the top probability
    "How an ONNX file and fastai's `learn.predict` agree, without temperature"
    classifier, same, differences = Classifier.load(network, threads=1, max_megapixels=25), 0, []
    with learn.no_bar(), learn.no_logging():
        for path in paths:
            category, i, probs = learn.predict(path)
            x = preprocess(classifier.open(path), **classifier.prep)
            ours = softmax(classifier.logits([x]))[0]
            same += classifier.labels[ours.argmax()] == category
            differences.append(abs(ours[int(i)] - float(probs[int(i)])))
    return dict(pictures=len(differences), same=int(same), median=float(np.median(differences)),
        largest=float(np.max(differences)))


def check_agreement(
    found:dict, # result of `agreement`
    most_different:float=.005, # largest share of other answers
    median:float=.01 # largest median difference of probabilities
)->dict: # `found`
    "Stop if the network does not answer like the learner. Raises `ExportError` with the figures"
    different = found['pictures'] - found['same']
    if different > most_different*found['pictures'] or found['median'] > median:
        raise ExportError(f"the exported network and the learner differ: the same category on {found['same']} of "
            f"{found['pictures']} pictures (needs {1-most_different:.1%}), probabilities {found['median']:.4f} apart "
            f"at the median (at most {median}); nothing was replaced, so look at the conversion before you serve it")
    return found


def measure(
    network:str|Path, # `.onnx` file
    paths, # pictures
    categories, # right category of each
    threads:int=1 # threads of the network
)->dict: # accuracy, known (share), megabytes, ms (median for one decoded picture), threads
    "Accuracy, size and time of a network file"
    classifier, predictions, ms = Classifier.load(network, threads=threads, max_megapixels=25), [], []
    for path in paths:
        x = preprocess(classifier.open(path), **classifier.prep)
        start = time.perf_counter()
        predictions.append(classifier.answer(x))
        ms.append((time.perf_counter()-start)*1000)
    right = [p.category == c for p,c in zip(predictions, categories, strict=True)]
    known, megabytes = [p.known for p in predictions], Path(network).stat().st_size/1e6
    return dict(accuracy=float(np.mean(right)), known=round(float(np.mean(known)), 4), megabytes=round(megabytes, 1),
        ms=round(float(np.median(ms)), 1), threads=threads)
