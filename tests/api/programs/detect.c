/* A C11 program that knows nothing but fovea.h. Arguments: weights with three classes, an image file. */
#include <fovea/fovea.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void require(int holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "not so: %s; last error: %s\n", what, fovea_error_message());
  exit(1);
}

static size_t detections_in(const fovea_result* result, size_t image) {
  fovea_image_result found;
  fovea_image_result_init(&found);
  require(fovea_result_get_image(result, image, &found) == FOVEA_OK, "the result has the image");
  for (size_t i = 0; i < found.count; ++i) {
    const fovea_detection* d = &found.detections[i];
    require(0 <= d->x1 && d->x1 <= d->x2 && d->x2 <= (float)found.width, "a box lies within the width");
    require(0 <= d->y1 && d->y1 <= d->y2 && d->y2 <= (float)found.height, "a box lies within the height");
    require(d->score > 0 && d->score <= 1 && d->label >= 0 && d->label < 3, "score and label are within bounds");
    require(i == 0 || d->score <= found.detections[i - 1].score, "scores fall");
  }
  return found.count;
}

int main(int count, char** arguments) {
  require(count == 3, "there are two arguments");
  require(strcmp(fovea_version(), FOVEA_VERSION) == 0, "header and library have one version");
  require(strcmp(fovea_error_message(), "") == 0, "there was no error yet");

  fovea_model_options options;
  fovea_model_options_init(&options);
  options.device = FOVEA_DEVICE_CPU;
  fovea_model* model = NULL;
  require(fovea_model_load("no such file", &options, &model) == FOVEA_ERROR_DATA && model == NULL, "no file, no model");
  require(strstr(fovea_error_message(), "no such file") != NULL, "the message names the file");
  require(fovea_model_load(arguments[1], &options, &model) == FOVEA_OK, "the weights are loaded");

  const char* name = NULL;
  require(fovea_model_get_class(model, 1, NULL, &name) == FOVEA_OK && strcmp(name, "WBC") == 0, "class 1 is WBC");

  const char* paths[] = {arguments[2], arguments[2]};
  fovea_result* result = NULL;
  require(fovea_detect_files(model, paths, 2, NULL, &result) == FOVEA_OK, "the files are detected");
  require(fovea_result_image_count(result) == 2, "there are two images");
  const size_t found = detections_in(result, 0);
  require(found > 0 && detections_in(result, 1) == found, "one image twice has the same objects twice");
  require(fovea_result_free(result) == FOVEA_OK, "the result is freed");

  static uint8_t gray[60][80];
  for (int y = 0; y < 60; ++y)
    for (int x = 0; x < 80; ++x) gray[y][x] = (uint8_t)(x * y);
  fovea_pixels image;
  fovea_pixels_init(&image);
  image.data = &gray[0][0];
  image.width = 70; /* the left part */
  image.height = 60;
  image.row_stride = sizeof(gray[0]);
  image.format = FOVEA_PIXELS_GRAY;
  require(fovea_detect_pixels(model, &image, 1, NULL, &result) == FOVEA_OK, "pixels are detected");
  fovea_detection best;
  size_t all = 0;
  require(fovea_result_copy(result, 0, &best, 1, &all) == FOVEA_OK, "the best one is copied");
  require(all == detections_in(result, 0) && all > 0, "there are as many as the result has");
  fovea_result_free(result);
  require(fovea_model_free(model) == FOVEA_OK, "the model is freed");

  for (int round = 0; round < 5; ++round) {
    require(fovea_model_load(arguments[1], &options, &model) == FOVEA_OK, "the weights are loaded again");
    require(fovea_detect_pixels(model, &image, 1, NULL, &result) == FOVEA_OK, "pixels are detected again");
    fovea_result_free(result);
    fovea_model_free(model);
  }
  printf("fovea %s: %zu detections\n", fovea_version(), found);
  return 0;
}
