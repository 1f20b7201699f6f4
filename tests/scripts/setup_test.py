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


NOTHING_INSTALLED = "#!/bin/sh\nexit 1\n"
CALLED = '#!/bin/sh\necho "${0##*/} $*" >>"$HOME/calls"\n'
# Unpacks wheels as far as setup looks at them.
PYTHON = """#!/bin/sh
case "$*" in
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *" download "*) folder=${*##* -d } && touch "${folder%% *}/a.whl" ;;
  "-m zipfile "*) mkdir -p "$5/a.data/data/lib" "$5/a.data/data/include" && touch "$5/a.data/data/lib/libdnnl.so.3" ;;
esac
"""


def apt_cache(**versions):
    """What `apt-cache policy` says of packages; of all others that they are new."""
    cases = "".join(f"  {name.replace('_', '-')}) echo '  Candidate: {version}' ;;\n" for name, version in versions.items())
    return f"#!/bin/sh\ncase $2 in\n{cases}  *) echo '  Candidate: 99' ;;\nesac\n"


class Setup(InAFolder):
    def setUp(self):
        super().setUp()
        for folder, ending in (("scripts", ("setup", "python_functions")), ("scripts/wheels", ".txt"), ("benchmarks/peers", ".txt")):
            os.makedirs(os.path.join(self.root, folder))
            for name in os.listdir(os.path.join(SOURCE, folder)):
                if name.endswith(ending):
                    shutil.copy(os.path.join(SOURCE, folder, name), os.path.join(self.root, folder, name))

    def run_setup(self, *options, code=1):
        environment = {"PATH": os.path.join(self.root, "bin") + ":/usr/bin:/bin", "HOME": self.root}
        done = subprocess.run([os.path.join(self.root, "scripts", "setup"), *options], capture_output=True, text=True,
                              env=environment, timeout=60)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stderr.strip()

    def read(self, name):
        with open(os.path.join(self.root, name), encoding="utf-8") as file:
            return file.read()

    def installs(self, apt_cache_says):
        """The packages that --demo installs, as root."""
        for name, text in (("dpkg-query", NOTHING_INSTALLED), ("apt-cache", apt_cache_says), ("apt-get", CALLED),
                           ("python3", PYTHON), ("sudo", '#!/bin/sh\n[ "$1" = -v ] || exec "$@"\n')):
            self.write("bin/" + name, text)
        self.run_setup("--demo", code=0)
        install = [call for call in self.read("calls").splitlines() if " install " in call]
        self.assertEqual(len(install), 1)
        return set(install[0].partition(" install ")[2].split())

    def missing(self, *options):
        self.write("bin/dpkg-query", NOTHING_INSTALLED)
        said = self.run_setup("--check", *options)
        self.assertTrue(said.startswith("setup: missing: "), said)
        return {name for name in said.removeprefix("setup: missing: ").split() if "/" not in name}  # but for wheels

    def test_linters_are_asked_for_by_lint_alone_and_clang_by_what_compiles_with_it(self):
        demo, tests = self.missing("--demo"), self.missing()
        self.assertLessEqual({"g++", "libfreetype-dev", "libharfbuzz-dev", "libraqm-dev", "fonts-dejavu-core"}, demo)
        self.assertEqual(tests - demo, {"git", "catch2", "python3", "python3-dev", "python3-venv", "libopenmpi-dev", "openmpi-bin"})
        self.assertEqual(self.missing("--lint") - tests, {"clang-19", "clang-tidy-19", "clang-tools-19", "libomp-19-dev", "doxygen"})
        for option in ("--tsan", "--fuzz"):
            self.assertEqual(self.missing(option) - tests, {"clang-19", "libclang-rt-19-dev", "libomp-19-dev"})

    def test_where_all_is_new_enough_the_distribution_s_own_are_installed(self):
        packages = self.installs(apt_cache())
        self.assertLessEqual({"g++", "cmake", "libdnnl-dev", "libtomlplusplus-dev", "libjpeg-dev"}, packages)
        self.assertFalse(os.path.exists(os.path.join(self.root, "build", "environment")))

    def test_what_is_too_old_or_missing_is_replaced_as_on_Ubuntu_22_04(self):
        packages = self.installs(apt_cache(**{"g++": "4:11.2.0-1ubuntu1", "cmake": "3.22.1-1ubuntu1", "libdnnl_dev": "2.2.4+ds-2",
                                              "libtomlplusplus_dev": "(none)", "libsimdjson_dev": "1.0.2-1"}))
        self.assertLessEqual({"g++-12", "python3-venv", "libjpeg-dev", "libfmt-dev", "ca-certificates"}, packages)
        self.assertFalse(packages & {"g++", "cmake", "libdnnl-dev", "libtomlplusplus-dev", "libsimdjson-dev"})
        third_party = os.path.join(self.root, "build", "third_party")
        self.assertEqual(self.read("build/environment").splitlines(),
                         ["export CC=gcc-12 CXX=g++-12", f"export PATH={third_party}/cmake/bin:$PATH", "export FOVEA_FETCH=ON"])
        self.assertTrue(os.path.exists(third_party + "/onednn/lib/libdnnl.so"))

    def test_a_compiler_that_is_new_enough_in_a_version_with_an_epoch_is_taken(self):
        self.assertIn("g++", self.installs(apt_cache(**{"g++": "4:12.2.0-3", "cmake": "3.25.1-1"})))

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
