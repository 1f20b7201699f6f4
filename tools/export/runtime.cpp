#include "tools/export/runtime.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/text/advice.h"

namespace fovea {

namespace {

// argv: the module, threads. Each reply is a code, a length and so many bytes: first the module's version; then
// nothing, for the length of the model's path and the path; then, for a number of images and the bytes of the inputs,
// the bytes of the outputs; or in their place what is wrong. What libraries print goes to stderr.
constexpr int32_t kNoModule = 1;  // the module is not there
constexpr const char* kScript = R"py(
import os, struct, sys

replies = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)
requests = sys.stdin.buffer
module, threads = sys.argv[1], int(sys.argv[2])


def reply(code, content):
    try:
        replies.write(struct.pack("<iq", code, len(content)) + content)
        replies.flush()
    except OSError:  # nobody reads it any more
        os._exit(1)
    if code != 0:
        os._exit(0)


def refuse(code, error):
    reply(code, " ".join(str(error).split()).encode())


def number():
    head = requests.read(4)
    if len(head) < 4:
        os._exit(0)
    return struct.unpack("<i", head)[0]


sys.modules["openvino_telemetry"] = None  # by which importing OpenVINO reports to its makers
try:
    import numpy
    if module == "openvino":
        import openvino
        version = openvino.__version__.split("-")[0]
    else:
        import onnxruntime
        version = onnxruntime.__version__
except ImportError as error:
    refuse(1, error)
reply(0, version.encode())

path = requests.read(number()).decode(errors="surrogateescape")
try:
    if module == "openvino":
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
        compiled = openvino.compile_model(openvino.Core().read_model(path), "CPU", settings)
        inputs = [(i.any_name, [size.get_length() if size.is_static else None for size in i.partial_shape],
                   i.element_type.to_dtype()) for i in compiled.inputs]

        def run(feed):
            return compiled(feed).values()
    else:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        types = {"tensor(uint8)": numpy.uint8, "tensor(float)": numpy.float32}
        inputs = [(i.name, [size if isinstance(size, int) else None for size in i.shape], numpy.dtype(types[i.type]))
                  for i in session.get_inputs()]

        def run(feed):
            return session.run(None, feed)
except Exception as error:
    refuse(2, error)
reply(0, b"")

while True:
    images = number()
    feed = {}
    for name, shape, dtype in inputs:
        shape = [images if size is None else size for size in shape]
        count = int(numpy.prod(shape)) * numpy.dtype(dtype).itemsize
        feed[name] = numpy.frombuffer(requests.read(count), dtype).reshape(shape)
    try:
        outputs = run(feed)
    except Exception as error:
        refuse(2, error)
    reply(0, b"".join(numpy.ascontiguousarray(output).tobytes() for output in outputs))
)py";

Error failed(const char* what) { return {ErrorKind::Runtime, fmt::format("{}: {}", what, std::strerror(errno))}; }

}  // namespace

const char* name_of(Runtime runtime) { return runtime == Runtime::OpenVino ? "openvino" : "onnxruntime"; }

RuntimeProcess::RuntimeProcess(const std::string& python, Runtime runtime, int threads)
    : python_(python), module_(name_of(runtime)) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw failed("socketpair");
  socket_ = ends[0];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  // In a group of its own: a terminal's signals are for this program, which ends the other with all that it started.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  std::vector<std::string> words{python, "-c", kScript, module_, std::to_string(threads)};
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const int reason = posix_spawnp(&pid_, python.c_str(), &actions, &attributes, pointers.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (reason != 0) {
    close(socket_);
    throw Error(ErrorKind::Usage, fmt::format("{}: cannot be started: {}", printable(python), std::strerror(reason)));
  }
  try {
    const std::vector<std::byte> text = reply();
    version_.assign(reinterpret_cast<const char*>(text.data()), text.size());
  } catch (...) {
    end();
    throw;
  }
}

RuntimeProcess::~RuntimeProcess() { end(); }

void RuntimeProcess::end() const {
  close(socket_);
  kill(-pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void RuntimeProcess::load(const std::filesystem::path& model) const {
  const std::string path = model.string();
  const auto length = static_cast<int32_t>(path.size());
  send(&length, sizeof(length));
  send(path.data(), path.size());
  reply();
}

std::vector<std::byte> RuntimeProcess::run(int images, const std::vector<std::span<const std::byte>>& inputs) const {
  const int32_t count = images;
  send(&count, sizeof(count));
  for (const auto& input : inputs) send(input.data(), input.size());
  return reply();
}

std::vector<std::byte> RuntimeProcess::reply() const {
  int32_t code = 0;
  int64_t length = 0;
  receive(&code, sizeof(code));
  receive(&length, sizeof(length));
  std::vector<std::byte> content(static_cast<size_t>(length));
  receive(content.data(), content.size());
  if (code == 0) return content;
  const std::string text = printable({reinterpret_cast<const char*>(content.data()), content.size()});
  if (code == kNoModule)
    throw Error(ErrorKind::Usage,
                fmt::format("{} has no {} ({}): run '{} -m pip install numpy {}', or {}", printable(python_), module_,
                            text, printable(python_), module_, advise(advice::kNamePython)));
  throw Error(ErrorKind::Runtime, fmt::format("{} refuses the model: {}", module_, text));
}

void RuntimeProcess::send(const void* bytes, size_t count) const {
  for (const auto* at = static_cast<const char*>(bytes); count > 0;) {
    const ssize_t sent = ::send(socket_, at, count, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) throw failed("sending images to the runtime");
    at += sent;
    count -= static_cast<size_t>(sent);
  }
}

void RuntimeProcess::receive(void* bytes, size_t count) const {
  for (auto* at = static_cast<char*>(bytes); count > 0;) {
    const ssize_t got = ::recv(socket_, at, count, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw failed("reading what the runtime found");
    if (got == 0)
      throw Error(ErrorKind::Runtime, fmt::format("{}, which runs {}, has ended", printable(python_), module_));
    at += got;
    count -= static_cast<size_t>(got);
  }
}

}  // namespace fovea
