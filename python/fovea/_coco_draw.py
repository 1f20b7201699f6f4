"""COCO.showAnns: annotations drawn with matplotlib."""


def _polygons(ann, draw_bbox):
    segments = ann.get("segmentation")
    segments = segments if isinstance(segments, list) else []  # a mask is not drawn, its box is
    for points in segments:
        yield list(zip(points[0::2], points[1::2]))
    if "bbox" in ann and (draw_bbox or not segments):
        x, y, width, height = ann["bbox"]
        yield [(x, y), (x, y + height), (x + width, y + height), (x + width, y)]


def show(anns, draw_bbox):
    """Captions are printed; all else is drawn, each annotation in a color of its own."""
    if len(anns) == 0:
        return 0
    if "caption" in anns[0]:
        for ann in anns:
            print(ann["caption"])
        return None
    if not any(key in anns[0] for key in ("segmentation", "keypoints", "bbox")):
        raise Exception("datasetType not supported")
    import random

    import matplotlib.pyplot as plt
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Polygon

    patches, colors = [], []
    for ann in anns:
        color = [0.4 + 0.6 * random.random() for _ in range(3)]
        for polygon in _polygons(ann, draw_bbox):
            patches.append(Polygon(polygon))
            colors.append(color)
    axes = plt.gca()
    axes.set_autoscale_on(False)
    axes.add_collection(PatchCollection(patches, facecolor=colors, linewidths=0, alpha=0.4))
    axes.add_collection(PatchCollection(patches, facecolor="none", edgecolors=colors, linewidths=2))
    return None
