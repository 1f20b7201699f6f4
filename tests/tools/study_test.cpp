// What a study compares, what its numbers say, and what its page and its table show.
#include "tools/study/study.h"

#include <cmath>
#include <set>

#include "kernels/error.h"
#include "model/backbone/backbone.h"
#include "tests/support/catch.h"
#include "tests/support/refusal.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/training_data.h"
#include "tools/report/surface.h"
#include "tools/study/paper_studies.h"
#include "tools/study/run_result.h"
#include "tools/study/study_cost.h"
#include "tools/study/study_page.h"
#include "tools/study/verdict.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

using State = RunResult::State;
using Outcome = CheckedClaim::Outcome;

RunResult done(double ap) {
  RunResult result{.state = State::Done};
  result.metrics.fill(ap);
  return result;
}
RunResult ended(State state, const std::string& why) { return {.state = state, .why = why}; }

// Two variants, a and b, of as many seeds as they have results.
struct Compared {
  Study study{.name = "made",
              .title = "Made",
              .columns = {"x"},
              .variants = {{"a", {}, {"1"}, 34.0}, {"b", {}, {"2"}, -1}},
              .claims = {{"1 beats 2", Claim::Kind::Better, {"a"}, {"b"}}}};
  std::vector<StudyRun> runs;
  std::vector<RunResult> results;

  Compared(const std::vector<RunResult>& a, const std::vector<RunResult>& b) {
    runs = runs_of(study, preset("tiny"), static_cast<int>(a.size()));
    for (size_t seed = 0; seed < a.size(); ++seed) {
      results.push_back(a[seed]);
      results.push_back(b[seed]);
    }
  }
  std::vector<VariantResult> variants() const { return by_variant(study, runs, results); }
  CheckedClaim claim(Claim::Kind kind = Claim::Kind::Better) {
    study.claims[0].kind = kind;
    return check_claims(study, variants()).at(0);
  }
  std::string page() const { return study_page({study, runs, results, "fovea study <made>", "Data: here.", "."}); }
};

const Variant& variant_of(const Study& study, const std::string& name) {
  const auto found =
      std::find_if(study.variants.begin(), study.variants.end(), [&](auto& variant) { return variant.name == name; });
  REQUIRE(found != study.variants.end());
  return *found;
}

bool loss_kinds_exist() {
  const auto names = setting_names();
  return std::any_of(names.begin(), names.end(), [](auto& setting) { return setting.key == "model.loss.kind"; });
}

}  // namespace

TEST_CASE("study: each of the paper's has variants that train, and claims about its own", "[study]") {
  for (const char* base : {"paper", "demo", "vgg16", "inception", "resnext50"}) {
    const Config config = preset(base);
    for (const PaperStudy& known : paper_studies()) {
      CAPTURE(base, known.name);
      const Study study = paper_study(known.name, config);
      std::set<std::string> names;
      for (const Variant& variant : study.variants) {
        CHECK(names.insert(variant.name).second);
        CHECK(variant.labels.size() == study.columns.size());
        CHECK(variant.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == std::string::npos);
      }
      for (const Claim& claim : study.claims)
        for (const auto* group : {&claim.first, &claim.second}) {
          CHECK_FALSE(group->empty());
          for (const std::string& name : *group) CHECK(names.contains(name));
        }
      if (study.name != "mining" || loss_kinds_exist()) CHECK(runs_of(study, config, 2).size() == 2 * names.size());
    }
  }
  CHECK_THAT(refusal_of([] { paper_study("gama", preset("demo")); }, ErrorKind::Usage),
             Contains("did you mean 'gamma'"));
}

