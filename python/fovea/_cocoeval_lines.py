"""The twelve lines that summarize() prints."""

from ._coco_params import thresholds


def lines_of(p):
    """(is it precision, IoU threshold or None for all, area, limit) of each of COCO's twelve numbers."""
    if len(p.maxDets) < 3:
        raise IndexError(
            f"list index out of range: summarize() needs three limits in params.maxDets, which has {len(p.maxDets)}"
        )
    few, some, most = p.maxDets[:3]
    precisions = [(True, None, "all", 100)]
    precisions += [(True, iou, "all", most) for iou in (0.5, 0.75)]
    precisions += [(True, None, area, most) for area in ("small", "medium", "large")]
    recalls = [(False, None, "all", limit) for limit in (few, some, most)]
    return precisions + recalls + [(False, None, area, most) for area in ("small", "medium", "large")]


def print_lines(p, lines, values):
    ious = thresholds(p, "iouThrs")
    ious = (0.5, 0.95) if ious is None else ious
    for (precision, iou, area, limit), value in zip(lines, values):
        title, short = ("Average Precision", "(AP)") if precision else ("Average Recall", "(AR)")
        between = f"{ious[0]:0.2f}:{ious[-1]:0.2f}" if iou is None else f"{iou:0.2f}"
        print(f" {title:<18} {short} @[ IoU={between:<9} | area={area:>6s} | maxDets={limit:>3d} ] = {value:0.3f}")
