/* Fovea's C API: load a detector, and find objects in images.
 *
 *     fovea_model* model = NULL;
 *     fovea_result* result = NULL;
 *     const char* paths[] = {"photo.jpg"};
 *     if (fovea_model_load("best.safetensors", NULL, &model) != FOVEA_OK ||
 *         fovea_detect_files(model, paths, 1, NULL, &result) != FOVEA_OK) {
 *       fprintf(stderr, "%s\n", fovea_error_message());
 *     }
 *     fovea_result_free(result);
 *     fovea_model_free(model);
 *
 * ERRORS. A function that can fail returns a fovea_status: FOVEA_OK, or what kind of error it was;
 * fovea_error_message() then says in one line what is wrong, where, and what to do. An argument that makes no sense is
 * FOVEA_ERROR_USAGE, and the message begins with its name: "images[2].width is -5: …". What a failed call would have
 * written through its pointers is not touched. No C++ exception leaves the library, and it never ends the program.
 *
 * THREADS. Every function may be called from any thread, and any number of threads may detect with one model at the
 * same time; only fovea_…_free() must be the last call with its handle. A model has one thread of its own, which runs
 * the network for one call after the other, in the order in which they came, on as many cores as `threads` says. Images
 * are read and decoded in the threads that call. So
 *   - callers share the weights and the memory of activations, and do not compete for the cores: one detection keeps
 *     all of them busy, so that several at once would not be done earlier;
 *   - what is found does not depend on which thread asks, nor on what others ask: the same bits each time;
 *   - the caller's OpenMP settings, rounding mode, signal mask, current GPU and core stay as they are.
 * Two models work independently. A child process made by fork() cannot use a model that its parent loaded (it is told
 * so): load it after fork().
 *
 * VERSIONS. A struct with a `size` begins with the size that it had when the caller was compiled: fovea_…_init() sets
 * it. A newer library takes a smaller one; fields that are 0 mean what they meant before these fields existed. The
 * functions are versioned symbols of libfovea.so.MAJOR. Before 1.0 a minor version may change the API (and then the
 * version of the symbols), a patch does not.
 *
 * LOG. The library writes nothing, unless a model has something to say and its fovea_model_options.log is NULL: then a
 * line on stderr, so that nothing is lost.
 *
 * OWNERSHIP. What a function makes is the caller's to free; pointers that it returns otherwise belong to the handle and
 * are valid until that is freed. Arguments are read during the call and not kept. */
#ifndef FOVEA_FOVEA_H
#define FOVEA_FOVEA_H

// NOLINTBEGIN(modernize-*): this is C.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FOVEA_VERSION "0.1.0" /* of this header; fovea_version(): of the library */

#if defined(__GNUC__)
#define FOVEA_API __attribute__((visibility("default")))
#define FOVEA_CHECKED __attribute__((warn_unused_result))
#else
#define FOVEA_API
#define FOVEA_CHECKED
#endif

