"""Finds objects in all images of a folder, and writes them as COCO's results.

python detect_folder.py MODEL FOLDER results.json [instances.json]

The results have the image ids of instances.json, COCO's annotations of these images, so that they can be evaluated.
Without it the images are numbered from 1, in the order of their names.
"""

import json
import pathlib
import sys

import fovea

model_file, folder, out, *annotations = sys.argv[1:]
files = sorted(path for path in pathlib.Path(folder).iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
ids = {path.name: number for number, path in enumerate(files, 1)}
if annotations:
    with open(annotations[0], encoding="utf-8") as file:
        ids = {pathlib.Path(image["file_name"]).name: image["id"] for image in json.load(file)["images"]}
    files = [path for path in files if path.name in ids]

model = fovea.Detector(model_file, device="auto")
results = []
for path, found in zip(files, model(files, skip_bad_images=True), strict=True):
    print(f"{path.name}: {found.error or ', '.join(f'{box.name} {box.score:.2f}' for box in found[:4])}")
    results += [{**entry, "file_name": path.name} for entry in found.to_coco(ids[path.name])]

with open(out, "w", encoding="utf-8") as file:
    json.dump(results, file)
print(f"{len(results)} boxes in {out}")
