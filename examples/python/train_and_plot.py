"""Trains a detector, and plots its loss and AP with Matplotlib.

python train_and_plot.py DATA RUN [SETTING=VALUE …]
"""

import sys

import matplotlib

import fovea

matplotlib.use("Agg")
from matplotlib import pyplot

data, out, *settings = sys.argv[1:]
losses, aps = {}, {}
run = fovea.train(
    data,
    out,
    preset="demo",
    settings=settings,
    callback=lambda step: losses.update({step.step: step.loss}),
    on_validation=lambda validation: aps.update({validation.step: validation.ap}),
)

figure, of_loss = pyplot.subplots(figsize=(7, 3.5), layout="constrained")
of_loss.plot(losses.keys(), losses.values(), linewidth=1, color="tab:blue")
of_loss.set(xlabel="step", ylim=(0, None))
of_loss.set_ylabel("loss", color="tab:blue")
of_ap = of_loss.twinx()
of_ap.plot(aps.keys(), aps.values(), "o-", color="tab:orange")
of_ap.set(ylim=(0, 1))
of_ap.set_ylabel("AP", color="tab:orange")
figure.savefig(f"{out}/loss_and_ap.png")
print(run)
