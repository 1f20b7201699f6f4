# syntax=docker/dockerfile:1
# Images of the program, from the .deb that scripts/package puts into dist/:
#   docker build --target cpu -t fovea .
#   docker build --target cuda -t fovea:cuda .
#   docker run --rm -v "$PWD:/work" fovea demo --steps 20
#   docker run --rm --gpus all -v "$PWD:/work" fovea:cuda train --data DIR --out RUN

FROM debian:13-slim AS cpu
RUN --mount=type=bind,source=dist,target=/dist dpkg -i /dist/fovea_*.deb
WORKDIR /work
ENTRYPOINT ["fovea"]
CMD ["--help"]

# With cuDNN, cuBLASLt, NVRTC and NCCL; the driver is the host's.
FROM nvidia/cuda:13.0.1-cudnn-runtime-ubuntu24.04 AS cuda
RUN --mount=type=bind,source=dist,target=/dist dpkg -i /dist/fovea_*.deb
WORKDIR /work
ENTRYPOINT ["fovea"]
CMD ["--help"]
