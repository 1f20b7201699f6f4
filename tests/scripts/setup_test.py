"""What scripts/setup asks for, on a Debian where nothing is installed, where the font is found, and what FOVEA_WERROR does."""
import os
import shutil
import subprocess
import tempfile
import unittest

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(warns LANGUAGES CXX)
include({source}/cmake/flags.cmake)
add_library(warns OBJECT warns.cpp)
target_link_libraries(warns PRIVATE fovea_flags)
"""


class InAFolder(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="setup_test_")
        self.addCleanup(shutil.rmtree, self.root)

    def write(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)


class Setup(InAFolder):
    def run_setup(self, *options):
        for name in ("scripts/setup", "benchmarks/peers/requirements.txt", "benchmarks/peers/eval_requirements.txt"):
            os.makedirs(os.path.dirname(os.path.join(self.root, name)), exist_ok=True)
            shutil.copy(os.path.join(SOURCE, name), os.path.join(self.root, name))
        environment = {"PATH": os.path.join(self.root, "bin") + ":/usr/bin:/bin", "HOME": self.root}
        done = subprocess.run([os.path.join(self.root, "scripts", "setup"), *options], capture_output=True, text=True,
                              env=environment, timeout=60)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        return done.stderr.strip()

    def missing(self, *options):
        self.write("bin/dpkg-query", "#!/bin/sh\nexit 1\n")
        said = self.run_setup("--check", *options)
        self.assertTrue(said.startswith("setup: missing: "), said)
        wheels = {"python3-venv"}  # these and what unpacks them: where nvcc is
        return {name for name in said.removeprefix("setup: missing: ").split() if "==" not in name} - wheels

    def test_linters_are_asked_for_by_lint_alone_and_clang_by_what_compiles_with_it(self):
        demo, tests = self.missing("--demo"), self.missing()
        self.assertLessEqual({"g++", "libfreetype-dev", "libharfbuzz-dev", "libraqm-dev", "fonts-dejavu-core"}, demo)
        self.assertEqual(tests - demo, {"git", "catch2", "python3", "libopenmpi-dev", "openmpi-bin"})
        self.assertEqual(self.missing("--lint") - tests, {"clang-19", "clang-format-19", "clang-tidy-19", "clang-tools-19", "libomp-19-dev"})
        for option in ("--tsan", "--fuzz"):
            self.assertEqual(self.missing(option) - tests, {"clang-19", "libclang-rt-19-dev", "libomp-19-dev"})

    def test_peers_are_refused_in_a_line_where_Python_is_not_the_one_that_their_wheels_are_for(self):
        self.write("bin/dpkg-query", '#!/bin/sh\nshift 2\nprintf "%s installed\\n" "$@"\n')
        self.write("bin/python3", "#!/bin/sh\necho 3.13\n")
        self.assertEqual(self.run_setup("--demo", "--bench-eval"), "setup: the peers' wheels are for Python 3.11 (Debian 12), "
                         "and python3 is 3.13: put a 3.11 first on PATH")


class Font(InAFolder):
    def configure(self, *options):
        self.write("CMakeLists.txt", f"cmake_minimum_required(VERSION 3.25)\nproject(font NONE)\ninclude({SOURCE}/cmake/font.cmake)\n")
        done = subprocess.run(["cmake", "-G", "Ninja", "-S", self.root, "-B", os.path.join(self.root, "build"), *options],
                              capture_output=True, text=True, timeout=60)
        return done.returncode, " ".join(done.stderr.split())

    def test_a_build_without_its_font_says_which_package_has_it(self):
        code, said = self.configure("-DFOVEA_FONT_FILE=/nowhere/DejaVuSans.ttf")
        self.assertNotEqual(code, 0)
        self.assertIn("FOVEA_FONT_FILE is /nowhere/DejaVuSans.ttf", said)
        self.assertIn("fonts-dejavu-core", said)

    def test_a_cross_build_finds_the_font_of_this_machine(self):
        code, said = self.configure("-DCMAKE_FIND_ROOT_PATH=/nowhere", "-DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY")
        self.assertEqual(code, 0, said)


class Warnings(InAFolder):
    def builds(self, *options):
        build = os.path.join(self.root, "build")
        subprocess.run(["cmake", "-G", "Ninja", "-S", self.root, "-B", build, *options], capture_output=True, check=True, timeout=60)
        done = subprocess.run(["cmake", "--build", build], capture_output=True, text=True, timeout=60)
        self.assertIn("unused variable", done.stdout + done.stderr)
        return done.returncode == 0

    def test_a_warning_stops_a_build_that_asks_for_it_and_no_other(self):
        self.write("CMakeLists.txt", PROJECT.format(source=SOURCE))
        self.write("warns.cpp", "void warns() { int unused = 0; }\n")
        self.assertTrue(self.builds())
        self.assertFalse(self.builds("-DFOVEA_WERROR=ON"))
        self.assertFalse(self.builds(), "what a build folder was once told holds")


if __name__ == "__main__":
    unittest.main()
