// A reader of pickles (Python's pickletools names every instruction) in protocols 0 to 5: it makes containers, texts
// and numbers, and of classes and functions only what is in the closed list (globals.h). Nothing is ever called.
#pragma once
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "engine/pytorch/objects.h"

namespace fovea::pytorch {

class Unpickler {
 public:
  // `bytes` must outlive what `maker` makes, whose texts lie there. `file`: printable, for errors.
  Unpickler(std::string_view bytes, Maker& maker, std::string file)
      : rest_(bytes), maker_(maker), file_(std::move(file)) {}

  // The next pickle of the bytes, to its end. Throws Error(Data) where it is damaged, is cut off, or goes beyond what
  // files of weights need.
  Value next();
  std::string_view rest() const { return rest_; }

 private:
  friend struct Instructions;  // pickle_instructions.cpp: what each does
  bool step();                 // false: the pickle has ended

  [[noreturn]] void damaged(const std::string& why) const;
  void fill_dict(Value dict, const Sequence& entries);
  void fill_sequence(Value sequence, const Sequence& entries);

  template <class T>
  T number() {
    T value;
    const std::string_view bytes = take(sizeof(T));
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  std::string_view take(uint64_t bytes);
  std::string_view line();
  Value integer(std::string_view bytes);  // little-endian
  Value decimal(std::string_view digits);

  void push(Value value);
  Value pop();
  Value top();
  Sequence pop_to_mark();
  void remember(uint64_t place);
  void recall(uint64_t place);

  std::string_view rest_;
  Maker& maker_;
  std::string file_;
  std::vector<Value> stack_;
  std::vector<size_t> marks_;  // of the stack
  std::vector<Value> memo_;
};

}  // namespace fovea::pytorch
