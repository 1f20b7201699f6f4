"""Finds objects in all images of a folder, and writes them as COCO's results.

python detect_folder.py MODEL FOLDER results.json
"""

import json
import pathlib
import sys

import fovea

model_file, folder, out = sys.argv[1:]
model = fovea.Detector(model_file, device="auto")
images = sorted(path for path in pathlib.Path(folder).iterdir() if path.suffix.lower() in (".jpg", ".png", ".webp"))

results = []
for number, found in enumerate(model(images, score_threshold=0.3, skip_bad_images=True)):
    print(f"{images[number].name}: {found.error or ', '.join(f'{box.name} {box.score:.2f}' for box in found[:4])}")
    results += [{**entry, "file_name": images[number].name} for entry in found.to_coco(number)]

with open(out, "w", encoding="utf-8") as file:
    json.dump(results, file)
print(f"{len(results)} boxes in {out}")
