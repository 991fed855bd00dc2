# It runs in Python 3.9, and under a real Caffe too.
# ruff: noqa: UP031, B905, SIM112, PLC0415
"""Layers whose blobs are written by hand between the passes, for Caffe and for us to run.

`python3 edited_cases.py OUT.npz` with a real pycaffe records what the tests compare with.  Each
case is one layer, bottoms from Input layers; `results` runs it in each of the `WAYS` and answers
the gradients of bottoms and parameters.
"""

from __future__ import annotations

import os
import sys
import tempfile

import numpy as np

# What happens before `backward`: whether forward runs, and whose values are replaced after it.
WAYS = {
    "plain": (True, ""),
    "bottoms": (True, "b"),
    "tops": (True, "t"),
    "both": (True, "bt"),
    "params": (True, "p"),
    "never": (False, "bt"),
}

# Types that real Caffe ends for under force_backward: their first bottom comes from a Bias layer.
LEARNT = ("embed", "reindex", "filter", "infogain")

PICTURE = ((2, 3, 4, 4),)
ROWS = ((3, 4),)
PAIR = ((2, 3, 2, 2), (2, 3, 2, 2))
SCORES = ((3, 4), (3,))

# Name: (shapes of bottoms, the layer's text); a bottom called `label*` holds 0, 1, 2.
CASES = {
    "conv": (PICTURE, "type:'Convolution' convolution_param{num_output:2 kernel_size:3 pad:1}"),
    "conv_3d": (
        ((1, 2, 3, 3, 3),),
        "type:'Convolution' convolution_param{num_output:2 kernel_size:2}",
    ),
    "deconv": (PICTURE, "type:'Deconvolution' convolution_param{num_output:2 kernel_size:2}"),
    "im2col": (PICTURE, "type:'Im2col' convolution_param{kernel_size:2}"),
    "ip": (PICTURE, "type:'InnerProduct' inner_product_param{num_output:2}"),
    "ip_t": (ROWS, "type:'InnerProduct' inner_product_param{num_output:2 transpose:true}"),
    "embed": (((3,),), "type:'Embed' bottom:'label0' embed_param{num_output:2 input_dim:3}"),
    "max": (PICTURE, "type:'Pooling' pooling_param{kernel_size:2 stride:2}"),
    "max_overlap": (PICTURE, "type:'Pooling' pooling_param{kernel_size:3 stride:2 pad:1}"),
    "max_mask": (PICTURE, "type:'Pooling' top:'t0' top:'mask' pooling_param{kernel_size:2}"),
    "ave": (PICTURE, "type:'Pooling' pooling_param{pool:AVE kernel_size:3 stride:2 pad:1}"),
    "global": (PICTURE, "type:'Pooling' pooling_param{pool:AVE global_pooling:true}"),
    "spp": (PICTURE, "type:'SPP' spp_param{pyramid_height:2}"),
    "spp_ave": (PICTURE, "type:'SPP' spp_param{pyramid_height:2 pool:AVE}"),
    "relu": (ROWS, "type:'ReLU'"),
    "relu_in_place": (ROWS, "type:'ReLU' top:'b0'"),
    "leaky": (ROWS, "type:'ReLU' relu_param{negative_slope:0.25}"),
    "prelu": (PICTURE, "type:'PReLU'"),
    "prelu_in_place": (PICTURE, "type:'PReLU' top:'b0'"),
    "elu": (ROWS, "type:'ELU' elu_param{alpha:0.5}"),
    "sigmoid": (ROWS, "type:'Sigmoid'"),
    "sigmoid_in_place": (ROWS, "type:'Sigmoid' top:'b0'"),
    "tanh": (ROWS, "type:'TanH'"),
    "tanh_in_place": (ROWS, "type:'TanH' top:'b0'"),
    "abs": (ROWS, "type:'AbsVal'"),
    "bnll": (ROWS, "type:'BNLL'"),
    "clip": (ROWS, "type:'Clip' clip_param{min:-0.5 max:0.5}"),
    "swish": (ROWS, "type:'Swish' swish_param{beta:1.5}"),
    "power_3": (ROWS, "type:'Power' power_param{power:3 scale:0.5 shift:2}"),
    "power_2": (ROWS, "type:'Power' power_param{power:2 scale:0.5 shift:1}"),
    "power_1": (ROWS, "type:'Power' power_param{scale:0.5 shift:1}"),
    "power_no_shift": (ROWS, "type:'Power' power_param{power:3 scale:0.5}"),
    "exp": (ROWS, "type:'Exp' exp_param{base:2 shift:1 scale:0.5}"),
    "log": (ROWS, "type:'Log' log_param{shift:9}"),
    "dropout_test": (ROWS, "type:'Dropout' phase:TEST"),
    "lrn": (PICTURE, "type:'LRN' lrn_param{local_size:3 alpha:0.5 k:2}"),
    "lrn_within": (
        PICTURE,
        "type:'LRN' lrn_param{local_size:3 alpha:0.5 norm_region:WITHIN_CHANNEL}",
    ),
    "bn": (PICTURE, "type:'BatchNorm'"),
    "bn_in_place": (PICTURE, "type:'BatchNorm' top:'b0'"),
    "bn_global": (PICTURE, "type:'BatchNorm' batch_norm_param{use_global_stats:true}"),
    "mvn": (PICTURE, "type:'MVN'"),
    "mvn_mean": (PICTURE, "type:'MVN' mvn_param{normalize_variance:false}"),
    "mvn_across": (PICTURE, "type:'MVN' mvn_param{across_channels:true}"),
    "scale": (PICTURE, "type:'Scale' scale_param{bias_term:true}"),
    "scale_in_place": (PICTURE, "type:'Scale' top:'b0'"),
    "scale_two": (((2, 3, 2, 2), (3,)), "type:'Scale'"),
    "bias": (PICTURE, "type:'Bias'"),
    "bias_in_place": (PICTURE, "type:'Bias' top:'b0'"),
    "eltwise_sum": (PAIR, "type:'Eltwise' eltwise_param{coeff:2 coeff:-1}"),
    "eltwise_max": ((*PAIR, PAIR[0]), "type:'Eltwise' eltwise_param{operation:MAX}"),
    "eltwise_prod": ((*PAIR, PAIR[0]), "type:'Eltwise' eltwise_param{operation:PROD}"),
    "eltwise_unstable": (
        PAIR,
        "type:'Eltwise' eltwise_param{operation:PROD stable_prod_grad:false}",
    ),
    "reduction_sum": (PICTURE, "type:'Reduction' reduction_param{axis:1}"),
    "reduction_asum": (PICTURE, "type:'Reduction' reduction_param{operation:ASUM axis:1}"),
    "reduction_sumsq": (PICTURE, "type:'Reduction' reduction_param{operation:SUMSQ coeff:2}"),
    "softmax": (PICTURE, "type:'Softmax'"),
    "softmax_in_place": (ROWS, "type:'Softmax' top:'b0'"),
    "concat": (PAIR, "type:'Concat'"),
    "slice": (((2, 4, 2, 2),), "type:'Slice' top:'t0' top:'t1'"),
    "flatten": (PICTURE, "type:'Flatten'"),
    "reshape": (PICTURE, "type:'Reshape' reshape_param{shape{dim:0 dim:-1}}"),
    "tile": (ROWS, "type:'Tile' tile_param{tiles:2}"),
    "crop": (((2, 3, 4, 4), (2, 3, 2, 2)), "type:'Crop' crop_param{axis:2 offset:1}"),
    "reindex": (((3, 2), (4,)), "type:'BatchReindex' bottom:'b0' bottom:'label1'"),
    "filter": (((3, 2), (3,)), "type:'Filter' bottom:'b0' bottom:'label1'"),
    "softmax_loss": (SCORES, "type:'SoftmaxWithLoss' bottom:'b0' bottom:'label1'"),
    "softmax_loss_ignore": (
        SCORES,
        "type:'SoftmaxWithLoss' bottom:'b0' bottom:'label1' loss_param{ignore_label:1}",
    ),
    "infogain": (
        ((3, 3), (3,), (3, 3)),
        "type:'InfogainLoss' bottom:'b0' bottom:'label1' bottom:'b2'",
    ),
    "euclid": (((3, 4), (3, 4)), "type:'EuclideanLoss'"),
    "multinomial": (SCORES, "type:'MultinomialLogisticLoss' bottom:'b0' bottom:'label1'"),
    "hinge": (SCORES, "type:'HingeLoss' bottom:'b0' bottom:'label1'"),
    "hinge_2": (
        SCORES,
        "type:'HingeLoss' bottom:'b0' bottom:'label1' hinge_loss_param{norm:L2}",
    ),
    "cross_entropy": (((3, 4), (3, 4)), "type:'SigmoidCrossEntropyLoss'"),
    "contrastive": (
        ((3, 4), (3, 4), (3,)),
        "type:'ContrastiveLoss' bottom:'b0' bottom:'b1' bottom:'label2'",
    ),
    "contrastive_legacy": (
        ((3, 4), (3, 4), (3,)),
        "type:'ContrastiveLoss' bottom:'b0' bottom:'b1' bottom:'label2'"
        " contrastive_loss_param{legacy_version:true margin:20}",
    ),
    "lstm": (((3, 2, 2), (3, 2)), "type:'LSTM' recurrent_param{num_output:2}"),
    "lstm_static": (
        ((3, 2, 2), (3, 2), (2, 3)),
        "type:'LSTM' recurrent_param{num_output:2}",
    ),
    "rnn": (((3, 2, 2), (3, 2)), "type:'RNN' recurrent_param{num_output:2}"),
    "lstm_unit": (
        ((1, 2, 2), (1, 2, 8), (1, 2)),
        "type:'LSTMUnit' top:'t0' top:'t1'",
    ),
    "parameter": ((), "type:'Parameter' parameter_param{shape{dim:2 dim:3}}"),
}


