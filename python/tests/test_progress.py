"""What is shown while a training runs: in lines, on a terminal, in a notebook."""

import os

import pytest

from fovea import _progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds, which stand still until a test says otherwise."""
    now = [1.0]
    monkeypatch.setattr(_progress.time, "monotonic", lambda: now[0])
    return now


def run(shown, clock, steps, of, seconds, validation):
    """So many steps, of so many seconds each, and a validation of three images."""
    for step in range(1, steps + 1):
        shown.update("step", step, of, f"loss {step}")
        clock[0] += seconds
    for image in range(1, 4) if validation else ():
        shown.update("validation image", image, 3)
        clock[0] += seconds
    if validation:
        shown.message(f"step {steps}: AP 0.5")
    shown.end()


def test_lines(clock, capsys):
    run(_progress.Shown(), clock, steps=40, of=40, seconds=1, validation=True)
    said = capsys.readouterr().out.splitlines()
    assert said == ["step 1/40  loss 1", "step 31/40  loss 31  ETA 0:09", "step 40/40  loss 40", "step 40: AP 0.5"]


def test_lines_of_a_training_that_was_stopped(clock, capsys):
    run(_progress.Shown(), clock, steps=12, of=40, seconds=1, validation=False)
    assert capsys.readouterr().out.splitlines() == ["step 1/40  loss 1", "step 12/40  loss 12  ETA 0:28"]


@pytest.mark.parametrize("columns", [40, 200])
def test_a_bar_on_a_terminal_never_wraps(clock, capsys, monkeypatch, columns):
    monkeypatch.setattr(_progress.shutil, "get_terminal_size", lambda: os.terminal_size((columns, 24)))
    shown = _progress.OnTerminal()
    shown.update("step", 1, 2, "loss 1.2345 and more that is said of it")
    shown.end()
    said = capsys.readouterr().out
    assert said.startswith("[=====") and said.endswith("\n") and len(said) <= columns
    assert said.endswith("said of it\n") == (columns == 200)


class Cell:
    """Of a notebook, with IPython's display() and HTML()."""

    def __init__(self):
        self.states = []

    def display(self, shown, display_id):
        assert display_id and not self.states
        self.states.append(shown)
        return self

    def update(self, shown):
        self.states.append(shown)


@pytest.mark.parametrize(("steps", "validation", "share"), [(20, True, "1.0000"), (13, False, "0.6500")])
def test_a_bar_in_a_notebook_ends_at_the_last_step(clock, capsys, steps, validation, share):
    cell = Cell()
    run(_progress.InNotebook(cell.display, str), clock, steps, of=20, seconds=0.01, validation=validation)
    assert any("validation image 3/3" in state for state in cell.states) == validation
    assert f'value="{share}"' in cell.states[-1] and f"step {steps}/20  loss {steps}" in cell.states[-1]
    assert len(cell.states) <= 6
