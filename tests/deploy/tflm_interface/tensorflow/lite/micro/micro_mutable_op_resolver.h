// Declarations of what a bundle's C++ calls, with the names that TFLite-Micro has. Nothing is computed:
// this tells whether op_resolver.h and tflm_model.cc are valid C++ where TFLite-Micro's sources are not at hand.
#pragma once
#include <cstddef>
#include <cstdint>

enum TfLiteStatus { kTfLiteOk, kTfLiteError };
enum TfLiteType { kTfLiteInt8 };

#define TF_LITE_ENSURE_STATUS(a)              \
  do {                                        \
    const TfLiteStatus s = (a);               \
    if (s != kTfLiteOk) return s;             \
  } while (0)

union TfLitePtrUnion {
  int8_t *int8;
};

struct TfLiteTensor {
  TfLiteType type;
  size_t bytes;
  TfLitePtrUnion data;
};

namespace tflite {

#define METHOD(name) \
  TfLiteStatus name() { return kTfLiteOk; }

template <unsigned int tOpCount>
class MicroMutableOpResolver {
 public:
  METHOD(AddAbs) METHOD(AddAdd) METHOD(AddAddN) METHOD(AddArgMax) METHOD(AddArgMin) METHOD(AddAssignVariable)
  METHOD(AddAveragePool2D) METHOD(AddBatchToSpaceNd) METHOD(AddBroadcastArgs) METHOD(AddBroadcastTo)
  METHOD(AddCallOnce) METHOD(AddCast) METHOD(AddCeil) METHOD(AddConcatenation) METHOD(AddConv2D) METHOD(AddCos)
  METHOD(AddCumSum) METHOD(AddDepthToSpace) METHOD(AddDepthwiseConv2D) METHOD(AddDequantize) METHOD(AddDiv)
  METHOD(AddElu) METHOD(AddEqual) METHOD(AddExp) METHOD(AddExpandDims) METHOD(AddFill) METHOD(AddFloor)
  METHOD(AddFloorDiv) METHOD(AddFloorMod) METHOD(AddFullyConnected) METHOD(AddGather) METHOD(AddGatherNd)
  METHOD(AddGreater) METHOD(AddGreaterEqual) METHOD(AddHardSwish) METHOD(AddIf) METHOD(AddL2Normalization)
  METHOD(AddL2Pool2D) METHOD(AddLeakyRelu) METHOD(AddLess) METHOD(AddLessEqual) METHOD(AddLog)
  METHOD(AddLogicalAnd) METHOD(AddLogicalNot) METHOD(AddLogicalOr) METHOD(AddLogistic) METHOD(AddLogSoftmax)
  METHOD(AddMaximum) METHOD(AddMaxPool2D) METHOD(AddMean) METHOD(AddMinimum) METHOD(AddMirrorPad) METHOD(AddMul)
  METHOD(AddNeg) METHOD(AddNotEqual) METHOD(AddPack) METHOD(AddPad) METHOD(AddPadV2) METHOD(AddPrelu)
  METHOD(AddQuantize) METHOD(AddReadVariable) METHOD(AddReduceMax) METHOD(AddRelu) METHOD(AddRelu6)
  METHOD(AddReshape) METHOD(AddResizeBilinear) METHOD(AddResizeNearestNeighbor) METHOD(AddRound) METHOD(AddRsqrt)
  METHOD(AddSelectV2) METHOD(AddShape) METHOD(AddSin) METHOD(AddSlice) METHOD(AddSoftmax)
  METHOD(AddSpaceToBatchNd) METHOD(AddSpaceToDepth) METHOD(AddSplit) METHOD(AddSplitV) METHOD(AddSqrt)
  METHOD(AddSquare) METHOD(AddSquaredDifference) METHOD(AddSqueeze) METHOD(AddStridedSlice) METHOD(AddSub)
  METHOD(AddSum) METHOD(AddSvdf) METHOD(AddTanh) METHOD(AddTranspose) METHOD(AddTransposeConv)
  METHOD(AddUnidirectionalSequenceLSTM) METHOD(AddUnpack) METHOD(AddVarHandle) METHOD(AddWhile)
  METHOD(AddZerosLike)
};

}  // namespace tflite
