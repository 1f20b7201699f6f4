"""The PyTorch peer's figures, with a double of PyTorch: each is in the file when the next one begins."""
import importlib
import json
import os
import sys
import tempfile
import unittest
from unittest import mock

PEERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "benchmarks", "peers")


class Peer(unittest.TestCase):
    def test_each_figure_is_written_before_the_next_and_compiling_comes_last(self):
        torch = mock.MagicMock(__version__="2.0")
        doubles = {"torch": torch, "torchvision": mock.MagicMock(__version__="0.2"), "torchvision.ops": mock.MagicMock(),
                   "torchvision_retinanet": mock.MagicMock()}
        with mock.patch.dict(sys.modules, doubles), mock.patch.object(sys, "path", [PEERS, *sys.path]), \
                tempfile.TemporaryDirectory() as folder:
            peer = importlib.import_module("torchvision_gpu")
            file, written = os.path.join(folder, "peer.json"), []

            def work(name):
                def make(_, batch=1, compiled=False):
                    if os.path.exists(file):
                        with open(file, encoding="utf-8") as text:
                            written.append(list(json.load(text)["results"]))
                    if name == "inference" and compiled:
                        raise RuntimeError("no compiler here")
                    return lambda: None
                return make

            with mock.patch.multiple(peer, training=work("training"), inference=work("inference"), suppression=work("nms"),
                                     focal_loss=work("focal_loss")), \
                    mock.patch.object(sys, "argv", ["peer", "--json", file, "--device", "cpu", "--batches", "4", "1",
                                                    "--seconds", "0"]):
                peer.main()
            names = ["training_eager_4", "inference_eager_4", "nms_4", "training_eager_1", "inference_eager_1", "nms_1",
                     "focal_loss_1", "training_compiled_4", "inference_compiled_4"]
            self.assertEqual(written, [names[:count] for count in range(1, len(names))])
            with open(file, encoding="utf-8") as text:
                results = json.load(text)["results"]
            self.assertEqual(list(results), names)
            self.assertEqual(results["inference_compiled_4"], {"error": "RuntimeError: no compiler here"})


if __name__ == "__main__":
    unittest.main()
