"""Detects in a batch of PyTorch tensors. On a GPU the pixels go from PyTorch to Fovea without leaving it.

python batch_of_tensors.py MODEL IMAGE…
"""

import sys

import numpy
import torch
from PIL import Image

import fovea

model_file, *names = sys.argv[1:]
model = fovea.Detector(model_file, device="cuda" if torch.cuda.is_available() else "cpu")
batch = torch.stack([torch.from_numpy(numpy.array(Image.open(name).convert("RGB"))) for name in names])
batch = batch.to(model.info["device"])  # [images, height, width, 3]
for name, found in zip(names, model(batch, score_threshold=0.3), strict=True):
    print(name, found)
