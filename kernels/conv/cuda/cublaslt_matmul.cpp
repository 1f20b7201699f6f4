#include "kernels/conv/cuda/cublaslt_matmul.h"

#include <cstring>

#include "kernels/conv/cuda/cublaslt_runtime.h"
#include "kernels/error.h"
#include "kernels/launch/math.h"

namespace fovea::cublaslt {
namespace {

constexpr int kMostCandidates = 16;
constexpr uint64_t kMostWorkspace = uint64_t{32} << 20;  // what cuBLAS itself takes on Hopper
constexpr uint32_t kAlignment = 16;
constexpr int64_t kBitsRow = 128;  // the bits of a pixel's channels are a multiple of it
// Parts of a sum go to the workspace in fp32 and are added there. The others add in the output's type or in place.
constexpr uint32_t kReductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
constexpr uint64_t kExactFp32 = CUBLASLT_NUMERICAL_IMPL_FLAGS_FMA | CUBLASLT_NUMERICAL_IMPL_FLAGS_ACCUMULATOR_32F |
                                CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_32F;

void check(cublasStatus_t status, const char* call, const MatmulKey& key) {
  if (status != CUBLAS_STATUS_SUCCESS) cublaslt::check(*library(), status, std::string(call) + " for " + text_of(key));
}

cudaDataType_t type_of(DType dtype) { return dtype == DType::F32 ? CUDA_R_32F : CUDA_R_16BF; }

// The matmul in cuBLASLt's words: matrices by columns, so that each of ours is its own transpose there, and the
// matmul the other way round:  out [m, n] = op(a) [m, k] · op(b) [k, n].
struct Form {
  int64_t m, n, k;
  bool transpose_a = false, transpose_b = false;

  explicit Form(const MatmulKey& key) {
    const int64_t p = key.pixels, c = key.in_c, o = key.out_c;
    if (key.pass == ConvPass::Forward)  // Yᵀ [K, P] = W [K, C] · Xᵀ [C, P];  W lies as [C, K]
      m = o, n = p, k = c, transpose_a = true;
    else if (key.pass == ConvPass::BackwardData)  // dXᵀ [C, P] = Wᵀ [C, K] · dYᵀ [K, P]
      m = c, n = p, k = o;
    else  // dWᵀ [C, K] = Xᵀ [C, P] · dY [P, K];  dY lies as [K, P]
      m = c, n = o, k = p, transpose_b = true;
  }
};

// From one pixel's bits to the next one's.
int64_t bits_row(const MatmulKey& key) { return round_up(Form(key).m, kBitsRow); }

cublasLtEpilogue_t epilogue_of(const MatmulKey& key) {
  if (key.pass == ConvPass::BackwardWeight) return key.bias ? CUBLASLT_EPILOGUE_BGRADB : CUBLASLT_EPILOGUE_DEFAULT;
  if (key.pass == ConvPass::BackwardData) return key.bits ? CUBLASLT_EPILOGUE_DRELU : CUBLASLT_EPILOGUE_DEFAULT;
  if (key.bits) return key.bias ? CUBLASLT_EPILOGUE_RELU_AUX_BIAS : CUBLASLT_EPILOGUE_RELU_AUX;
  if (key.bias) return key.relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS;
  return key.relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT;
}

cublasLtMatmulDescOpaque_t* make_description(const MatmulKey& key) {
  cublasLtMatmulDescOpaque_t* made = nullptr;
  const cublasComputeType_t type = key.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  check(library()->desc_create(&made, type, CUDA_R_32F), "cublasLtMatmulDescCreate", key);
  return made;
}

// `rows` x `columns` by columns, without gaps.
cublasLtMatrixLayoutOpaque_t* make_layout(const MatmulKey& key, DType dtype, int64_t rows, int64_t columns) {
  cublasLtMatrixLayoutOpaque_t* made = nullptr;
  check(library()->layout_create(&made, type_of(dtype), static_cast<uint64_t>(rows), static_cast<uint64_t>(columns),
                                 rows),
        "cublasLtMatrixLayoutCreate", key);
  return made;
}

// What an algorithm may do and need.
class Preference {
 public:
  explicit Preference(const MatmulKey& key) : key_(key) {
    check(library()->preference_create(&made_), "cublasLtMatmulPreferenceCreate", key);
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kMostWorkspace);
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, kReductions);
    for (const auto attribute :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      set(attribute, kAlignment);
    if (key.dtype == DType::F32 && !key.tf32) set(CUBLASLT_MATMUL_PREF_IMPL_MASK, kExactFp32);
  }
  ~Preference() { library()->preference_destroy(made_); }
  Preference(const Preference&) = delete;
  Preference& operator=(const Preference&) = delete;
  cublasLtMatmulPreference_t get() const { return made_; }

 private:
  template <class T>
  void set(cublasLtMatmulPreferenceAttributes_t attribute, const T& value) {
    check(library()->preference_set(made_, attribute, &value, sizeof(value)), "cublasLtMatmulPreferenceSetAttribute",
          key_);
  }
  const MatmulKey& key_;
  cublasLtMatmulPreference_t made_ = nullptr;
};

const char* name_of_pass(ConvPass pass) {
  return pass == ConvPass::Forward ? "forward" : pass == ConvPass::BackwardData ? "data" : "weight";
}

}  // namespace

std::string text_of(const MatmulKey& k) {
  return std::string(name_of_pass(k.pass)) + " " + fovea::name_of(k.dtype) + " " + std::to_string(k.pixels) + " " +
         std::to_string(k.in_c) + " " + std::to_string(k.out_c) + (k.add ? " add" : "") + (k.bias ? " bias" : "") +
         (k.relu ? " relu" : "") + (k.bits ? " bits" : "") + (k.tf32 ? " tf32" : "");
}

