#include "tools/checkpoint/model_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/printable.h"
#include "model/weights.h"
#include "tools/checkpoint/checkpoint.h"
#include "tools/report/notices.h"
#include "tools/text/advice.h"

namespace fovea {

ModelFile open_model(const std::string& weights, const ModelOptions& options) {
  const TensorFile file = open_tensor_file(weights, options.state_dict);
  const CheckpointInfo info = read_info(file);
  ModelFile opened{.config = info.config ? *info.config : preset("torchvision"), .categories = info.categories};
  if (options.adjust) options.adjust(opened.config);
  validate(opened.config);
  if (!info.config) opened.config.model.classes = classes_of(file, opened.config.model);
  opened.context = std::make_unique<Context>(options.device, opened.config.precision, opened.config.convolution);
  opened.context->convolution.set_autotune(opened.config.autotune);
  tell_when_recordings_go(*opened.context);
  opened.model = std::make_unique<RetinaNet>(*opened.context, opened.config.model, std::nullopt);
  try {
    load_weights(file, opened.model->parameters(), LoadMode::Exact, options.non_finite);
  } catch (const Error& error) {
    const auto changed = info.config ? differences(*info.config, opened.config) : std::vector<std::string>();
    const auto first =
        std::find_if(changed.begin(), changed.end(), [](auto& line) { return line.starts_with("model."); });
    if (first == changed.end()) throw;
    throw Error(error.kind(), fmt::format("{}; the file has a configuration of its own, which was changed ({}): {}",
                                          error.what(), *first, advise(advice::kKeepConfig)));
  }
  return opened;
}

namespace {

// Those of `categories` that are like `wanted`, in its order; empty where one is missing.
template <class Same>
std::vector<Category> find_all(const std::vector<Category>& categories, const std::vector<Category>& wanted,
                               Same&& same) {
  std::vector<Category> found;
  for (const Category& one : wanted) {
    const auto like = std::find_if(categories.begin(), categories.end(), [&](auto& other) { return same(one, other); });
    if (like == categories.end()) return {};
    found.push_back(*like);
  }
  return found;
}

}  // namespace

std::vector<Category> categories_for(const ModelFile& file, const Dataset& dataset) {
  const auto classes = static_cast<size_t>(file.config.model.classes);
  if (!file.categories.empty()) {
    // By name first: the formats number the same classes differently.
    const auto by_name = find_all(dataset.categories, file.categories, [](const Category& a, const Category& b) {
      return !a.name.empty() && a.name == b.name;
    });
    if (!by_name.empty()) return by_name;
    const auto same_id = [](const Category& a, const Category& b) { return a.id == b.id; };
    const auto by_id = find_all(dataset.categories, file.categories, same_id);
    if (!by_id.empty()) return by_id;
    for (const Category& category : file.categories)
      if (find_all(dataset.categories, {category}, same_id).empty())
        throw Error(ErrorKind::Data, fmt::format("the weights have a category {} ('{}') that the dataset lacks: use "
                                                 "weights that were trained on this dataset",
                                                 category.id, printable(category.name)));
  }
  if (classes == dataset.categories.size()) return dataset.categories;
  if (static_cast<int64_t>(classes) == dataset.categories.back().id + 1) {
    std::vector<Category> by_id(classes);
    for (size_t label = 0; label < classes; ++label) by_id[label] = {static_cast<int64_t>(label), ""};
    for (const Category& category : dataset.categories) by_id[static_cast<size_t>(category.id)] = category;
    return by_id;
  }
  throw Error(
      ErrorKind::Data,
      fmt::format(
          "the weights have {} classes and no names for them, the dataset has {}: their labels cannot be matched",
          classes, dataset.categories.size()));
}

}  // namespace fovea
