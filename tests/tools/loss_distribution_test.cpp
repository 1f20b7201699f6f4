// Figures of the loss: its distribution over elements (figure 4 of the paper), its curves (figures 1 and 6).
#include "tools/study/loss_distribution.h"

#include <numeric>
#include <random>
#include <sstream>

#include "kernels/focal_loss_terms.h"
#include "model/anchors.h"
#include "model/levels.h"
#include "tests/support/anchor_match_oracle.h"
#include "tests/support/checked_run.h"
#include "tests/support/detection_scene.h"
#include "tests/support/focal_loss_oracle.h"
#include "tests/support/training_folder.h"
#include "tools/checkpoint/checkpoint.h"
#include "tools/checkpoint/model_file.h"
#include "tools/study/distribution_report.h"
#include "tools/study/loss_curves.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

// The definition: each loss in float64, sorted, summed.
struct ExactCurve {
  std::vector<double> sums{0};  // of the first 0, 1, 2, … losses
  ExactCurve(const std::vector<float>& logits, bool positive, double gamma) {
    std::vector<double> losses;
    for (const float logit : logits)
      losses.push_back(oracle::focal_term(logit, positive ? 0 : kBackground, 0, -1, gamma).loss);
    std::sort(losses.begin(), losses.end());
    for (const double loss : losses) sums.push_back(sums.back() + loss);
  }
  double total() const { return sums.back(); }
  double of_easiest(size_t count) const { return sums[count] / total(); }
};

LossHistogram histogram_of(const std::vector<float>& logits, bool positive) {
  LossHistogram histogram;
  for (const float logit : logits) histogram.add(positive ? -logit : logit);
  return histogram;
}

// The largest difference of a share, over all numbers of elements.
double worst(const std::vector<float>& logits, bool positive, double gamma) {
  const ExactCurve exact(logits, positive, gamma);
  const LossCurve curve(histogram_of(logits, positive), gamma);
  double worst = 0;
  for (size_t k = 0; k <= logits.size(); ++k) {
    const double share = static_cast<double>(k) / static_cast<double>(logits.size());
    worst = std::max({worst, std::abs(curve.of_easiest(share) - exact.of_easiest(k)),
                      std::abs(curve.of_hardest(1 - share) - (1 - exact.of_easiest(k)))});
  }
  return worst;
}

// Sums of so few terms, and shares of counts, round far below this in float64.
constexpr double kRounding = 1e-9;

std::vector<float> normal_logits(size_t count, double mean, double deviation, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(mean, deviation);
  std::vector<float> logits;
  for (size_t i = 0; i < count; ++i) logits.push_back(static_cast<float>(normal(random)));
  return logits;
}

