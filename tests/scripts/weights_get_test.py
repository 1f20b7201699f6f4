"""`fovea weights get` against servers that are as they should be, and others. Argument: fovea. What is served as
wide_resnet101_2 is a text whose SHA-256 begins as that file does."""
import http.server
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

FOVEA = os.path.abspath(sys.argv.pop(1))
NAME, FILE = "wide_resnet101_2", "wide_resnet101_2-32ee1156.pth"
CONTENT = b"0123456789abcdef" * 16384 + b"%016x" % 100098337426
HALF = len(CONTENT) // 2


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT below /FOLDER/ in the way of that name, and notes in `asked` what ranges were asked for."""

    def do_GET(self):
        self.server.asked.append(self.headers.get("Range"))
        getattr(self, self.path.split("/")[1])()

    def log_message(self, *arguments):
        pass

    def send(self, status, body, length=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def rest(self):
        """What is asked for of CONTENT, and how a server that knows ranges answers."""
        asked = self.headers.get("Range")
        if asked is None:
            return 200, CONTENT, {}
        begin = int(asked.removeprefix("bytes=").removesuffix("-"))
        if begin >= len(CONTENT):
            return 416, b"", {}
        return 206, CONTENT[begin:], {"Content_Range": f"bytes {begin}-{len(CONTENT) - 1}/{len(CONTENT)}"}

    def ranges(self):
        status, body, headers = self.rest()
        self.send(status, body, **headers)

    def no_ranges(self):
        self.send(200, CONTENT)

    def cut(self):
        self.send(200, CONTENT[:HALF], len(CONTENT))
        self.close_connection = True

    def interrupts(self):
        """Half of it, then a Ctrl-C; nothing more until the program has gone."""
        self.send(200, CONTENT[:HALF], len(CONTENT))
        self.server.process.send_signal(signal.SIGINT)
        self.connection.recv(1)

    def missing(self):
        self.send(404, b"<html>no such page</html>")

    def page(self):
        self.send(200, b"<!DOCTYPE html><html>Please log in</html>")

    def other(self):
        self.send(200, b"X" + CONTENT[1:])

    def moved(self):
        self.send(302, b"", Location=self.server.moved_to)


class Server:
    def __init__(self, certificate=None):
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.asked, self.http.process = [], None
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.address = f"{'https' if certificate else 'http'}://localhost:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever)
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


class WeightsGet(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weights_get_"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.target, self.part = self.folder / FILE, self.folder / (FILE + ".part")

    def serve(self, certificate=None):
        server = Server(certificate)
        self.addCleanup(server.close)
        return server

    def get(self, mirror, code, *, server=None, before=None, **environment):
        """What the program says; exits with `code`."""
        inherited = {name: value for name, value in os.environ.items()
                     if not name.lower().endswith("_proxy") and name not in ("CURL_CA_BUNDLE", "SSL_CERT_FILE")}
        process = subprocess.Popen([FOVEA, "weights", "get", NAME, "--mirror", mirror], cwd=self.folder,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=before,
                                   env={**inherited, **environment})
        if server:
            server.http.process = process
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, code, out + err)
        return out if code == 0 else [line for line in err.splitlines() if not line.startswith("MiB ")]

    def assert_fetched(self):
        self.assertEqual(self.target.read_bytes(), CONTENT)
        self.assertEqual(os.listdir(self.folder), [FILE])

    def test_it_is_fetched_checked_and_not_fetched_again(self):
        server = self.serve()
        out = self.get(server.address + "/ranges/", 0)
        self.assertIn(f"{FILE}: fetched; its SHA-256 is right\n", out)
        self.assertIn(f"fovea train --data DIR --out RUN --init-from {FILE} --preset paper --set", out)
        self.assert_fetched()
        self.assertIn("is already there", self.get(server.address + "/ranges", 0))
        self.assertEqual(server.http.asked, [None])

    def test_what_a_broken_connection_left_is_gone_on_with(self):
        server = self.serve()
        [said] = self.get(server.address + "/cut", 1)
        self.assertIn("the connection broke", said)
        self.assertIn(f"{FILE}.part has 0.1 MiB of 242.9; the same command goes on from there", said)
        self.assertEqual(self.part.read_bytes(), CONTENT[:HALF])
        self.get(server.address + "/ranges", 0)
        self.assert_fetched()
        self.assertEqual(server.http.asked, [None, f"bytes={HALF}-"])

    def test_a_server_without_ranges_begins_anew(self):
        server = self.serve()
        self.part.write_bytes(CONTENT[:HALF])
        self.get(server.address + "/no_ranges", 0)
        self.assert_fetched()

    def test_a_part_that_is_longer_than_the_file_is_begun_anew(self):
        server = self.serve()
        self.part.write_bytes(CONTENT + b"more")
        self.get(server.address + "/ranges", 0)
        self.assert_fetched()

    def test_a_part_that_is_whole_only_gets_its_name(self):
        self.part.write_bytes(CONTENT)
        self.get("http://localhost:1", 0)
        self.assert_fetched()

    def test_a_part_that_was_another_file_is_removed(self):
        server = self.serve()
        self.part.write_bytes(b"X" + CONTENT[1:HALF])
        [said] = self.get(server.address + "/ranges", 3)
        self.assertIn("not with 32ee1156", said)
        self.assertEqual(os.listdir(self.folder), [])
        self.get(server.address + "/ranges", 0)
        self.assert_fetched()

    def test_ctrl_c_keeps_what_came_and_says_how_to_go_on(self):
        server = self.serve()
        [said] = self.get(server.address + "/interrupts", 130, server=server)
        self.assertIn("interrupted: ", said)
        self.assertIn("the same command ", said)
        self.assertFalse(self.target.exists())
        self.assertFalse((self.folder / (FILE + ".part.lock")).exists())
        self.get(server.address + "/ranges", 0)
        self.assert_fetched()

    def test_a_page_that_says_that_there_is_none_is_not_the_file(self):
        server = self.serve()
        [said] = self.get(server.address + "/missing", 1)
        self.assertIn(f"{server.address}/missing/{FILE}: cannot be fetched (", said)
        self.assertIn("404", said)
        self.assertEqual(os.listdir(self.folder), [])

    def test_what_is_not_the_file_is_removed_and_said(self):
        server = self.serve()
        for way, why in (("page", "a web page"), ("other", "it was removed")):
            [said] = self.get(f"{server.address}/{way}", 3)
            self.assertIn(f"what came is not {NAME}: its SHA-256 begins with ", said)
            self.assertIn(why, said)
            self.assertEqual(os.listdir(self.folder), [])

    def test_another_file_of_the_name_is_left_alone(self):
        self.target.write_text("mine")
        [said] = self.get("http://localhost:1", 2)
        self.assertIn(f"{FILE}: is there already, and is not {NAME}: move it, or choose another folder (--out DIR)", said)
        self.assertEqual(self.target.read_text(), "mine")

    def test_where_there_is_no_network_one_line_says_what_to_do(self):
        for mirror, why in (("http://localhost:1", "cannot reach localhost:1 ("), ("http://none.invalid", "cannot reach none")):
            [said] = self.get(mirror, 1)
            self.assertIn(why, said)
            self.assertIn(f"fetch {mirror}/{FILE} by other means and put it at {FILE}, or name a mirror (--mirror URL)", said)
            self.assertEqual(os.listdir(self.folder), [])

    def test_where_there_is_no_libcurl_one_line_says_what_to_install(self):
        [said] = self.get("http://localhost:1", 1, FOVEA_CURL="/nowhere/libcurl.so.4")
        self.assertIn("there is no libcurl (Debian's package libcurl4", said)
        self.assertIn(f"fetch http://localhost:1/{FILE} by other means", said)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_full_disk_is_said_and_what_came_stays(self):
        import resource
        server = self.serve()
        [said] = self.get(server.address + "/ranges", 1,
                          before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, HALF)))
        self.assertIn(f"{FILE}.part: cannot be written: ", said)
        self.assertEqual(self.part.read_bytes(), CONTENT[:HALF])
        self.get(server.address + "/ranges", 0)
        self.assert_fetched()

    def test_a_folder_is_a_mirror_too(self):
        mirror = self.folder / "mirror"
        mirror.mkdir()
        (mirror / FILE).write_bytes(CONTENT)
        self.part.write_bytes(CONTENT[:HALF])
        self.get(f"file://{mirror}", 0)
        self.assertEqual(self.target.read_bytes(), CONTENT)
        (mirror / FILE).unlink()
        self.target.unlink()
        [said] = self.get(f"file://{mirror}", 1)
        self.assertIn("cannot be fetched (", said)

    def test_a_redirection_is_followed_but_none_to_a_file(self):
        server = self.serve()
        server.http.moved_to = "/ranges/elsewhere"
        self.get(server.address + "/moved", 0)
        self.assert_fetched()
        self.target.unlink()
        hidden = self.folder / "hidden"
        hidden.write_bytes(CONTENT)
        server.http.moved_to = f"file://{hidden}"
        [said] = self.get(server.address + "/moved", 1)
        self.assertIn("cannot be fetched (", said)
        self.assertFalse(self.target.exists())

    @unittest.skipUnless(shutil.which("openssl"), "there is no openssl to make a certificate with")
    def test_certificates_are_verified_and_https_is_not_left(self):
        certificate = self.folder / "certificate.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost", "-keyout", certificate, "-out", self.folder / "public.pem"],
                       check=True, capture_output=True)
        with open(certificate, "ab") as file:
            file.write((self.folder / "public.pem").read_bytes())
        server, plain = self.serve(certificate), self.serve()
        [said] = self.get(server.address + "/ranges", 1)
        self.assertIn("the certificate of localhost:", said)
        self.assertIn("is not trusted (", said)
        trusted = {"SSL_CERT_FILE": str(self.folder / "public.pem")}
        server.http.moved_to = plain.address + "/ranges/elsewhere"
        [said] = self.get(server.address + "/moved", 1, **trusted)
        self.assertIn("cannot be fetched (", said)
        self.assertEqual(plain.http.asked, [])
        self.get(server.address + "/ranges", 0, **trusted)
        self.assertEqual(self.target.read_bytes(), CONTENT)


if __name__ == "__main__":
    unittest.main()
