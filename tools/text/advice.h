// What errors and notices about datasets and runs advise (kernels/advice.h), in the library's words.
#pragma once
#include "kernels/advice.h"

namespace fovea::advice {

inline constexpr const char* kUseGpu = "use the GPU";
inline constexpr const char* kUseBf16 = "use bf16";
inline constexpr const char* kCheckGpu = "check the GPU again";
inline constexpr const char* kBuildWithCuda = "build Fovea with CUDA";
inline constexpr const char* kListLayers = "list its layers";

inline constexpr const char* kListWeights = "list them";
inline constexpr const char* kResume = "resume it";
inline constexpr const char* kStartNew = "start a new run";
inline constexpr const char* kKeepConfig = "leave it as it is";
inline constexpr const char* kAllowDataChange = "go on with the new data";
inline constexpr const char* kAllowConfigChange = "allow the change";
inline constexpr const char* kChangeSettings = "set what differs";
inline constexpr const char* kStartFromWeights = "start a new run from its weights";

inline constexpr const char* kSetFormat = "set the format";
inline constexpr const char* kSplitDataset = "split it into train and val";
inline constexpr const char* kSkipBadImages = "skip bad images";
inline constexpr const char* kMergeClasses = "merge them";
inline constexpr const char* kSkipBadBoxes = "skip bad boxes";
inline constexpr const char* kClipBoxes = "clip them";
inline constexpr const char* kNamePython = "name another Python";
inline constexpr const char* kNameImages = "name the folder of the images";

inline constexpr const char* kUseMirror = "name a mirror";
inline constexpr const char* kOtherFolder = "choose another folder";

}  // namespace fovea::advice
