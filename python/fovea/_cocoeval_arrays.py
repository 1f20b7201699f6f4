"""COCOeval's arrays: of the native evaluation, or accumulated from a list of evalImgs; and the numbers that are made of
them.
"""

import numpy as np

from ._coco_params import chosen


def _blank(p):
    """Shapes and -1 for the three arrays."""
    T, R, K, A, M = counts = [
        len(p.iouThrs),
        len(p.recThrs),
        len(p.catIds) if p.useCats else 1,
        len(p.areaRng),
        len(p.maxDets),
    ]
    return counts, {
        "precision": -np.ones((T, R, K, A, M)),
        "recall": -np.ones((T, K, A, M)),
        "scores": -np.ones((T, R, K, A, M)),
    }


def writable(values):
    """A native array as NumPy's, which the caller may change."""
    values = np.asarray(values)
    return values if values.flags.writeable else values.copy()


def arrays_of(evaluation, limits, p, date):
    """COCOeval.eval of a native evaluation, without a copy where it has all that p asks for."""
    if evaluation is None:
        counts, arrays = _blank(p)
        return {"params": p, "counts": counts, "date": date, **arrays}
    counts = [len(p.iouThrs), len(p.recThrs), len(p.catIds) if p.useCats else 1, len(p.areaRng), len(p.maxDets)]
    arrays = {name: writable(getattr(evaluation, name)) for name in ("precision", "recall", "scores")}
    if not len(p.iouThrs):  # natively none are all of COCO's
        arrays = {name: values[:0] for name, values in arrays.items()}
    if not len(p.recThrs):
        arrays = {name: values if name == "recall" else values[:, :0] for name, values in arrays.items()}
    places = [sorted(set(limits)).index(most) for most in limits]
    if places != list(range(arrays["recall"].shape[-1])):
        arrays = {name: values[..., places] for name, values in arrays.items()}
    if list(arrays["precision"].shape) != counts:
        _, whole = _blank(p)
        for name, values in arrays.items():
            if values.shape[0] > whole[name].shape[0]:
                raise IndexError(
                    f"index {whole[name].shape[0]} is out of bounds: accumulate(p): fewer iouThrs than were evaluated"
                )
            whole[name][tuple(slice(length) for length in values.shape)] = values
        arrays = whole
    return {"params": p, "counts": counts, "date": date, **arrays}


def accumulated(p, evaluated, images, date):
    """COCOeval.eval of a list of evalImgs, merged by the user, say."""
    counts, arrays = _blank(p)
    categories, areas, limits, chosen_images = chosen(p, evaluated)
    per_area = len(evaluated.imgIds)
    per_category = per_area * len(evaluated.areaRng)
    for k, category in enumerate(categories):
        for a, area in enumerate(areas):
            entries = [images[category * per_category + area * per_area + i] for i in chosen_images]
            entries = [entry for entry in entries if entry is not None]
            for m, limit in enumerate(limits if entries else ()):
                _accumulate(entries, limit, np.asarray(p.recThrs), arrays, (k, a, m))
    return {"params": p, "counts": counts, "date": date, **arrays}


def _accumulate(entries, limit, recalls, arrays, place):
    """One category, area and limit: all images' detections by falling score; at each recall the highest precision from
    there on.
    """
    k, a, m = place
    objects = np.count_nonzero(np.concatenate([entry["gtIgnore"] for entry in entries]) == 0)
    if objects == 0:
        return
    scores = np.concatenate([entry["dtScores"][:limit] for entry in entries])
    order = np.argsort(-scores, kind="stable")
    scores = scores[order]
    matched = np.concatenate([entry["dtMatches"][:, :limit] for entry in entries], axis=1)[:, order] != 0
    counted = ~np.concatenate([entry["dtIgnore"][:, :limit] for entry in entries], axis=1)[:, order].astype(bool)
    right = np.cumsum(matched & counted, axis=1).astype(float)
    wrong = np.cumsum(~matched & counted, axis=1).astype(float)
    precision = right / (wrong + right + np.spacing(1))
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    for t, found in enumerate(right):
        recall = found / objects
        arrays["recall"][t, k, a, m] = recall[-1] if len(found) else 0
        at = np.searchsorted(recall, recalls, side="left")
        reached = at < len(found)
        for name, values in (("precision", precision[t]), ("scores", scores)):
            arrays[name][t, :, k, a, m] = 0
            arrays[name][t, reached, k, a, m] = values[at[reached]]


def summary_of(arrays, p, lines):
    """The numbers of summarize(): means over all entries that have ground truth; -1 where none has."""
    values = []
    for is_precision, iou, area, limit in lines:
        a = [n for n, label in enumerate(p.areaRngLbl) if label == area]
        m = [n for n, most in enumerate(p.maxDets) if most == limit]
        part = arrays["precision" if is_precision else "recall"]
        if iou is not None:
            part = part[np.asarray(p.iouThrs) == iou]
        part = part[:, :, :, a, m] if is_precision else part[:, :, a, m]
        part = part[part > -1]
        values.append(np.mean(part) if len(part) else -1)
    return [float(value) for value in values]
