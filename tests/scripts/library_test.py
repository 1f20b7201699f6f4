"""Programs of others are built against an installed libfovea, found by CMake and by pkg-config, and run. Arguments: the build's
folder, weights, an image."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD, WEIGHTS, IMAGE = sys.argv[1:4]
del sys.argv[1:4]
TESTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "api")
PROJECT = """cmake_minimum_required(VERSION 3.16)
project(user LANGUAGES C CXX)
find_package(fovea 0.1 CONFIG REQUIRED)
find_package(Threads REQUIRED)
add_executable(in_c detect.c)
add_executable(in_cpp detect.cpp)
set_target_properties(in_c PROPERTIES C_STANDARD 11)
set_target_properties(in_cpp PROPERTIES CXX_STANDARD 20)
target_link_libraries(in_c PRIVATE fovea::fovea)
target_link_libraries(in_cpp PRIVATE fovea::fovea Threads::Threads)
"""


class Library(unittest.TestCase):
    def run_in(self, folder, *words, **environment):
        done = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, **environment})
        self.assertEqual(done.returncode, 0, f"{words}: {done.stdout}")
        return done.stdout

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="library_")
        self.addCleanup(shutil.rmtree, self.folder)
        installed = os.path.join(self.folder, "first")
        self.run_in(BUILD, "cmake", "--install", BUILD, "--prefix", installed)
        self.prefix = os.path.join(self.folder, "moved")  # nothing may remember where it was installed
        os.rename(installed, self.prefix)
        self.user = os.path.join(self.folder, "user")
        os.mkdir(self.user)
        for name in ("detect.c", "detect.cpp"):
            shutil.copy(os.path.join(TESTS, name), self.user)

    def one(self, pattern):
        found = glob.glob(os.path.join(self.prefix, pattern), recursive=True)
        self.assertEqual(len(found), 1, pattern)
        return found[0]

    def test_cmake_finds_it(self):
        with open(os.path.join(self.user, "CMakeLists.txt"), "w", encoding="utf-8") as file:
            file.write(PROJECT)
        self.run_in(self.user, "cmake", "-S", ".", "-B", "build", f"-DCMAKE_PREFIX_PATH={self.prefix}")
        self.run_in(self.user, "cmake", "--build", "build")
        for program in ("in_c", "in_cpp"):
            self.assertRegex(self.run_in(self.user, f"build/{program}", WEIGHTS, IMAGE), "fovea [0-9.]+: [0-9]+ detections")

    @unittest.skipUnless(shutil.which("pkg-config"), "there is no pkg-config")
    def test_pkg_config_finds_it(self):
        pc = self.one("lib/**/fovea.pc")
        flags = self.run_in(self.user, "pkg-config", "--cflags", "--libs", "fovea", PKG_CONFIG_PATH=os.path.dirname(pc)).split()
        self.run_in(self.user, os.environ.get("CC", "cc"), "-std=c11", "detect.c", "-o", "in_c", *flags)
        library = os.path.dirname(self.one("lib/**/libfovea.so"))
        self.assertIn("detections", self.run_in(self.user, "./in_c", WEIGHTS, IMAGE, LD_LIBRARY_PATH=library))


if __name__ == "__main__":
    unittest.main()
