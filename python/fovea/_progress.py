"""How far a training is: a bar on a terminal or in a notebook, plain lines elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Any


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class Silent:
    def message(self, text: str) -> None: ...
    def update(self, unit: str, done: int, total: int, text: str = "", rate: float | None = None) -> None: ...
    def end(self) -> None: ...


class Shown(Silent):
    """Lines, each `interval` seconds and at the end of the steps."""

    interval = 30.0
    redrawn = False  # one state in the place of the one before

    def __init__(self) -> None:
        self._unit, self._from, self._began, self._last = "", 0, 0.0, 0.0
        self._step: tuple[str, float] | None = None  # the newest state of the steps
        self._step_shown = False

    def message(self, text: str) -> None:
        print(text, flush=True)

    def update(self, unit: str, done: int, total: int, text: str = "", rate: float | None = None) -> None:
        now = time.monotonic()
        of_steps = unit == "step"
        if unit != self._unit or done <= self._from:  # the first takes longer: it is not in the rate
            self._unit, self._from, self._began = unit, done, now
            self._last = float("-inf") if of_steps or self.redrawn else now
        steps = done - self._from
        left = (now - self._began) / max(steps, 1) * (total - done)
        parts = (
            f"{unit} {done}/{total}",
            text,
            f"{rate:.1f} images/s" if rate else "",
            f"ETA {_duration(left)}" if steps and done < total else "",
        )
        state = ("  ".join(part for part in parts if part), done / max(total, 1))
        due = now - self._last >= self.interval or (done == total and (of_steps or self.redrawn))
        if of_steps:
            self._step, self._step_shown = state, due
        if due:
            self._last = now
            self.show(*state)

    def show(self, text: str, share: float) -> None:
        print(text, flush=True)

    def end(self) -> None:
        """After a training that was stopped, too: its last step is shown."""
        if self._step and not self._step_shown:
            self.show(*self._step)


class OnTerminal(Shown):
    interval = 0.1
    redrawn = True

    def __init__(self) -> None:
        super().__init__()
        self._open = False

    def _clear(self) -> None:
        if self._open:
            sys.stdout.write("\r\x1b[K")
        self._open = False

    def message(self, text: str) -> None:
        self._clear()
        super().message(text)

    def show(self, text: str, share: float) -> None:
        self._clear()
        filled = round(30 * min(share, 1))
        width = shutil.get_terminal_size().columns - 1  # a line that wraps could not be redrawn
        sys.stdout.write(f"[{'=' * filled}{' ' * (30 - filled)}]  {text}"[:width])
        sys.stdout.flush()
        self._open = True

    def end(self) -> None:
        super().end()
        if self._open:
            print(flush=True)
        self._open = False


class InNotebook(Shown):
    interval = 0.25
    redrawn = True

    def __init__(self, display: Any, html: Any):
        super().__init__()
        self._display, self._html, self._handle = display, html, None

    def show(self, text: str, share: float) -> None:
        shown = self._html(
            f'<progress value="{share:.4f}" max="1" style="width:20em"></progress> <code>{text}</code>'
        )
        if self._handle is None:
            self._handle = self._display(shown, display_id=True)
        else:
            self._handle.update(shown)

    def end(self) -> None:
        if self._step:  # in the place of the last validation
            self.show(*self._step)


def shown(wanted: bool) -> Silent:
    if not wanted:
        return Silent()
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None and hasattr(shell, "kernel"):
        from IPython.display import HTML, display

        return InNotebook(display, HTML)
    return OnTerminal() if sys.stdout.isatty() else Shown()
