// PyTorch's files that nobody writes but who means harm, in memory: each is refused, in time and memory that its size
// allows, and what they call is not called.
#include "engine/pytorch/file.h"

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/pth_file.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

// GCC 12 warns of sums of texts where nothing is wrong.
std::string all_of(std::initializer_list<std::string_view> parts) {
  std::string whole;
  for (const std::string_view part : parts) whole.append(part);
  return whole;
}

// The form before 1.6 around a pickle and what follows it.
pytorch::PyTorchContent read_main(const std::string& pickle, const std::string& rest = "\x80\x02].") {
  static std::string whole;  // the tensors lie in it
  whole = all_of({"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", "\x80\x02", pickled(int64_t{1001}), ".",
                  "\x80\x02}.", "\x80\x02", pickle, ".", rest});
  return pytorch::read_content(whole, "x.pth");
}

void check_refused(const std::string& pickle, const std::string& words) {
  CAPTURE(words);
  CHECK_THROWS_WITH(read_main(pickle), Catch::StartsWith("x.pth: ") && Contains(words));
}

std::string text(const std::string& characters) { return pickled(characters); }

// {"w": a tensor of this shape in a storage of four values}, and that storage.
std::string tensor_dict(const std::string& offset, const std::string& shape, const std::string& strides) {
  return all_of({"}", text("w"), pickled_global("torch._utils", "_rebuild_tensor_v2"), "((", text("storage"),
                 pickled_global("torch", "FloatStorage"), text("0"), text("cpu"), pickled(int64_t{4}), "tQ", offset,
                 "(", shape, "t(", strides, "t\x89)tRs"});
}
std::string number(int64_t value) { return pickled(value); }
const std::string kFour = all_of({"\x80\x02]", text("0"), "a.", bytes_of_number(int64_t{4}), std::string(16, '\0')});

constexpr int64_t kHuge = int64_t{1} << 62;

}  // namespace

