"""Where `fovea info` finds NVIDIA's libraries on a machine that has them in a Python's or conda's packages alone: in a root of its own
(chroot), with an empty environment but for PATH. Arguments: fovea, a double of the libraries, one of an old cuDNN."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

FOVEA, DOUBLE, OLD_DOUBLE = sys.argv[1:4]
PACKAGES = "lib/python3.12/site-packages/nvidia"


class Root:
    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="library_search_")
        self.take(FOVEA, "/fovea")
        needed = subprocess.run(["ldd", FOVEA], stdout=subprocess.PIPE, check=True, text=True).stdout
        for file in re.findall(r"(/\S+) \(0x", needed):
            self.take(file, file)

    def take(self, file, place):
        target = self.path + place
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(os.path.realpath(file), target)

    def python(self, prefix):
        self.write(prefix + "/bin/python3.12")
        os.symlink("python3.12", self.path + prefix + "/bin/python3")

    def write(self, place):
        os.makedirs(os.path.dirname(self.path + place), exist_ok=True)
        with open(self.path + place, "w", encoding="utf-8"):
            pass
        os.chmod(self.path + place, 0o755)

    def info(self, **environment):
        done = subprocess.run(["/fovea", "info", "--preset", "tiny", "--device", "cpu"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, env=environment, cwd="/",
                              preexec_fn=lambda: os.chroot(self.path))
        return done.returncode, done.stdout

    def remove(self):
        shutil.rmtree(self.path)


class LibrarySearch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("chroot needs root")

    def setUp(self):
        self.root = Root()
        self.addCleanup(self.root.remove)

    def test_in_the_packages_of_the_python_that_is_first_on_PATH(self):
        self.root.python("/opt/python")
        for package, name in (("cudnn", "cudnn.so.9"), ("cu13", "cublasLt.so.13"), ("cu13", "nvrtc.so.13")):
            self.root.take(DOUBLE, f"/opt/python/{PACKAGES}/{package}/lib/lib{name}")
        for path in ("/opt/python/bin", "/nowhere:/opt/python/bin:/bin"):
            code, text = self.root.info(PATH=path)
            self.assertEqual(code, 0, text)
            self.assertIn(f"cuDNN: 9.19.0, /opt/python/{PACKAGES}/cudnn/lib/libcudnn.so.9\n", text)
            self.assertIn(f"cuBLASLt: 13.1.0, /opt/python/{PACKAGES}/cu13/lib/libcublasLt.so.13\n", text)
            self.assertIn(f"NVRTC: 13.0, /opt/python/{PACKAGES}/cu13/lib/libnvrtc.so.13\n", text)

    def test_through_a_virtual_environment_s_link_to_its_python(self):
        self.root.python("/opt/python")
        os.makedirs(self.root.path + "/venv/bin")
        os.symlink("/opt/python/bin/python3", self.root.path + "/venv/bin/python3")
        self.root.take(DOUBLE, f"/opt/python/{PACKAGES}/cudnn/lib/libcudnn.so.9")
        self.assertIn(f"cuDNN: 9.19.0, /opt/python/{PACKAGES}/cudnn", self.root.info(PATH="/venv/bin")[1])

    def test_conda_comes_before_packages_and_the_loader_before_both(self):
        self.root.take(DOUBLE, "/conda/lib/libcudnn.so.9")
        self.root.take(DOUBLE, f"/venv/{PACKAGES}/cudnn/lib/libcudnn.so.9")
        places = {"CONDA_PREFIX": "/conda", "VIRTUAL_ENV": "/venv"}
        self.assertIn("cuDNN: 9.19.0, /conda/lib/libcudnn.so.9\n", self.root.info(**places)[1])
        self.root.take(DOUBLE, "/usr/lib/libcudnn.so.9")
        self.assertIn("cuDNN: 9.19.0, /usr/lib/libcudnn.so.9\n", self.root.info(**places)[1])

    def test_a_cudnn_that_is_too_old_is_passed_over_and_named_where_there_is_no_other(self):
        self.root.take(OLD_DOUBLE, "/conda/lib/libcudnn.so.9")
        code, text = self.root.info(CONDA_PREFIX="/conda", VIRTUAL_ENV="/venv")
        self.assertEqual(code, 0, text)
        self.assertRegex(text, r"cuDNN: none: .*/conda/lib/libcudnn.so.9 is cuDNN 9.1.0, too old")
        self.root.take(DOUBLE, f"/venv/{PACKAGES}/cudnn/lib/libcudnn.so.9")
        text = self.root.info(CONDA_PREFIX="/conda", VIRTUAL_ENV="/venv")[1]
        self.assertIn(f"cuDNN: 9.19.0, /venv/{PACKAGES}/cudnn/lib/libcudnn.so.9\n", text)

    def test_without_any_the_program_works_and_says_where_it_looked(self):
        code, text = self.root.info(PATH="/bin")
        self.assertEqual(code, 0, text)
        self.assertRegex(text, r"cuDNN: none: cuDNN 9 \(libcudnn.so.9\) was not found: looked .* /usr/local/cuda/lib64")
        self.assertRegex(text, r"cuBLASLt: none: .* was not found")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
