"""Where `fovea info` finds NVIDIA's libraries on a machine that has them in a Python's or conda's packages alone: in a root of its own
(chroot), with an empty environment but for PATH. Arguments: fovea, fovea on the stand-in's GPU, a double of the libraries, one of an old cuDNN."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

FOVEA, FOVEA_ON_GPU, DOUBLE, OLD_DOUBLE = sys.argv[1:5]
DEVICE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data/h200_device_properties.json")
PACKAGES = "lib/python3.12/site-packages/nvidia"


class Root:
    def __init__(self, program=FOVEA):
        self.path = tempfile.mkdtemp(prefix="library_search_")
        self.take(program, "/fovea")
        self.take(DEVICE, DEVICE)
        needed = subprocess.run(["ldd", program], stdout=subprocess.PIPE, check=True, text=True).stdout
        for file in re.findall(r"(/\S+) \(0x", needed):
            self.take(file, file)

    def take(self, file, place):
        target = self.path + place
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(os.path.realpath(file), target)

    def cudnn(self, place, double=DOUBLE):
        """With the cuBLASLt that it needs beside it."""
        self.take(double, place + "/libcudnn.so.9")
        self.take(DOUBLE, place + "/libcublasLt.so.13")

    def python(self, prefix):
        self.write(prefix + "/bin/python3.12")
        os.symlink("python3.12", self.path + prefix + "/bin/python3")

    def write(self, place):
        os.makedirs(os.path.dirname(self.path + place), exist_ok=True)
        with open(self.path + place, "w", encoding="utf-8"):
            pass
        os.chmod(self.path + place, 0o755)

    def info(self, program="/fovea", **environment):
        done = subprocess.run([program, "info", "--preset", "tiny", "--device", "cpu"], stdout=subprocess.PIPE,
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
        self.root.cudnn(f"/opt/python/{PACKAGES}/cudnn/lib")
        self.assertIn(f"cuDNN: 9.19.0, /opt/python/{PACKAGES}/cudnn", self.root.info(PATH="/venv/bin")[1])

    def test_beside_the_program_where_that_is_a_package_of_an_environment_that_is_not_on_PATH(self):
        packages = "/opt/venv/lib/python3.12/site-packages"
        self.root.take(FOVEA, packages + "/fovea/bin/fovea")
        self.root.cudnn(packages + "/nvidia/cudnn/lib")
        code, text = self.root.info(program=packages + "/fovea/bin/fovea", PATH="/bin")
        self.assertEqual(code, 0, text)
        self.assertIn(f"cuDNN: 9.19.0, {packages}/nvidia/cudnn/lib/libcudnn.so.9\n", text)

    def test_conda_comes_before_packages_and_the_loader_before_both(self):
        self.root.cudnn("/conda/lib")
        self.root.cudnn(f"/venv/{PACKAGES}/cudnn/lib")
        places = {"CONDA_PREFIX": "/conda", "VIRTUAL_ENV": "/venv"}
        self.assertIn("cuDNN: 9.19.0, /conda/lib/libcudnn.so.9\n", self.root.info(**places)[1])
        self.root.cudnn("/usr/lib")
        self.assertIn("cuDNN: 9.19.0, /usr/lib/libcudnn.so.9\n", self.root.info(**places)[1])

    def test_a_cudnn_that_is_too_old_is_passed_over_and_named_where_there_is_no_other(self):
        self.root.cudnn("/conda/lib", OLD_DOUBLE)
        code, text = self.root.info(CONDA_PREFIX="/conda", VIRTUAL_ENV="/venv")
        self.assertEqual(code, 0, text)
        self.assertRegex(text, r"cuDNN: none: .*/conda/lib/libcudnn.so.9 is cuDNN 9.1.0, which is too old: 9.11.0 or a newer 9 is needed to plan without a GPU")
        self.root.cudnn(f"/venv/{PACKAGES}/cudnn/lib")
        text = self.root.info(CONDA_PREFIX="/conda", VIRTUAL_ENV="/venv")[1]
        self.assertIn(f"cuDNN: 9.19.0, /venv/{PACKAGES}/cudnn/lib/libcudnn.so.9\n", text)

    def test_on_a_GPU_an_older_cudnn_serves(self):
        root = Root(FOVEA_ON_GPU)
        self.addCleanup(root.remove)
        root.cudnn("/conda/lib", OLD_DOUBLE)
        root.cudnn(f"/venv/{PACKAGES}/cudnn/lib")
        text = root.info(CONDA_PREFIX="/conda", VIRTUAL_ENV="/venv")[1]
        self.assertIn("cuDNN: 9.1.0, /conda/lib/libcudnn.so.9\n", text)

    def test_a_cudnn_without_the_cublaslt_that_it_needs_is_not_taken(self):
        self.root.take(DOUBLE, "/conda/lib/libcudnn.so.9")
        code, text = self.root.info(CONDA_PREFIX="/conda")
        self.assertEqual(code, 0, text)
        self.assertRegex(text, r"cuDNN: none: .*/conda/lib/libcudnn.so.9 cannot be used without libcublasLt.so.13")
        for place in (f"/conda/{PACKAGES}/cublas/lib", "/cublas/lib"):  # of conda's Python, and beside cuDNN's folder as pip lays it
            self.root.take(DOUBLE, place + "/libcublasLt.so.13")
            self.assertIn("cuDNN: 9.19.0, /conda/lib/libcudnn.so.9\n", self.root.info(CONDA_PREFIX="/conda")[1])
            os.remove(self.root.path + place + "/libcublasLt.so.13")
        self.root.take(DOUBLE, "/elsewhere/libcublasLt.so.13")
        self.assertIn("cuDNN: 9.19.0, /conda/lib/libcudnn.so.9\n",
                      self.root.info(CONDA_PREFIX="/conda", FOVEA_CUBLASLT="/elsewhere")[1])

    def test_without_any_the_program_works_and_says_where_it_looked(self):
        code, text = self.root.info(PATH="/bin")
        self.assertEqual(code, 0, text)
        self.assertRegex(text, r"cuDNN: none: cuDNN 9 \(libcudnn.so.9\) was not found: looked .* /usr/local/cuda/lib64")
        self.assertRegex(text, r"cuBLASLt: none: .* was not found")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
