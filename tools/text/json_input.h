// A JSON file read forward with simdjson, whose every complaint names the file, the place in the document and the byte.
#pragma once
#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "kernels/error.h"

namespace fovea {

inline constexpr size_t kFirstRead = size_t{64}
                                     << 10;  // bytes; twice as many each further time: small files stay cheap

// Text that is no JSON; other faults are plain Errors.
class JsonSyntaxError : public Error {
 public:
  using Error::Error;
};

class JsonInput {
 public:
  using Value = simdjson::ondemand::value;

  // A document that comes in pieces (json_pieces.h); `name` is the file's, fit to print.
  explicit JsonInput(std::string name) : name_(std::move(name)) {}

  // A piece of the list `list`: its entries from the index `first` on, which stand at byte `offset` of the file. Calls
  // `item(value)` for each, returns the index of the next.
  template <class Item>
  size_t parse_list(std::string_view entries, uint64_t offset, std::string_view list, size_t first, Item&& item) {
    load_piece(entries, offset);
    list_ = list;
    index_ = first;
    parse([&](simdjson::ondemand::document& document) { for_each(document.get_array(), list, item, first); });
    return index_;
  }
  // A part of the file `name` that is JSON by itself; the messages count bytes from `first_byte` on. `bytes` has room
  // for simdjson::SIMDJSON_PADDING more.
  JsonInput(const std::string& name, std::vector<uint8_t> bytes, int64_t first_byte);

  // Runs `read(document)`; errors of simdjson in it become ErrorKind::Data at the place last told to `at`.
  template <class Read>
  void parse(Read&& read) {
    try {
      read(document_);
      const char* rest = nullptr;
      if (!document_.current_location().get(rest)) throw simdjson::simdjson_error(simdjson::TRAILING_CONTENT);
    } catch (const simdjson::simdjson_error& error) {
      throw syntax_error(error.error());
    }
  }

  // Calls `item(value)` for each entry of the list `name`; errors in it are reported as "name[3].key". `first`: what
  // the first entry's index is called.
  template <class Item>
  void for_each(simdjson::ondemand::array list, std::string_view name, Item&& item, size_t first = 0) {
    list_ = name;
    index_ = first;
    for (Value value : list) {
      key_ = "";
      item(value);
      ++index_;
    }
    list_ = key_ = "";
  }

  // Calls `field(key, value)` for each field of an object.
  template <class Field>
  void for_each_field(simdjson::ondemand::object object, Field&& field) {
    for (auto entry : object) {
      const std::string_view key = entry.unescaped_key();
      key_ = key;
      field(key, Value(entry.value()));
    }
    key_ = "";
  }

  // An integer of size below 2^53, beyond which programs that hold numbers as doubles confuse neighbors; also one that
  // stands there as 12.0 or "12".
  int64_t id(Value value);
  std::optional<int64_t> id_if_any(Value value);
  // A number, or NaN for anything else that is well-formed and for the NaN and Infinity that Python writes into JSON.
  double number_or_nan(Value value);
  double finite_number(Value value);
  // A box's x, y, width and height, which are finite.
  std::tuple<double, double, double, double> four_numbers(Value value);
  bool flag(Value value) const;
  std::string text(Value value) const;
  simdjson::ondemand::object object(Value value) const;
  simdjson::ondemand::array list(Value value) const;

  // What follows `at`, which points into a token, up to the end of the piece.
  std::string_view text_from(const char* at) const {
    return {at, static_cast<size_t>(reinterpret_cast<const char*>(bytes_.data()) + size_ - at)};
  }

  std::string place() const;
  Error fail(std::string_view why) const;
  // Throws unless `present`: the entry read last has no `key`.
  void need(bool present, std::string_view key);

 private:
  void load_piece(std::string_view entries, uint64_t offset);
  JsonSyntaxError syntax_error(simdjson::error_code code);

  std::string name_;
  std::vector<uint8_t> bytes_;  // with simdjson's padding
  size_t size_ = 0;             // without it
  int64_t offset_ = 0;          // in the file, of bytes_
  bool is_piece_ = false;
  simdjson::ondemand::parser parser_;
  simdjson::ondemand::document document_;
  std::string list_, key_;
  size_t index_ = 0;
};

}  // namespace fovea
