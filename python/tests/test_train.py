"""fovea.train: it is told, it is stopped, and nothing is lost."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

import fovea
from conftest import SETTINGS

BITS = ("last.safetensors", "best.safetensors")


def train(cells, out, **options):
    options = {"preset": "tiny", "settings": SETTINGS, "device": "cpu", "progress": False, **options}
    return fovea.train(cells, out, **options)


def bits(folder):
    return [(folder / name).read_bytes() for name in BITS]


def test_steps_and_validations_are_told(cells, tmp_path, run):
    steps, validations = [], []
    told = train(cells, tmp_path / "run", callback=steps.append, on_validation=validations.append)
    assert [s.step for s in steps] == [1, 2, 3, 4, 5, 6] and {s.steps for s in steps} == {6}
    assert all(s.loss == s.classification_loss + s.box_loss > 0 and s.gradient_norm > 0 for s in steps)
    assert [v.step for v in validations] == [3, 6]
    assert told.validations[-1]["ap"] == validations[-1].ap
    assert not told.stopped and bits(told.folder) == bits(run.folder)


def test_what_a_run_has(run, photo):
    assert run.best.exists() and run.last.exists()
    assert [line["step"] for line in run.log if "loss" in line] and "best AP" in repr(run)
    assert run._repr_html_().startswith("<svg") or "<svg" in run._repr_html_()
    assert run.detector(device="cpu").names == fovea.Detector(run.best, device="cpu").names


def test_stop_and_resume_have_the_same_bits(cells, tmp_path, run):
    stopped = train(cells, tmp_path / "run", callback=lambda s: s.stop() if s.step == 2 else None)
    assert stopped.stopped
    resumed = train(cells, tmp_path / "run", resume=True)
    assert not resumed.stopped and bits(resumed.folder) == bits(run.folder)


def test_an_exception_in_a_callback_comes_out(cells, tmp_path, run):
    def fail(step):
        if step.step == 2:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        train(cells, tmp_path / "run", callback=fail)
    assert bits(train(cells, tmp_path / "run", resume=True).folder) == bits(run.folder)


def test_ctrl_c_saves_the_run(cells, tmp_path, run):
    script = textwrap.dedent(
        f"""
        import fovea, os, signal
        def interrupt(step):
            if step.step == 2:
                os.kill(os.getpid(), signal.SIGINT)
        try:
            fovea.train({str(cells)!r}, {str(tmp_path / "run")!r}, preset="tiny", settings={SETTINGS!r}, device="cpu",
                        callback=interrupt)
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stdout.endswith("interrupted\n"), done
    assert "step 1/6" in done.stdout or "step 2/6" in done.stdout
    assert (tmp_path / "run" / "last.safetensors").exists()
    assert bits(train(cells, tmp_path / "run", resume=True).folder) == bits(run.folder)


def test_a_daemon_thread_s_run_is_saved_when_the_program_ends(cells, tmp_path, run):
    script = textwrap.dedent(
        f"""
        import threading
        import fovea
        begun = threading.Event()
        def work():
            fovea.train({str(cells)!r}, {str(tmp_path / "run")!r}, preset="tiny", device="cpu", progress=False,
                        settings={SETTINGS!r}, callback=lambda step: begun.set())
        threading.Thread(target=work, daemon=True).start()
        begun.wait()
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert bits(train(cells, tmp_path / "run", resume=True).folder) == bits(run.folder)


def test_signals_of_the_program_stay_its_own(cells, tmp_path):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)]
    train(cells, tmp_path / "run", settings={**SETTINGS, "train.steps": 1})
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)]
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(10_000_000):
            pass


def test_a_config_may_be_a_dict_or_a_file(cells, tmp_path):
    file = tmp_path / "my.toml"
    file.write_text("[train]\nsteps = 2\n")
    for config in (file, {"train.steps": 2}):
        out = tmp_path / type(config).__name__
        assert train(cells, out, config=config, settings=None).log[-1]["step"] == 2


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"preset": "tinny"}, fovea.ConfigError, "tiny"),
        ({"preset": 3}, fovea.ConfigError, "preset is 3"),
        ({"callback": 5}, fovea.ConfigError, "callback is 5"),
        ({"on_validation": "x"}, fovea.ConfigError, "on_validation is 'x'"),
        ({"resume": 1}, fovea.ConfigError, "run"),
        ({"threads": "two"}, fovea.ConfigError, "threads is 'two'"),
        ({"val": 3}, fovea.ConfigError, "val is 3: expected a path"),
        ({"settings": {"train.stpes": 1}}, fovea.ConfigError, "steps"),
        ({"device": "cuda:x"}, fovea.ConfigError, "device"),
        ({"resume": True}, fovea.ConfigError, "run"),
        ({"config": "none.toml"}, fovea.Error, "none.toml"),
        ({"init_from": "none.safetensors"}, fovea.DataError, "none.safetensors"),
    ],
)
def test_what_makes_no_sense_is_said(cells, tmp_path, options, kind, message):
    with pytest.raises(kind, match=message):
        train(cells, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_progress_is_shown_in_lines_where_there_is_no_terminal(cells, tmp_path, capsys):
    train(cells, tmp_path / "run", progress=True, settings={**SETTINGS, "train.steps": 2})
    said = capsys.readouterr().out
    assert "train: 2 images" in said and "step 2/2  loss " in said and "step 2: AP " in said