TEST_CASE("study: the variants are those of the paper's tables", "[study]") {
  const Config paper = preset("paper");
  const auto config_in = [&](const char* study, const char* variant) {
    return config_of(paper, variant_of(paper_study(study, paper), variant));
  };
  const LossConfig alpha = config_in("alpha", "alpha-0.999").model.loss;
  CHECK((alpha.alpha == 0.999 && alpha.gamma == 0));
  const LossConfig ce = config_in("gamma", "ce").model.loss, half = config_in("gamma", "gamma-0.5").model.loss;
  CHECK((ce.alpha < 0 && ce.gamma == 0));
  CHECK((half.alpha == 0.5 && half.gamma == 0.5));
  const AnchorConfig anchors = config_in("anchors", "anchors-4x3").model.anchors;
  CHECK(anchors.per_location() == 12);
  CHECK(anchors.octaves == std::vector<double>{0, 0.25, 0.5, 0.75});
  CHECK(config_in("anchors", "anchors-3x3").model.anchors.octaves == AnchorConfig{}.octaves);
  CHECK(config_in("prior", "ce-prior-0.5").model.head.prior == 0.5);
  const Config small = config_in("scale", "depth-101-size-400");
  CHECK(small.model.backbone.depth == 101);
  CHECK(small.input.short_side == std::vector<int>{400});
  CHECK(small.input.long_side == 667);  // 1333 / 2
  CHECK(config_in("backbone", "resnext-101").model.backbone.kind == BackboneKind::ResNeXt);

  const Study demo = paper_study("scale", preset("demo"));
  const Config of_demo = config_of(preset("demo"), variant_of(demo, "depth-34-size-128"));
  CHECK(of_demo.input.short_side == std::vector<int>{112, 120, 128});
  CHECK(variant_of(demo, "depth-34-size-128").paper < 0);  // which has no images so small
  CHECK(variant_of(paper_study("scale", paper), "depth-101-size-800").paper == 37.8);
}

TEST_CASE("study: settings are varied in all combinations, and a list is one value", "[study]") {
  const Study study = custom_study({"train.schedule.base=0.001,0.002", "model.anchors.octaves=[0.0],[0.0, 0.5]"});
  REQUIRE(study.variants.size() == 4);
  CHECK(study.variants[1].name == "base-0.001-octaves-0.0_0.5");
  const Config config = config_of(preset("tiny"), study.variants[3]);
  CHECK(config.train.schedule.base == 0.002);
  CHECK(config.model.anchors.octaves == std::vector<double>{0, 0.5});
  const auto refused = [](const std::vector<std::string>& varied) {
    return refusal_of([&] { custom_study(varied); }, ErrorKind::Usage);
  };
  CHECK_THAT(refused({"train.steps"}), Contains("train.steps: write it as key=value,value"));
  CHECK_THAT(refused({"train.steps=1,1"}), Contains("has a value twice"));
  CHECK_THAT(refused({"train.steps=1,"}), Contains("has an empty value"));
  CHECK_THAT(refused({"train.steps=1,2", "train.steps=3,4"}), Contains("varied twice"));
  CHECK_THAT(refused({"train.steps=1"}), Contains("at least two values"));
  CHECK_THAT(refused({"seed=1,2"}), Contains("seeds are varied by their number"));
  const Study wrong = custom_study({"model.loss.gama=1,2"});
  CHECK_THAT(refusal_of([&] { runs_of(wrong, preset("tiny"), 1); }, ErrorKind::Usage),
             Contains("gama-1: ") && Contains("did you mean 'model.loss.gamma'"));
}

TEST_CASE("study: a shorter training has the whole schedule", "[study]") {
  Config config = preset("paper");
  set_steps(config, 900);
  CHECK(config.train.schedule.milestones == std::vector<int64_t>{600, 800});
  CHECK(config.train.schedule.warmup_steps == 10);
  CHECK(schedule_of(config).total_steps == 900);
  CHECK(config.train.log_every == 1);
}

