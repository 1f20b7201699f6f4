#include "tools/checkpoint/checkpoint.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "engine/files.h"
#include "engine/printable.h"
#include "engine/safetensors.h"
#include "model/weights.h"
#include "tools/text/advice.h"

namespace fovea {

namespace {

std::string categories_json(const std::vector<Category>& categories) {
  std::string text = "[";
  for (const Category& category : categories)
    text +=
        fmt::format("{}{{\"id\":{},\"name\":{}}}", text.size() > 1 ? "," : "", category.id, json_quoted(category.name));
  return text + "]";
}

[[noreturn]] void refuse(const TensorFile& file, const std::string& why) {
  throw Error(ErrorKind::Data, fmt::format("{}: {}", printable(file.path().native()), why));
}

std::vector<Category> parse_categories(const TensorFile& file, const std::string& text) {
  simdjson::dom::parser parser;
  simdjson::dom::array list;
  if (parser.parse(text).get_array().get(list)) refuse(file, "the metadata fovea.categories is not a list");
  std::vector<Category> categories;
  for (const auto entry : list) {
    int64_t id;
    std::string_view name;
    if (entry["id"].get_int64().get(id) || entry["name"].get_string().get(name))
      refuse(file, "the metadata fovea.categories has an entry without id or name");
    categories.push_back({id, std::string(name)});
  }
  return categories;
}

TrainingState parse_state(const TensorFile& file, const std::string& text) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  TrainingState state;
  if (parser.parse(text).get(root) || root["step"].get_int64().get(state.step) ||
      root["best_ap"].get_double().get(state.best_ap))
    refuse(file, "the metadata fovea.state is not valid");
  return state;
}

std::string state_name(const Optimizer::State& state) { return std::string("optimizer.") + state.name; }
constexpr const char *kStepsKey = "fovea.optimizer_steps", *kDataKey = "fovea.data";

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const RetinaNet& model, const Optimizer* optimizer,
                     const Config& config, const std::vector<Category>& categories, const TrainingState& state) {
  HostTensors tensors;
  tensors.add_parameters(model.parameters());
  std::map<std::string, std::string> metadata{
      {"fovea.config", to_toml(config)},
      {"fovea.categories", categories_json(categories)},
      {"fovea.state", fmt::format("{{\"step\":{},\"best_ap\":{:.17e}}}", state.step, state.best_ap)}};
  if (state.data) metadata[kDataKey] = to_json(*state.data);
  if (optimizer != nullptr) {
    for (const auto& flat : optimizer->state()) tensors.add(state_name(flat), flat.tensor);
    metadata[kStepsKey] = std::to_string(optimizer->steps_done());
  }
  write_safetensors(path, tensors.tensors(), std::move(metadata));
}

CheckpointInfo read_info(const TensorFile& file) {
  CheckpointInfo info;
  const auto& metadata = file.metadata();
  const auto find = [&](const char* key) { return metadata.find(key); };
  if (const auto entry = find("fovea.config"); entry != metadata.end()) {
    info.config.emplace();
    try {
      apply_toml(*info.config, entry->second, "fovea.config", OldKeys::Take);
      validate(*info.config);
    } catch (const Error& error) {  // the file is at fault, not who gave it
      refuse(file, fmt::format("the metadata is not valid: {}", error.what()));
    }
  }
  if (const auto entry = find("fovea.categories"); entry != metadata.end())
    info.categories = parse_categories(file, entry->second);
  if (const auto entry = find("fovea.state"); entry != metadata.end()) info.state = parse_state(file, entry->second);
  if (const auto entry = find(kDataKey); info.state && entry != metadata.end()) {
    info.state->data = data_identity_of_json(entry->second);
    if (!info.state->data) refuse(file, fmt::format("the metadata {} is not valid", kDataKey));
  }
  return info;
}

void require_readable(const std::filesystem::path& path) {
  try {
    read_info(SafetensorsFile(path));
  } catch (const Error& error) {
    throw Error(ErrorKind::Runtime, fmt::format("the first checkpoint cannot be read back: {}", error.what()));
  }
}

void restore_optimizer(const TensorFile& file, Optimizer& optimizer, NonFinite non_finite) {
  for (const auto& flat : optimizer.state()) {
    const std::string name = state_name(flat);
    if (!file.contains(name))
      refuse(file, fmt::format("it has no optimizer state '{}', so it cannot be resumed; {}", name,
                               advise(advice::kStartFromWeights)));
    if (file.at(name).shape != flat.tensor.shape().sizes())
      refuse(file, fmt::format("tensor '{}' has shape {}, the model needs {}", name, Shape(file.at(name).shape).text(),
                               flat.tensor.shape().text()));
    require_finite(file, name, non_finite);
  }
  for (const auto& flat : optimizer.state()) flat.tensor.upload(file.read<float>(state_name(flat)));
  const auto steps = file.metadata().find(kStepsKey);
  if (steps != file.metadata().end()) optimizer.set_steps_done(std::stoll(steps->second));
}

}  // namespace fovea