std::vector<std::string> lines_in(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// Elements of the images of a split, by the parts of the pipeline and the oracle of matching.
struct Elements {
  std::vector<float> positives, negatives;
  int64_t ignored = 0;
};

Elements elements_of(ModelFile& file, const Dataset& dataset) {
  Elements elements;
  const ModelConfig& config = file.model->config();
  const int classes = config.classes, anchors_per_location = config.anchors.per_location();
  for (const Sample& sample : dataset.samples) {
    LoadedImage image = load_image(dataset.image_root / sample.file_name, file.config.input);
    image.objects = sample.objects;
    for (Object& object : image.objects)  // the weights' classes are in another order, by name
      for (size_t label = 0; label < file.categories.size(); ++label)
        if (file.categories[label].name == dataset.categories[static_cast<size_t>(object.label)].name) {
          object.label = static_cast<int>(label);
          break;
        }
    const DeviceBatch batch = stage(*file.context, {image}, file.config.input);
    Tape tape(*file.context, /*training=*/false);
    const Outputs outputs = file.model->forward(tape, batch.images);
    std::vector<float> logits;
    std::vector<Size2d> levels;
    for (const Tensor& level : outputs.logits) {
      levels.push_back({level.height(), level.width()});
      const auto values = values_of(level, 1, anchors_per_location * classes);
      logits.insert(logits.end(), values.begin(), values.end());
    }
    std::vector<std::array<float, 4>> anchors;
    const auto corners = make_anchors(config.anchors, batch.size, levels);
    for (size_t a = 0; a < corners.size(); a += 4)
      anchors.push_back({corners[a], corners[a + 1], corners[a + 2], corners[a + 3]});
    std::vector<oracle::TruthBox> truth;
    const auto boxes = batch.truth.boxes.to_host<float>();
    for (size_t g = 0; g < image.objects.size(); ++g)
      truth.push_back({{boxes[4 * g], boxes[4 * g + 1], boxes[4 * g + 2], boxes[4 * g + 3]},
                       image.objects[g].label,
                       image.objects[g].crowd});
    const auto matching = oracle::match_anchors(anchors, truth, 0.5f, 0.4f, true);
    for (size_t i = 0; i < logits.size(); ++i) {
      const int target = matching.targets[i / size_t(classes)], column = static_cast<int>(i % size_t(classes));
      if (target == kIgnored)
        ++elements.ignored;
      else
        (target == column ? elements.positives : elements.negatives).push_back(logits[i]);
    }
  }
  return elements;
}

// A dataset, and weights of a tiny network whose classes are in another order than the dataset's.
struct StudyFolder : TrainingFolder {
  std::string weights = (folder.path() / "weights.safetensors").string();
  fs::path out = folder.path() / "out";

  explicit StudyFolder(const std::vector<Category>& categories = {{7, "WBC"}, {8, "Platelets"}, {9, "RBC"}}) {
    make_data(data, 4, 2, [](size_t image, const std::string& annotations) {
      std::string edited = annotations;
      if (image == 0) edited.replace(edited.find("\"iscrowd\":0"), 11, "\"iscrowd\":1");
      return image == 1 ? "" : edited;  // one image without objects
    });
    DetectionScene scene;
    save_checkpoint(weights, scene.model, nullptr, scene.config, categories, {});
  }
  Arguments arguments(const Arguments& more = {}) const {
    return joined({"study", "distribution", "--weights", weights, "--data", data.string(), "--out", out.string()},
                  more);
  }
  // The same, but for the value of an option.
  Arguments with(const std::string& option, const fs::path& value, const Arguments& more = {}) const {
    Arguments changed = arguments(more);
    *(std::find(changed.begin(), changed.end(), option) + 1) = value.string();
    return changed;
  }
};

}  // namespace

TEST_CASE("study: the loss's distribution is that of exactly sorted losses, within the bound of its bins", "[study]") {
  const double gamma = GENERATE(0.0, 0.1, 0.5, 1.0, 2.0, 5.0);
  CAPTURE(gamma);
  std::vector<float> negatives = normal_logits(40000, -5, 2, 1);
  negatives.insert(negatives.end(), {-200.f, -128.f, -60.f, -0.f, 90.f, 128.f});
  CHECK(worst(negatives, false, gamma) <= share_error(gamma) + kRounding);
  CHECK(worst(normal_logits(300, 1, 3, 2), true, gamma) <= share_error(gamma) + kRounding);
  CHECK(worst({0.3f}, true, gamma) <= share_error(gamma) + kRounding);
}

TEST_CASE("study: the bound of the bins is reached where they are worst, and bf16's logits are hardly binned",
          "[study]") {
  const double gamma = GENERATE(1.0, 2.0, 5.0), half = LossHistogram::kWidth / 2;
  // Easy ones at the upper end of their bin, hard ones at the lower end of theirs: as many as have equal losses in all.
  const auto easy = static_cast<float>(-5 + 0.98 * half), hard = static_cast<float>(-4 - 0.98 * half);
  const auto loss = [&](float logit) { return oracle::focal_term(logit, kBackground, 0, -1, gamma).loss; };
  std::vector<float> logits(100, hard);
  logits.insert(logits.end(), static_cast<size_t>(std::lround(100 * loss(hard) / loss(easy))), easy);
  CHECK(worst(logits, false, gamma) > 0.9 * std::tanh((gamma + 1) * half / 2));
  CHECK(worst(logits, false, gamma) <= share_error(gamma));
  std::vector<float> rounded = normal_logits(5000, -4, 2, 3);
  for (float& logit : rounded) {
    logit = float(bfloat16(logit));
    if (std::abs(logit) < 0x1p-5f) logit = -4;  // finer than the bins
  }
  CHECK(worst(rounded, false, gamma) <= std::tanh(kernels::kFocalTermError / 2) + kRounding);
}

