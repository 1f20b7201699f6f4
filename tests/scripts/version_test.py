"""What cmake/write_version.cmake writes about clones, archives and folders without git."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ENVIRONMENT = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_DATE": "2024-02-29T12:00:00Z",
               "GIT_COMMITTER_DATE": "2024-02-29T12:00:00Z"}


def run(*words, folder):
    return subprocess.run(words, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def git(*words, folder):
    done = run("git", "-c", "user.name=A", "-c", "user.email=a@example.org", *words, folder=folder)
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


class Version(unittest.TestCase):
    def setUp(self):
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="version_"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.out = os.path.join(self.folder, "version.cpp")

    def sources(self, name):
        folder = os.path.join(self.folder, name)
        os.makedirs(os.path.join(folder, "cmake"))
        shutil.copy(os.path.join(ROOT, "cmake/write_version.cmake"), os.path.join(folder, "cmake"))
        shutil.copy(os.path.join(ROOT, ".gitattributes"), folder)
        with open(os.path.join(folder, "CMakeLists.txt"), "w", encoding="utf-8"):
            pass
        return folder

    def clone(self, name="clone"):
        folder = self.sources(name)
        git("init", "-q", folder=folder)
        git("add", ".", folder=folder)
        git("commit", "-q", "-m", "x", folder=folder)
        return folder, git("rev-parse", "--short=10", "HEAD", folder=folder)

    def run_script(self, folder, commit=""):
        return run("cmake", f"-DSOURCE={folder}", "-DVERSION=1.2.3", f"-DCOMMIT={commit}", f"-DOUT={self.out}", "-P",
                   os.path.join(folder, "cmake/write_version.cmake"), folder="/")

    def written(self, folder, commit=""):
        done = self.run_script(folder, commit)
        self.assertEqual(done.returncode, 0, done.stdout)
        with open(self.out, encoding="utf-8") as file:
            values = dict(re.findall(r'(k\w+) = "(.*)"', file.read()))
        self.assertEqual(values["kVersion"], "1.2.3")
        return values["kCommit"], values["kVersionDay"]

    def test_a_clone_names_its_commit_and_whether_tracked_files_changed(self):
        folder, commit = self.clone()
        self.assertEqual(self.written(folder), (commit, "2024-02-29"))
        with open(os.path.join(folder, "notes.txt"), "w", encoding="utf-8"):
            pass
        self.assertEqual(self.written(folder), (commit, "2024-02-29"))
        with open(os.path.join(folder, "CMakeLists.txt"), "w", encoding="utf-8") as file:
            file.write("#")
        self.assertEqual(self.written(folder), (commit + ", changed", "2024-02-29"))

    def test_the_file_is_touched_only_where_the_commit_is_another(self):
        folder, _ = self.clone()
        self.written(folder)
        os.utime(self.out, (1, 1))
        self.written(folder)
        self.assertEqual(os.stat(self.out).st_mtime, 1)
        git("commit", "-q", "--allow-empty", "-m", "y", folder=folder)
        self.written(folder)
        self.assertNotEqual(os.stat(self.out).st_mtime, 1)

    def test_without_git_the_commit_is_not_known_unless_it_is_given(self):
        folder = self.sources("unpacked")
        self.assertEqual(self.written(folder)[0], "")
        self.assertEqual(self.written(folder, "v1.2.3-4")[0], "v1.2.3-4")
        self.assertRegex(self.written(folder)[1], r"^\d{4}-\d\d-\d\d$")
        refused = self.run_script(folder, 'x"y')
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("FOVEA_COMMIT", refused.stdout)

    def test_a_repository_around_the_sources_is_another_project_s(self):
        self.clone("")
        self.assertEqual(self.written(self.sources("third_party"))[0], "")

    def test_an_archive_that_git_made_names_its_commit(self):
        folder, commit = self.clone()
        git("archive", "-o", "../it.tar", "HEAD", folder=folder)
        unpacked = os.path.join(self.folder, "unpacked")
        os.makedirs(unpacked)
        subprocess.run(["tar", "-xf", "../it.tar"], cwd=unpacked, check=True)
        found, day = self.written(unpacked)
        self.assertTrue(found and commit.startswith(found), found)
        self.assertEqual(day, "2024-02-29")

    def test_a_clone_of_another_user_names_its_commit(self):
        if os.geteuid() != 0:
            raise unittest.SkipTest("chown needs root")
        folder, commit = self.clone()
        for place, _, files in os.walk(folder):
            for name in ["", *files]:
                os.chown(os.path.join(place, name), 1, 1)
        self.assertEqual(self.written(folder)[0], commit)


if __name__ == "__main__":
    unittest.main()
