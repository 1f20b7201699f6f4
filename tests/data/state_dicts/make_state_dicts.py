"""Names and shapes of torchvision's RetinaNets, into the JSON files beside this script. Needs torchvision, no weights."""
import json
import pathlib

import torchvision
from torchvision.models import detection

for name in ["retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2"]:
    model = getattr(detection, name)(weights=None, weights_backbone=None)
    tensors = {key: list(tensor.shape) for key, tensor in model.state_dict().items()}
    lines = ",\n".join(f"  {json.dumps(key)}: {shape}" for key, shape in tensors.items())
    text = f'{{\n "source": "torchvision {torchvision.__version__}, {name}().state_dict()",\n "tensors": {{\n{lines}\n }}\n}}\n'
    pathlib.Path(__file__).with_name(name + ".json").write_text(text)