TEST_CASE("study: logits beyond the bins have their own loss, and those that are not finite are counted", "[study]") {
  LossHistogram histogram;
  for (const float z : {-3000.f, 500.f, 128.25f, std::numeric_limits<float>::infinity(), std::nanf("")})
    histogram.add(z);
  CHECK(histogram.count() == 5);
  CHECK(histogram.not_finite() == 2);
  CHECK(LossCurve(histogram, 2).total() == Approx(628.25).epsilon(1e-6));
  CHECK(LossCurve(LossHistogram(), 2).of_hardest(0.5) == 0);
}

TEST_CASE("study: an element is positive in the class of its anchor alone, and ignored with its anchor", "[study]") {
  LossDistribution distribution;
  const std::vector<float> logits{1, 2, 3, 4, 5, 6, 7, 8, 9};
  distribution.add(logits, std::vector<int32_t>{1, kBackground, kIgnored}, 3);
  CHECK(distribution.ignored == 3);
  CHECK(distribution.positives.count() == 1);
  CHECK(distribution.negatives.count() == 5);
  const auto softplus = [](double z) { return std::log1p(std::exp(z)); };
  CHECK(LossCurve(distribution.positives, 0).total() == Approx(softplus(-2)).epsilon(1e-6));
  CHECK(LossCurve(distribution.negatives, 0).total() ==
        Approx(softplus(1) + softplus(3) + softplus(4) + softplus(5) + softplus(6)).epsilon(1e-6));
  CHECK_THROWS(distribution.add(logits, std::vector<int32_t>{1, 0}, 3));
}

TEST_CASE("study: objects take the network's labels, and those of classes that it does not know are left out",
          "[study]") {
  Dataset dataset{.split = "val",
                  .image_root = "",
                  .categories = {{1, "cat"}, {2, "dog"}, {3, "cow"}},
                  .samples = {{.id = 1, .file_name = "a.jpg", .width = 9, .height = 9, .objects = {}}},
                  .report = {}};
  for (const int label : {0, 1, 2, 0}) dataset.samples[0].objects.push_back(Object{.label = label});
  int64_t left_out = 0;
  const Dataset labeled = labeled_for(dataset, {{3, "cow"}, {1, "cat"}}, left_out);
  CHECK(left_out == 1);
  std::vector<int> labels;
  for (const Object& object : labeled.samples[0].objects) labels.push_back(object.label);
  CHECK(labels == std::vector<int>{1, 0, 1});
}

TEST_CASE("study: the report says what the numbers say", "[study]") {
  LossDistribution distribution;
  distribution.images = 1234;
  for (int i = 0; i < 9900; ++i) distribution.negatives.add(-4);
  for (int i = 0; i < 100; ++i) distribution.negatives.add(0);
  for (int i = 0; i < 1000; ++i) distribution.positives.add(-1);
  const auto loss = [](double z, double gamma) { return oracle::focal_term(z, kBackground, 0, -1, gamma).loss; };
  const auto percent = [](double share) { return fmt::format("{:.2f} %", 100 * share); };
  const auto hard = [&](double gamma) {
    return 100 * loss(0, gamma) / (100 * loss(0, gamma) + 9900 * loss(-4, gamma));
  };
  const auto negatives = [&](double gamma) {
    const double all = 0.75 * (100 * loss(0, gamma) + 9900 * loss(-4, gamma));
    return all / (all + 0.25 * 1000 * loss(-1, gamma));
  };
  const DistributionReport report("w.safetensors on val of <cells>", distribution, {0, 2}, LossConfig());
  CHECK(report.shares()[1].negatives[1] == Approx(hard(2)).epsilon(1e-4));
  const auto sentences = report.sentences();
  REQUIRE(sentences.size() == 2);
  CHECK(sentences[0] == fmt::format("At γ = 2 the hardest 1 % of the 10,000 negatives have {} of their loss (γ = 0: "
                                    "{}): the easy 99 % hardly count.",
                                    percent(hard(2)), percent(hard(0))));
  CHECK(sentences[1] ==
        fmt::format("Of the 1,000 positives, the hardest 20 % have 20.00 % of their loss (γ = 0: 20.00 %); "
                    "negatives make {} of the whole loss, down from {} at γ = 0.",
                    percent(negatives(2)), percent(negatives(0))));
  CHECK_THAT(report.page(), Contains("w.safetensors on val of &lt;cells&gt;") && Contains("1,234 images") &&
                                Contains("trained with γ = 2") && Contains("<svg") && !Contains("http") &&
                                !Contains("nan"));
  CHECK(report.chart().panels.size() == 2);

  const DistributionReport alone("", distribution, {0.5}, LossConfig{.alpha = -1});
  CHECK_THAT(alone.sentences()[0], !Contains("(") && Contains(fmt::format("still have {}", percent(1 - hard(0.5)))));
  CHECK_THAT(alone.page(), Contains("have the same weight"));
  distribution.positives = {};
  for (int i = 0; i < 10000; ++i) distribution.positives.add(-6);
  CHECK_THAT(DistributionReport("", distribution, {0, 2}, LossConfig()).sentences()[1],
             Contains("of the whole loss, up"));
  distribution.positives = {};
  const DistributionReport without("", distribution, {2}, LossConfig());
  CHECK(without.chart().panels.size() == 1);
  CHECK_THAT(without.sentences()[1], Contains("no loss of positives"));
}

