"""torchvision's RetinaNet on the CPU: the peer of `fovea bench`, doing the same work.

    torchvision_retinanet.py prepare --folder F …              writes F/weights, F/input and F/reference .safetensors
    torchvision_retinanet.py time --folder F --json FILE …     times inference (with NMS) and a training step

Both sides are given normalized images in memory, so torchvision's resizing is left out. Settings: NHWC (channels_last), one thread
a core, denormals flushed; for bf16 autocast. For inference three forms are tried (eager; bf16 weights without autocast; traced, frozen
and optimized by torch.jit), and the fastest one is timed.
"""
import argparse
import copy
import json
import os
import statistics
import time

import numpy as np
import torch
import torchvision
from torch import nn
from torchvision.models import resnet
from torchvision.models.detection.backbone_utils import BackboneWithFPN, _resnet_fpn_extractor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import RetinaNet
from torchvision.models.inception import BasicConv2d
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

import safetensors_file

BOXES = 8  # ground truth an image, as in `fovea bench`
LOGIT_SPREAD = 0.5  # standard deviation around the prior of 0.01: some thousand logits pass the score threshold of 0.05


class GivenImages(nn.Module):
    """In place of torchvision's resizing and normalizing: takes the batch as it is."""

    def forward(self, images, targets=None):
        return ImageList(images, [tuple(images.shape[-2:])] * len(images)), targets

    def postprocess(self, detections, sizes, original_sizes):
        return detections


# What `fovea bench --model` calls them, and torchvision.
RESNETS = {"r18": "resnet18", "r34": "resnet34", "r50": "resnet50", "r101": "resnet101", "r152": "resnet152",
           "wide50": "wide_resnet50_2", "resnext50": "resnext50_32x4d"}
OTHERS = ("vgg16", "inception")  # frozen up to the second of five stages, as ResNets are


def vgg_body():
    body = torchvision.models.vgg16(weights=None).features
    body[:10].requires_grad_(False)
    return BackboneWithFPN(body, {"16": "0", "23": "1", "30": "2"}, [256, 512, 512], 256, LastLevelP6P7(256, 256))


def inception_body():
    body = torchvision.models.inception_v3(weights=None, aux_logits=False, transform_input=False, init_weights=False)
    for name, module in body.named_modules():
        if isinstance(module, BasicConv2d):
            nn.init.kaiming_normal_(module.conv.weight)
            module.bn = FrozenBatchNorm2d(module.bn.num_features, eps=module.bn.eps)
            module.requires_grad_(name.startswith("Mixed_"))
    return BackboneWithFPN(body, {"Mixed_5d": "0", "Mixed_6e": "1", "Mixed_7c": "2"}, [288, 768, 2048], 256,
                           LastLevelP6P7(256, 256))


def build(args):
    if args.model in RESNETS:
        backbone = getattr(resnet, RESNETS[args.model])(weights=None, norm_layer=FrozenBatchNorm2d)
        body = _resnet_fpn_extractor(backbone, 3, returned_layers=[2, 3, 4], extra_blocks=LastLevelP6P7(256, 256))
    else:
        body = vgg_body() if args.model == "vgg16" else inception_body()
    model = RetinaNet(body, num_classes=args.classes)
    model.transform = GivenImages()
    return model.to(memory_format=torch.channels_last)


def randomize(model):
    """Random frozen norms that keep the activations of a deep random network near one."""
    for module in model.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.weight.uniform_(0.5, 1.0)
            module.bias.normal_(0, 0.1)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    for module in model.modules():
        if isinstance(module, (resnet.BasicBlock, resnet.Bottleneck)):
            last = module.bn3 if isinstance(module, resnet.Bottleneck) else module.bn2
            last.weight.mul_(0.3)


def heads(model, images):
    """The heads' outputs [N, anchors, columns], without post-processing."""
    return model.head(list(model.backbone(images).values()))


def prepare(args):
    torch.manual_seed(0)
    model = build(args).eval()
    images = torch.randn(args.batch, 3, args.size, args.size).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        randomize(model)
        last = model.head.classification_head.cls_logits
        spread = (heads(model, images)["cls_logits"] - last.bias[0]).std()
        last.weight.mul_(LOGIT_SPREAD / spread)
        reference = {name: values.numpy() for name, values in heads(model, images).items()}
    file = lambda name: os.path.join(args.folder, name + ".safetensors")
    safetensors_file.write(file("weights"), {name: values.float().numpy() for name, values in model.state_dict().items()})
    safetensors_file.write(file("input"), {"images": images.permute(0, 2, 3, 1).numpy()})
    safetensors_file.write(file("reference"), reference)


