"""Runs the commands of one part: under a time limit, with their output in a file, and nothing of them left behind."""
import ctypes
import os
import signal
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
MOST_OUTPUT = 64 << 20  # bytes of one command: more is no report
GRACE, GRACE_OF_DRIVER = 1.0, 3.0  # seconds after SIGTERM, after SIGKILL
LAST_LINES, LINE_WIDTH = 8, 300


class Failed(Exception):
    """What did not go well, in one line."""


class CutOff(Failed):
    """The budget was spent before the work was done."""


class Skipped(Exception):
    """Why this cannot be done here, which is no fault."""


def end_of(code):
    """How a program ended, in words."""
    number = -code if code < 0 else code - 128 if code > 128 else 0
    try:
        return f"killed by signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"exit code {code}"


def processes():
    """(number, parent, whether it has ended) of all that there are."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, parent = file.read().rpartition(b")")[2].split()[:2]
            found.append((int(name), int(parent), state == b"Z"))
        except (FileNotFoundError, ProcessLookupError):  # gone meanwhile
            continue
    return found


def descendants():
    """What runs and came from this process, in whatever session: what loses its parent comes to this process."""
    parents = {number: parent for number, parent, ended in processes() if not ended}
    found, generation = [], [os.getpid()]
    while generation:
        generation = [child for child, parent in parents.items() if parent in generation]
        found += generation
    return found


def end_descendants():
    """How many there were, and how many still are: what hangs in the driver cannot be ended."""
    first = left = descendants()
    for number, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE_OF_DRIVER)):
        until = time.monotonic() + seconds
        for process in left:
            try:
                os.kill(process, number)
            except ProcessLookupError:  # gone meanwhile
                continue
        while (left := descendants()) and time.monotonic() < until:
            time.sleep(0.02)
    return len(first), len(left)


def reap():
    """Takes the exit codes of processes that lost their parent."""
    for number, parent, ended in processes():
        if ended and parent == os.getpid():
            try:
                os.waitpid(number, os.WNOHANG)
            except ChildProcessError:  # taken meanwhile
                continue


class Runner:
    def __init__(self, folder, budget):
        os.makedirs(folder, exist_ok=True)
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.folder = folder
        self.end = time.monotonic() + budget
        self.part_end = self.end
        # A Python that is not activated has NVIDIA's libraries all the same.
        self.environment = dict(os.environ)
        self.environment.setdefault("VIRTUAL_ENV", sys.prefix)

    def left(self):
        """Seconds that the budget still has."""
        return self.end - time.monotonic()

    def begin(self, part, limit):
        """From now on commands are this part's: their limits end where its limit, or the budget, ends."""
        self.limit, self.part_end = limit, min(self.end, time.monotonic() + limit)
        self.file, self.notes, self.span = os.path.join(self.folder, part + ".txt"), [], (0, 0)
        with open(self.file, "wb"):
            pass

    def output(self):
        """What the part's last command printed."""
        begin, end = self.span
        with open(self.file, "rb") as file:
            file.seek(begin)
            return file.read(min(end - begin, MOST_OUTPUT)).decode("utf-8", errors="replace")

    def last_lines(self):
        return [line[:LINE_WIDTH] for line in self.output().strip().splitlines()[-LAST_LINES:]]

    def run_aside(self, command, limit):
        """As run(), but the last command stays the one before."""
        span = self.span
        try:
            return self.run(command, limit)
        finally:
            self.span = span

    def run(self, command, limit=float("inf"), environment=None):
        """The command's output; Failed where it fails, prints without end or takes longer than its limit."""
        until = min(self.part_end, time.monotonic() + limit)
        name = os.path.basename(command[0])
        if until <= time.monotonic():
            raise self.out_of_time(name, 0)
        with open(self.file, "ab") as file:
            file.write(f"\n$ {' '.join(command)}\n".encode("utf-8", errors="replace"))
            file.flush()
            begin = file.tell()
            start = time.monotonic()
            try:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                                           env=self.environment | (environment or {}), start_new_session=True)
            except OSError as error:
                raise Failed(f"{command[0]} cannot be run: {error.strerror}") from error
        try:
            code = self.wait(process, until, begin)
        finally:
            seconds = time.monotonic() - start
            behind, stuck = end_descendants()
            process.poll()
            reap()
            self.span = (begin, os.path.getsize(self.file))
            if stuck:
                self.notes.append(f"{stuck} processes of {name} cannot be ended")
        if code is None:
            raise self.out_of_time(name, seconds)
        if behind:
            self.notes.append(f"{name} left {behind} processes behind, which were ended")
        if code != 0:
            raise Failed(f"{name}: {end_of(code)}")
        return self.output()

    def wait(self, process, until, begin):
        """The exit code, or None where the time is over."""
        while True:
            try:
                return process.wait(timeout=max(0.01, min(0.2, until - time.monotonic())))
            except subprocess.TimeoutExpired:
                if os.path.getsize(self.file) - begin > MOST_OUTPUT:
                    raise Failed(f"printed more than {MOST_OUTPUT >> 20} MiB") from None
                if time.monotonic() >= until:
                    return None

    def out_of_time(self, name, seconds):
        if time.monotonic() >= self.end:
            return CutOff(f"the budget ended after {seconds:.0f} s of {name}")
        if time.monotonic() >= self.part_end:
            return Failed(f"the part's {self.limit:.0f} s were over after {seconds:.0f} s of {name}")
        return Failed(f"{name} took longer than {seconds:.0f} s")
