#include "tools/text/json_input.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "engine/printable.h"
#include "tools/text/json_number.h"
#include "tools/text/text.h"

namespace fovea {
namespace {

constexpr double id_limit = 9007199254740992.0;  // 2^53, which is also what 2^53 + 1 reads as

std::string shortened(std::string_view token) {
  while (!token.empty() &&
         (token.back() == ' ' || token.back() == '\n' || token.back() == '\r' || token.back() == '\t'))
    token.remove_suffix(1);
  return printable(token.size() > 40 ? std::string(token.substr(0, 40)) + "..." : std::string(token));
}

// Whether `at` is the end of a number; simdjson's padding is one.
bool ends_number(const char* at) { return std::string_view(",}] \n\r\t\0", 8).find(*at) != std::string_view::npos; }

}  // namespace

JsonInput::JsonInput(const std::string& name, std::vector<uint8_t> bytes, int64_t first_byte)
    : name_(printable(name)), bytes_(std::move(bytes)), size_(bytes_.size()), offset_(first_byte) {
  bytes_.resize(size_ + simdjson::SIMDJSON_PADDING);  // zeros: at the end simdjson looks at the byte behind it
  const std::string_view text(reinterpret_cast<const char*>(bytes_.data()), size_);
  if (text.find_first_not_of(" \t\r\n") == text.npos) {
    throw Error(ErrorKind::Data, fmt::format("{}: is empty ({} bytes): expected JSON", name_, text.size()));
  }
  const auto error = parser_.iterate(text.data(), text.size(), bytes_.size()).get(document_);
  if (error == simdjson::UTF8_ERROR) {
    throw JsonSyntaxError(ErrorKind::Data, fmt::format("{}: byte {}: is not UTF-8: save the file as UTF-8", name_,
                                                       offset_ + static_cast<int64_t>(find_invalid_utf8(text))));
  }
  if (error)
    throw JsonSyntaxError(ErrorKind::Data,
                          fmt::format("{}: byte {}: not valid JSON: {}", name_,
                                      offset_ + static_cast<int64_t>(text.size()), simdjson::error_message(error)));
}

void JsonInput::load_piece(std::string_view entries, uint64_t offset) {
  bytes_.clear();
  bytes_.push_back('[');
  bytes_.insert(bytes_.end(), entries.begin(), entries.end());
  bytes_.push_back(']');
  size_ = bytes_.size();
  bytes_.resize(size_ + simdjson::SIMDJSON_PADDING);
  offset_ = static_cast<int64_t>(offset) - 1;
  is_piece_ = true;
  const auto error = parser_.iterate(reinterpret_cast<const char*>(bytes_.data()), size_, bytes_.size()).get(document_);
  if (error)
    throw JsonSyntaxError(
        ErrorKind::Data, fmt::format("{}: byte {}: not valid JSON: {}", name_, offset, simdjson::error_message(error)));
}

std::string JsonInput::place() const {
  if (list_.empty()) return key_;
  return key_.empty() ? fmt::format("{}[{}]", list_, index_) : fmt::format("{}[{}].{}", list_, index_, printable(key_));
}

Error JsonInput::fail(std::string_view why) const {
  const std::string where = place();
  return {ErrorKind::Data,
          where.empty() ? fmt::format("{}: {}", name_, why) : fmt::format("{}: {}: {}", name_, where, why)};
}

void JsonInput::need(bool present, std::string_view key) {
  key_ = "";
  if (!present) throw fail(fmt::format("has no \"{}\"", key));
}

JsonSyntaxError JsonInput::syntax_error(simdjson::error_code code) {
  const char* location = nullptr;
  const size_t byte =
      document_.current_location().get(location) ? size_ : location - reinterpret_cast<const char*>(bytes_.data());
  const bool cut = !is_piece_ && (code == simdjson::INCOMPLETE_ARRAY_OR_OBJECT || byte >= size_);
  const char* const what =
      code == simdjson::INCORRECT_TYPE ? "a value of another kind than expected" : simdjson::error_message(code);
  const std::string why = cut ? "the JSON ends too early: the file may be truncated" : what;
  const auto where = offset_ + static_cast<int64_t>(byte);
  return {ErrorKind::Data, fail(fmt::format("byte {}: {}", where, why)).what()};
}

std::optional<int64_t> JsonInput::id_if_any(Value value) {
  using simdjson::ondemand::json_type;
  const char* at = std::string_view(value.raw_json_token()).data();
  if (int64_t id = 0; read_json_integer(at, id) && ends_number(at)) return id;  // nearly always, and much faster
  const json_type type = value.type();
  if (type == json_type::string) return parse_id(std::string_view(value.get_string()));
  if (type != json_type::number) return std::nullopt;
  const double number = value.get_double();
  if (number != std::floor(number) || std::abs(number) >= id_limit) return std::nullopt;
  return static_cast<int64_t>(number);
}

int64_t JsonInput::id(Value value) {
  const std::string_view token = value.raw_json_token();
  if (const auto id = id_if_any(value)) return *id;
  throw fail(fmt::format("expected an integer below 2^53, found {}", shortened(token)));
}

double JsonInput::number_or_nan(Value value) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  const std::string_view token = value.raw_json_token();
  const char* at = token.data();
  double number = 0;
  if (read_json_number(at, number) && ends_number(at)) return number;  // nearly always, and much faster
  if (token.starts_with("NaN") || token.starts_with("Infinity") || token.starts_with("-Infinity")) return nan;
  if (value.type() != simdjson::ondemand::json_type::number) return nan;
  number = value.get_double();
  // With more digits than 64 bits hold, simdjson 3.0.1 loses the first ones behind "0.": 0.844808384513575755108
  // becomes 0.0147.
  if (token.size() >= 20) std::from_chars(token.data(), token.data() + token.size(), number);
  return number;
}