TEST_CASE("fault: a pickle that Python never writes is refused", "[pytorch]") {
  check_refused("\xff", "has an instruction that Python does not write (0xff)");
  check_refused("\x80\x06}", "is of protocol 6");
  check_refused(std::string(100'000, '('), "is nested too deep");
  check_refused("R", "takes a value where there is none");
  check_refused("]]](R", "takes a value where there is none");
  check_refused("]e", "takes values where there are none");
  check_refused("}r\xff\xff\xff\x7f", "numbers its values in an order that Python never uses");
  check_refused(std::string("h\x05"), "refers to a value that it does not have");
  check_refused("X\xff\xff\xff\x7f", "ends too early");
  check_refused(std::string("\x8e\xff\xff\xff\xff\xff\xff\xff\xff"), "ends too early");
  check_refused("I12a\n", "has a number that is none");
  check_refused("}(K\x01u", "a key and no value");
  check_refused(
      "K\x01K\x02"
      "a",
      "adds values to what is no list");
  check_refused("KKQ", "a storage is not described as PyTorch does");
  std::string many;
  for (int i = 0; i < 5'000'000; ++i) many += ']';
  check_refused(many, "makes more than 4194304 objects");
  check_refused(std::string(20'000'000, 'N'), "has more than 16777216 values");
}

TEST_CASE("fault: dictionaries within themselves, and referred to very often, are looked at once", "[pytorch]") {
  check_refused(all_of({{"}q\0", 3}, text("model"), {"h\0s", 3}}), "holds no tensors");
  std::string nested = "}";
  for (int i = 0; i < 1000; ++i) nested = all_of({"}", text("model"), nested, "s"});
  check_refused(nested, "holds no tensors");
  // 100,000 keys for one dictionary of 100,000 keys: 10^10 comparisons, were it looked at again for each.
  std::string wide = std::string("}q\0(", 4), aliases = "}(";
  for (int i = 0; i < 100'000; ++i) wide += all_of({text(std::to_string(i)), "N"});
  for (int i = 0; i < 100'000; ++i) aliases += all_of({text(std::to_string(i)), {"h\0", 2}});
  check_refused(all_of({wide, "u0", aliases, "u"}), "holds no tensors");
}

TEST_CASE("fault: a tensor that lies outside its storage is refused, whatever overflows", "[pytorch]") {
  const auto outside = [&](int64_t offset, const std::string& shape, const std::string& strides) {
    CHECK_THROWS_WITH(read_main(tensor_dict(number(offset), shape, strides), kFour),
                      Contains("'w' lies outside its storage"));
  };
  CHECK(read_main(tensor_dict(number(0), number(4), number(1)), kFour).tensors.at("w").data.size() == 16);
  CHECK(read_main(tensor_dict(number(3), number(1), number(kHuge)), kFour).tensors.at("w").data.size() == 4);
  outside(0, number(5), number(1));
  outside(1, number(4), number(1));
  outside(4, number(1), number(1));
  outside(0, number(2), number(4));
  outside(kHuge, number(1), number(1));
  outside(0, number(kHuge), number(4));
  outside(0, all_of({number(3), number(3)}), all_of({number(kHuge), number(kHuge)}));
  check_refused(tensor_dict(number(0), number(-1), number(1)), "no list of numbers");
  check_refused(tensor_dict(number(-1), number(1), number(1)), "other arguments than PyTorch gives it");
  check_refused(tensor_dict(number(0), number(1), ""), "another number of strides");
}

TEST_CASE("fault: a view that repeats a value without end is not gathered", "[pytorch]") {
  const auto content = read_main(
      tensor_dict(number(0), all_of({number(kHuge), number(1 << 20)}), all_of({number(0), number(0)})), kFour);
  const TensorFile file("x.pth", content.format, nullptr, content.tensors, {});
  CHECK_THROWS_WITH(file.read<float>("w"), Contains("tensor 'w' repeats 1 stored values"));
}

TEST_CASE("fault: what would run a program is refused by its name, in whichever way it is called", "[pytorch]") {
  const std::string command = text("touch fovea_was_executed"), popen = pickled_global("subprocess", "Popen");
  check_refused(all_of({"(", command, "ios\nsystem\n"}), "Python would call 'os.system'");
  check_refused(all_of({"(", pickled_global("posix", "system"), command, "o"}), "Python would call 'posix.system'");
  check_refused(all_of({popen, command, "\x85\x81"}), "Python would call 'subprocess.Popen'");
  check_refused(all_of({popen, command, "\x85}\x92"}), "Python would call 'subprocess.Popen'");
  check_refused(all_of({text("builtins"), text("eval"), "\x93", command, "\x85R"}),
                "Python would call 'builtins.eval'");
  check_refused(all_of({pickled_global("importlib.util", "find_spec"), command, "\x85R"}),
                "Python would call 'importlib.util.find_spec'");
  check_refused(all_of({pickled_global("torch._tensor", "_rebuild_from_type_v2"), "(", pickled_global("os", "system"),
                        "N(", command, "tNtR"}),
                "Python would call 'os.system'");
  // Named, and not called; or found by what is never called itself.
  check_refused(pickled_global("os", "system"), "holds no dictionary of tensors");
  check_refused(all_of({pickled_global("builtins", "getattr"), pickled_global("os", "path"), text("x"), "\x86R)R"}),
                "what 'builtins.getattr' makes, which was not called");
}

TEST_CASE("a key of a key is named with a dot", "[pytorch]") {
  const std::string nested =
      all_of({"}", text("a"), "}", text("b"), tensor_dict(number(0), number(4), number(1)), "ss"});
  const std::string magic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  const std::string whole =
      all_of({magic, "\x80\x02", number(1001), ".", "\x80\x02}.", "\x80\x02", nested, ".", kFour});
  const auto content = pytorch::read_content(whole, "x.pth", "a.b");
  CHECK(content.tensors.contains("w"));
  CHECK_THAT(content.format, Contains("under 'a.b'"));
  check_refused(all_of({"}K\x01", tensor_dict(number(0), number(4), number(1)), "s"}), "its keys are no names");
}

TEST_CASE("a pickle of protocol 0 or 1 is PyTorch's by the number that it begins with", "[pytorch]") {
  CHECK(looks_like_pytorch("L119547037146038801333356L\n.M\xe9\x03."));
  CHECK_FALSE(looks_like_pytorch("L11954703714603880133335"));
}