TEST_CASE("study: distribution over a dataset has every element of the loss, in the right place", "[study]") {
  const StudyFolder study;
  const auto result =
      run(study.arguments({"--split", "train", "--gamma", "2,0.5", "--precision", "fp32", "--conv", "direct"}));
  REQUIRE(result.exit_code == 0);
  CHECK_THAT(result.out, Contains("hardest 1 %") && Contains("written: index.html"));

  ModelFile file = open_model(study.weights, {.adjust = [](Config& config) {
                                config.precision = Precision::F32;
                                config.convolution = kernels::ConvAlgorithm::Direct;
                              }});
  const Elements elements = elements_of(file, load_dataset(study.data, "train"));
  REQUIRE((elements.positives.size() > 20 && elements.negatives.size() > 10000 && elements.ignored > 20));
  const auto lines = lines_in(read_text(study.out / "distribution.csv"));
  REQUIRE(lines.size() > 2000);
  CHECK_THAT(lines[0], Contains("made by Fovea"));
  CHECK(lines[1] == "set,share_of_elements,gamma_0.5,gamma_2");
  int compared = 0;
  for (const bool positive : {true, false}) {
    const auto& logits = positive ? elements.positives : elements.negatives;
    const ExactCurve curves[] = {{logits, positive, 0.5}, {logits, positive, 2}};
    for (const std::string& line : lines) {
      std::istringstream words(line);
      std::string name;
      if (!std::getline(words, name, ',') || name != (positive ? "positives" : "negatives")) continue;
      double share = 0, values[2] = {};
      char comma = 0;
      words >> share >> comma >> values[0] >> comma >> values[1];
      const double wanted = share * static_cast<double>(logits.size());
      for (int g = 0; g < 2; ++g) {
        const double low = curves[g].of_easiest(static_cast<size_t>(wanted)),
                     high = curves[g].of_easiest(static_cast<size_t>(std::ceil(wanted)));
        // Between two elements the file's curve is a line. Its numbers have seven and nine digits.
        const double exact = low + (wanted - std::floor(wanted)) * (high - low);
        const double slack = share_error(g == 0 ? 0.5 : 2) + 1e-6 + 1e-4 * (high - low);
        CHECK(std::abs(values[g] - exact) <= slack);
        ++compared;
      }
    }
  }
  CHECK(compared > 4000);
  CHECK_THAT(read_text(study.out / "index.html"),
             Contains(fmt::format("{} positives", elements.positives.size())) && Contains("4 images"));
  for (const char* name : {"distribution.png", "distribution.svg"}) CHECK(fs::file_size(study.out / name) > 1000);
  check_runs(study.arguments({"--split", "train", "--count", "1"}));  // over its own files
  CHECK_THAT(read_text(study.out / "index.html"), Contains("1 images"));
}

