"""Makes the golden values anew with another seed: ops and whole narrow RetinaNets of torchvision, in float64.

    build/peers/bin/python benchmarks/peers/make_golden.py SEED FOLDER [IMAGE.jpg]
    FOVEA_GOLDEN=FOLDER ctest --preset release -R golden

(scripts/setup --bench brings that Python.) Weights and images are float32 values, so that both sides start from the
same numbers; what is compared is computed in float64.
"""
import functools
import json
import pathlib
import struct
import sys

import numpy as np
import torch
import torchvision
from torch import nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import RetinaNet, RetinaNetHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.inception import (BasicConv2d, Inception3, InceptionA, InceptionB, InceptionC, InceptionD,
                                          InceptionE)
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet
from torchvision.models.vgg import cfgs, make_layers
from torchvision.ops import (FrozenBatchNorm2d, box_iou, complete_box_iou_loss, distance_box_iou_loss,
                             generalized_box_iou_loss, nms, sigmoid_focal_loss)
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

DTYPES = {np.float32: "F32", np.float64: "F64", np.int32: "I32", np.uint8: "U8"}


def write(path, tensors, **metadata):
    """safetensors; larger element types first, as the format's own writer does."""
    arrays = {k: np.ascontiguousarray(v.detach().numpy() if isinstance(v, torch.Tensor) else v) for k, v in tensors.items()}
    order = sorted(arrays, key=lambda k: (-arrays[k].dtype.itemsize, k))
    header, offset = {"__metadata__": {k: v if isinstance(v, str) else json.dumps(v) for k, v in metadata.items()}}, 0
    for name in order:
        a = arrays[name]
        header[name] = {"dtype": DTYPES[a.dtype.type], "shape": list(a.shape), "data_offsets": [offset, offset + a.nbytes]}
        offset += a.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(arrays[name].tobytes())


def as_float32_values(x):
    return x.float().double()


def random_boxes(generator, count, width, height):
    center = torch.rand(count, 2, generator=generator, dtype=torch.float64) * torch.tensor([width, height])
    size = torch.exp(torch.rand(count, 2, generator=generator, dtype=torch.float64) * 3 + 1.5)
    return as_float32_values(torch.cat([center - size / 2, center + size / 2], 1))


def focal(generator):
    rows, classes = 257, 7
    logits = as_float32_values(torch.randn(rows, classes, generator=generator, dtype=torch.float64) * 4)
    logits.view(-1)[:3] = torch.tensor([60.0, -60.0, 0.0])
    targets = torch.randint(-2, classes, (rows,), generator=generator)
    hot = torch.zeros(rows, classes, dtype=torch.float64)
    hot[targets >= 0, targets[targets >= 0]] = 1
    counted = (targets != -2).double()[:, None]
    out = {"logits": logits, "targets": targets.int()}
    for name, alpha, gamma in [("a25_g2", 0.25, 2.0), ("a25_g05", 0.25, 0.5), ("a50_g0", 0.5, 0.0), ("a75_g5", 0.75, 5.0),
                               ("noalpha_g0", -1, 0.0), ("noalpha_g1", -1, 1.0)]:
        x = logits.clone().requires_grad_()
        loss = sigmoid_focal_loss(x, hot, alpha=alpha, gamma=gamma) * counted
        out[name + ".loss"], out[name + ".grad"] = loss, torch.autograd.grad(loss.sum(), x)[0] * counted
    return out


def box_losses(generator):
    n = 301
    pred = as_float32_values(torch.randn(n, 4, generator=generator, dtype=torch.float64))
    target = as_float32_values(torch.randn(n, 4, generator=generator, dtype=torch.float64))
    truth = random_boxes(generator, n, 100, 100)
    size = (truth[:, 2:] - truth[:, :2]).repeat(1, 2)
    moved = truth + size * torch.randn(n, 4, generator=generator, dtype=torch.float64) * 0.3
    corners = torch.minimum(moved[:, :2], moved[:, 2:]), torch.maximum(moved[:, :2], moved[:, 2:])
    boxes = as_float32_values(torch.cat(corners, 1))
    out = {"pred": pred, "target": target, "boxes_pred": boxes, "boxes_target": truth}
    functions = {"l1": lambda x: nn.functional.l1_loss(x, target, reduction="none"),
                 "smooth_l1_1": lambda x: nn.functional.smooth_l1_loss(x, target, reduction="none", beta=1.0),
                 "smooth_l1_0.1111": lambda x: nn.functional.smooth_l1_loss(x, target, reduction="none", beta=1 / 9),
                 "giou": lambda x: generalized_box_iou_loss(x, truth), "diou": lambda x: distance_box_iou_loss(x, truth),
                 "ciou": lambda x: complete_box_iou_loss(x, truth)}
    for name, function in functions.items():
        x = (boxes if name.endswith("iou") else pred).clone().requires_grad_()
        loss = function(x)
        out[name + ".loss"], out[name + ".grad"] = loss, torch.autograd.grad(loss.sum(), x)[0]
    return out


