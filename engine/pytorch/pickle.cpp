#include "engine/pytorch/pickle.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>

#include "engine/pytorch/damage.h"

namespace fovea::pytorch {
namespace {

constexpr size_t kMostUnused = 1 << 16;  // numbers of the memo that are left out

}  // namespace

void Unpickler::damaged(const std::string& why) const { refuse_damaged(file_, fmt::format("its pickle {}", why)); }

std::string_view Unpickler::take(uint64_t bytes) {
  if (bytes > rest_.size()) damaged("ends too early; was it cut off?");
  const std::string_view taken = rest_.substr(0, bytes);
  rest_.remove_prefix(bytes);
  return taken;
}

std::string_view Unpickler::line() {
  const size_t end = rest_.find('\n');
  if (end == rest_.npos) damaged("ends too early; was it cut off?");
  const std::string_view text = take(end);
  take(1);
  return text;
}

// Two's complement of any length; Other where it has more than 64 bits.
Value Unpickler::integer(std::string_view bytes) {
  if (bytes.size() > sizeof(int64_t)) return maker_.text(bytes);  // PyTorch's magic number is one
  uint64_t value = !bytes.empty() && (bytes.back() & 0x80) != 0 ? ~uint64_t{0} : 0;
  std::memcpy(&value, bytes.data(), bytes.size());
  return {ValueKind::Int, static_cast<int64_t>(value)};
}

Value Unpickler::decimal(std::string_view digits) {
  if (digits == "00" || digits == "01") return {ValueKind::Bool, digits[1] - '0'};
  if (digits.ends_with('L')) digits.remove_suffix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range) return {};
  if (error != std::errc() || end != digits.data() + digits.size()) damaged("has a number that is none");
  return {ValueKind::Int, value};
}

void Unpickler::push(Value value) {
  maker_.spend(1);
  stack_.push_back(value);
}

Value Unpickler::top() {
  if (stack_.empty() || (!marks_.empty() && marks_.back() == stack_.size()))
    damaged("takes a value where there is none");
  return stack_.back();
}

Value Unpickler::pop() {
  const Value value = top();
  stack_.pop_back();
  return value;
}

Sequence Unpickler::pop_to_mark() {
  if (marks_.empty()) damaged("takes values where there are none");
  const auto first = stack_.begin() + static_cast<ptrdiff_t>(marks_.back());
  marks_.pop_back();
  Sequence values(first, stack_.end());
  stack_.erase(first, stack_.end());
  return values;
}

void Unpickler::remember(uint64_t place) {
  const Value value = top();
  if (place > memo_.size() + kMostUnused) damaged("numbers its values in an order that Python never uses");
  if (place >= memo_.size()) {
    maker_.spend(place + 1 - memo_.size());
    memo_.resize(place + 1);
  }
  memo_[place] = value;
}

void Unpickler::recall(uint64_t place) {
  if (place >= memo_.size()) damaged("refers to a value that it does not have");
  push(memo_[place]);
}

void Unpickler::fill_sequence(Value sequence, const Sequence& entries) {
  if (sequence.is(ValueKind::Object) || sequence.is(ValueKind::Other)) return;
  if (!sequence.is(ValueKind::Sequence)) damaged("adds values to what is no list");
  Sequence& values = maker_.objects().sequences[static_cast<size_t>(sequence.number)];
  values.insert(values.end(), entries.begin(), entries.end());
}

void Unpickler::fill_dict(Value dict, const Sequence& entries) {
  if (entries.size() % 2 != 0) damaged("has a dictionary with a key and no value");
  if (dict.is(ValueKind::Object)) return;
  if (!dict.is(ValueKind::Dict)) damaged("sets keys of what is no dictionary");
  Dict& pairs = maker_.objects().dicts[static_cast<size_t>(dict.number)];
  for (size_t i = 0; i < entries.size(); i += 2) pairs.emplace_back(entries[i], entries[i + 1]);
}

Value Unpickler::next() {
  stack_.clear();
  marks_.clear();
  memo_.clear();
  while (step()) {
  }
  return pop();
}

}  // namespace fovea::pytorch