std::string fusion_text(const MatmulKey& k) {
  return std::string("matmul") + (k.add ? " + add" : "") + (k.bias ? " + bias" : "") +
         (!k.relu                            ? ""
          : k.pass == ConvPass::BackwardData ? " + ReLU backward"
          : k.bits                           ? " + ReLU with bits"
                                             : " + ReLU");
}

size_t bits_bytes(const MatmulKey& key) { return static_cast<size_t>(Form(key).n * bits_row(key) / 8); }

Matmul::Matmul(const MatmulKey& key)
    : key_(key),
      product_(make_description(key), library()->desc_destroy),
      a_(nullptr, library()->layout_destroy),
      b_(nullptr, library()->layout_destroy),
      out_(nullptr, library()->layout_destroy) {
  const Form f(key);
  const DType out = key.pass == ConvPass::BackwardWeight ? DType::F32 : key.dtype;
  a_.reset(make_layout(key, key.dtype, f.transpose_a ? f.k : f.m, f.transpose_a ? f.m : f.k));
  b_.reset(make_layout(key, key.dtype, f.transpose_b ? f.n : f.k, f.transpose_b ? f.k : f.n));
  out_.reset(make_layout(key, out, f.m, f.n));
  const int32_t transposed = CUBLAS_OP_T;
  const uint32_t epilogue = epilogue_of(key);
  if (f.transpose_a) set(CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof(transposed));
  if (f.transpose_b) set(CUBLASLT_MATMUL_DESC_TRANSB, &transposed, sizeof(transposed));
  set(CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof(epilogue));
  // Of what it gets only when it runs the alignment is looked at.
  void* const aligned = reinterpret_cast<void*>(uintptr_t{kAlignment});
  if (key.bias) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, &aligned, sizeof(aligned));
  if (key.bits) {
    const int64_t row = bits_row(key);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, &row, sizeof(row));
    set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, &aligned, sizeof(aligned));
  }
  const Preference preference(key);
  found_.resize(kMostCandidates);
  int count = 0;
  const cublasStatus_t status =
      library()->heuristic(handle(), product_.get(), a_.get(), b_.get(), out_.get(), out_.get(), preference.get(),
                           kMostCandidates, found_.data(), &count);
  // Which of the two it says of an epilogue that it does not have is not written down.
  const bool none = status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE;
  if (!none) check(status, "cublasLtMatmulAlgoGetHeuristic", key);
  found_.resize(none ? 0 : static_cast<size_t>(count));
  std::erase_if(found_, [](const auto& found) { return found.state != CUBLAS_STATUS_SUCCESS; });
  if (!found_.empty()) pick(0);
}

void Matmul::set(cublasLtMatmulDescAttributes_t attribute, const void* value, size_t bytes) const {
  check(library()->desc_set(product_.get(), attribute, value, bytes), "cublasLtMatmulDescSetAttribute", key_);
}

std::string Matmul::algorithm() const {
  const auto value = [&](cublasLtMatmulAlgoConfigAttributes_t attribute) {
    int32_t number = 0;
    size_t written = 0;
    check(library()->algorithm_get(&picked_.algo, attribute, &number, sizeof(number), &written),
          "cublasLtMatmulAlgoConfigGetAttribute", key_);
    return std::to_string(number);
  };
  return "cuBLASLt " + version_text(library()->version) + ", algorithm " + value(CUBLASLT_ALGO_CONFIG_ID) + ", tile " +
         value(CUBLASLT_ALGO_CONFIG_TILE_ID) + ", stages " + value(CUBLASLT_ALGO_CONFIG_STAGES_ID) +
         ", parts of the sum " + value(CUBLASLT_ALGO_CONFIG_SPLITK_NUM);
}

void Matmul::run(const Queue& queue, const MatmulOperands& o, void* workspace) const {
  const bool weight = key_.pass == ConvPass::BackwardWeight;
  require(key_.add == (o.add != nullptr), "a matmul got an addend it does not have, or lacks its own");
  require(key_.bias == (o.bias != nullptr), "a matmul got a bias it does not have, or lacks its own");
  require(key_.bits == (o.bits != nullptr), "a matmul got mask bits it does not have, or lacks its own");
  if (key_.bias) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, &o.bias, sizeof(o.bias));
  if (key_.bits) set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, &o.bits, sizeof(o.bits));
  const float one = 1, beta = key_.add ? 1 : 0;
  const void* addend = key_.add ? o.add : o.out;  // not read where beta is 0
  check(library()->matmul(handle(), product_.get(), &one, weight ? o.image : o.weights, a_.get(),
                          weight ? o.weights : o.image, b_.get(), &beta, addend, out_.get(), o.out, out_.get(),
                          &picked_.algo, workspace, picked_.workspaceSize, static_cast<cudaStream_t>(queue.stream())),
        "cublasLtMatmul", key_);
}

std::vector<uint8_t> Matmul::serialize() const {
  std::vector<uint8_t> bytes(sizeof(picked_.algo));
  std::memcpy(bytes.data(), &picked_.algo, bytes.size());
  return bytes;
}

bool Matmul::restore(const std::vector<uint8_t>& bytes) {
  cublasLtMatmulAlgo_t algorithm;
  if (bytes.size() != sizeof(algorithm)) return false;
  std::memcpy(&algorithm, bytes.data(), bytes.size());
  cublasLtMatmulHeuristicResult_t result{};
  if (library()->algorithm_check(handle(), product_.get(), a_.get(), b_.get(), out_.get(), out_.get(), &algorithm,
                                 &result) != CUBLAS_STATUS_SUCCESS ||
      result.workspaceSize > kMostWorkspace)
    return false;
  picked_ = result;
  picked_.algo = algorithm;
  return true;
}

}  // namespace fovea::cublaslt
