#include "engine/schedule.h"

#include "tests/support/catch.h"

using namespace fovea;

TEST_CASE("schedules have the values of their formulas", "[schedule]") {
  Schedule steps{.kind = Schedule::Kind::Steps,
                 .base = 0.01,
                 .total_steps = 100,
                 .warmup_steps = 10,
                 .warmup_factor = 0.1,
                 .milestones = {60, 80}};
  CHECK(steps.at(0) == Approx(0.001));
  CHECK(steps.at(5) == Approx(0.0055));
  CHECK(steps.at(10) == 0.01);
  CHECK(steps.at(59) == 0.01);
  CHECK(steps.at(60) == Approx(0.001));
  CHECK(steps.at(80) == Approx(0.0001));
  Schedule cosine{.kind = Schedule::Kind::Cosine, .base = 2, .total_steps = 110, .warmup_steps = 10};
  CHECK(cosine.at(10) == 2);
  CHECK(cosine.at(60) == Approx(1));
  CHECK(cosine.at(110) == Approx(0).margin(1e-15));
}