TEST_CASE("fault: study: what has no distribution of a loss is refused in one line", "[study][fault]") {
  const StudyFolder study;
  check_fails(2, study.arguments({"--gamma", "2,2"}), "--gamma names one value twice");
  check_fails(2, study.arguments({"--gamma", "-1"}), "--gamma: must be from 0 to 10");
  check_fails(2, study.arguments({"--gamma", "0,1,2,3,4,5,6"}), "give at most 6");
  check_fails(2, study.with("--out", study.data / "x"), "lies inside the dataset");
  check_fails(3, study.with("--weights", study.data / "none"), "none");
  check_fails(3, study.arguments({"--split", "test"}), "test");
  write_text(study.out / "index.html", "my own page");
  check_fails(2, study.arguments(), "index.html");
  CHECK(read_text(study.out / "index.html") == "my own page");
  fs::remove(study.out / "index.html");

  const StudyFolder other({{7, "cat"}, {8, "dog"}, {9, "cow"}});
  check_fails(3, other.arguments(), "the weights have a category 7 ('cat') that the dataset lacks");
  write_text(study.data / "annotations/instances_val.json",
             R"({"images":[],"annotations":[],"categories":[{"id":1,"name":"RBC"}]})");
  check_fails(3, study.arguments(), "");
  CHECK_FALSE(fs::exists(study.out / "distribution.csv"));
}

TEST_CASE("fault: study: images without objects, and logits that are not finite, are refused", "[study][fault]") {
  const StudyFolder study;
  DetectionScene scene;
  for (const Parameter& parameter : scene.model.parameters().all())
    if (parameter.name.ends_with("cls_logits.bias"))
      parameter.value.upload(std::vector<float>(static_cast<size_t>(parameter.value.count()), std::nanf("")));
  const std::string broken = (study.folder.path() / "broken.safetensors").string();
  save_checkpoint(broken, scene.model, nullptr, scene.config, {}, {});
  check_fails(3, study.with("--weights", broken), "not finite");
  check_fails(3, study.with("--weights", broken, {"--allow-non-finite"}), "the network gives logits that are not");
  const fs::path later = study.folder.path() / "later";
  make_data(later, 2, 1, [](size_t image, const std::string& text) { return image == 0 ? "" : text; });
  check_fails(3, study.with("--data", later, {"--split", "train", "--count", "1"}),
              "the 1 images of train have no object of a class that the weights know");
  CHECK_FALSE(fs::exists(study.out));
}

TEST_CASE("study: the curves of the loss are those of the paper's definition", "[study]") {
  const auto curves = loss_curves();
  REQUIRE(curves.size() == 5);
  for (const GammaCurve& curve : curves) {
    REQUIRE(curve.points.size() == 513);
    for (const LossPoint& point : curve.points) {
      const oracle::FocalTerm exact = oracle::focal_term(point.logit, 0, 0, -1, curve.gamma);
      // As in the kernel's own test: 32 roundings, and 7 γ |log p| more.
      const double error = 32 * 0x1p-24 * (1 + exact.log_power);
      CHECK(std::abs(point.loss - exact.loss) <= error * exact.loss);
      CHECK(std::abs(point.derivative - exact.gradient) <= error * std::abs(exact.gradient));
      CHECK(point.probability == Approx(1 / (1 + std::exp(-point.logit))).epsilon(1e-12));
    }
  }
  CHECK_THAT(chart_svg(loss_curves_chart(curves)), Contains(">0.2<") && Contains(">-4<") && Contains(">0.5<"));

  const TemporaryFolder folder;
  const fs::path out = folder.path() / "out";
  check_runs({"study", "curves", "--out", out.string()});
  const auto lines = lines_in(read_text(out / "curves.csv"));
  REQUIRE(lines.size() == 515);
  CHECK_THAT(lines[1], Contains("logit,pt,loss_gamma_0,derivative_gamma_0,loss_gamma_0.5,"));
  CHECK_THAT(lines[2 + 256], Contains("0,0.5,0.6931472,-0.5,"));  // −log ½ and its derivative
  for (const char* name : {"curves.png", "curves.svg"}) CHECK(fs::file_size(out / name) > 1000);
  fs::remove(out / "curves.csv");
  write_text(out / "curves.csv", "my own numbers");
  check_fails(2, {"study", "curves", "--out", out.string()}, "curves.csv");
}
