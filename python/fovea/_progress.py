"""How far a training is: a bar on a terminal or in a notebook, plain lines elsewhere."""

from __future__ import annotations

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
    """`interval`: seconds between two states that are shown."""

    interval = 30.0

    def __init__(self) -> None:
        self._unit, self._from, self._began, self._last = "", 0, 0.0, 0.0

    def message(self, text: str) -> None:
        print(text, flush=True)

    def update(self, unit: str, done: int, total: int, text: str = "", rate: float | None = None) -> None:
        now = time.monotonic()
        if unit != self._unit or done <= self._from:  # the first takes longer: it is not in the rate
            self._unit, self._from, self._began, self._last = unit, done, now, 0.0
        if now - self._last < self.interval and done < total:
            return
        self._last = now
        steps = done - self._from
        eta = f"  ETA {_duration((now - self._began) / steps * (total - done))}" if steps else ""
        speed = f"  {rate:.1f} images/s" if rate else ""
        self.show(f"{unit} {done}/{total}  {text}{speed}{eta}", done / max(total, 1))

    def show(self, text: str, share: float) -> None:
        print(text, flush=True)


class OnTerminal(Shown):
    interval = 0.1

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
        sys.stdout.write(f"[{'=' * filled}{' ' * (30 - filled)}]  {text}"[:120])
        sys.stdout.flush()
        self._open = True

    def end(self) -> None:
        if self._open:
            print(flush=True)
        self._open = False


class InNotebook(Shown):
    interval = 0.25

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


def shown(wanted: bool) -> Silent:
    if not wanted:
        return Silent()
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None and hasattr(shell, "kernel"):
        from IPython.display import HTML, display

        return InNotebook(display, HTML)
    return OnTerminal() if sys.stdout.isatty() else Shown()
