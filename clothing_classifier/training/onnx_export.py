"""The network as an ONNX file, in 32 or 8 bits, and the check that it answers like the learner"""
import logging
import time
import warnings
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
from ..settings import Settings, Train
from .network_outputs import add_outputs, bytes_with_metadata, metadata_of, onnx_graph


class ExportError(RuntimeError):
    "An export that was stopped before it replaced anything; its text says why and what to do"


class ExportExists(ExportError):
    "An export that would have replaced another one"


def refuse_to_replace(
    *paths:Path # files that an export would write
):
    "Stop if one of the files is there already. Raises `ExportExists`"
    for path in paths:
        if path.exists(): raise ExportExists(f"{path.name} is there already; export(learn, replace=True) replaces it")


def serving_metadata(
    learn, # fastai learner
    train:Train, # settings of its training
    serving:dict # temperature and thresholds, from `evaluate`
)->dict: # labels, preprocessing, temperature, thresholds
    "What an export needs to know besides the network"
    mean, std = imagenet_stats
    preprocessing = dict(size=train.network_size, resize=train.resize, resample='bilinear', mean=mean, std=std)
    return dict(labels=list(learn.dls.vocab), preprocessing=preprocessing) | serving


def write_onnx(
    model:nn.Module, # a network that ends in logits
    metadata:dict, # result of `serving_metadata`
    path:Path # `.onnx` file
):
    "The network in 32 bits as one ONNX file with its metadata"
    side = metadata['preprocessing']['size']
    batch, example = torch.export.Dim('batch'), torch.zeros(2, 3, side, side)
    graph = onnx_graph(model.eval().cpu(), example, {0: batch}, ['image'], ['logits'])
    write_atomically(path, bytes_with_metadata(graph, metadata | dict(precision='fp32')))


class _Pictures(CalibrationDataReader):
    "Training pictures, one at a time"
    def __init__(self, paths, preprocessing):
        self.batches = ({'image': preprocess(open_image(path), **preprocessing)[None]} for path in paths)
    def get_next(self): return next(self.batches, None)


def _first_convolution(file): return next(o.name for o in onnx.load(file).graph.node if o.op_type == 'Conv')


def write_int8(
    fp32:Path, # `.onnx` file from `write_onnx`
    path:Path, # `.onnx` file
    paths # training pictures, which calibrate the ranges of the activations
):
    "The network with 8-bit weights and activations"
    metadata = metadata_of(onnx.load(fp32)) | dict(precision='int8')
    preprocessing = {key: metadata['preprocessing'][key] for key in ('size','mean','std','resize')}
    with TemporaryDirectory() as folder:
        prepared, quantized = Path(folder)/'prepared.onnx', Path(folder)/'quantized.onnx'
        quant_pre_process(str(fp32), str(prepared), skip_symbolic_shape=True)
        # The channels of the first convolution differ in range by a factor of a hundred: it stays in 32 bits
        logging.disable(logging.WARNING) # what onnxruntime says of vectors, whose axis it asks for in vain
        try:
            quantize_static(str(prepared), str(quantized), _Pictures(paths, preprocessing),
                nodes_to_exclude=[_first_convolution(prepared)], quant_format=QuantFormat.QDQ, per_channel=True,
                weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
                calibrate_method=CalibrationMethod.MinMax)
        finally: logging.disable(logging.NOTSET)
        write_atomically(path, bytes_with_metadata(onnx.load(quantized), metadata))


def write_networks(
    learn, # fastai learner after `evaluate`, which gives it `learn.known`
    metadata:dict, # result of `serving_metadata`
    path:Path, # `.onnx` file; the two are written beside it
    paths # training pictures, which calibrate the 8-bit network
)->dict: # precision -> file
    "The network in 32 and in 8 bits, both with their further outputs"
    fp32, int8 = path.with_suffix('.fp32.onnx'), path.with_suffix('.int8.onnx')
    write_onnx(learn.model, metadata, fp32)
    write_int8(fp32, int8, paths)
    for file in (fp32, int8): add_outputs(file, learn.model, learn.known)
    return dict(fp32=fp32, int8=int8)


def agreement(
    learn, # fastai learner, opened by `load_learner`
    network:str|Path, # `.onnx` file
    paths # pictures
)->dict: # pictures, same (answers), median and largest difference of the top probability
    "How an ONNX file and fastai's `learn.predict` agree, without temperature"
    classifier, same, differences = Classifier(network, threads=1, max_megapixels=25), 0, []
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
    classifier, predictions, ms = Classifier(network, threads=threads, max_megapixels=25), [], []
    for path in paths:
        x = preprocess(classifier.open(path), **classifier.prep)
        start = time.perf_counter()
        predictions.append(classifier.answer(x))
        ms.append((time.perf_counter()-start)*1000)
    right = [p.category == c for p,c in zip(predictions, categories, strict=True)]
    known, megabytes = [p.known for p in predictions], Path(network).stat().st_size/1e6
    return dict(accuracy=float(np.mean(right)), known=round(float(np.mean(known)), 4), megabytes=round(megabytes, 1),
        ms=round(float(np.median(ms)), 1), threads=threads)


def warn_of_int8(
    precisions:dict, # precision -> result of `measure`
    settings:Settings # the project
):
    "A warning if 8 bits serve, and cost accuracy"
    lost = precisions['fp32']['accuracy'] - precisions['int8']['accuracy']
    if settings.export.precision == 'int8' and lost > .003:
        warnings.warn(f"int8 answers {lost:.1%} fewer test pictures rightly than fp32; set [export] precision = fp32 "
            f"in {settings.file}, and export again", stacklevel=3)
