#include "tools/data/formats/file_finder.h"

#include <fmt/format.h>
#include <hb.h>

#include <algorithm>

#include "engine/printable.h"
#include "tools/data/formats/folder.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

void take_apart(char32_t c, std::u32string& out) {
  hb_codepoint_t base = 0, mark = 0;
  if (hb_unicode_decompose(hb_unicode_funcs_get_default(), c, &base, &mark) == 0) {
    out += c;
    return;
  }
  take_apart(base, out);
  if (mark != 0) out += static_cast<char32_t>(mark);
}

bool has_backslash(const std::string& text) { return text.find('\\') != std::string::npos; }

std::string with_slashes(std::string text) {
  std::replace(text.begin(), text.end(), '\\', '/');
  return text;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// %20 and the like, as URLs have it.
std::string unescaped(const std::string& text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0;
    plain += escape ? static_cast<char>(16 * hex_digit(text[i + 1]) + hex_digit(text[i + 2])) : text[i];
    i += escape ? 2 : 0;
  }
  return plain;
}

// What a URL asks for; Label Studio writes /data/local-files/?d=FILE for the files of its own disk.
std::string path_in_url(const std::string& said) {
  const size_t query = said.find('?');
  if (query == std::string::npos) return said;
  const size_t local = said.find("?d=");
  return local != std::string::npos ? said.substr(local + 3) : said.substr(0, query);
}

}  // namespace

std::string taken_apart(const std::string& text) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; })) return text;
  if (find_invalid_utf8(text) != std::string::npos) return text;
  std::u32string apart;
  for (const char32_t c : decoded(text)) take_apart(c, apart);
  const auto rank = [](char32_t c) { return hb_unicode_combining_class(hb_unicode_funcs_get_default(), c); };
  for (size_t i = 0; i < apart.size(); ++i) {  // marks of one letter have an order
    size_t end = i;
    while (end < apart.size() && rank(apart[end]) != HB_UNICODE_COMBINING_CLASS_NOT_REORDERED) ++end;
    std::stable_sort(apart.begin() + static_cast<std::ptrdiff_t>(i), apart.begin() + static_cast<std::ptrdiff_t>(end),
                     [&](char32_t a, char32_t b) { return rank(a) < rank(b); });
    i = end;
  }
  return encoded(apart);
}

std::string hint_about(const std::string& said) {
  return has_backslash(said) ? "; it holds backslashes: write / instead" : "";
}

const FileFinder::Listing& FileFinder::listing(const std::string& folder) {
  const auto [found, added] = listings_.try_emplace(folder);
  if (!added) return found->second;
  auto names = files_in(root_ / folder);
  const auto folders = folders_in(root_ / folder);
  names.insert(names.end(), folders.begin(), folders.end());
  for (const std::string& name : names) {
    const std::string form = taken_apart(name);
    found->second.by_form[form].push_back(name);
    found->second.by_case[lower_case(form)].push_back(name);
  }
  return found->second;
}

// Part by part. `path` has slashes and stays below the root.
std::optional<std::string> FileFinder::find_below(const std::string& path, std::array<bool, kWays>& ways) {
  fs::path found;
  for (const fs::path& part : fs::path(path)) {
    const std::string name = part.string();
    if (is_there(root_ / found / part)) {
      found /= part;
      continue;
    }
    const Listing& here = listing(found.string());
    const std::string form = taken_apart(name);
    auto same = here.by_form.find(form);
    const bool by_case = same == here.by_form.end();
    if (by_case) same = here.by_case.find(lower_case(form));
    if (same == (by_case ? here.by_case.end() : here.by_form.end()) || same->second.size() != 1) return std::nullopt;
    ways[by_case ? LetterCase : Unicode] = true;
    found /= same->second[0];
  }
  return found.string();
}

// From the longest part of the path that is there; two names never mean one file.
std::optional<std::string> FileFinder::find_tail(const std::string& said, std::array<bool, kWays>& ways) {
  std::string rest = with_slashes(path_in_url(said));
  if (!is_there(root_ / fs::path(rest).filename())) rest = unescaped(rest);
  for (size_t slash = rest.find('/'); slash != std::string::npos; slash = rest.find('/')) {
    rest.erase(0, slash + 1);
    const auto below = rest.empty() ? std::nullopt : path_below(root_, rest);
    const auto found = below && *below != "." ? find_below(*below, ways) : std::nullopt;
    if (!found) continue;
    ways[Tail] = true;
    return by_tail_.emplace(*found, said).first->second == said ? found : std::nullopt;
  }
  return std::nullopt;
}

std::optional<std::string> FileFinder::note(const std::string& found, const std::array<bool, kWays>& ways) {
  for (size_t way = 0; way < kWays; ++way)
    if (ways[way] && counts_[way].names++ == 0) counts_[way].first = found;
  return found;
}

std::optional<std::string> FileFinder::find(const std::string& said) {
  if (said.empty() || said.find('\0') != std::string::npos) return std::nullopt;
  std::array<bool, kWays> ways{};
  if (const auto below = path_below(root_, said); below && is_there(root_ / *below)) return below;
  ways[Backslashes] = has_backslash(said);
  if (const auto below = path_below(root_, with_slashes(said)))
    if (const auto found = find_below(*below, ways)) return note(*found, ways);
  if (!tails_) return std::nullopt;
  ways = {};
  const auto found = find_tail(said, ways);
  return found ? note(*found, ways) : std::nullopt;
}

std::vector<std::string> FileFinder::warnings(const std::string& name) const {
  constexpr std::array<const char*, kWays> texts{
      "{}: {} names hold backslashes, which are taken as /; the first: {}",
      "{}: {} names have another form of é, ü and the like than their files, which are taken; the first: {}",
      "{}: {} names differ from their files in letter case; the files are taken; the first: {}",
      "{}: {} names are paths that are not here; the files of their last parts are taken; the first: {}"};
  std::vector<std::string> lines;
  for (size_t way = 0; way < kWays; ++way)
    if (counts_[way].names > 0)
      lines.push_back(fmt::format(fmt::runtime(texts[way]), name, counts_[way].names, printable(counts_[way].first)));
  return lines;
}

}  // namespace fovea