def names(case):
    """The names of the case's bottoms and tops."""
    shapes, text = CASES[case]
    bottoms = [
        "label%d" % i if "bottom:'label%d'" % i in text else "b%d" % i for i in range(len(shapes))
    ]
    tops = [part.split("'")[0] for part in text.split("top:'")[1:]]
    return bottoms, tops or ["t0"]


def prototxt(case):
    """The net of a case."""
    shapes, text = CASES[case]
    bottoms, tops = names(case)
    net = "" if case in LEARNT else "force_backward: true\n"
    for name, shape in zip(bottoms, shapes):
        is_learnt = case in LEARNT and name == "b0"
        dims = " ".join("dim:%d" % size for size in shape)
        net += "layer{name:'in_%s' type:'Input' top:'%s' input_param{shape{%s}}}\n" % (
            name, "x" if is_learnt else name, dims,
        )  # fmt: skip
        if is_learnt:
            net += "layer{name:'pre' type:'Bias' bottom:'x' top:'b0'}\n"
    if "bottom:'" not in text:
        text += "".join(" bottom:'%s'" % name for name in bottoms)
    if "top:'" not in text:
        text += " top:'%s'" % tops[0]
    if case in LEARNT and "Loss" not in text:
        text += " loss_weight:1"
    return net + "layer{name:'l' %s}\n" % text


