"""What `cmake --install` installs. Argument: the build's folder."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = sys.argv.pop(1)


class Installation(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="install_")
        self.addCleanup(shutil.rmtree, self.folder)

    def output(self, *words, **environment):
        return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **environment}).stdout

    def test_everything_is_where_systems_look_for_it(self):
        self.output("cmake", "--install", BUILD, "--prefix", "/usr", DESTDIR=self.folder)
        usr = os.path.join(self.folder, "usr")
        fovea = os.path.join(usr, "bin/fovea")
        self.assertIn("fovea ", self.output(fovea, "--version"))
        for shell, pattern in (("bash", "bash-completion/completions/fovea"), ("zsh", "zsh/*/_fovea"),
                               ("fish", "fish/vendor_completions.d/fovea.fish")):
            files = glob.glob(os.path.join(usr, "share", pattern))
            self.assertEqual(len(files), 1, pattern)
            with open(files[0], encoding="utf-8") as script:
                self.assertEqual(script.read(), self.output(fovea, "completion", shell))
        pages = os.listdir(os.path.join(usr, "share/man/man1"))
        self.assertLessEqual({"fovea.1", "fovea-train.1", "fovea-data-check.1"}, set(pages))
        with open(os.path.join(usr, "share/man/man1/fovea-train.1"), encoding="utf-8") as page:
            self.assertEqual(page.read(), self.output(fovea, "man", "train"))
        self.assertFalse(os.path.exists(os.path.join(BUILD, "share")))


if __name__ == "__main__":
    unittest.main()