TEST_CASE("study: a difference counts where it is larger than the spread between seeds", "[study]") {
  const Spread spread = spread_of({0.1, 0.2, 0.4});
  CHECK(spread.mean == Approx(0.7 / 3));
  CHECK(*spread.deviation == Approx(std::sqrt(0.14 / 3 / 2)));  // Σ(x − mean)² = 0.14/3
  CHECK_FALSE(spread_of({0.5}).deviation.has_value());

  // Deviations of a and b: 0.0141 and 0.0424; the means differ by 0.05, then by 0.03.
  Compared apart({done(0.40), done(0.42)}, {done(0.33), done(0.39)});
  CHECK(apart.claim().outcome == Outcome::Shows);
  CHECK(apart.claim().finding ==
        "On this data the claim shows: AP 41.0 ± 1.4 against 36.0 ± 4.2, a difference of +5.0 AP, which is more than "
        "the spread between seeds (4.2).");
  CHECK(apart.claim(Claim::Kind::NoBetter).outcome == Outcome::ShowsNot);
  CHECK_THAT(best_sentence(apart.study, apart.variants()),
             Contains("that of x 1: 41.0 ± 1.4.") && Contains("All others are lower by more"));

  Compared near({done(0.38), done(0.40)}, {done(0.33), done(0.39)});
  CHECK(near.claim().outcome == Outcome::Open);
  CHECK_THAT(near.claim().finding, Contains("is not decided: ") && Contains("within the spread between seeds (4.2)"));
  CHECK(near.claim(Claim::Kind::NoBetter).outcome == Outcome::Open);  // 39 is no lower than 36
  CHECK(as_good_as_best(near.variants(), 1));
  CHECK_FALSE(as_good_as_best(near.variants(), 0));
  CHECK_THAT(best_sentence(near.study, near.variants()), Contains("may be chance, for: x 2."));

  Compared against({done(0.30), done(0.31)}, {done(0.40), done(0.41)});
  CHECK_THAT(against.claim().finding, Contains("the claim does not hold: AP 30.5"));
  Compared little({done(0.33), done(0.39)}, {done(0.38), done(0.40)});
  CHECK(little.claim(Claim::Kind::NoBetter).outcome == Outcome::Shows);
  CHECK(little.claim(Claim::Kind::Fails).outcome == Outcome::ShowsNot);
  Compared failing({done(0.01), done(0.03)}, {done(0.38), done(0.40)});
  CHECK(failing.claim(Claim::Kind::Fails).outcome == Outcome::Shows);
  Compared lower({done(0.05), done(0.05)}, {done(0.38), done(0.40)});
  CHECK(lower.claim(Claim::Kind::Fails).outcome == Outcome::ShowsNot);  // lower, and it learns
}

TEST_CASE("study: six seeds that all point one way decide what the spread does not, and five do not", "[study]") {
  std::vector<RunResult> first, second;
  for (int seed = 0; seed < 5; ++seed) {
    first.push_back(done(0.30 + 0.05 * seed));
    second.push_back(done(0.29 + 0.05 * seed));
  }
  CHECK(Compared(first, second).claim().outcome == Outcome::Open);
  first.push_back(done(0.20));
  second.push_back(done(0.19));
  const CheckedClaim six = Compared(first, second).claim();
  CHECK(six.outcome == Outcome::Shows);
  CHECK_THAT(six.finding, Contains("+1.0 AP with the same sign in each of 6 seeds."));
  second.back() = done(0.21);
  CHECK(Compared(first, second).claim().outcome == Outcome::Open);
}

TEST_CASE("study: where all have the same AP none is the best", "[study]") {
  Compared none({done(0), done(0)}, {done(0), done(0)});
  CHECK(best_variant(none.variants()) == -1);
  CHECK(best_sentence(none.study, none.variants()) == "All have the same AP, 0.0 ± 0.0: there is nothing to compare.");
  Compared one({done(0)}, {done(0)});
  CHECK_THAT(one.claim().finding, Contains("one seed shows no difference"));
}

