// See ../micro/micro_mutable_op_resolver.h.
#pragma once
#define TFLITE_SCHEMA_VERSION 3

namespace tflite {

struct Model {
  unsigned version() const { return TFLITE_SCHEMA_VERSION; }
};

inline const Model *GetModel(const void *) { return nullptr; }

}  // namespace tflite
