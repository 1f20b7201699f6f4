// Numbers of JSON, read where they stand.
#pragma once
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fovea {

// m / 10^places, rounded to the nearest double, to an even one of two. `places`: 0 to 19.
inline double scaled_down(uint64_t m, unsigned places) {
  __extension__ using Wide = unsigned __int128;
  static constexpr uint64_t powers[] = {1,
                                        10,
                                        100,
                                        1000,
                                        10000,
                                        100000,
                                        1000000,
                                        10000000,
                                        100000000,
                                        1000000000,
                                        10000000000,
                                        100000000000,
                                        1000000000000,
                                        10000000000000,
                                        100000000000000,
                                        1000000000000000,
                                        10000000000000000,
                                        100000000000000000,
                                        1000000000000000000,
                                        10000000000000000000U};
  const uint64_t power = powers[places];
  // Both are doubles themselves then, and their quotient is rounded once (5^19 < 2^53).
  if (m <= uint64_t{1} << 53) return static_cast<double>(m) / static_cast<double>(power);
  // The quotient to 63 or 64 bits, and whether something is left: enough to round it once.
  const int up = std::countl_zero(m), down = std::countl_zero(power);
  const Wide dividend = Wide{m << up} << 63;
  const uint64_t divisor = power << down;
  const auto quotient = static_cast<uint64_t>(dividend / divisor);
  const bool inexact = Wide{quotient} * divisor != dividend;
  const int dropped = 11 - std::countl_zero(quotient);
  const uint64_t half = uint64_t{1} << (dropped - 1), rest = quotient & (2 * half - 1);
  uint64_t kept = quotient >> dropped;
  kept += rest > half || (rest == half && (inexact || (kept & 1) != 0));
  const int exponent = dropped - 63 + down - up;
  return static_cast<double>(kept) * std::bit_cast<double>(static_cast<uint64_t>(1023 + exponent) << 52);
}

// How many digits follow one another at `at`, of eight bytes that have to be there; the number of these is added to `m`
// as its last digits.
inline unsigned read_digits(const char* at, uint64_t& m) {
  static constexpr uint64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
  uint64_t bytes = 0;
  std::memcpy(&bytes, at, 8);
  const uint64_t values = bytes ^ 0x3030303030303030;
  // The high bit of each byte that is above 9, or the sum carries into.
  const uint64_t others = ((values + 0x7676767676767676) | values) & 0x8080808080808080;
  const unsigned count = others == 0 ? 8 : static_cast<unsigned>(std::countr_zero(others)) / 8;
  if (count == 0) return 0;
  // The digits to the end of eight, behind zeros; then two, four and all together.
  uint64_t d = values << (64 - 8 * count);
  d = d * 10 + (d >> 8);
  d = ((d & 0x000000FF000000FF) * (100 + (uint64_t{1000000} << 32)) +
       ((d >> 16) & 0x000000FF000000FF) * (1 + (uint64_t{10000} << 32))) >>
      32;
  m = m * powers[count] + d;
  return count;
}

// Reads the number at `at`, which text follows that ends with a byte of no number and has eight more behind that can be
// read, and steps over it. False, with `at`
// anywhere, where there is none by JSON's grammar, or it is too large for a double or too small.
inline bool read_json_number(const char*& at, double& number) {
  const char* const begin = at;
  const bool negative = *at == '-';
  at += negative ? 1 : 0;
  const auto is_digit = [](char c) { return static_cast<unsigned char>(c - '0') < 10; };
  const auto digits = [&](uint64_t& m) {
    const char* const first = at;
    if constexpr (std::endian::native == std::endian::little) at += read_digits(at, m);
    for (; is_digit(*at); ++at) m = 10 * m + static_cast<uint64_t>(*at - '0');
    return at - first;
  };
  uint64_t m = 0;
  const bool zero = *at == '0';
  const ptrdiff_t whole = digits(m);
  if (whole == 0 || (zero && whole > 1)) return false;
  ptrdiff_t places = 0;
  if (*at == '.') {
    ++at;
    places = digits(m);
    if (places == 0) return false;
  }
  const bool scientific = *at == 'e' || *at == 'E';
  if (!scientific && whole + places <= 19) {
    number = scaled_down(m, static_cast<unsigned>(places));
    if (negative) number = -number;
    return true;
  }
  if (scientific) {
    ++at;
    at += *at == '+' || *at == '-' ? 1 : 0;
    if (digits(m) == 0) return false;
  }
  return std::from_chars(begin, at, number).ec == std::errc();
}

// An integer of at most 15 digits; as read_json_number().
inline bool read_json_integer(const char*& at, int64_t& number) {
  const bool negative = *at == '-';
  at += negative ? 1 : 0;
  const char* const first = at;
  int64_t m = 0;
  for (; static_cast<unsigned char>(*at - '0') < 10 && at - first < 16; ++at) m = 10 * m + (*at - '0');
  number = negative ? -m : m;
  const ptrdiff_t count = at - first;
  return count > 0 && count < 16 && (*first != '0' || count == 1) && *at != '.' && *at != 'e' && *at != 'E';
}

}  // namespace fovea
