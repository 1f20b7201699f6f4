#include "tests/standin/cublaslt.h"

#include <cstdio>
#include <cstring>
#include <utility>

#include "kernels/conv/cuda/cublaslt_runtime.h"
#include "kernels/launch/bfloat16.h"
#include "tests/standin/operands.h"

namespace fovea::cublaslt {
namespace test {

std::vector<Executed> executed_matmuls;

namespace {

bool none_offered = false;
constexpr uint64_t kParts = 4;
constexpr int64_t kLongSum = 256;  // beyond it there are algorithms that cut the sum in parts

// What the opaque types hold here.
struct Description {
  cublasOperation_t op_a = CUBLAS_OP_N, op_b = CUBLAS_OP_N;
  uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  void *bias = nullptr, *aux = nullptr;
  int64_t aux_ld = 0;
};
struct Layout {
  cudaDataType type;
  int64_t rows, columns, ld;
  size_t size() const { return type == CUDA_R_32F ? 4 : 2; }
  size_t bytes() const { return static_cast<size_t>(ld * columns) * size(); }
  bool operator==(const Layout&) const = default;
};
struct Preference {
  uint64_t workspace = 0, numerics = ~uint64_t{0};
  uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_MASK;
  uint32_t alignment[4] = {256, 256, 256, 256};
};
struct Algorithm {  // in cublasLtMatmulAlgo_t
  uint64_t id, problem, parts, workspace, alignment[4];
};
static_assert(sizeof(Algorithm) == sizeof(cublasLtMatmulAlgo_t));

template <class T, class Opaque>
T& as(Opaque* opaque) {
  return *reinterpret_cast<T*>(opaque);
}
template <class T, class Opaque>
const T& as(const Opaque* opaque) {
  return *reinterpret_cast<const T*>(opaque);
}
template <class Opaque, class T>
cublasStatus_t give(Opaque** to, const T& value) {
  *to = reinterpret_cast<Opaque*>(new T(value));
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t refuse(const char* why) {
  std::fprintf(stderr, "cuBLASLt's double refuses: %s\n", why);
  return CUBLAS_STATUS_INVALID_VALUE;
}

struct Problem {
  Description d;
  Layout a, b, c, out;
  int64_t m() const { return out.rows; }
  int64_t n() const { return out.columns; }
  int64_t k() const { return d.op_a == CUBLAS_OP_N ? a.columns : a.rows; }
  bool has_bias() const { return (d.epilogue & CUBLASLT_EPILOGUE_BIAS) != 0; }
  bool gives_bias_gradient() const { return d.epilogue == CUBLASLT_EPILOGUE_BGRADB; }
  bool writes_bits() const { return (d.epilogue & ~uint32_t{CUBLASLT_EPILOGUE_BIAS}) == CUBLASLT_EPILOGUE_RELU_AUX; }
  bool reads_bits() const { return d.epilogue == CUBLASLT_EPILOGUE_DRELU; }
  bool has_bits() const { return writes_bits() || reads_bits(); }
  size_t bits_bytes() const { return static_cast<size_t>(d.aux_ld * n() / 8); }
  size_t bias_bytes() const { return static_cast<size_t>(gives_bias_gradient() ? n() : m()) * out.size(); }

  cublasStatus_t check() const {
    if ((d.op_a == CUBLAS_OP_N ? a.rows : a.columns) != m()) return refuse("op(a) and d differ in rows");
    if ((d.op_b == CUBLAS_OP_N ? b.columns : b.rows) != n()) return refuse("op(b) and d differ in columns");
    if ((d.op_b == CUBLAS_OP_N ? b.rows : b.columns) != k()) return refuse("op(a)'s columns are not op(b)'s rows");
    if (!(c == out)) return refuse("c and d differ");
    if (a.type != b.type) return refuse("a and b differ in type");
    for (const Layout& layout : {a, b, c, out})
      if (layout.ld < layout.rows) return refuse("a leading dimension is less than the rows");
    if ((has_bias() || gives_bias_gradient()) && d.bias == nullptr) return refuse("a bias is missing");
    if (has_bits() && d.aux == nullptr) return refuse("the ReLU's bits are missing");
    if (has_bits() && (d.aux_ld < m() || d.aux_ld % 128 != 0))
      return refuse("the leading dimension of the ReLU's bits is less than the rows, or no multiple of 128");
    const bool known = a.type == CUDA_R_32F
                           ? out.type == CUDA_R_32F
                           : a.type == CUDA_R_16BF && (out.type == CUDA_R_16BF || out.type == CUDA_R_32F);
    if (!known) return CUBLAS_STATUS_NOT_SUPPORTED;
    for (const Layout& layout : {a, b, c, out})  // tensor cores
      if (a.type == CUDA_R_16BF && static_cast<size_t>(layout.ld) * layout.size() % 16 != 0)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    return CUBLAS_STATUS_SUCCESS;
  }
  uint64_t name() const {  // an algorithm is for one problem
    uint64_t hash = 0xcbf29ce484222325;
    for (const int64_t value :
         {m(), n(), k(), int64_t{d.op_a}, int64_t{d.op_b}, int64_t{d.epilogue}, int64_t{a.type}, int64_t{out.type}})
      hash = (hash ^ static_cast<uint64_t>(value)) * 0x100000001b3;
    return hash;
  }
};

// `rows` x `columns` by rows in float64, from a matrix that lies by columns, or transposed.
std::vector<double> by_rows(const void* data, const Layout& layout, bool transposed) {
  const int64_t rows = transposed ? layout.columns : layout.rows, columns = transposed ? layout.rows : layout.columns;
  std::vector<double> values(static_cast<size_t>(rows * columns));
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t at = transposed ? c + r * layout.ld : r + c * layout.ld;
      values[static_cast<size_t>(r * columns + c)] = layout.type == CUDA_R_32F
                                                         ? static_cast<const float*>(data)[at]
                                                         : static_cast<float>(static_cast<const bfloat16*>(data)[at]);
    }
  return values;
}
double value_at(const void* data, cudaDataType type, int64_t at) {
  return type == CUDA_R_32F ? static_cast<const float*>(data)[at]
                            : static_cast<float>(static_cast<const bfloat16*>(data)[at]);
}
void store(void* data, cudaDataType type, int64_t at, double value) {
  if (type == CUDA_R_32F)
    static_cast<float*>(data)[at] = static_cast<float>(value);
  else
    static_cast<bfloat16*>(data)[at] = bfloat16(static_cast<float>(value));
}

// A bit of a ReLU's mask. In which order they lie is not written down, so that nobody may know: here from the last one
// backwards, inverted.
void store_bit(const Problem& p, int64_t row, int64_t column, bool bit) {
  const int64_t at = p.d.aux_ld * p.n() - 1 - (column * p.d.aux_ld + row);
  auto& byte = static_cast<uint8_t*>(p.d.aux)[at / 8];
  const auto mask = static_cast<uint8_t>(1u << (at % 8));
  byte = static_cast<uint8_t>(bit ? byte & ~mask : byte | mask);
}
bool bit_of(const Problem& p, int64_t row, int64_t column) {
  const int64_t at = p.d.aux_ld * p.n() - 1 - (column * p.d.aux_ld + row);
  return (static_cast<const uint8_t*>(p.d.aux)[at / 8] >> (at % 8) & 1) == 0;
}

void compute(const Problem& p, float alpha, const void* a, const void* b, float beta, const void* c, void* out) {
  const std::vector<double> left = by_rows(a, p.a, /*transposed=*/p.d.op_a == CUBLAS_OP_N),  // [k, m]
      right = by_rows(b, p.b, /*transposed=*/p.d.op_b == CUBLAS_OP_N);                       // [n, k]
  const int64_t m = p.m(), k = p.k();
  std::vector<double> sums(static_cast<size_t>(m));
  for (int64_t j = 0; j < p.n(); ++j) {
    std::fill(sums.begin(), sums.end(), 0.0);
    double sum_of_right = 0;
    for (int64_t l = 0; l < k; ++l) {
      const double factor = right[static_cast<size_t>(j * k + l)];
      const double* row = &left[static_cast<size_t>(l * m)];
      sum_of_right += factor;
      for (int64_t i = 0; i < m; ++i) sums[static_cast<size_t>(i)] += row[i] * factor;
    }
    for (int64_t i = 0; i < m; ++i) {
      double value = alpha * sums[static_cast<size_t>(i)];
      if (beta != 0) value += beta * value_at(c, p.c.type, i + j * p.c.ld);
      if (p.has_bias()) value += value_at(p.d.bias, p.out.type, i);
      if ((p.d.epilogue & CUBLASLT_EPILOGUE_RELU) != 0 && value < 0) value = 0;
      if (p.writes_bits()) store_bit(p, i, j, value > 0);
      if (p.reads_bits() && !bit_of(p, i, j)) value = 0;
      store(out, p.out.type, i + j * p.out.ld, value);
    }
    if (p.gives_bias_gradient()) store(p.d.bias, p.out.type, j, sum_of_right);
  }
}

Problem problem_of(cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                   cublasLtMatrixLayout_t out) {
  return {as<Description>(d), as<Layout>(a), as<Layout>(b), as<Layout>(c), as<Layout>(out)};
}

// ---- The functions.

cublasStatus_t create(cublasLtHandle_t* handle) {
  static int the_only;
  *handle = reinterpret_cast<cublasLtHandle_t>(&the_only);
  return admit("cublasLtCreate");
}
const char* status_string(cublasStatus_t status) {
  return status == CUBLAS_STATUS_ALLOC_FAILED       ? "the resource allocation failed"
         : status == CUBLAS_STATUS_EXECUTION_FAILED ? "the function failed to launch on the GPU"
         : status == CUBLAS_STATUS_NOT_SUPPORTED    ? "the functionality is not supported"
                                                    : "an unsupported value was passed";
}

cublasStatus_t desc_create(cublasLtMatmulDesc_t* made, cublasComputeType_t compute_type, cudaDataType_t scale) {
  const bool fp32 = compute_type == CUBLAS_COMPUTE_32F || compute_type == CUBLAS_COMPUTE_32F_FAST_TF32;
  if (!fp32 || scale != CUDA_R_32F) return refuse("not computed in fp32");
  const cublasStatus_t status = admit("cublasLtMatmulDescCreate");
  return status == CUBLAS_STATUS_SUCCESS ? give(made, Description{}) : status;
}
cublasStatus_t desc_destroy(cublasLtMatmulDesc_t made) {
  delete &as<Description>(made);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t desc_set(cublasLtMatmulDesc_t made, cublasLtMatmulDescAttributes_t attribute, const void* value,
                        size_t bytes) {
  auto& d = as<Description>(made);
  const auto take = [&](auto& field) {
    if (bytes != sizeof(field)) return refuse("an attribute of another size");
    std::memcpy(&field, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
  };
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return take(d.op_a);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return take(d.op_b);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return take(d.epilogue);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return take(d.bias);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER:
      return take(d.aux);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD:
      return take(d.aux_ld);
    default:
      return refuse("an attribute that it does not know");
  }
}

cublasStatus_t layout_create(cublasLtMatrixLayout_t* made, cudaDataType type, uint64_t rows, uint64_t columns,
                             int64_t ld) {
  const cublasStatus_t status = admit("cublasLtMatrixLayoutCreate");
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  return give(made, Layout{type, static_cast<int64_t>(rows), static_cast<int64_t>(columns), ld});
}
cublasStatus_t layout_destroy(cublasLtMatrixLayout_t made) {
  delete &as<Layout>(made);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t preference_create(cublasLtMatmulPreference_t* made) {
  const cublasStatus_t status = admit("cublasLtMatmulPreferenceCreate");
  return status == CUBLAS_STATUS_SUCCESS ? give(made, Preference{}) : status;
}
cublasStatus_t preference_destroy(cublasLtMatmulPreference_t made) {
  delete &as<Preference>(made);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t preference_set(cublasLtMatmulPreference_t made, cublasLtMatmulPreferenceAttributes_t attribute,
                              const void* value, size_t bytes) {
  auto& p = as<Preference>(made);
  const auto take = [&](auto& field) {
    if (bytes != sizeof(field)) return refuse("a preference of another size");
    std::memcpy(&field, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
  };
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return take(p.workspace);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return take(p.reductions);
    case CUBLASLT_MATMUL_PREF_IMPL_MASK:
      return take(p.numerics);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      return take(p.alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES]);
    default:
      return refuse("a preference that it does not know");
  }
}

cublasStatus_t heuristic(cublasLtHandle_t, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                         cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t out, cublasLtMatmulPreference_t preference,
                         int most, cublasLtMatmulHeuristicResult_t* results, int* count) {
  *count = 0;
  if (const cublasStatus_t status = admit("cublasLtMatmulAlgoGetHeuristic"); status != CUBLAS_STATUS_SUCCESS)
    return status;
  const Problem problem = problem_of(d, a, b, c, out);
  if (const cublasStatus_t status = problem.check(); status != CUBLAS_STATUS_SUCCESS) return status;
  if (none_offered) return CUBLAS_STATUS_NOT_SUPPORTED;
  const auto& p = as<Preference>(preference);
  const auto offer = [&](uint64_t id, uint64_t parts, uint64_t workspace) {
    if (*count >= most || workspace > p.workspace) return;
    Algorithm algorithm{id, problem.name(), parts, workspace, {}};
    for (int i = 0; i < 4; ++i) algorithm.alignment[i] = p.alignment[i];
    cublasLtMatmulHeuristicResult_t& result = results[(*count)++];
    result = {};
    std::memcpy(&result.algo, &algorithm, sizeof(algorithm));
    result.workspaceSize = workspace;
    result.state = CUBLAS_STATUS_SUCCESS;
  };
  // What the caller should have ruled out comes first, so that it is taken where it has not.
  if (problem.a.type == CUDA_R_32F && (p.numerics & CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_TF32) != 0) offer(kTf32, 1, 0);
  const uint64_t sums = kParts * static_cast<uint64_t>(problem.m() * problem.n()) * sizeof(float);
  if (problem.k() > kLongSum) {
    if ((p.reductions & CUBLASLT_REDUCTION_SCHEME_INPLACE) != 0) offer(kInPlaceSum, kParts, 0);
    if ((p.reductions & CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE) != 0) offer(kSumInParts, kParts, sums);
  }
  offer(kPlain, 1, 0);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t algorithm_check(cublasLtHandle_t, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a,
                               cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t out,
                               const cublasLtMatmulAlgo_t* algorithm, cublasLtMatmulHeuristicResult_t* result) {
  const auto& chosen = as<Algorithm>(algorithm);
  if (chosen.problem != problem_of(d, a, b, c, out).name()) return CUBLAS_STATUS_NOT_SUPPORTED;
  *result = {};
  result->workspaceSize = chosen.workspace;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t algorithm_get(const cublasLtMatmulAlgo_t* algorithm, cublasLtMatmulAlgoConfigAttributes_t attribute,
                             void* value, size_t bytes, size_t* written) {
  const auto& chosen = as<Algorithm>(algorithm);
  const auto number = static_cast<int32_t>(attribute == CUBLASLT_ALGO_CONFIG_ID           ? chosen.id
                                           : attribute == CUBLASLT_ALGO_CONFIG_SPLITK_NUM ? chosen.parts
                                                                                          : 1);
  if (bytes != sizeof(number)) return refuse("an attribute of another size");
  std::memcpy(value, &number, bytes);
  *written = bytes;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t matmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t d, const void* alpha, const void* a,
                      cublasLtMatrixLayout_t layout_a, const void* b, cublasLtMatrixLayout_t layout_b, const void* beta,
                      const void* c, cublasLtMatrixLayout_t layout_c, void* out, cublasLtMatrixLayout_t layout_out,
                      const cublasLtMatmulAlgo_t* algorithm, void* workspace, size_t workspace_bytes,
                      cudaStream_t stream) {
  if (const cublasStatus_t status = admit("cublasLtMatmul"); status != CUBLAS_STATUS_SUCCESS) return status;
  if (handle == nullptr || algorithm == nullptr) return refuse("no handle or algorithm");
  const Problem p = problem_of(d, layout_a, layout_b, layout_c, layout_out);
  if (const cublasStatus_t status = p.check(); status != CUBLAS_STATUS_SUCCESS) return status;
  const auto& chosen = as<Algorithm>(algorithm);
  if (chosen.problem != p.name()) return refuse("the algorithm is another problem's");
  if (workspace_bytes < chosen.workspace) return refuse("the workspace is too small");
  using fovea::test::in_device_memory, fovea::test::kOperandAlignment, fovea::test::kWorkspaceAlignment;
  if (workspace_bytes > 0 && !in_device_memory(workspace, workspace_bytes, kWorkspaceAlignment))
    return refuse("the workspace is not the device's memory, or not aligned to 256 bytes");
  const auto here = [&](const void* memory, const Layout& layout, int which) {
    return in_device_memory(memory, layout.bytes(), chosen.alignment[which]);
  };
  if (!here(a, p.a, 0) || !here(b, p.b, 1) || !here(c, p.c, 2) || !here(out, p.out, 3))
    return refuse("an operand is not in the device's memory, or not as aligned as was said");
  if ((p.has_bias() || p.gives_bias_gradient()) && !in_device_memory(p.d.bias, p.bias_bytes(), kOperandAlignment))
    return refuse("the bias is not in the device's memory, or not aligned");
  if (p.has_bits() && !in_device_memory(p.d.aux, p.bits_bytes(), kOperandAlignment))
    return refuse("the ReLU's bits are not in the device's memory, or not aligned");
  if (out == a || out == b) return refuse("the result would overwrite an operand");
  const float scale = *static_cast<const float*>(alpha), adds = *static_cast<const float*>(beta);
  executed_matmuls.push_back(
      {p.m(), p.n(), p.k(), p.a.type, p.out.type, static_cast<cublasLtEpilogue_t>(p.d.epilogue), adds, chosen.id});
  return submit(stream, [=] {
    if (workspace_bytes > 0) std::memset(workspace, 0xff, workspace_bytes);  // it may write all of it
    compute(p, scale, a, b, adds, c, out);
  });
}

}  // namespace

bool offer_none(bool none) { return std::exchange(none_offered, none); }

}  // namespace test

const Library* library() {
  static const Library library{{nullptr, "cuBLASLt's double"},
                               CUBLAS_VERSION,
                               test::create,
                               test::status_string,
                               test::desc_create,
                               test::desc_destroy,
                               test::desc_set,
                               test::layout_create,
                               test::layout_destroy,
                               test::preference_create,
                               test::preference_destroy,
                               test::preference_set,
                               test::heuristic,
                               test::algorithm_check,
                               test::algorithm_get,
                               test::matmul};
  return &library;
}

cublasLtHandle_t handle() {
  static const cublasLtHandle_t made = [] {
    cublasLtHandle_t handle = nullptr;
    check(*library(), library()->create(&handle), "cublasLtCreate");
    return handle;
  }();
  return made;
}

}  // namespace fovea::cublaslt
