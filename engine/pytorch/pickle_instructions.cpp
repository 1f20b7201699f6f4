#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdint>

#include "engine/printable.h"
#include "engine/pytorch/pickle.h"

namespace fovea::pytorch {
namespace {

// Python's raw-unicode-escape: \uXXXX and \UXXXXXXXX among bytes of Latin-1.
std::string unescaped(std::string_view text) {
  std::u32string characters;
  while (!text.empty()) {
    const size_t digits = text.starts_with("\\u") ? 4 : text.starts_with("\\U") ? 8 : 0;
    const std::string_view code = text.substr(digits > 0 ? 2 : 0, digits);
    uint32_t character = 0;
    const bool is_escape =
        digits > 0 && code.size() == digits &&
        std::from_chars(code.data(), code.data() + code.size(), character, 16).ptr == code.data() + code.size();
    characters += static_cast<char32_t>(is_escape ? character : static_cast<unsigned char>(text[0]));
    text.remove_prefix(is_escape ? 2 + digits : 1);
  }
  return encoded(characters);
}

}  // namespace

// All instructions of protocols 0 to 5, in the order of Python's pickletools, but for those of buffers outside the
// pickle (NEXT_BUFFER, READONLY_BUFFER), which torch.save() never writes.
struct Instructions {
  struct Instruction {
    unsigned char code;
    const char* name;
    void (*run)(Unpickler&);
  };

  static void push(Unpickler& u, Value value) { u.push(value); }
  static void skip(Unpickler& u, uint64_t bytes) {
    u.take(bytes);
    u.push({});
  }
  static void text(Unpickler& u, uint64_t bytes) { u.push(u.maker_.text(u.take(bytes))); }
  static void quoted(Unpickler& u) {
    const std::string_view line = u.line();
    u.push(u.maker_.text(line.size() < 2 ? line : line.substr(1, line.size() - 2)));
  }
  static void tuple(Unpickler& u, size_t size) {
    Sequence values(size);
    for (size_t i = size; i-- > 0;) values[i] = u.pop();
    u.push(u.maker_.sequence(std::move(values)));
  }
  static void sequence_to_mark(Unpickler& u) { u.push(u.maker_.sequence(u.pop_to_mark())); }
  static void empty_sequence(Unpickler& u) { u.push(u.maker_.sequence({})); }
  static void append(Unpickler& u) {
    const Value entry = u.pop();
    u.fill_sequence(u.top(), {entry});
  }
  static void append_to_mark(Unpickler& u) {
    const Sequence entries = u.pop_to_mark();
    u.fill_sequence(u.top(), entries);
  }
  static void dict_to_mark(Unpickler& u) {
    const Sequence entries = u.pop_to_mark();
    const Value dict = u.maker_.dict();
    u.fill_dict(dict, entries);
    u.push(dict);
  }
  static void set_item(Unpickler& u) {
    const Value value = u.pop(), key = u.pop();
    u.fill_dict(u.top(), {key, value});
  }
  static void set_items(Unpickler& u) {
    const Sequence entries = u.pop_to_mark();
    u.fill_dict(u.top(), entries);
  }
  static uint64_t place_of_line(Unpickler& u) {
    const Value place = u.decimal(u.line());
    if (place.number < 0) u.damaged("refers to a value that it does not have");
    return static_cast<uint64_t>(place.number);
  }
  static void pop(Unpickler& u) {
    if (!u.marks_.empty() && u.marks_.back() == u.stack_.size())
      u.marks_.pop_back();
    else
      u.pop();
  }
  static void mark(Unpickler& u) {
    constexpr size_t kDeepest = 1 << 16;
    if (u.marks_.size() >= kDeepest) u.damaged("is nested too deep");
    u.marks_.push_back(u.stack_.size());
  }
  static void protocol(Unpickler& u) {
    if (const int version = u.number<uint8_t>(); version > 5)
      u.damaged(fmt::format("is of protocol {}, which is not known (5 is)", version));
  }
  static void global(Unpickler& u) {
    const std::string_view module = u.line(), name = u.line();
    u.push(u.maker_.global(module, name));
  }
  static void stack_global(Unpickler& u) {
    const Value name = u.pop(), module = u.pop();
    if (!name.is(ValueKind::Text) || !module.is(ValueKind::Text)) u.damaged("names a class by what is no text");
    u.push(u.maker_.global(u.maker_.objects().text(module), u.maker_.objects().text(name)));
  }
  static void extension(Unpickler& u, uint64_t bytes) {
    u.take(bytes);
    u.push(u.maker_.global("copyreg", "extension"));
  }
  static void call(Unpickler& u) {
    const Value arguments = u.pop(), callable = u.pop();
    u.push(u.maker_.call(callable, arguments));
  }
  static void call_with_names(Unpickler& u) {
    u.pop();  // the arguments that have names
    call(u);
  }
  static void instance(Unpickler& u) {
    const std::string_view module = u.line(), name = u.line();
    const Value arguments = u.maker_.sequence(u.pop_to_mark());
    u.push(u.maker_.call(u.maker_.global(module, name), arguments));
  }
  static void object(Unpickler& u) {
    Sequence parts = u.pop_to_mark();
    if (parts.empty()) u.damaged("makes an object of no class");
    const Value callable = parts[0];
    parts.erase(parts.begin());
    u.push(u.maker_.call(callable, u.maker_.sequence(std::move(parts))));
  }
  static void build(Unpickler& u) {
    const Value state = u.pop();
    u.maker_.build(u.top(), state);
  }
  static void persistent(Unpickler& u) {
    const Value id = u.pop();
    u.push(u.maker_.persistent(id));
  }

