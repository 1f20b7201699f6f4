"""What pycocotools' COCOeval keeps of each image, made for those who ask: matches, IoUs, and the annotations by image
and category.
"""

from collections import defaultdict

import numpy as np

from ._columns import listed


def grouped(evaluation):
    """Dicts of ground truth and detections by (image, category); each object's 'ignore' says whether it is a crowd."""
    p, groups = evaluation.params, []
    for coco in (evaluation.cocoGt, evaluation.cocoDt):
        of = defaultdict(list)
        for ann in coco.loadAnns(coco.getAnnIds(imgIds=p.imgIds, catIds=p.catIds if p.useCats else [])):
            of[ann["image_id"], ann["category_id"]].append(ann)
            if coco is evaluation.cocoGt:
                ann["ignore"] = ann.get("iscrowd", 0)
        groups.append(of)
    return tuple(groups)


def _of_image(evaluation, image, category, limit):
    """(objects, detections), the latter best first, at most `limit`."""
    p = evaluation.params
    categories = [category] if p.useCats else p.catIds
    objects, detections = (
        [ann for one in categories for ann in of[image, one]] for of in (evaluation._gts, evaluation._dts)
    )
    order = np.argsort([-ann["score"] for ann in detections], kind="stable")
    return objects, [detections[place] for place in order[:limit]], len(detections)


def _box_ious(detections, objects):
    """[D, G], in the operations of pycocotools' C code."""
    d = np.array([ann["bbox"] for ann in detections], np.float64)[:, None, :]
    g = np.array([ann["bbox"] for ann in objects], np.float64)[None]
    crowd = np.array([bool(ann.get("iscrowd", 0)) for ann in objects])
    sides = [
        np.minimum(d[..., n + 2] + d[..., n], g[..., n + 2] + g[..., n]) - np.maximum(d[..., n], g[..., n])
        for n in (0, 1)
    ]
    both = np.where((sides[0] > 0) & (sides[1] > 0), sides[0] * sides[1], 0)
    size = d[..., 2] * d[..., 3]
    whole = np.where(crowd, np.broadcast_to(size, both.shape), size + g[..., 2] * g[..., 3] - both)
    return np.divide(both, whole, out=np.zeros_like(both), where=both > 0)


def ious_of(evaluation, image, category):
    objects, detections, _ = _of_image(evaluation, image, category, evaluation.params.maxDets[-1])
    return _box_ious(detections, objects) if objects and detections else []


def image_of(evaluation, image, category, area, limit):
    objects, detections, found = _of_image(evaluation, image, category, limit)
    if not objects and not found:
        return None
    low, high = area
    for ann in objects:
        ann["_ignore"] = 1 if ann["ignore"] or ann["area"] < low or ann["area"] > high else 0
    order = np.argsort([ann["_ignore"] for ann in objects], kind="stable")
    objects = [objects[place] for place in order]
    ignored = np.array([ann["_ignore"] for ann in objects])
    crowds = [bool(ann.get("iscrowd", 0)) for ann in objects]
    ious = evaluation.ious.get((image, category)) if evaluation._ious else None
    ious = ious_of(evaluation, image, category) if ious is None else ious
    thresholds = evaluation.params.iouThrs
    object_matches = np.zeros((len(thresholds), len(objects)))
    matches, ignore = np.zeros((len(thresholds), len(detections))), np.zeros((len(thresholds), len(detections)), bool)
    if len(ious):
        ious = np.asarray(ious)[:, order].tolist()
        for t, threshold in enumerate(thresholds):
            for d, detection in enumerate(detections):
                best = _best(ious[d], min(threshold, 1 - 1e-10), object_matches[t], crowds, ignored)
                if best >= 0:
                    ignore[t, d] = ignored[best]
                    matches[t, d] = objects[best]["id"]
                    object_matches[t, best] = detection["id"]
    outside = np.array([ann["area"] < low or ann["area"] > high for ann in detections], bool)
    ignore |= (matches == 0) & outside
    return _entry(
        evaluation,
        image,
        category,
        area,
        limit,
        ids=([ann["id"] for ann in detections], [ann["id"] for ann in objects]),
        matches=(matches, object_matches),
        scores=[ann["score"] for ann in detections],
        ignored=(ignored, ignore),
    )


def _best(ious, threshold, matched, crowds, ignored):
    """The object that a detection takes: the last of the highest IoU that is free; one that counts before one that does
    not.
    """
    best = -1
    for g, iou in enumerate(ious):
        if matched[g] > 0 and not crowds[g]:
            continue
        if best > -1 and not ignored[best] and ignored[g]:
            break
        if iou >= threshold:
            best, threshold = g, iou
    return best


def _entry(evaluation, image, category, area, limit, ids, matches, scores, ignored):
    return {
        "image_id": image,
        "category_id": category,
        "aRng": area,
        "maxDet": limit,
        "dtIds": ids[0],
        "gtIds": ids[1],
        "dtMatches": matches[0],
        "gtMatches": matches[1],
        "dtScores": scores,
        "gtIgnore": ignored[0],
        "dtIgnore": ignored[1],
    }


def images_of(evaluation):
    """evalImgs of the native evaluation."""
    p, run = evaluation._paramsEval, evaluation._run
    native = run.evaluate(run_settings(evaluation))
    categories, limit = (p.catIds if p.useCats else [-1]), p.maxDets[-1]
    if native is None:
        return [None] * (len(categories) * len(p.areaRng) * len(p.imgIds))
    ids = [listed(columns.ids) or range(1, len(columns) + 1) for columns in (run.detections, run.truth)]
    entries = []
    for k, category in enumerate(categories):
        for a, area in enumerate(p.areaRng):
            for i, image in enumerate(p.imgIds):
                found = native.matches(k, a, i)
                entries.append(
                    None if found is None else _native_entry(evaluation, (image, category, area, limit), found, ids)
                )
    return entries


def run_settings(evaluation):
    from ._coco_params import settings_of, unique

    p = evaluation._paramsEval
    return settings_of(p, p.imgIds, p.catIds, p.areaRng, unique(p.maxDets))


def _native_entry(evaluation, place, found, ids):
    dt_ids, gt_ids = ([of[position] for position in listed(found[name])] for of, name in zip(ids, ("dtIds", "gtIds")))
    matched = np.asarray(found["gtMatches"], np.float64)
    if not isinstance(ids[0], range):  # the native evaluation counts detections from 1
        matched = np.where(matched > 0, np.asarray(ids[0], np.float64)[matched.astype(np.int64) - 1], 0)
    return _entry(
        evaluation,
        *place,
        ids=(dt_ids, gt_ids),
        matches=(np.asarray(found["dtMatches"], np.float64), matched),
        scores=listed(found["dtScores"]),
        ignored=(np.asarray(found["gtIgnore"]).astype(np.int64), np.asarray(found["dtIgnore"]).astype(bool)),
    )