#ifdef __cplusplus
#define FOVEA_INT32 : int32_t
extern "C" {
#else
#define FOVEA_INT32
#endif

/* ---- Errors ---- */

/* The same numbers as the exit codes of the program `fovea`. */
typedef int32_t fovea_status;
enum FOVEA_INT32 {
  FOVEA_OK = 0,
  FOVEA_ERROR_RUNTIME = 1,       /* the system, the device or the library failed */
  FOVEA_ERROR_USAGE = 2,         /* an argument or a setting makes no sense */
  FOVEA_ERROR_DATA = 3,          /* a file or an image cannot be used */
  FOVEA_ERROR_DIVERGED = 4,      /* a training */
  FOVEA_ERROR_MEMORY = 5,        /* there is not enough, of the host's or the device's */
  FOVEA_ERROR_UNSUPPORTED = 6,   /* this build or version cannot do it */
  FOVEA_ERROR_INTERRUPTED = 130, /* on request */
};

/* What was wrong with the last call that failed in this thread: one line of UTF-8, without a line end. Never NULL; ""
 * where none has failed. Valid until the next call that fails in this thread, or the thread's end. */
FOVEA_API const char* fovea_error_message(void);

/* "0.1.0", of the library that runs. */
FOVEA_API const char* fovea_version(void);

/* ---- Models ---- */

/* A network with its weights, ready to detect. */
typedef struct fovea_model fovea_model;

/* fovea_model_options.device, fovea_model_info.device */
enum FOVEA_INT32 {
  FOVEA_DEVICE_AUTO = 0, /* a GPU that has passed its check, as the program `fovea` takes it by default, else the CPU.
                            The first time on a machine the check runs in a process of its own, by the program `fovea`
                            that is installed with this library, and takes seconds */
  FOVEA_DEVICE_CPU = 1,
  FOVEA_DEVICE_CUDA = 2, /* FOVEA_ERROR_RUNTIME where there is none, …_USAGE where the library was built without CUDA */
};

/* fovea_model_options.precision, fovea_model_info.precision */
enum FOVEA_INT32 {
  FOVEA_PRECISION_AUTO = 0, /* as the file says; by default bf16 where the device is faster with it */
  FOVEA_PRECISION_F32 = 1,
  FOVEA_PRECISION_TF32 = 2, /* a GPU's; on the CPU it is F32 */
  FOVEA_PRECISION_BF16 = 3,
};

/* level of fovea_log_function */
enum FOVEA_INT32 {
  FOVEA_LOG_INFO = 0,    /* e.g. what is assumed of weights of another program */
  FOVEA_LOG_WARNING = 1, /* something failed, and the work goes on without it, maybe slower */
};

/* Gets what a model has to say and is no error.
 *   message   one line of UTF-8 without a line end, good during the call
 *   user      fovea_model_options.log_user
 * It is called in the model's own thread, while fovea_model_load() or a detection waits for that and until
 * fovea_model_free() returns; one call at a time. It must return (no longjmp, no C++ exception), and call nothing of
 * this model. */
typedef void (*fovea_log_function)(int32_t level, const char* message, void* user);

/* How to load a model. All zero but for `size`: as the file says. */
typedef struct fovea_model_options {
  size_t size;            /* sizeof(fovea_model_options) */
  int32_t device;         /* FOVEA_DEVICE_… */
  int32_t precision;      /* FOVEA_PRECISION_… */
  int32_t gpu;            /* number of the GPU, from 0 */
  int32_t threads;        /* on the CPU, 1 to 1024; 0: OMP_NUM_THREADS, or all cores that the process may use */
  int32_t batch;          /* images of one call that are computed at once, 1 to 1024; 0: what suits the device. Images
                             that are not of one size after resizing and padding are computed apart */
  int32_t max_detections; /* of an image, 1 to 10000; 0: as the file says */
  double score_threshold; /* 0 to 1: less likely boxes are not looked for. No call can ask for less. 0: as the file says
                             (by default 0.05); for all, a number like 1e-6 */
  double nms_threshold;   /* 0 to 1: a box is dropped where its IoU with a better one of its class is above; 0: as the
                             file says (by default 0.5) */
  const char* state_dict; /* of a PyTorch file with several sets of weights, the key of the one to take; NULL: the usual
                             ones */
  const char* const* settings; /* "key=value" as in a configuration file, e.g. "input.short_side=[640]"; NULL: none */
  size_t setting_count;
  fovea_log_function log; /* NULL: on stderr, each line after "fovea: " or "warning: " */
  void* log_user;         /* handed to it */
} fovea_model_options;

static inline void fovea_model_options_init(fovea_model_options* options) {
  memset(options, 0, sizeof(*options));
  options->size = sizeof(*options);
}

/* Loads a checkpoint of Fovea (safetensors) or weights of another program that Fovea knows (safetensors, .pth).
 *   path      UTF-8, or whatever bytes the file system takes
 *   options   NULL: all by default
 *   model     where the model is put; fovea_model_free() frees it
 * What is assumed about weights of another program goes to options->log.
 * Errors: DATA where the file cannot be read or is no such network, USAGE, MEMORY, RUNTIME. */
FOVEA_API FOVEA_CHECKED fovea_status fovea_model_load(const char* path, const fovea_model_options* options,
                                                      fovea_model** model);

/* NULL is fine. No other call may use the model any more, in whatever thread. Results stay valid. The status is OK but
 * for a pointer that is no model, which debug builds find out. */
FOVEA_API fovea_status fovea_model_free(fovea_model* model);

typedef struct fovea_model_info {
  size_t size;            /* sizeof(fovea_model_info), set by the caller */
  int32_t classes;        /* labels are 0 … classes - 1 */
  int32_t device;         /* what it runs on: FOVEA_DEVICE_CPU or …_CUDA */
  int32_t precision;      /* what it computes in: FOVEA_PRECISION_F32, …_TF32 or …_BF16 */
  int32_t threads;        /* on the CPU */
  int32_t batch;          /* images at once */
  int32_t max_detections; /* of an image, at most */
  int32_t short_side;     /* an image of any size is taken, and resized by one factor, so that its shorter side has */
  int32_t long_side;      /* short_side pixels, or its longer one long_side where that is less */
  int32_t pad_to;         /* and padded at the right and below to multiples of this */
  int32_t reserved;       /* 0 */
  int64_t max_pixels;     /* width × height of larger images is refused: DATA */
  double score_threshold; /* the least that calls can ask for */
  double nms_threshold;
} fovea_model_info;

static inline void fovea_model_info_init(fovea_model_info* info) {
  memset(info, 0, sizeof(*info));
  info->size = sizeof(*info);
}

/* Describes a model. Errors: USAGE. */
FOVEA_API FOVEA_CHECKED fovea_status fovea_model_get_info(const fovea_model* model, fovea_model_info* info);

/* What a label stands for: the dataset's id of the class, and its name in UTF-8 (the model's; "class 7" where the file
 * has no names). Either of `id` and `name` may be NULL. Errors: USAGE where there is no such label. */
FOVEA_API FOVEA_CHECKED fovea_status fovea_model_get_class(const fovea_model* model, int32_t label, int64_t* id,
                                                           const char** name);

/* ---- Detection ---- */

/* A box and what is in it. Its layout never changes. */
typedef struct fovea_detection {
  float x1, y1, x2, y2; /* left, upper, right and lower edge, in pixels of the upright image: 0 ≤ x1 ≤ x2 ≤ width */
  float score;          /* 0 to 1 */
  int32_t label;        /* of the class (fovea_model_get_class) */
} fovea_detection;

/* What was found in the images of one call. */
typedef struct fovea_result fovea_result;

/* What one call wants. All zero but for `size`: all that the model finds. */
typedef struct fovea_detect_options {
  size_t size;                   /* sizeof(fovea_detect_options) */
  double score_threshold;        /* boxes with at least this score; from the model's own to 1. 0: the model's own */
  int32_t max_detections;        /* the best of each image; from 1 to the model's own. 0: the model's own */
  int32_t skip_bad_images;       /* 0: an image that cannot be used fails the call. 1: it has no detections, and
                                    fovea_image_result says why; the others are done. For encoded images and files */
  const float* class_thresholds; /* score_threshold of each label, in its place: [class_threshold_count], 0:
                                    score_threshold; NULL: none. They choose among what the model found, whose boxes of
                                    all classes share its max_detections */
  size_t class_threshold_count;  /* the number of the model's classes */
} fovea_detect_options;

static inline void fovea_detect_options_init(fovea_detect_options* options) {
  memset(options, 0, sizeof(*options));
  options->size = sizeof(*options);
}

/* fovea_pixels.format: bytes of a pixel, in the order of memory */
enum FOVEA_INT32 {
  FOVEA_PIXELS_RGB = 0,
  FOVEA_PIXELS_BGR = 1,
  FOVEA_PIXELS_RGBA = 2, /* A is not looked at */
  FOVEA_PIXELS_BGRA = 3, /* A is not looked at */
  FOVEA_PIXELS_GRAY = 4,
};

/* fovea_pixels.memory */
enum FOVEA_INT32 {
  FOVEA_MEMORY_HOST = 0,
  FOVEA_MEMORY_CUDA = 1, /* of the GPU that the model is on, or managed memory; of cudaMalloc() and the like */
};

/* An upright image in memory, of 8-bit values: [height][width][bytes of a pixel]. It is not copied: the pixels are read
 * where they lie, until the call returns. */
typedef struct fovea_pixels {
  size_t size;           /* sizeof(fovea_pixels) */
  const uint8_t* data;   /* the first pixel of the first row; it is not changed */
  int32_t width, height; /* in pixels, at least 1 */
  int64_t row_stride;    /* bytes from one row to the next; 0: width × bytes of a pixel */
  int32_t format;        /* FOVEA_PIXELS_… */
  int32_t memory;        /* FOVEA_MEMORY_… */
  void* stream;          /* with FOVEA_MEMORY_CUDA: the cudaStream_t whose work so far writes the pixels (NULL: the
                            default stream), which they are read after; else NULL */
} fovea_pixels;

static inline void fovea_pixels_init(fovea_pixels* image) {
  memset(image, 0, sizeof(*image));
  image->size = sizeof(*image);
}

/* The bytes of an image file: JPEG, PNG, WebP, BMP or TIFF, which they say themselves. */
typedef struct fovea_encoded {
  const uint8_t* data;
  size_t length; /* bytes */
} fovea_encoded;

/* Finds objects in `count` images, of any sizes (0: none, with an empty result).
 *   images, paths   [count]
 *   options         NULL: all by default
 *   result          where the result is put; fovea_result_free() frees it
 * Returns when all is done; images are read and converted while those before them are computed. Encoded images and
 * files are turned upright by their Exif orientation, and large JPEGs decoded at a fraction of their size where the
 * network needs no more, as `fovea detect` does: pixels that another program decoded may give slightly other numbers.
 * Errors: USAGE; DATA where an image cannot be used; MEMORY; RUNTIME; UNSUPPORTED. After MEMORY the model goes on with
 * the next call; after a failure of the GPU all calls fail: load it anew. */
FOVEA_API FOVEA_CHECKED fovea_status fovea_detect_pixels(fovea_model* model, const fovea_pixels* images, size_t count,
                                                         const fovea_detect_options* options, fovea_result** result);
FOVEA_API FOVEA_CHECKED fovea_status fovea_detect_encoded(fovea_model* model, const fovea_encoded* images, size_t count,
                                                          const fovea_detect_options* options, fovea_result** result);
FOVEA_API FOVEA_CHECKED fovea_status fovea_detect_files(fovea_model* model, const char* const* paths, size_t count,
                                                        const fovea_detect_options* options, fovea_result** result);

/* ---- Results ---- */

typedef struct fovea_image_result {
  size_t size;                       /* sizeof(fovea_image_result), set by the caller */
  const fovea_detection* detections; /* [count], by falling score; the result's; may be NULL where count is 0 */
  size_t count;
  int32_t width, height; /* of the upright image, in pixels; 0 where it could not be read */
  fovea_status status;   /* FOVEA_OK, or with skip_bad_images why there is nothing: FOVEA_ERROR_DATA */
  int32_t reserved;      /* 0 */
  const char* message;   /* in words, the result's; "" with FOVEA_OK */
} fovea_image_result;

static inline void fovea_image_result_init(fovea_image_result* image) {
  memset(image, 0, sizeof(*image));
  image->size = sizeof(*image);
}

/* How many images the call had; 0 for NULL. */
FOVEA_API size_t fovea_result_image_count(const fovea_result* result);

/* What was found in the image-th image of the call, from 0, where it lies. Errors: USAGE. */
FOVEA_API FOVEA_CHECKED fovea_status fovea_result_get_image(const fovea_result* result, size_t image,
                                                            fovea_image_result* found);

/* The same into the caller's memory: the best `capacity` of them into detections[0 … capacity - 1]. `count` (NULL: not
 * wanted) becomes how many there are, which may be more than `capacity`. detections may be NULL where capacity is 0.
 * Errors: USAGE. */
FOVEA_API FOVEA_CHECKED fovea_status fovea_result_copy(const fovea_result* result, size_t image,
                                                       fovea_detection* detections, size_t capacity, size_t* count);

/* NULL is fine. As fovea_model_free(). */
FOVEA_API fovea_status fovea_result_free(fovea_result* result);

#ifdef __cplusplus
}
#endif
// NOLINTEND(modernize-*)

#endif
