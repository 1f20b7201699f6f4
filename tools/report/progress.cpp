#include "tools/report/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string_view>

#include "kernels/error.h"

namespace fovea {
namespace {

constexpr double terminal_interval = 0.1, line_interval = 10;  // seconds between two drawings
constexpr const char* erase_line = "\r\x1b[K";

int terminal_width(FILE* out) {
  winsize size{};
  return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string format_duration(double seconds) {
  const int64_t s = std::llround(std::clamp(seconds, 0.0, 3.6e9));
  return s < 3600 ? fmt::format("{}:{:02}", s / 60, s % 60)
                  : fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

bool is_terminal(FILE* out) {
  const char* term = std::getenv("TERM");
  return isatty(fileno(out)) && term && std::string_view(term) != "dumb" && !std::getenv("OMPI_COMM_WORLD_RANK");
}

StatusLine::StatusLine(const std::string& text) : shown_(is_terminal(stderr)) {
  if (!shown_) return;
  std::fputs((erase_line + text + " …").c_str(), stderr);
  line_is_open = true;
}

StatusLine::~StatusLine() {
  if (!shown_) return;
  std::fputs(erase_line, stderr);
  line_is_open = false;
}

Progress::Progress(int64_t total, int64_t done, const ProgressOptions& options)
    : total_(total),
      step_(done),
      out_(options.out),
      unit_(options.unit),
      rate_(options.rate),
      terminal_(options.terminal.value_or(is_terminal(options.out))),
      lines_(options.lines),
      seconds_(options.seconds ? options.seconds : steady_seconds),
      clock_(seconds_),
      last_draw_(-std::numeric_limits<double>::infinity()) {}

void Progress::update(int64_t step, std::optional<double> loss, int64_t images) {
  update(step, loss, images, clock_.step());
}

void Progress::update(int64_t step, std::optional<double> loss, int64_t images, std::optional<double> seconds) {
  if (seconds) pace_.add(*seconds, std::max<int64_t>(step - step_, 1), images);
  step_ = step;
  loss_ = loss;
  const double now = seconds_(), interval = terminal_ ? terminal_interval : line_interval;
  if (now - last_draw_ < interval && step_ < total_) return;
  last_draw_ = now;
  draw();
}

void Progress::restart_clock() { clock_.step(); }

std::string Progress::status() const {
  const std::string loss = loss_ ? fmt::format("loss {:.4f}  ", *loss_) : "";
  const double rate = pace_.images_per_second();
  const std::string images = rate > 0 ? fmt::format("{:.1f} {}  ", rate, rate_) : "";
  return fmt::format("{} {}/{}  {}{}ETA {}", unit_, step_, total_, loss, images,
                     format_duration(pace_.seconds_per_step() * static_cast<double>(total_ - step_)));
}

std::string Progress::bar(int width) const {
  const std::string text = status();
  const int room = width - static_cast<int>(text.size()) - 5;  // for "[...]  " and the column that would wrap the line
  if (room < 10) return text.substr(0, std::max(width - 1, 0));
  const int length = std::min(room, 40);
  const double share = total_ > 0 ? std::clamp(static_cast<double>(step_) / static_cast<double>(total_), 0.0, 1.0) : 1;
  const int filled = static_cast<int>(share * length);
  return fmt::format("[{}{}]  {}", std::string(filled, '='), std::string(length - filled, ' '), text);
}

void Progress::draw() {
  if (!terminal_ && !lines_) return;
  drawn_ = terminal_;
  write(terminal_ ? erase_line + bar(terminal_width(out_)) : status() + "\n");
  line_is_open = drawn_;
}

void Progress::message(const std::string& text) {
  write(drawn_ ? erase_line + text + "\n" + bar(terminal_width(out_)) : text + "\n");
}

void Progress::clear() {
  if (drawn_) write(erase_line);
  line_is_open = drawn_ = false;
}

void Progress::finish() {
  if (drawn_) write("\n");
  line_is_open = drawn_ = false;
}

void Progress::write(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), out_) != text.size() || std::fflush(out_) != 0) {
    if (errno == EPIPE) throw Error(ErrorKind::Interrupted, "the output was closed");
    throw Error(ErrorKind::Runtime, fmt::format("cannot write to standard output: {}", std::strerror(errno)));
  }
}

}  // namespace fovea