def coder(generator):
    n = 400
    anchors, boxes = random_boxes(generator, n, 200, 200), random_boxes(generator, n, 200, 200)
    out = {"anchors": anchors, "boxes": boxes}
    for name, weights in [("w1", (1.0,) * 4), ("w10", (10.0, 10.0, 5.0, 5.0))]:
        c = BoxCoder(weights=weights)
        deltas = as_float32_values(torch.randn(n, 4, generator=generator, dtype=torch.float64) * torch.tensor(weights) * 2)
        out.update({name + ".encoded": c.encode_single(boxes, anchors), name + ".deltas": deltas,
                    name + ".decoded": c.decode_single(deltas, anchors)})
    return out


SIZES = tuple((x, int(x * 2 ** (1 / 3)), int(x * 2 ** (2 / 3))) for x in [32, 64, 128, 256, 512])


def anchor_generator():
    return AnchorGenerator(SIZES, ((0.5, 1.0, 2.0),) * 5)


def anchors():
    levels, image = [(20, 28), (10, 14), (5, 7), (3, 4), (2, 2)], (160, 224)
    make = anchor_generator()
    found = make(ImageList(torch.zeros(1, 3, *image), [image]), [torch.zeros(1, 1, *level) for level in levels])[0]
    cells = torch.stack(make.cell_anchors)
    return {"anchors": found, "cells": cells.float()}, {"levels": levels, "image": image}


def matcher(generator, all_anchors):
    boxes = random_boxes(generator, 6, 224, 160).float()
    iou = box_iou(boxes, all_anchors)
    return {"boxes": boxes, "matches": Matcher(0.5, 0.4, False)(iou).int(),
            "matches_low_quality": Matcher(0.5, 0.4, True)(iou).int()}


def suppression(generator):
    n = 1400
    boxes = random_boxes(generator, n, 160, 160).float()
    scores = (torch.rand(n, generator=generator) * 200).round() / 200
    scores += torch.rand(n, generator=generator) * (torch.rand(n, generator=generator) < 0.8)
    classes = torch.randint(0, 5, (n,), generator=generator)
    out = {"boxes": boxes, "scores": scores, "classes": classes.int()}
    for t in (0.3, 0.5, 0.7):
        out[f"keep_{t}"] = nms(boxes, scores, t).int()
        kept = torch.cat([(classes == c).nonzero()[:, 0][nms(boxes[classes == c], scores[classes == c], t)] for c in range(5)])
        out[f"keep_batched_{t}"] = kept[torch.sort(scores[kept], descending=True, stable=True)[1]].int()
    return out


def optimizers(generator):
    start = as_float32_values(torch.randn(64, generator=generator, dtype=torch.float64))
    grads = as_float32_values(torch.randn(10, 64, generator=generator, dtype=torch.float64))
    out = {"w0": start, "grads": grads}
    makers = {"sgd_m0.9_wd1e-4": lambda p: torch.optim.SGD([p], lr=0.05, momentum=0.9, weight_decay=1e-4),
              "sgd_nesterov": lambda p: torch.optim.SGD([p], lr=0.05, momentum=0.9, weight_decay=0.01, nesterov=True),
              "adamw": lambda p: torch.optim.AdamW([p], lr=0.01, weight_decay=0.05)}
    for name, make in makers.items():
        p = nn.Parameter(start.clone())
        optimizer, steps = make(p), []
        for g in grads:
            p.grad = g.clone()
            optimizer.step()
            steps.append(p.detach().clone())
        out[name] = torch.stack(steps)
    return out