def fill(numbers, name, array):
    """Other values: whole ones in labels and indices, and what each kind of number may be."""
    if name.startswith("label") or name == "mask":
        array[...] = numbers.randint(0, 3, array.shape)
    else:
        array[...] = numbers.randn(*array.shape)


def results(caffe, case, way):
    """The gradients of bottoms and parameters: {name: array}."""
    runs_forward, edited = WAYS[way]
    bottoms, tops = names(case)
    with tempfile.NamedTemporaryFile("w", suffix=".prototxt", delete=False) as file:
        file.write(prototxt(case))
    net = caffe.Net(file.name, caffe.TRAIN)
    os.remove(file.name)
    numbers = np.random.RandomState(len(case))
    params = list(net.params.get("l", []))
    is_batch_norm = case.startswith("bn")
    for blob in params:
        blob.data[...] = numbers.rand(*blob.data.shape) if is_batch_norm else (
            numbers.randn(*blob.data.shape)
        )  # fmt: skip
    for name in bottoms:
        fill(numbers, name, net.blobs[name].data)
        if "x" in net.blobs and name == "b0":
            net.blobs["x"].data[...] = net.blobs[name].data
    if runs_forward:
        net.forward()
    for name in bottoms if "b" in edited else []:
        fill(numbers, name, net.blobs[name].data)
    for name in tops if "t" in edited else []:
        fill(numbers, name, net.blobs[name].data)
    for blob in params if "p" in edited else []:
        blob.data[...] = numbers.randn(*blob.data.shape)
    for name in tops:
        if name != "mask":
            net.blobs[name].diff[...] = np.random.RandomState(5).randn(*net.blobs[name].diff.shape)
    net.backward()
    found = {name: net.blobs[name].diff.copy() for name in bottoms if name not in tops}
    if bottoms and bottoms[0] in tops:
        found[bottoms[0]] = net.blobs[bottoms[0]].diff.copy()
    if not is_batch_norm:
        found.update({"param%d" % i: blob.diff.copy() for i, blob in enumerate(params)})
    return found


def record(path):
    """Run all cases by a real Caffe, each in a process of its own: some ways end it."""
    os.environ["GLOG_minloglevel"] = "2"
    import caffe

    recorded = {}
    for case in CASES:
        for way in WAYS:
            part = "%s.%d.npz" % (path, os.getpid())
            child = os.fork()
            if not child:
                np.savez(part, **results(caffe, case, way))
                os._exit(0)
            os.waitpid(child, 0)
            if not os.path.exists(part):
                sys.stderr.write("no result of %s %s\n" % (case, way))
                continue
            with np.load(part) as arrays:
                for name in arrays.files:
                    recorded["%s/%s/%s" % (case, way, name)] = arrays[name].astype("float32")
            os.remove(part)
    np.savez_compressed(path, **recorded)


if __name__ == "__main__":
    record(sys.argv[1])