class Network(nn.Module):
    """Backbone and heads alone, with tuples in place of dictionaries, for tracing."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        features = list(self.model.backbone(images).values())
        outputs = self.model.head(features)
        return (outputs["cls_logits"], outputs["bbox_regression"], *features)


def detections(model, images, outputs):
    """torchvision's own post-processing (RetinaNet.forward's last part) of a Network's outputs, in fp32."""
    logits, deltas, *features = outputs
    levels = [f.shape[-2] * f.shape[-1] for f in features]
    per_location = logits.shape[1] // sum(levels)
    counts = [count * per_location for count in levels]
    image_list = ImageList(images, [tuple(images.shape[-2:])] * len(images))
    anchors = model.anchor_generator(image_list, features)
    split = {"cls_logits": list(logits.float().split(counts, 1)), "bbox_regression": list(deltas.float().split(counts, 1))}
    return model.postprocess_detections(split, [list(a.split(counts)) for a in anchors], image_list.image_sizes)


def inference_forms(model, images, bf16):
    """name -> a function of the images that returns detections, and its network's outputs."""
    network = Network(model).eval()

    def traced():
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16, cache_enabled=False):
            frozen = torch.jit.freeze(torch.jit.trace(network, images, check_trace=False))
            for _ in range(2):
                frozen(images)
        return frozen

    forms = {"eager": (network, bf16), "torch.jit frozen": (traced(), False)}
    if bf16:
        half = copy.deepcopy(network).bfloat16()
        forms["eager, bf16 weights"] = (lambda x: half(x.bfloat16()), False)

    def run(form):
        forward, autocast = forms[form]

        def call():
            with torch.inference_mode():
                with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                    outputs = forward(images)
                return outputs, detections(model, images, outputs)

        return call

    return {form: run(form) for form in forms}


def seconds_of(call, images):
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) / images.shape[0]


def peak_memory(call):
    """The process's largest resident size while `call` runs, bytes."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    call()
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM"))


def summary(seconds, memory):
    return {"seconds_per_image": statistics.median(seconds), "least_seconds_per_image": min(seconds), "all": seconds,
            "peak_rss_bytes": memory}


def time_inference(model, images, bf16, args):
    forms = inference_forms(model, images, bf16)
    trial = {}
    for form, call in forms.items():
        call()
        trial[form] = min(seconds_of(call, images) for _ in range(2))
    form = min(trial, key=trial.get)
    call = forms[form]
    outputs, found = call()
    seconds = [seconds_of(call, images) for _ in range(args.repeats)]
    del forms
    result = summary(seconds, peak_memory(call)) | {"form": form, "tried": trial, "detections": len(found[0]["scores"])}
    return result, {"cls_logits": outputs[0].float().numpy(), "bbox_regression": outputs[1].float().numpy()}


def time_training(model, images, bf16, args):
    model.train()
    side = args.size * (0.05 + 0.4 * torch.rand(len(images), BOXES, 1))
    corner = torch.rand(len(images), BOXES, 2) * (args.size - side)
    boxes = torch.cat([corner, corner + side], 2)
    targets = [{"boxes": b, "labels": torch.randint(0, args.classes, (BOXES,))} for b in boxes]
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=1e-4, momentum=0.9, weight_decay=1e-4)

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = sum(model(images, targets).values())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()

    step()
    seconds = [seconds_of(step, images) for _ in range(args.repeats)]
    return summary(seconds, peak_memory(step))


def run_time(args):
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    model = build(args).eval()
    weights = safetensors_file.read(os.path.join(args.folder, "weights.safetensors"))
    model.load_state_dict({name: torch.from_numpy(np.array(values)) for name, values in weights.items()})
    given = np.array(safetensors_file.read(os.path.join(args.folder, "input.safetensors"))["images"])
    images = torch.from_numpy(given).permute(0, 3, 1, 2)  # NHWC in memory: channels_last as it is
    bf16 = args.precision == "bf16"
    result = {"torch": torch.__version__, "torchvision": torchvision.__version__, "threads": torch.get_num_threads()}
    # Training first: its peak must not hold what the forms of inference leave behind.
    result["training"] = time_training(model, images, bf16, args)
    model.load_state_dict({name: torch.from_numpy(np.array(values)) for name, values in weights.items()})
    result["inference"], outputs = time_inference(model.eval(), images, bf16, args)
    safetensors_file.write(os.path.join(args.folder, f"torchvision_{args.precision}.safetensors"), outputs)
    with open(args.json, "w") as file:
        json.dump(result, file)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["prepare", "time"])
    parser.add_argument("--folder", required=True)
    parser.add_argument("--model", default="r50", choices=[*RESNETS, *OTHERS])
    parser.add_argument("--size", type=int, default=800)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--classes", type=int, default=91)
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json")
    args = parser.parse_args()
    prepare(args) if args.command == "prepare" else run_time(args)


if __name__ == "__main__":
    main()