TEST_CASE("study: one seed decides nothing, and what is missing is said", "[study]") {
  Compared one({done(0.4)}, {done(0.3)});
  CHECK(one.claim().outcome == Outcome::Open);
  CHECK_THAT(one.claim().finding, Contains("one seed points the paper's way") && Contains("+10.0 AP"));
  CHECK_THAT(one.claim(Claim::Kind::NoBetter).finding, Contains("points another way"));
  CHECK_THAT(best_sentence(one.study, one.variants()), Contains("With one seed nobody knows"));

  Compared open({done(0.4)}, {RunResult{}});
  CHECK(open.claim().finding == "Not checked: x 2 has no result.");
  Compared failed({ended(State::Failed, "no space")}, {done(0.3)});
  CHECK(failed.claim().finding == "Not checked: x 1 has no result.");
  // What diverges in all seeds is worse than what does not.
  Compared diverged({done(0.4), done(0.4)}, {ended(State::Diverged, "step 3"), ended(State::Diverged, "step 4")});
  CHECK(diverged.claim().finding == "On this data the claim shows: AP 40.0 ± 0.0 against diverged.");
  Compared both({ended(State::Diverged, "")}, {ended(State::Diverged, "")});
  CHECK_THAT(both.claim().finding, Contains("both diverged"));
}

TEST_CASE("study: the page has the table, the verdicts, the curves and what made it, and needs nothing else",
          "[study]") {
  Compared near({done(0.38), done(0.40)}, {done(0.33), ended(State::Failed, "it <broke>")});
  near.results[0].loss = {{1, 2.0}, {2, 1.5}};
  near.results[0].ap = {{2, 0.38}};
  const std::string page = near.page();
  CHECK_THAT(page, Contains("<th>x</th><th>AP</th><th>AP50</th><th>AP75</th><th>AP in the paper</th>"));
  CHECK_THAT(page, Contains("<b>39.0 ± 1.4</b>") && Contains("<td>34.0</td>") && Contains("1 of 2, 1 failed"));
  CHECK_THAT(page, Contains("The paper: 1 beats 2.") && Contains("failed: it &lt;broke&gt;"));
  CHECK_THAT(page, Contains("fovea study &lt;made&gt;") && Contains("Data: here.") && Contains("<svg"));
  CHECK_THAT(page, !Contains("http:") && !Contains("https:") && !Contains("<script") && !Contains("<link"));
}

TEST_CASE("study: curves have a color for each variant, named once, and figure 2 a line for each depth", "[study]") {
  Compared near({done(0.38), done(0.40)}, {done(0.33), done(0.39)});
  for (size_t i = 0; i < near.results.size(); ++i) near.results[i].milliseconds = 10.0 + static_cast<double>(i);
  const StudyPage page{near.study, near.runs, near.results, "", "", ""};
  const Chart curves = curves_chart(page);
  REQUIRE(curves.panels[0].series.size() == 4);
  CHECK(curves.panels[0].series[2].color == curves.panels[0].series[0].color);
  CHECK((curves.panels[0].series[0].name == "1" && curves.panels[0].series[2].name.empty()));
  const Chart speed = speed_chart(page, near.variants());
  REQUIRE(speed.panels[0].series.size() == 2);
  CHECK(speed.panels[0].series[1].name == "x 2");
  CHECK(speed.panels[0].series[1].points[0].x == Approx(12));  // mean of 11 and 13
  CHECK(speed.panels[0].series[1].labels == std::vector<std::string>{"2"});
  // The legend that all panels share has lines of its own below them, as many as it needs.
  Chart many = curves;
  const int height = chart_drawing(many).height;
  for (int i = 0; i < 40; ++i) many.panels[0].series.push_back({.name = "another variant of many"});
  CHECK(chart_drawing(many).height > height + 100);
  many.legend_below = false;
  CHECK(chart_drawing(many).height < height);
}

