"""Keys pressed in shells that have read fovea's completion script: bash, and zsh and fish where they are. Argument: fovea."""
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import unittest

FOVEA = os.path.abspath(sys.argv.pop(1))
# A shell function of the program's name shows the words that the keys made of the line.
SHOW = "fovea() { printf 'WORDS'; printf '<%s>' \"$@\"; printf 'END\\n'; }"

# Keys, and the words of the line that they make.
CASES = {
    "ev\t--dev\tcp\t": ["eval", "--device", "cpu"],
    "eval --device=cu\t": ["eval", "--device=cuda"],
    "train --set train.optimizer.k\tsg\t": ["train", "--set", "train.optimizer.kind=sgd"],
    "train --set train.steps=1 --pres\tpap\t": ["train", "--set", "train.steps=1", "--preset", "paper"],
    "data ch\t--head\t": ["data", "check", "--headers-only"],
    "detect my\t--weights the\t": ["detect", "my photo.jpg", "--weights", "the.safetensors"],
    "data check im\t": ["data", "check", "images"],
    "completion f\t": ["completion", "fish"],
    "man data sh\t": ["man", "data", "show"],
    "eval --split tr\t--score 0\t": ["eval", "--split", "train", "--score", "0"],
}


class Terminal:
    """An interactive shell that has read the script."""

    def __init__(self, command, before, folder):
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.chdir(folder)
            os.execvpe(command[0], command, {"PATH": os.environ["PATH"], "HOME": folder, "TERM": "dumb"})
        self.send(f"PS1='$ '; {SHOW}; {before}; echo REA''DY\n", "READY")

    def send(self, keys, awaited):
        os.write(self.terminal, keys.encode())
        printed = ""
        while awaited not in printed:
            if not select.select([self.terminal], [], [], 60)[0]:
                raise AssertionError(f"{keys!r} printed {printed!r}")
            printed += os.read(self.terminal, 1 << 16).decode(errors="replace")
        return printed

    def words(self, keys):
        printed = self.send(f"fovea {keys}\n", "END\r\n")
        return re.findall("<(.*?)>", printed[printed.rindex("WORDS"):])

    def close(self):
        os.close(self.terminal)
        os.waitpid(self.process, 0)  # which may still write its history into the folder


class Completion(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="completion_")
        self.addCleanup(shutil.rmtree, self.folder)
        os.makedirs(os.path.join(self.folder, "images"))
        for name in ("my photo.jpg", "the.safetensors", "image.txt"):
            with open(os.path.join(self.folder, name), "w", encoding="utf-8"):
                pass

    def require(self, shell):
        if shutil.which(shell) is None:
            raise unittest.SkipTest(f"there is no {shell}")

    def check(self, command, before):
        terminal = Terminal(command, before, self.folder)
        self.addCleanup(terminal.close)
        for keys, expected in CASES.items():
            with self.subTest(keys=keys):
                # zsh joins an option to its value by =, and leaves the slash behind a folder away.
                words = [word.rstrip("/") for word in terminal.words(keys)]
                self.assertEqual(" ".join(words).replace("=", " "), " ".join(expected).replace("=", " "))

    def test_bash(self):
        self.check(["bash", "--norc", "--noprofile", "-i"], f"source <('{FOVEA}' completion bash)")

    def test_zsh(self):
        self.require("zsh")
        self.check(["zsh", "-f", "-i"], f"autoload -U compinit; compinit -u -D; source <('{FOVEA}' completion zsh)")

    def test_zsh_finds_the_script_where_it_is_installed(self):
        self.require("zsh")
        with open(os.path.join(self.folder, "_fovea"), "w", encoding="utf-8") as file:
            subprocess.run([FOVEA, "completion", "zsh"], stdout=file, check=True)
        self.check(["zsh", "-f", "-i"], f"fpath=('{self.folder}' $fpath); autoload -U compinit; compinit -u -D")

    def test_fish(self):
        self.require("fish")
        script = os.path.join(self.folder, "fovea.fish")
        with open(script, "w", encoding="utf-8") as file:
            subprocess.run([FOVEA, "completion", "fish"], stdout=file, check=True)
        for line, expected in (("ev", {"eval"}), ("eval --dev", {"--device"}), ("eval --device c", {"cpu", "cuda"}),
                               ("eval --device=cu", {"--device=cuda"}), ("train --set train.optimizer.k", {"train.optimizer.kind="}),
                               ("train --set train.optimizer.kind=s", {"train.optimizer.kind=sgd"}),
                               ("data ch", {"check"}), ("data check --head", {"--headers-only"}), ("detect my", {"my photo.jpg"}),
                               ("data check im", {"images/"}), ("eval --weights the", {"the.safetensors"}),
                               ("completion ", {"bash", "zsh", "fish"}), ("man data sh", {"show"}), ("eval --score ", set()),
                               ("eval --data data --js", {"--json"})):
            with self.subTest(line=line):
                done = subprocess.run(["fish", "--no-config", "-c", f"source '{script}'; complete -C 'fovea {line}'"], cwd=self.folder,
                                      env={"PATH": os.environ["PATH"], "HOME": self.folder}, stdout=subprocess.PIPE, text=True, check=True)
                self.assertEqual({offer.split("\t")[0] for offer in done.stdout.splitlines()}, expected)


if __name__ == "__main__":
    unittest.main()
