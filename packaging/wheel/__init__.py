"""The program `fovea`: trains and runs the RetinaNet object detector. It is in this package's folder bin."""
