// Evaluates files, and the columns of a tiny set, knowing the public header alone.
#include <fovea/fovea.hpp>

#include <cstdio>
#include <vector>

namespace {

// One object, found exactly, and a detection elsewhere that is less sure.
bool evaluates_columns() {
  const std::vector<std::int64_t> image{7}, category{3}, images{7, 7}, categories{3, 3};
  const std::vector<double> object{10, 10, 50, 50}, boxes{200, 200, 5, 5, 10, 10, 50, 50}, scores{0.25, 0.75};
  const fovea::Evaluation evaluation =
      fovea::evaluate({.image_ids = image, .category_ids = category, .boxes = object},
                      {.image_ids = images, .category_ids = categories, .boxes = boxes, .scores = scores},
                      {.recalls = {0, 1}, .threads = 1});
  const auto [values, shape] = evaluation.scores();
  return evaluation.precision().shape == std::array<std::size_t, 5>{10, 2, 1, 4, 3} && shape[4] == 3 &&
         values.front() == 0.75 && evaluation.recall().values.front() == 1 && evaluation.image_ids()[0] == 7 &&
         evaluation.category_ids()[0] == 3 && evaluation.summary()[3] == -1 && evaluation.summary()[1] > 0.999;
}

bool refuses_short_columns() {
  const std::vector<std::int64_t> ids{1};
  const std::vector<double> boxes{1, 2, 3};
  try {
    fovea::evaluate({.image_ids = ids, .category_ids = ids, .boxes = boxes}, {});
  } catch (const fovea::Error& error) {
    return error.what() == std::string("truth.boxes has 3 numbers for 1 boxes");
  }
  return false;
}

}  // namespace

int main(int count, char** arguments) try {
  if (count != 3 || !evaluates_columns() || !refuses_short_columns()) return 1;
  const fovea::Evaluation evaluation = fovea::evaluate(arguments[1], arguments[2]);
  std::printf("AP %.4f, AP50 %.4f\n", evaluation.summary()[0], evaluation.summary()[1]);
} catch (const fovea::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
