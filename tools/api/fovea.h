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

/* Called in the thread that called: `done` of the call's `count` images are. Not 0 ends the call. */
typedef int32_t (*fovea_detect_callback)(size_t done, size_t count, void* user);

/* What one call wants. All zero but for `size`: all that the model finds. */
typedef struct fovea_detect_options {
  size_t size;                    /* sizeof(fovea_detect_options) */
  double score_threshold;         /* boxes with at least this score; from the model's own to 1. 0: the model's own */
  int32_t max_detections;         /* the best of each image; from 1 to the model's own. 0: the model's own */
  int32_t skip_bad_images;        /* 0: an image that cannot be used fails the call. 1: it has no detections, and
                                     fovea_image_result says why; the others are done. For encoded images and files */
  const float* class_thresholds;  /* score_threshold of each label, in its place: [class_threshold_count], 0:
                                     score_threshold; NULL: none. They choose among what the model found, whose boxes of
                                     all classes share its max_detections */
  size_t class_threshold_count;   /* the number of the model's classes */
  fovea_detect_callback callback; /* before each image is read, and after each that is done; NULL: none */
  void* user;                     /* handed to callback */
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
 * Errors: USAGE; DATA where an image cannot be used; MEMORY; RUNTIME; UNSUPPORTED; INTERRUPTED where the callback ended
 * it, without a result. After MEMORY the model goes on with the next call; after a failure of the GPU all calls fail:
 * load it anew. */
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

/* ---- Training ---- */

/* fovea_train_event.kind */
enum FOVEA_INT32 {
  FOVEA_TRAIN_BEGIN = 0,      /* the first step comes; `step` are behind already */
  FOVEA_TRAIN_STEP = 1,       /* a step is done */
  FOVEA_TRAIN_VALIDATING = 2, /* some images of the validation set are done */
  FOVEA_TRAIN_VALIDATED = 3,  /* all are */
  FOVEA_TRAIN_MESSAGE = 4,    /* `message` is a line for people: what is trained on what, what is not as it should be */
  FOVEA_TRAIN_WAITING = 5,    /* nothing has happened; comes ten times a second, also in the middle of a step */
};

/* How far a training is. Numbers that do not belong to the kind are 0, metrics -1. */
typedef struct fovea_train_event {
  size_t size; /* sizeof(fovea_train_event) of the library */
  int32_t kind;
  int32_t skipped;                            /* STEP: 1 where the step was not finite, and nothing was changed */
  int64_t step, steps;                        /* how many are done, and of how many */
  double loss, classification_loss, box_loss; /* STEP: of its batch; VALIDATED has none */
  double gradient_norm;                       /* STEP: before clipping */
  double learning_rate;                       /* STEP */
  double positives;                           /* STEP: anchors of objects, an image */
  double images_per_second;                   /* STEP: of this step; 0 where it is not known */
  int64_t images, of_images;                  /* VALIDATING: done, and of how many */
  double ap, ap50, ap75, ap_small, ap_medium, ap_large; /* VALIDATED: 0 to 1; -1 where there are no such objects */
  const char* message;                                  /* MESSAGE: valid during the call; "" with other kinds */
} fovea_train_event;

/* Called in the thread that called fovea_train(), while the training waits. 0: go on; else the training stops: the step
 * under way is given up, the run is saved as of its last whole step. `user` is the options'. */
typedef int32_t (*fovea_train_callback)(const fovea_train_event* event, void* user);

/* How to train. NULL and 0: as by default, or as the configuration says. */
typedef struct fovea_train_options {
  size_t size;                 /* sizeof(fovea_train_options) */
  const char* data;            /* the dataset's folder, or its one file; not NULL */
  const char* out;             /* folder of the run; not NULL */
  const char* val;             /* dataset for validation, where `data` has no split for it */
  const char* images;          /* folder of the images, where they are not beside the annotations */
  const char* preset;          /* "paper", "demo", "torchvision", …; NULL: "paper" */
  const char* config;          /* a configuration file (TOML), over the preset */
  const char* const* settings; /* "key=value" over both, e.g. "train.steps=1000" */
  size_t setting_count;
  const char* init_from;                          /* weights to start from (safetensors, .pth) */
  const char* state_dict;                         /* where in that file, as of fovea_model_options */
  int32_t resume;                                 /* 1: goes on with the run in `out`, with the same bits */
  int32_t allow_config_change, allow_data_change; /* 1: although the configuration, or the data, has changed since */
  int32_t device, gpu, threads;                   /* as of fovea_model_options */
  fovea_train_callback callback;                  /* NULL: nobody is told, and nothing can stop it */
  void* user;
} fovea_train_options;

static inline void fovea_train_options_init(fovea_train_options* options) {
  memset(options, 0, sizeof(*options));
  options->size = sizeof(*options);
}

/* Trains, as the command `fovea train` does: `out` gets config.toml, log.jsonl, last.safetensors, best.safetensors and
 * a chart. Returns when it has ended. Trainings in one process, and models that detect, compete for the cores.
 * Errors: USAGE, DATA, RUNTIME, MEMORY; DIVERGED; INTERRUPTED where the callback stopped it: the message says what was
 * saved. */
FOVEA_API FOVEA_CHECKED fovea_status fovea_train(const fovea_train_options* options);

/* ---- Evaluation ---- */

/* Objects or detections as columns, which are read where they lie: NumPy's arrays, say. A stride is how many bytes
 * there are from one entry to the next, which may be negative; 0: they lie without gaps. Nothing need be aligned. */
typedef struct fovea_box_table {
  size_t size;              /* sizeof(fovea_box_table) */
  size_t count;             /* entries; with 0 the columns may be NULL */
  const int64_t* image_ids; /* any numbers */
  ptrdiff_t image_stride;
  const int64_t* category_ids; /* any numbers */
  ptrdiff_t category_stride;
  const double* boxes; /* left, upper, width, height: four in a row; pixels */
  ptrdiff_t box_stride;
  const double* scores; /* of detections; NULL for objects */
  ptrdiff_t score_stride;
  const double* areas; /* square pixels, which decide between small, medium and large; NULL: width × height */
  ptrdiff_t area_stride;
  const uint8_t* crowds; /* of objects: not 0 where detections on it are neither right nor wrong; NULL: 0 */
  ptrdiff_t crowd_stride;
  const int64_t* ids; /* NULL: 1 … count. As for pycocotools an object of id 0 is never found, and a detection whose id
                         is not positive leaves its object to others, too */
  ptrdiff_t id_stride;
} fovea_box_table;

static inline void fovea_box_table_init(fovea_box_table* table) {
  memset(table, 0, sizeof(*table));
  table->size = sizeof(*table);
}

/* The boxes of a file in one of COCO's forms. */
typedef struct fovea_annotations fovea_annotations;

/* `kind`: what the file has to be */
enum FOVEA_INT32 {
  FOVEA_ANNOTATIONS_ANY = 0,     /* RESULTS where it is a list, else TRUTH; not of a pipe */
  FOVEA_ANNOTATIONS_TRUTH = 1,   /* an object with images, categories and annotations */
  FOVEA_ANNOTATIONS_RESULTS = 2, /* a list of detections; also JSON Lines, or an object with that list under
                                    "annotations", "predictions", "detections" or "results" */
};

/* Reads a file as pycocotools takes it: boxes of any four finite numbers, images and categories that need no more than
 * an id. Annotations without an area have width × height, without iscrowd 0; areas of results are width × height.
 *   threads   0: OMP_NUM_THREADS, or all cores that the process may use
 * Errors: USAGE; DATA with the file, the entry and its key; MEMORY. */
FOVEA_API FOVEA_CHECKED fovea_status fovea_annotations_read(const char* path, int32_t kind, int32_t threads,
                                                            fovea_annotations** annotations);

/* Ground truth and results at the same time. Results that have a "file_name", as those of `fovea detect`, go to the
 * image of that name, whatever their image_id, as in `fovea eval`. */
FOVEA_API FOVEA_CHECKED fovea_status fovea_annotations_read_both(const char* truth_path, const char* results_path,
                                                                 int32_t threads, fovea_annotations** truth,
                                                                 fovea_annotations** results);

/* The boxes, where they lie; valid until the annotations are freed. Columns have strides. Errors: USAGE. */
FOVEA_API FOVEA_CHECKED fovea_status fovea_annotations_get_table(const fovea_annotations* annotations,
                                                                 fovea_box_table* table);

/* The images or categories of a file, in its order; of results there are none. */
typedef struct fovea_id_list {
  size_t size;              /* sizeof(fovea_id_list), set by the caller */
  size_t count;             /* length of what follows, which is the annotations' */
  const int64_t* ids;       /* no two alike */
  const char* const* names; /* UTF-8: file names, "" where there is none; names of categories */
  const int32_t* widths;    /* of images, as the file says it, 0 where it does not; NULL for categories */
  const int32_t* heights;
} fovea_id_list;

static inline void fovea_id_list_init(fovea_id_list* list) {
  memset(list, 0, sizeof(*list));
  list->size = sizeof(*list);
}

FOVEA_API FOVEA_CHECKED fovea_status fovea_annotations_get_images(const fovea_annotations* annotations,
                                                                  fovea_id_list* images);
FOVEA_API FOVEA_CHECKED fovea_status fovea_annotations_get_categories(const fovea_annotations* annotations,
                                                                      fovea_id_list* categories);

/* 1 where they are results, else 0. */
FOVEA_API int32_t fovea_annotations_are_results(const fovea_annotations* annotations);

/* NULL is fine. As fovea_model_free(). */
FOVEA_API fovea_status fovea_annotations_free(fovea_annotations* annotations);

/* What to evaluate. All zero but for `size`: COCO's settings. */
typedef struct fovea_evaluate_options {
  size_t size;              /* sizeof(fovea_evaluate_options) */
  const int64_t* image_ids; /* [image_count], others do not count; NULL: those of both tables */
  size_t image_count;
  const int64_t* category_ids; /* [category_count], others do not count; NULL: those of both tables */
  size_t category_count;
  const double* ious; /* [iou_count], thresholds; NULL: 0.5, 0.55 … 0.95 as numpy.linspace makes them */
  size_t iou_count;
  const double* recalls; /* [recall_count], at which precision is taken; NULL: 0, 0.01 … 1 */
  size_t recall_count;
  const double* areas; /* [area_count][2], from and to, both belong to it, in square pixels; NULL: COCO's all,
                          small, medium and large */
  size_t area_count;
  const int64_t* max_detections; /* [max_detection_count], ascending, from 0: the best so many of a class in an image
                                    count; NULL: 1, 10, 100 */
  size_t max_detection_count;
  int32_t one_category; /* not 0: boxes of all these categories are of one (pycocotools' useCats = 0) */
  int32_t keep_tables;  /* not 0: the columns stay as they are until the evaluation is freed. This is what
                           fovea_evaluation_get_matches() needs; and precision and scores, which take most of the
                           memory, are made only when fovea_evaluation_get_array() is called */
  int32_t threads;      /* 0: OMP_NUM_THREADS, or all cores that the process may use */
  int32_t reserved;     /* 0 */
} fovea_evaluate_options;

static inline void fovea_evaluate_options_init(fovea_evaluate_options* options) {
  memset(options, 0, sizeof(*options));
  options->size = sizeof(*options);
}

/* Precision and recall, equal to pycocotools' COCOeval (iouType "bbox") to the last bit, with any number of threads. */
typedef struct fovea_evaluation fovea_evaluation;

/* Compares detections with objects.
 *   options      NULL: all by default
 *   evaluation   where it is put; fovea_evaluation_free() frees it
 * Errors: USAGE with the name of the argument, as where a box is not finite; MEMORY. */
FOVEA_API FOVEA_CHECKED fovea_status fovea_evaluate(const fovea_box_table* truth, const fovea_box_table* detections,
                                                    const fovea_evaluate_options* options,
                                                    fovea_evaluation** evaluation);

/* The same of files, read by fovea_annotations_read_both(): those of the images and categories that the ground truth
 * lists, if `options` names no others.
 * Errors: also DATA, as where results are of an image that the ground truth does not list. */
FOVEA_API FOVEA_CHECKED fovea_status fovea_evaluate_files(const char* truth_path, const char* results_path,
                                                          const fovea_evaluate_options* options,
                                                          fovea_evaluation** evaluation);

/* COCO's twelve numbers: AP, AP50, AP75, AP of small, medium and large; AR at the first, second and third limit, AR of
 * small, medium and large. Shares from 0 to 1; -1 where there is no object, and where the settings lack what is asked:
 * the thresholds 0.5 and 0.75, four areas, and, for the first number as in pycocotools, the limit 100. With fewer than
 * three limits the last stands for those that are missing. Errors: USAGE. */
FOVEA_API FOVEA_CHECKED fovea_status fovea_evaluation_get_summary(const fovea_evaluation* evaluation,
                                                                  double summary[12]);
/* The same of one category: an index of fovea_evaluation_get_categories(). Errors: USAGE. */
FOVEA_API FOVEA_CHECKED fovea_status fovea_evaluation_get_class_summary(const fovea_evaluation* evaluation,
                                                                        size_t category, double summary[12]);

/* `array` of fovea_evaluation_get_array() */
enum FOVEA_INT32 {
  FOVEA_EVALUATION_PRECISION = 0, /* [ious, recalls, categories, areas, max_detections] */
  FOVEA_EVALUATION_RECALL = 1,    /* [ious, categories, areas, max_detections] */
  FOVEA_EVALUATION_SCORES = 2,    /* of the detections at these precisions; as PRECISION */
};

/* One of pycocotools' arrays, in C's order, -1 where there is no object; the evaluation's. `shape` (may be NULL) gets
 * its dimensions, 1 where it has fewer than five. Errors: USAGE. */
FOVEA_API FOVEA_CHECKED fovea_status fovea_evaluation_get_array(const fovea_evaluation* evaluation, int32_t array,
                                                                const double** values, size_t shape[5]);

/* The ids of the evaluated images, and categories, in the order of the indices: ascending (with one_category categories
 * are as they were given). The evaluation's. Errors: USAGE. */
FOVEA_API FOVEA_CHECKED fovea_status fovea_evaluation_get_images(const fovea_evaluation* evaluation,
                                                                 const int64_t** ids, size_t* count);
FOVEA_API FOVEA_CHECKED fovea_status fovea_evaluation_get_categories(const fovea_evaluation* evaluation,
                                                                     const int64_t** ids, size_t* count);

/* What one image's detections of one category were matched with: an entry of pycocotools' evalImgs. Entries of the
 * tables are named by where they stand there, from 0. */
typedef struct fovea_matches {
  size_t size;                      /* sizeof(fovea_matches) of the library */
  size_t ious;                      /* T */
  size_t detection_count;           /* D, at the highest limit */
  size_t object_count;              /* G */
  const int64_t* detections;        /* [D], best first */
  const int64_t* objects;           /* [G], those that count before those that do not */
  const double* scores;             /* [D] */
  const int64_t* object_of;         /* [T][D], which object, -1: none */
  const int64_t* detection_of;      /* [T][G], which detection (of a crowd: the last), -1: none */
  const uint8_t* detection_ignored; /* [T][D], 1: neither right nor wrong */
  const uint8_t* object_ignored;    /* [G], 1: need not be found */
} fovea_matches;

/* The matches of a category in an image at a range of sizes; all three are indices. `matches` becomes NULL where the
 * image has neither objects nor detections of the category. They stay valid when the evaluation is freed. Errors:
 * USAGE, as where the evaluation of tables was not told to keep them. */
FOVEA_API FOVEA_CHECKED fovea_status fovea_evaluation_get_matches(const fovea_evaluation* evaluation, size_t category,
                                                                  size_t area, size_t image,
                                                                  const fovea_matches** matches);

/* NULL is fine. */
FOVEA_API void fovea_matches_free(const fovea_matches* matches);

/* NULL is fine. As fovea_model_free(). */
FOVEA_API fovea_status fovea_evaluation_free(fovea_evaluation* evaluation);

#ifdef __cplusplus
}
#endif
// NOLINTEND(modernize-*)

#endif
