"""The examples in C and C++ are built against an installed libfovea, found by pkg-config and by CMake, and run.

  library_test.py --build BUILD WEIGHTS IMAGE     installs this build into a folder, and moves that
  library_test.py --prefix TREE WEIGHTS IMAGE     a tree that is there: of an installation, or a .deb's unpacked usr"""
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

KIND, PLACE, WEIGHTS, IMAGE = sys.argv[1], *(os.path.abspath(path) for path in sys.argv[2:5])
del sys.argv[1:5]
EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "examples")


class Library(unittest.TestCase):
    def run_in(self, folder, *words, **environment):
        done = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, **environment})
        self.assertEqual(done.returncode, 0, f"{words}: {done.stdout}")
        return done.stdout

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="library_")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.prefix = PLACE
        if KIND == "--build":
            installed, cls.prefix = (os.path.join(cls.folder, name) for name in ("first", "moved"))
            subprocess.run(["cmake", "--install", PLACE, "--prefix", installed], stdout=subprocess.DEVNULL, check=True)
            os.rename(installed, cls.prefix)  # nothing may remember where it was installed

    def copy_of(self, example):
        to = os.path.join(self.folder, example)
        return shutil.copytree(os.path.join(EXAMPLES, example), to)

    def one(self, pattern):
        found = glob.glob(os.path.join(self.prefix, pattern), recursive=True)
        self.assertEqual(len(found), 1, pattern)
        return found[0]

    def test_what_is_installed(self):
        for file in ("include/fovea/fovea.h", "include/fovea/fovea.hpp", "lib/**/libfovea.so", "lib/**/libfovea.so.0",
                     "lib/**/cmake/fovea/fovea-config.cmake", "lib/**/pkgconfig/fovea.pc"):
            self.one(file)
        self.assertEqual(sorted(os.listdir(os.path.join(self.prefix, "include/fovea"))), ["fovea.h", "fovea.hpp"])

    def test_cmake_finds_it_for_the_example_in_cpp(self):
        project = self.copy_of("embed")
        self.run_in(project, "cmake", "-S", ".", "-B", "build", f"-DCMAKE_PREFIX_PATH={self.prefix}")
        self.run_in(project, "cmake", "--build", "build")
        said = self.run_in(project, "build/count_objects", WEIGHTS, "0", IMAGE, "no such file.jpg", IMAGE)
        counts = [line.split(": ", 1)[1] for line in said.splitlines() if line.startswith(IMAGE + ": ")]
        self.assertEqual(len(counts), 2, said)
        self.assertEqual(counts[0], counts[1])
        self.assertIn("count_objects: no such file.jpg", said)
        first = counts[0].split()
        twice = " ".join(str(2 * int(word)) if word.isdigit() else word for word in first)
        self.assertIn(f"together: {twice}\n", said)

    @unittest.skipUnless(shutil.which("pkg-config"), "there is no pkg-config")
    def test_pkg_config_finds_it_for_the_example_in_c(self):
        project = self.copy_of("detect_c")
        pc = os.path.dirname(self.one("lib/**/fovea.pc"))
        self.run_in(project, "make", PKG_CONFIG_PATH=pc)
        library = os.path.dirname(self.one("lib/**/libfovea.so"))
        said = self.run_in(project, "./detect", WEIGHTS, "0", IMAGE, "no such file.jpg", LD_LIBRARY_PATH=library)
        self.assertRegex(said, r"(?m)^.*: [0-9]+x[0-9]+, [1-9][0-9]* objects$\n^  \S+ +[01]\.[0-9]{2}  x ")
        self.assertRegex(said, r"(?m)^no such file.jpg: ")

    @unittest.skipUnless(shutil.which("pkg-config"), "there is no pkg-config")
    def test_the_version_is_that_of_the_header(self):
        pc = os.path.dirname(self.one("lib/**/fovea.pc"))
        version = self.run_in(self.folder, "pkg-config", "--modversion", "fovea", PKG_CONFIG_PATH=pc).strip()
        with open(self.one("include/fovea/fovea.h"), encoding="utf-8") as header:
            self.assertIn(f'#define FOVEA_VERSION "{version}"', header.read())


if __name__ == "__main__":
    unittest.main()