def resize(generator, image):
    if image is None:
        image = torch.randint(0, 256, (133, 200, 3), generator=generator, dtype=torch.uint8)
    out = {"image_hwc": image}
    for name, low, high in [("up", 300, 1000), ("down", 96, 128)]:
        transform = GeneralizedRCNNTransform(low, high, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        images, _ = transform([image.permute(2, 0, 1).float() / 255])
        out[name + ".nchw"], out[name + ".size"] = images.tensors, torch.tensor(images.image_sizes[0]).int()
    return out


class Body:
    """A backbone whose widths are divided by 8: its layers, which of them C3, C4, C5 are, and what is said of it."""

    def __init__(self, layers, stages, channels, about, frozen=()):
        self.layers, self.stages, self.channels, self.about, self.frozen = layers, stages, channels, about, list(frozen)


def resnet(block, layers, groups=1, width_per_group=64, **about):
    body = ResNet(block, layers, norm_layer=FrozenBatchNorm2d, groups=groups, width_per_group=width_per_group)
    planes = (8, 16, 32, 64)
    body.inplanes = 64
    for i, (p, n) in enumerate(zip(planes, layers)):
        setattr(body, f"layer{i + 1}", body._make_layer(block, p, n, stride=1 if i == 0 else 2))
    return Body(body, ("layer2", "layer3", "layer4"), [p * block.expansion for p in planes[1:]],
                about or {"block": block.__name__, "layers": layers, "norm": "frozen batch norm, eps 1e-5, in the backbone"},
                ("backbone.body.conv1", "backbone.body.layer1"))


def freeze_norms(body):
    for module in list(body.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, FrozenBatchNorm2d(child.num_features, eps=child.eps))
            elif isinstance(child, nn.Conv2d):
                nn.init.kaiming_normal_(child.weight)
    return body


def vgg(norm):
    layers = make_layers([width if width == "M" else width // 8 for width in cfgs["D"]], batch_norm=norm)
    poolings = [str(i) for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
    return Body(freeze_norms(layers), poolings[2:], [32, 64, 64],
                {"note": "VGG-16-BN with frozen batch norm" if norm else "VGG-16 without norm"})


class NarrowConv(BasicConv2d):
    def __init__(self, in_channels, out_channels, **window):
        super().__init__(in_channels if in_channels == 3 else in_channels // 8, out_channels // 8, **window)


def inception():
    blocks = [functools.partial(block, conv_block=NarrowConv) for block in (InceptionA, InceptionB, InceptionC, InceptionD, InceptionE)]
    body = Inception3(aux_logits=False, init_weights=False, inception_blocks=[NarrowConv, *blocks, None])
    return Body(freeze_norms(body), ("Mixed_5d", "Mixed_6e", "Mixed_7c"), [36, 96, 256],
                {"note": "Inception v3 with frozen batch norm (eps 1e-3)"})


def resnext():
    return resnet(Bottleneck, [1, 2, 1, 1], 4, 16,
                  note="ResNeXt: bottlenecks of 4 groups, width_per_group 16, blocks 1 2 1 1, widths / 8")


def narrow(seed, name, make_body, classes, p6, groups, box_loss):
    torch.manual_seed(seed)
    body = make_body()
    extra = LastLevelP6P7(body.channels[2] if p6 == "C5" else 16, 16)
    backbone = BackboneWithFPN(body.layers, {stage: str(i) for i, stage in enumerate(body.stages)}, body.channels, 16,
                               extra_blocks=extra)
    norm = (lambda c: nn.GroupNorm(groups, c)) if groups else None
    head = RetinaNetHead(16, 9, classes, norm_layer=norm)
    head.regression_head._loss_type = box_loss
    model = RetinaNet(backbone, classes, anchor_generator=anchor_generator(), head=head, score_thresh=0.02,
                      topk_candidates=200, nms_thresh=0.5, detections_per_img=50).double()
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, FrozenBatchNorm2d):
                for value in (module.running_var, module.weight):
                    value.uniform_(0.5, 1.5, generator=generator)
                for value in (module.running_mean, module.bias):
                    value.normal_(0, 0.1, generator=generator)
        for key, value in model.state_dict().items():
            if key.endswith("cls_logits.weight"):
                value.normal_(0, 0.1, generator=generator)
            elif key.endswith("cls_logits.bias"):
                value.fill_(-3)
            elif "head" in key and value.dim() == 4 and not groups:
                value.normal_(0, 0.08, generator=generator)
        if "note" in body.about:  # the backbones' features may be large: else losses explode within a step or two
            found = list(backbone.body(torch.randn(2, 3, 128, 192, generator=generator, dtype=torch.float64)).values())
            for block, feature in zip(backbone.fpn.inner_blocks, found):
                block[0].weight /= max(1, feature.std())
            if p6 == "C5":
                extra.p6.weight /= max(1, found[2].std())
            head.classification_head.cls_logits.weight /= 4
        for value in model.state_dict().values():
            value.copy_(as_float32_values(value))
    for key, p in model.named_parameters():
        if any(key.startswith(f) for f in body.frozen):
            p.requires_grad_(False)
    weights = {k: v.float() for k, v in model.state_dict().items()}  # copies: training goes on below
    source = f"torch {torch.__version__}, torchvision {torchvision.__version__}, seed {seed}"
    about = dict(source=source, classes=classes, width_divisor=8, p6_from=p6, fpn=16, box_loss=box_loss, frozen=body.frozen,
                 head=f"group norm, {groups} groups" if groups else "plain", **body.about)

    height, width = 128, 192
    images = as_float32_values(torch.rand(2, 3, height, width, generator=generator, dtype=torch.float64))
    mean, std = (torch.tensor(v, dtype=torch.float64).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    normalized = as_float32_values((images - mean) / std)
    truth = torch.tensor([[20.0, 25, 60, 70], [90, 15, 170, 100], [60, 60, 95, 120]], dtype=torch.float64)
    truth = as_float32_values(truth + torch.rand(3, 4, generator=generator, dtype=torch.float64) * 8)
    labels = torch.randint(1, classes, (3,), generator=generator)
    targets = [{"boxes": truth, "labels": labels},
               {"boxes": torch.zeros(0, 4, dtype=torch.float64), "labels": torch.zeros(0, dtype=torch.int64)}]
    image_list = ImageList(normalized, [(height, width)] * 2)

    def losses():
        features = list(model.backbone(normalized).values())
        outputs = model.head(features)
        found = model.anchor_generator(ImageList(normalized.float(), image_list.image_sizes), features)
        found = [a.double() for a in found]
        return features, outputs, found, model.compute_loss(targets, outputs, found)

    model.train()
    features, outputs, found, loss = losses()
    trained = {k: p for k, p in model.named_parameters() if p.requires_grad}
    grads = torch.autograd.grad(sum(loss.values()), list(trained.values()))
    out = {"images": images.float(), "normalised": normalized.float(),
           "image0.boxes": truth.float(), "image0.labels": labels.int(),
           "cls_logits": outputs["cls_logits"].float(), "bbox_regression": outputs["bbox_regression"].float(),
           "loss.classification": loss["classification"].reshape(1), "loss.bbox_regression": loss["bbox_regression"].reshape(1)}
    out.update({f"P{i + 3}": f.float() for i, f in enumerate(features)})
    out.update({f"C{i + 3}": f.float() for i, f in enumerate(model.backbone.body(normalized).values())})
    out["anchors"] = found[0].float()
    out.update({"grad." + k: g.float() for k, g in zip(trained, grads)})
    with torch.no_grad():
        per_level = [f.shape[2] * f.shape[3] * 9 for f in features]
        split = {k: list(v.split(per_level, dim=1)) for k, v in outputs.items()}
        detections = model.postprocess_detections(split, [list(a.split(per_level)) for a in found], image_list.image_sizes)
    for i, d in enumerate(detections):
        out.update({f"image{i}.det_{k}": d[k].int() if k == "labels" else d[k].float() for k in ("boxes", "scores", "labels")})
    optimizer = torch.optim.SGD(trained.values(), lr=0.003, momentum=0.9, weight_decay=1e-4)
    steps = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = losses()[3]
        steps.append([loss["classification"].item(), loss["bbox_regression"].item()])
        sum(loss.values()).backward()
        optimizer.step()
    out["sgd_losses"] = torch.tensor(steps, dtype=torch.float64)
    print(name, "positives' losses", steps[0], "->", steps[-1], "detections", [len(d["scores"]) for d in detections])
    return weights, about, out, source


def main():
    seed, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
    image = torchvision.io.read_image(sys.argv[3]).permute(1, 2, 0)[:133, :200].contiguous() if len(sys.argv) > 3 else None
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    generator = torch.Generator().manual_seed(seed)
    source = f"torch {torch.__version__}, torchvision {torchvision.__version__}, seed {seed}"
    found, about = anchors()
    parts = {"focal_loss": focal(generator), "box_losses": box_losses(generator), "box_coder": coder(generator),
             "matcher": matcher(generator, found["anchors"]), "nms": suppression(generator), "optimizers": optimizers(generator),
             "resize": resize(generator, image)}
    for name, tensors in parts.items():
        write(folder / f"{name}.safetensors", tensors, source=source)
    write(folder / "anchors.safetensors", found, source=source, **about)
    for name, *settings in [("narrow_basic", lambda: resnet(BasicBlock, [1, 1, 1, 1]), 6, "C5", 0, "l1"),
                            ("narrow_bottleneck", lambda: resnet(Bottleneck, [1, 2, 1, 1]), 4, "P5", 0, "l1"),
                            ("narrow_gn_giou", lambda: resnet(BasicBlock, [1, 1, 1, 1]), 6, "P5", 4, "giou"),
                            ("narrow_resnext", resnext, 5, "C5", 0, "l1"), ("narrow_vgg", lambda: vgg(False), 4, "C5", 0, "l1"),
                            ("narrow_vgg_bn", lambda: vgg(True), 4, "P5", 0, "l1"), ("narrow_inception", inception, 6, "P5", 0, "l1")]:
        weights, about, tensors, source = narrow(seed, name, *settings)
        write(folder / f"{name}.weights.safetensors", weights, **about)
        write(folder / f"{name}.golden.safetensors", tensors, source=source)


main()
