// A JSON document of any size, read in pieces: an object whose long lists pass through a few megabytes of memory.
// simdjson wants a document whole in memory and beside it an index as large; so the document is cut between the entries
// of its lists, and each piece is a list of its own to simdjson. Cutting needs to know strings and brackets only.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "tools/text/file.h"
#include "tools/text/json_input.h"

namespace fovea {

class JsonPieces {
 public:
  // Throws ErrorKind::Data when the file is missing or empty. A piece grows beyond `piece_bytes` where one entry does.
  explicit JsonPieces(const std::filesystem::path& path, size_t piece_bytes = size_t{1} << 20);

  // For each field of the document: `wanted(key)` says whether it is a list whose entries are to be read, each of which
  // goes to `entry(input, key, value)`. Other fields are passed over. Throws ErrorKind::Data with the byte and the key
  // where the document is no object, is cut short, malformed or not UTF-8, and where a wanted field is no list.
  using Wanted = std::function<bool(std::string_view key)>;
  using Entry = std::function<void(JsonInput&, const std::string& key, JsonInput::Value)>;
  void for_each_entry(const Wanted& wanted, const Entry& entry);

  // What was told to `input` last: for complaints about the document as a whole.
  JsonInput& input() { return input_; }

 private:
  static constexpr int kEnd = -1;
  int peek();        // the byte at at_, or kEnd
  int next_token();  // past white space; stays on the byte
  void expect(char byte, const char* what);
  std::string found_text();
  std::string read_key();
  void read_list(const std::string& key, const Entry& entry);
  size_t length_of_value(size_t ahead);
  bool skip_value();
  bool refill();
  void check_utf8();
  Error fail(std::string_view key, std::string_view why) const;

  std::string name_;
  FileHandle file_;
  size_t piece_bytes_, read_bytes_;  // at most; of the next read
  std::string text_;                 // bytes of the file from base_ on
  uint64_t base_ = 0;
  size_t at_ = 0;        // in text_: what comes next
  size_t checked_ = 0;   // in text_: known to be UTF-8 up to here
  bool at_end_ = false;  // nothing follows text_
  JsonInput input_;
};

}  // namespace fovea
