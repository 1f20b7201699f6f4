"""Checks what goes into TensorRT's plugin, and what it finds there, on an image of noise.

    efficient_nms.py HEADS.onnx NMS.onnx PLUGIN.onnx      one network with its three tails, each described by the JSON beside it

The boxes must be those that the heads' deltas and the description's anchors give in float64. The plugin itself, as TensorRT's README
of efficientNMSPlugin describes it, is written here once more: it must find what the tail of ONNX's own operators finds.
"""
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

# The fields of version 1 (EfficientNMSPlugin_PluginConfig.yaml); plugin_version is the parser's.
FIELDS = {"score_threshold": float, "iou_threshold": float, "max_output_boxes": int, "background_class": int, "score_activation": int,
          "class_agnostic": int, "box_coding": int}
MOST_SORTED = 4096


def run(model, feed):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feed)


def without_plugin(model):
    """The model that ends in the plugin's inputs; and the plugin's node."""
    graph = model.graph
    plugin, = [node for node in graph.node if node.op_type == "EfficientNMS_TRT"]
    graph.node.remove(plugin)
    values = {value.name: value for value in graph.value_info}
    del graph.output[:]
    graph.output.extend(values[name] for name in plugin.input)
    del model.opset_import[1:]
    return model, plugin


def centers_and_sizes(about):
    """Of all anchors, [anchors, 2] each, in float64."""
    anchors = []
    for level in about["anchor_levels"]:
        y, x = np.mgrid[:level["height"], :level["width"]].astype(float)
        steps = np.stack([x * level["stride_x"], y * level["stride_y"]] * 2, -1)
        anchors.append((steps[:, :, None] + np.array(level["cells"])).reshape(-1, 4))
    corners = np.concatenate(anchors)
    return (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]


def decoded(about, deltas, limits):
    """Boxes [anchors, 4] and how far fp32 may be from them: 16 roundings, and deltas whose sums are added in another order."""
    center, size = centers_and_sizes(about)
    deltas = deltas.astype(float) / np.array(about["coder_weights"])
    center = center + deltas[:, :2] * size
    half = size * np.exp(np.minimum(deltas[:, 2:], np.log(1000 / 16))) / 2
    bound = 16 * 2**-24 * (np.abs(center) + half) + 1e-5 * (size + half)
    return np.clip(np.concatenate([center - half, center + half], 1), 0, limits), np.concatenate([bound, bound], 1)


def overlap(box, boxes):
    sides = np.maximum(np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]), 0)
    area = lambda b: (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])
    shared = sides[:, 0] * sides[:, 1]
    return shared / np.maximum(area(box) + area(boxes) - shared, 1e-9)


def suppressed(boxes, logits, field):
    """Detections [D, 6] (box, score, label)."""
    scores = 1 / (1 + np.exp(-logits.astype(float)))
    anchor, label = np.nonzero(scores > field["score_threshold"])
    order = np.argsort(-scores[anchor, label], kind="stable")[:MOST_SORTED]
    rest = np.column_stack([boxes[anchor], scores[anchor, label], label])[order]
    found = []
    while len(rest) and len(found) < field["max_output_boxes"]:
        best, rest = rest[0], rest[1:]
        found.append(best)
        near = overlap(best[:4], rest[:, :4]) > field["iou_threshold"]
        rest = rest[~(near & ((rest[:, 5] == best[5]) | bool(field["class_agnostic"])))]
    return np.array(found)


def main(heads, nms, plugin):
    about = json.loads(pathlib.Path(plugin).with_suffix(".json").read_text())
    height, width = about["preprocessing"]["height"], about["preprocessing"]["width"]
    noise = np.random.default_rng(1).integers(0, 256, (1, height, width, 3), np.uint8)
    h, w = height - 10, width - 20  # of the image in its input
    feed = {"images": noise, "sizes": np.array([[h, w]], np.float32)}

    model, node = without_plugin(onnx.load(plugin))
    field = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    assert field.pop("plugin_version") == b"1"
    assert {name: type(value) for name, value in field.items()} == FIELDS, field
    assert field["background_class"] == -1 and field["score_activation"] == 1 and field["box_coding"] == 0, field
    for name, value in (("score_threshold", "score_threshold"), ("iou_threshold", "nms_threshold"), ("max_output_boxes", "per_image"),
                        ("class_agnostic", "class_agnostic")):
        assert abs(field[name] - about["detection"][value]) < 1e-7, name

    (boxes, logits), (own_logits, deltas) = run(model, feed), run(onnx.load(heads), feed)
    np.testing.assert_allclose(logits, own_logits, rtol=0, atol=1e-4)
    exact, bound = decoded(about, deltas[0], [w, h, w, h])
    assert boxes.dtype == np.float32 and boxes.shape == (1, *exact.shape)
    assert np.all(np.abs(boxes[0] - exact) <= bound), np.max(np.abs(boxes[0] - exact) - bound)

    found = suppressed(boxes[0].astype(float), logits[0], field)
    places = np.nonzero(1 / (1 + np.exp(-logits[0])) > field["score_threshold"])[0]
    assert 10 < len(found) and len(places) < min(MOST_SORTED, about["detection"]["candidates_per_level"]), (len(found), len(places))
    boxes, scores, labels, count = run(onnx.load(nms), feed)
    assert count[0] == len(found), (count[0], len(found))
    np.testing.assert_array_equal(labels[0, :count[0]], found[:, 5])
    np.testing.assert_allclose(scores[0, :count[0]], found[:, 4], rtol=0, atol=1e-5)
    np.testing.assert_allclose(boxes[0, :count[0]], found[:, :4], rtol=0, atol=1e-2)
    assert not boxes[0, count[0]:].any() and not scores[0, count[0]:].any() and (labels[0, count[0]:] == -1).all()


if __name__ == "__main__":
    main(*sys.argv[1:])
