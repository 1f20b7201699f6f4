"""Trains a detector, and plots its loss and AP with Matplotlib.

python train_and_plot.py DATA RUN [SETTING=VALUE …]
"""

import sys

import matplotlib

import fovea

matplotlib.use("Agg")
from matplotlib import pyplot

data, out, *settings = sys.argv[1:]
losses = {}
run = fovea.train(
    data,
    out,
    preset="demo",
    settings=settings,
    callback=lambda step: losses.update({step.step: step.loss}),
    on_validation=lambda validation: print(f"AP after step {validation.step}: {validation.ap}"),
)

figure, of_loss = pyplot.subplots()
of_loss.plot(losses.keys(), losses.values())
of_loss.set(xlabel="step", ylabel="loss", yscale="log")
of_ap = of_loss.twinx()
of_ap.plot([v["step"] for v in run.validations], [v["ap"] for v in run.validations], "o-", color="tab:orange")
of_ap.set(ylabel="AP")
figure.savefig(f"{out}/loss_and_ap.png")
print(run)