double JsonInput::finite_number(Value value) {
  const double number = number_or_nan(value);
  if (!std::isfinite(number)) throw fail("expected a finite number");
  return number;
}

std::tuple<double, double, double, double> JsonInput::four_numbers(Value value) {
  std::array<double, 4> numbers{};
  size_t count = 0;
  for (Value entry : list(value)) {
    const double number = finite_number(entry);
    if (count < numbers.size()) numbers[count] = number;
    ++count;
  }
  if (count != numbers.size()) throw fail(fmt::format("has {} numbers, expected 4 (x, y, width, height)", count));
  return std::tuple_cat(numbers);
}

bool JsonInput::flag(Value value) const {
  const std::string_view token = value.raw_json_token();
  using simdjson::ondemand::json_type;
  const json_type type = value.type();
  if (type == json_type::null) return false;
  if (type == json_type::boolean) return value.get_bool();
  const double number = type == json_type::number ? double(value.get_double()) : -1;
  if (number != 0 && number != 1) throw fail(fmt::format("expected 0 or 1, found {}", shortened(token)));
  return number == 1;
}

simdjson::ondemand::object JsonInput::object(Value value) const {
  const std::string_view token = value.raw_json_token();
  if (value.type() != simdjson::ondemand::json_type::object)
    throw fail(fmt::format("expected an object, '{{', found {}", shortened(token)));
  return value.get_object();
}

simdjson::ondemand::array JsonInput::list(Value value) const {
  const std::string_view token = value.raw_json_token();
  if (value.type() != simdjson::ondemand::json_type::array)
    throw fail(fmt::format("expected a list, '[', found {}", shortened(token)));
  return value.get_array();
}

std::string JsonInput::text(Value value) const {
  const std::string_view token = value.raw_json_token();
  if (value.type() != simdjson::ondemand::json_type::string)
    throw fail(fmt::format("expected a string, found {}", shortened(token)));
  return std::string(std::string_view(value.get_string()));
}

}  // namespace fovea
