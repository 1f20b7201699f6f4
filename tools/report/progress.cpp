#include "tools/report/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string_view>

#include "kernels/error.h"

namespace fovea {
namespace {

constexpr double terminal_interval = 0.1, line_interval = 10;  // seconds between two drawings
constexpr double memory = 20;                                  // seconds over which speeds are averaged
constexpr const char* erase_line = "\r\x1b[K";

bool is_terminal(FILE* out) {
  const char* term = std::getenv("TERM");
  return isatty(fileno(out)) && term && std::string_view(term) != "dumb";
}

int terminal_width(FILE* out) {
  winsize size{};
  return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

std::string format_duration(double seconds) {
  const int64_t s = std::llround(std::clamp(seconds, 0.0, 3.6e9));
  return s < 3600 ? fmt::format("{}:{:02}", s / 60, s % 60)
                  : fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

Progress::Progress(int64_t total, int64_t done, const ProgressOptions& options)
    : total_(total),
      step_(done),
      out_(options.out),
      unit_(options.unit),
      terminal_(options.terminal.value_or(is_terminal(options.out))),
      seconds_(options.seconds ? options.seconds : steady_seconds),
      last_update_(seconds_()),
      last_draw_(-std::numeric_limits<double>::infinity()) {}

void Progress::update(int64_t step, std::optional<double> loss, int64_t images) {
  const double now = seconds_(), elapsed = std::max(now - last_update_, 1e-9);
  const int64_t steps = std::max<int64_t>(step - step_, 1);
  const double weight = seconds_per_step_ == 0 ? 1 : 1 - std::exp(-elapsed / memory);
  seconds_per_step_ += weight * (elapsed / static_cast<double>(steps) - seconds_per_step_);
  images_per_second_ += weight * (static_cast<double>(images) / elapsed - images_per_second_);
  step_ = step;
  loss_ = loss;
  last_update_ = now;
  const double interval = terminal_ ? terminal_interval : line_interval;
  if (now - last_draw_ >= interval || step_ >= total_) draw();
}

void Progress::restart_clock() { last_update_ = seconds_(); }

std::string Progress::status() const {
  const std::string loss = loss_ ? fmt::format("loss {:.4f}  ", *loss_) : "";
  return fmt::format("{} {}/{}  {}{:.1f} images/s  ETA {}", unit_, step_, total_, loss, images_per_second_,
                     format_duration(seconds_per_step_ * static_cast<double>(total_ - step_)));
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
  last_draw_ = last_update_;
  drawn_ = terminal_;
  write(terminal_ ? erase_line + bar(terminal_width(out_)) : status() + "\n");
}

void Progress::message(const std::string& text) {
  write(drawn_ ? erase_line + text + "\n" + bar(terminal_width(out_)) : text + "\n");
}

void Progress::finish() {
  if (drawn_) write("\n");
  drawn_ = false;
}

void Progress::write(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), out_) != text.size() || std::fflush(out_) != 0) {
    if (errno == EPIPE) throw Error(ErrorKind::Interrupted, "the output was closed");
    throw Error(ErrorKind::Runtime, fmt::format("cannot write to standard output: {}", std::strerror(errno)));
  }
}

}  // namespace fovea
