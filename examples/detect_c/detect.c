/* Finds objects in image files:  ./detect best.safetensors 0.5 photo.jpg … */
#include <fovea/fovea.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(void) {
  fprintf(stderr, "detect: %s\n", fovea_error_message());
  return 1;
}

/* What the model says while it is loaded, in this program's words. */
static void log_line(int32_t level, const char* message, void* program) {
  fprintf(stderr, "%s: %s%s\n", (const char*)program, level == FOVEA_LOG_WARNING ? "warning: " : "", message);
}

static int print_image(const fovea_model* model, const fovea_result* result, size_t number, const char* file) {
  fovea_image_result image;
  fovea_image_result_init(&image);
  if (fovea_result_get_image(result, number, &image) != FOVEA_OK) return fail();
  if (image.status != FOVEA_OK) {
    printf("%s\n", image.message); /* it names the file */
    return 0;
  }
  printf("%s: %" PRId32 "x%" PRId32 ", %zu objects\n", file, image.width, image.height, image.count);
  for (size_t i = 0; i < image.count; ++i) {
    const fovea_detection* found = &image.detections[i];
    const char* name = NULL;
    if (fovea_model_get_class(model, found->label, NULL, &name) != FOVEA_OK) return fail();
    printf("  %-10s %.2f  x %.0f to %.0f, y %.0f to %.0f\n", name, found->score, found->x1, found->x2, found->y1,
           found->y2);
  }
  return 0;
}

int main(int count, char** arguments) {
  if (count < 4) {
    fprintf(stderr, "usage: %s WEIGHTS THRESHOLD IMAGE…\n", arguments[0]);
    return 2;
  }
  fovea_model_options options;
  fovea_model_options_init(&options);
  options.log = log_line;
  options.log_user = "detect";
  fovea_model* model = NULL;
  if (fovea_model_load(arguments[1], &options, &model) != FOVEA_OK) return fail();

  fovea_detect_options wanted;
  fovea_detect_options_init(&wanted);
  wanted.score_threshold = atof(arguments[2]); /* 0: the model's own */
  wanted.max_detections = 5;                   /* the best ones of each image */
  wanted.skip_bad_images = 1;
  const char* const* files = (const char* const*)arguments + 3;
  const size_t images = (size_t)count - 3;
  fovea_result* result = NULL;
  if (fovea_detect_files(model, files, images, &wanted, &result) != FOVEA_OK) return fail();

  int status = 0;
  for (size_t i = 0; i < images && status == 0; ++i) status = print_image(model, result, i, files[i]);
  fovea_result_free(result);
  fovea_model_free(model);
  return status;
}