  static constexpr Instruction kAll[] = {
      {'I', "INT", [](Unpickler& u) { push(u, u.decimal(u.line())); }},
      {'J', "BININT", [](Unpickler& u) { push(u, {ValueKind::Int, u.number<int32_t>()}); }},
      {'K', "BININT1", [](Unpickler& u) { push(u, {ValueKind::Int, u.number<uint8_t>()}); }},
      {'M', "BININT2", [](Unpickler& u) { push(u, {ValueKind::Int, u.number<uint16_t>()}); }},
      {'L', "LONG", [](Unpickler& u) { push(u, u.decimal(u.line())); }},
      {0x8a, "LONG1", [](Unpickler& u) { push(u, u.integer(u.take(u.number<uint8_t>()))); }},
      {0x8b, "LONG4", [](Unpickler& u) { push(u, u.integer(u.take(u.number<uint32_t>()))); }},
      {'S', "STRING", quoted},
      {'T', "BINSTRING", [](Unpickler& u) { text(u, u.number<uint32_t>()); }},
      {'U', "SHORT_BINSTRING", [](Unpickler& u) { text(u, u.number<uint8_t>()); }},
      {'B', "BINBYTES", [](Unpickler& u) { skip(u, u.number<uint32_t>()); }},
      {'C', "SHORT_BINBYTES", [](Unpickler& u) { skip(u, u.number<uint8_t>()); }},
      {0x8e, "BINBYTES8", [](Unpickler& u) { skip(u, u.number<uint64_t>()); }},
      {0x96, "BYTEARRAY8", [](Unpickler& u) { skip(u, u.number<uint64_t>()); }},
      {'N', "NONE", [](Unpickler& u) { push(u, {}); }},
      {0x88, "NEWTRUE", [](Unpickler& u) { push(u, {ValueKind::Bool, 1}); }},
      {0x89, "NEWFALSE", [](Unpickler& u) { push(u, {ValueKind::Bool, 0}); }},
      {'V', "UNICODE", [](Unpickler& u) { push(u, u.maker_.own_text(unescaped(u.line()))); }},
      {0x8c, "SHORT_BINUNICODE", [](Unpickler& u) { text(u, u.number<uint8_t>()); }},
      {'X', "BINUNICODE", [](Unpickler& u) { text(u, u.number<uint32_t>()); }},
      {0x8d, "BINUNICODE8", [](Unpickler& u) { text(u, u.number<uint64_t>()); }},
      {'F', "FLOAT", [](Unpickler& u) { u.line(), push(u, {}); }},
      {'G', "BINFLOAT", [](Unpickler& u) { skip(u, 8); }},
      {']', "EMPTY_LIST", empty_sequence},
      {'a', "APPEND", append},
      {'e', "APPENDS", append_to_mark},
      {'l', "LIST", sequence_to_mark},
      {')', "EMPTY_TUPLE", empty_sequence},
      {'t', "TUPLE", sequence_to_mark},
      {0x85, "TUPLE1", [](Unpickler& u) { tuple(u, 1); }},
      {0x86, "TUPLE2", [](Unpickler& u) { tuple(u, 2); }},
      {0x87, "TUPLE3", [](Unpickler& u) { tuple(u, 3); }},
      {'}', "EMPTY_DICT", [](Unpickler& u) { push(u, u.maker_.dict()); }},
      {'d', "DICT", dict_to_mark},
      {'s', "SETITEM", set_item},
      {'u', "SETITEMS", set_items},
      {0x8f, "EMPTY_SET", empty_sequence},
      {0x90, "ADDITEMS", append_to_mark},
      {0x91, "FROZENSET", sequence_to_mark},
      {'0', "POP", pop},
      {'2', "DUP", [](Unpickler& u) { push(u, u.top()); }},
      {'(', "MARK", mark},
      {'1', "POP_MARK", [](Unpickler& u) { u.pop_to_mark(); }},
      {'g', "GET", [](Unpickler& u) { u.recall(place_of_line(u)); }},
      {'h', "BINGET", [](Unpickler& u) { u.recall(u.number<uint8_t>()); }},
      {'j', "LONG_BINGET", [](Unpickler& u) { u.recall(u.number<uint32_t>()); }},
      {'p', "PUT", [](Unpickler& u) { u.remember(place_of_line(u)); }},
      {'q', "BINPUT", [](Unpickler& u) { u.remember(u.number<uint8_t>()); }},
      {'r', "LONG_BINPUT", [](Unpickler& u) { u.remember(u.number<uint32_t>()); }},
      {0x94, "MEMOIZE", [](Unpickler& u) { u.remember(u.memo_.size()); }},
      {0x82, "EXT1", [](Unpickler& u) { extension(u, 1); }},
      {0x83, "EXT2", [](Unpickler& u) { extension(u, 2); }},
      {0x84, "EXT4", [](Unpickler& u) { extension(u, 4); }},
      {'c', "GLOBAL", global},
      {0x93, "STACK_GLOBAL", stack_global},
      {'R', "REDUCE", call},
      {'b', "BUILD", build},
      {'i', "INST", instance},
      {'o', "OBJ", object},
      {0x81, "NEWOBJ", call},
      {0x92, "NEWOBJ_EX", call_with_names},
      {0x80, "PROTO", protocol},
      {0x95, "FRAME", [](Unpickler& u) { u.take(8); }},
      {'P', "PERSID", [](Unpickler& u) { push(u, u.maker_.persistent(u.maker_.text(u.line()))); }},
      {'Q', "BINPERSID", persistent},
  };

  // By their codes.
  static constexpr std::array<const Instruction*, 256> kByCode = [] {
    std::array<const Instruction*, 256> by_code{};
    for (const Instruction& one : kAll) by_code[one.code] = &one;
    return by_code;
  }();
};

bool Unpickler::step() {
  constexpr unsigned char kStop = '.';
  const auto code = number<unsigned char>();
  if (code == kStop) return false;
  const Instructions::Instruction* instruction = Instructions::kByCode[code];
  if (instruction == nullptr) damaged(fmt::format("has an instruction that Python does not write ({:#04x})", code));
  instruction->run(*this);
  return true;
}

}  // namespace fovea::pytorch
