// Work of an attention block: its rows, its split, its shared memory.
#pragma once
#include "codes.cuh"
#include "rotation.cuh"
#include "segments.cuh"

constexpr int THREADS = 128;
constexpr int WARPS = THREADS / WARP_SIZE;
constexpr int TILE = CODE_PAGE_TOKENS;
constexpr int QUAD = 4;
constexpr int LAUNCH_TOKENS = 256;
constexpr int LANE_TOKENS = TILE / WARP_SIZE;
constexpr float NOTHING = -3.0e38f;

/** Written by src/store/attend.ts: the same fields in the same order. */
struct AttendArguments {
  TensorView key;
  TensorView value;
  /** float32 `[tokens, kvHeads * queryHeadsPerKvHead * headSize]` */
  const float* query;
  /**
   * float32 `[rows, splits, headSize]`: sums of weighted values before division; still transformed where coded values
   * are.
   */
  float* sums;
  /** float32 `[rows, splits, 2]`: largest score and sum of weights. */
  float* statistics;
  /** float32 `[tokens, kvHeads * queryHeadsPerKvHead * headSize]` */
  float* output;
  /** float32 `[kvHeads * queryHeadsPerKvHead]`; null if the layer has none. */
  const float* sinkLogits;
  int tokens;
  /** Tokens that the first query of the launch sees besides itself. */
  int before;
  int queryHeadsPerKvHead;
  int splitTokens;
  /** Splits of each segment. */
  int segmentSplits[SEGMENTS];
  int splits;
  /** The segment of the tensor-core kernel, which others skip; -1 for none. */
  int tensorCoreSegment;
  /** Factor from a product of query and key to its score. */
  float scale;
  /** Largest magnitude of a score; 0 for none. */
  float softcap;
  /** Newest tokens that a query reads, its own included. */
  int span;
  /** Ends of the codes of keys and of values for each token's queries, counted from the start of the sequence. */
  int ends[LAUNCH_TOKENS][2];
};

/** A block's shared memory, in this order; src/store/attend.ts computes its size. */
struct AttendShared {
  float* query;       // [ROWS][headSize], times the scale of scores
  float* scales;      // [groups of a page][headSize], axis channel
  float* minima;
  float* partials;    // [WARPS][ROWS][TILE] scores, then weights in the first part; at the end sums of one row
  float* largest;     // [ROWS] largest score so far
  float* total;       // [ROWS] sum of weights so far
  float* correction;  // [ROWS] factor for sums from before the largest score changed
  int* begin;         // [ROWS] tokens of the segment that the row reads
  int* end;
};

__device__ inline AttendShared attendShared(int rows, const TensorView& key) {
  AttendShared shared;
  const int parameters = key.bits < 16 && key.isChannel ? parametersOfHead(key) : 0;
  shared.query = (float*)sharedMemory();
  shared.scales = shared.query + rows * key.headSize;
  shared.minima = shared.scales + parameters;
  shared.partials = shared.minima + parameters;
  shared.largest = shared.partials + larger(WARPS * rows * TILE, THREADS * OCTET);
  shared.total = shared.largest + rows;
  shared.correction = shared.total + rows;
  shared.begin = (int*)(shared.correction + rows);
  shared.end = shared.begin + rows;
  return shared;
}

struct Work {
  int segment;
  int kvHead;
  int firstRow;  // among the rows of the KV head: token * queryHeadsPerKvHead + query head
  int rows;
  TokenRange tokens;
  int firstTile;
};

__device__ inline Seen seenByRow(const AttendArguments& args, int row) {
  const int token = row / args.queryHeadsPerKvHead;
  const int length = args.before + token + 1;
  return {length - args.span, length, args.ends[token][0], args.ends[token][1]};
}

__device__ inline Work workOfBlock(const AttendArguments& args, int rows) {
  Work work;
  int split = blockIdx.x;
  work.segment = 0;
  while (split >= args.segmentSplits[work.segment]) split -= args.segmentSplits[work.segment++];
  work.kvHead = blockIdx.y;
  work.firstRow = blockIdx.z * rows;
  work.rows = smaller(rows, args.tokens * args.queryHeadsPerKvHead - work.firstRow);
  const int sinks = args.key.sinks;
  const int begin = segmentRange(work.segment, sinks, seenByRow(args, work.firstRow)).begin;
  const int end = segmentRange(work.segment, sinks, seenByRow(args, work.firstRow + work.rows - 1)).end;
  const int start = segmentRange(work.segment, sinks, seenByRow(args, 0)).begin;
  work.firstTile = tileStart(work.segment, sinks, start) + split * args.splitTokens;
  work.tokens = {larger(begin, work.firstTile), smaller(end, work.firstTile + args.splitTokens)};
  if (work.tokens.end <= work.tokens.begin) work.tokens.end = work.firstTile;  // so that no tile is read
  return work;
}

/** Index of a row's query or output, in head vectors. */
__device__ inline int vectorOfRow(const AttendArguments& args, const Work& work, int row) {
  const int place = work.firstRow + row;
  const int token = place / args.queryHeadsPerKvHead;
  return (token * args.key.kvHeads + work.kvHead) * args.queryHeadsPerKvHead + place % args.queryHeadsPerKvHead;
}

/** Rows beyond the last one get zero queries and read no tokens. */
template <int ROWS>
__device__ inline void stageRows(const AttendArguments& args, const Work& work, const AttendShared& shared) {
  const int headSize = args.key.headSize;
  for (int index = threadIdx.x; index < ROWS * headSize; index += THREADS) {
    const int row = index / headSize;
    const float* vector = args.query + (long long)vectorOfRow(args, work, row) * headSize;
    shared.query[index] = row < work.rows ? load(vector + index % headSize) * args.scale : 0.0f;
  }
  if (threadIdx.x < ROWS) {
    const int row = threadIdx.x;
    const Seen seen = seenByRow(args, work.firstRow + smaller(row, work.rows - 1));
    const TokenRange range = segmentRange(work.segment, args.key.sinks, seen);
    shared.begin[row] = row < work.rows ? range.begin : 0;
    shared.end[row] = row < work.rows ? range.end : 0;
    shared.largest[row] = NOTHING;
    shared.total[row] = 0.0f;
  }
  __syncthreads();
  if (segmentAt(work.segment).isKeyCoded && args.key.isRotated)
    for (int row = 0; row < ROWS; row++) rotateRow(shared.query + row * headSize, headSize);
}
