// What is behind a fovea_model.
#pragma once
#include <memory>
#include <utility>

#include "tools/api/executor.h"
#include "tools/api/handle.h"

namespace fovea::api {

struct Model {
  static constexpr uint64_t kMark = 0xf0fea00000000001;
  explicit Model(ModelRequest request) : executor(std::make_unique<Executor>(std::move(request))) {}
  std::unique_ptr<Executor> executor;
};

}  // namespace fovea::api

struct fovea_model : fovea::api::Handle<fovea::api::Model> {
  using Handle::Handle;
};