TEST_CASE("study: the table for programs has a line for each run with its settings, quoted where needed", "[study]") {
  const Study study = custom_study({"model.anchors.octaves=[0.0],[0.0,0.5]"});
  const auto runs = runs_of(study, preset("tiny"), 1);
  RunResult first = done(0.25);
  first.metrics[5] = -1;  // no large objects
  first.seconds = 2;
  const std::string csv = results_csv(study, runs, {first, ended(State::Diverged, "x")});
  CHECK(csv ==
        "study,variant,seed,state,AP,AP50,AP75,APS,APM,APL,milliseconds_per_image,training_seconds,"
        "model.anchors.octaves\r\n"
        "custom,octaves-0.0,0,done,0.25,0.25,0.25,0.25,0.25,,,2.000,[0.0]\r\n"
        "custom,octaves-0.0_0.5,0,diverged,,,,,,,,,\"[0.0, 0.5]\"\r\n");
}

TEST_CASE("study: a run's curves and last validation are read from its log, to the first line", "[study]") {
  const TemporaryFolder folder;
  const RunFiles files = files_of(folder.path(), "a-seed0");
  CHECK(read_result(files, 4).state == State::Open);
  write_text(
      files.folder / "log.jsonl",
      "{\"step\":2,\"loss\":3.5,\"images_per_second\":4.0}\n"
      "{\"step\":4,\"loss\":2.5,\"images_per_second\":8.0}\n"
      "{\"step\":4,\"ap\":0.25,\"ap50\":0.5,\"ap75\":0.125,\"ap_small\":-1,\"ap_medium\":0.2,\"ap_large\":0.3}\n");
  CHECK(read_result(files, 4).state == State::Open);  // without the checkpoint it cannot be used
  write_text(files.folder / "last.safetensors", "");
  write_end(files, {.exit_code = 0, .why = "", .seconds = 7});
  const RunResult result = read_result(files, 4);
  CHECK(result.state == State::Done);
  REQUIRE(result.loss.size() == 2);
  CHECK((result.loss[0].x == 2 && result.loss[0].y == 3.5));
  CHECK(result.metrics == std::array{0.25, 0.5, 0.125, -1.0, 0.2, 0.3});
  CHECK(result.seconds == 7);
  // The validation of another step is not the last one.
  write_end(files, {.exit_code = 4, .why = "step \"5\"", .seconds = 8});
  CHECK(read_result(files, 5).state == State::Diverged);
  CHECK(read_result(files, 5).why == "step \"5\"");
}

TEST_CASE("study: progress and last words are found in what a training prints", "[study]") {
  const std::string output =
      "model …\nstep 1/400  loss 2.0000  ETA 0:00\nstep 12/400  loss 1.5000  8.5 images/s  ETA 3:02\n"
      "step 12: AP 0.100  AP50 0.200  AP75 0.000 on 2 validation images\n";
  CHECK(pace_in(output).step == 12);
  CHECK(pace_in(output).images_per_second == 8.5);
  CHECK(pace_in("").step == 0);
  CHECK(last_message(output + "fovea: out of memory\nand so on\n") == "out of memory");
  CHECK(last_message("something else\n\n") == "something else");
}

TEST_CASE("study: what it costs goes by the arithmetic of its trainings, and by how many run at a time", "[study]") {
  CHECK(cost_text(std::vector(7, 240.0), 2) == "7 trainings of about 4 min, 2 at a time: about 16 min");
  CHECK(cost_text({5}, 1) == "1 training of about 5 s, 1 at a time: about 5 s");
  CHECK(cost_text({60, 7200, 300}, 2) == "3 trainings of about 60 s to 2.0 h, 2 at a time: about 2.0 h");
  // Four times the pixels, but for what is rounded up in the small levels.
  Config small = preset("tiny"), large = small;
  large.input.short_side = {192};
  large.input.long_side = 256;
  const double macs = macs_of_image(small);
  CHECK(macs > 1e6);
  CHECK(macs_of_image(large) > 3.5 * macs);
  CHECK(macs_of_image(large) < 4.5 * macs);
  small.train.steps = 10;
  small.train.batch = 2;
  small.train.eval_every = 4;  // after steps 4, 8 and 10
  CHECK(macs_of_training(small, 1, 7) == 3 * 10 * 2 + 3 * 7);
  small.train.eval_every = 0;
  CHECK(macs_of_training(small, 1, 7) == 3 * 10 * 2 + 7);
}
