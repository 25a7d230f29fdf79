// Appends new tokens in 16 bits and encodes full blocks. Results equal those of @kvtuner/quantizers bit for bit, so this
// is compiled without fused multiply-add.
#include "codes.cuh"
#include "rotation.cuh"

/** Threads of a block that encodes. */
constexpr int ENCODE_THREADS = 64;

struct AppendArguments {
  TensorView tensor;
  const float* rows;
  int tokens;
  int before;
};

/**
 * Appends float32 `[tokens, kvHeads * headSize]` as 16-bit rows after the first `before` tokens. A thread handles eight
 * channels.
 */
KERNEL(append_rows, AppendArguments, 128, 1) {
  const TensorView& tensor = args.tensor;
  const int octets = tensor.headSize / OCTET;
  const int index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= args.tokens * tensor.kvHeads * octets) return;
  const int token = index / (tensor.kvHeads * octets);
  const int head = index / octets % tensor.kvHeads;
  HalfOctet octet;
#pragma unroll
  for (int i = 0; i < OCTET; i++) octet.halves[i] = halfFromFloat(load(args.rows + (long long)index * OCTET + i));
  store(exactOctet(tensor, head, args.before + token, index % octets), octet.words);
}

struct EncodeArguments {
  TensorView tensor;
  /** First token to encode, counted after the sinks. */
  int first;
};

/** Loads a 16-bit row into shared memory, transformed if the tensor is. All threads of the block take part. */
__device__ inline void loadRow(const TensorView& tensor, int head, int token, float* row) {
  for (int channel = threadIdx.x; channel < tensor.headSize; channel += blockDim.x) {
    const unsigned short* octet = (const unsigned short*)exactOctet(tensor, head, token, channel / OCTET);
    row[channel] = floatFromHalf(load(octet + channel % OCTET));
  }
  __syncthreads();
  if (tensor.isRotated) rotateRow(row, tensor.headSize);
}

struct Extremes {
  float smallest;
  float largest;
};

__device__ inline void widen(Extremes& extremes, float smallest, float largest) {
  extremes.smallest = fminf(extremes.smallest, smallest);
  extremes.largest = fmaxf(extremes.largest, largest);
}

/** Scale and minimum as float16 bits. */
struct StoredParameters {
  unsigned short scale;
  unsigned short minimum;
};

/** KVTuner, equation 2, and its symmetric counterpart. */
__device__ inline StoredParameters fitExtremes(const TensorView& tensor, const Extremes& extremes) {
  const int levels = tensor.isAffine ? (1 << tensor.bits) - 1 : codeOffset(tensor);
  const float range = tensor.isAffine ? extremes.largest - extremes.smallest : fmaxf(extremes.largest, -extremes.smallest);
  return {halfFromFloat(range / (float)levels), halfFromFloat(tensor.isAffine ? extremes.smallest : 0.0f)};
}

__device__ inline int encodeNumber(const TensorView& tensor, const StoredParameters& stored, float number) {
  const float scale = floatFromHalf(stored.scale);
  const int offset = codeOffset(tensor);
  const int highest = tensor.isAffine ? (1 << tensor.bits) - 1 : 2 * offset;
  if (scale == 0.0f) return offset;
  const float code = rintf((number - floatFromHalf(stored.minimum)) / scale);
  return (int)fminf(fmaxf(code + (float)offset, 0.0f), (float)highest);
}

__device__ inline void storeParameters(const TensorView& tensor, const CodeHead& head, int index, StoredParameters stored) {
  store(head.scales + index, stored.scale);
  if (tensor.isAffine) store(head.minima + index, stored.minimum);
}

/** Axis token: a block encodes one row, token x of KV head y. A thread handles 16 channels. */
KERNEL(encode_rows, EncodeArguments, ENCODE_THREADS, 1) {
  const TensorView& tensor = args.tensor;
  float* row = (float*)sharedMemory();
  Extremes* chunkExtremes = (Extremes*)(row + tensor.headSize);
  const int behind = args.first + blockIdx.x;
  const int chunk = threadIdx.x;
  const int chunks = tensor.headSize / CHUNK;
  loadRow(tensor, blockIdx.y, tensor.sinks + behind, row);
  if (chunk < chunks) {
    Extremes extremes = {row[chunk * CHUNK], row[chunk * CHUNK]};
    for (int i = 1; i < CHUNK; i++) widen(extremes, row[chunk * CHUNK + i], row[chunk * CHUNK + i]);
    chunkExtremes[chunk] = extremes;
  }
  __syncthreads();
  if (chunk >= chunks) return;
  const int groupChunks = tensor.groupSize / CHUNK;
  const int groupStart = chunk / groupChunks * groupChunks;
  Extremes extremes = chunkExtremes[groupStart];
  for (int other = groupStart + 1; other < smaller(groupStart + groupChunks, chunks); other++)
    widen(extremes, chunkExtremes[other].smallest, chunkExtremes[other].largest);
  const StoredParameters stored = fitExtremes(tensor, extremes);
  const CodeHead head = codeHead(tensor, blockIdx.y, behind);
  const int token = behind % CODE_PAGE_TOKENS;
  int codes[CHUNK];
  for (int i = 0; i < CHUNK; i++) codes[i] = encodeNumber(tensor, stored, row[chunk * CHUNK + i]);
  storeChunk(tensor, head, chunk, token, codes);
  if (chunk == groupStart) storeParameters(tensor, head, parameterIndex(tensor, token, chunk * CHUNK), stored);
}

/**
 * Axis channel: a block encodes group x of KV head y; each thread handles the channels at its place. Rows are read twice,
 * for the extremes and for the codes, because a group may exceed shared memory. The first pass needs no barrier after a
 * row: a thread reads and overwrites the same channels.
 */
KERNEL(encode_groups, EncodeArguments, ENCODE_THREADS, 1) {
  const TensorView& tensor = args.tensor;
  float* row = (float*)sharedMemory();
  Extremes* extremes = (Extremes*)(row + tensor.headSize);
  StoredParameters* stored = (StoredParameters*)(extremes + tensor.headSize);
  const int behind = args.first + blockIdx.x * tensor.groupSize;
  const CodeHead head = codeHead(tensor, blockIdx.y, behind);
  for (int index = 0; index < tensor.groupSize; index++) {
    loadRow(tensor, blockIdx.y, tensor.sinks + behind + index, row);
    for (int channel = threadIdx.x; channel < tensor.headSize; channel += blockDim.x) {
      if (index == 0) extremes[channel] = {row[channel], row[channel]};
      widen(extremes[channel], row[channel], row[channel]);
    }
  }
  for (int channel = threadIdx.x; channel < tensor.headSize; channel += blockDim.x) {
    stored[channel] = fitExtremes(tensor, extremes[channel]);
    storeParameters(tensor, head, parameterIndex(tensor, behind % CODE_PAGE_TOKENS, channel), stored[channel]);
  }
  for (int index = 0; index < tensor.groupSize; index++) {
    loadRow(tensor, blockIdx.y, tensor.sinks + behind + index, row);
    for (int chunk = threadIdx.x; chunk < tensor.headSize / CHUNK; chunk += blockDim.x) {
      int codes[CHUNK];
      for (int i = 0; i < CHUNK; i++)
        codes[i] = encodeNumber(tensor, stored[chunk * CHUNK + i], row[chunk * CHUNK + i]);
      storeChunk(tensor, head, chunk, (behind + index) % CODE_PAGE_TOKENS, codes);
    }
    __syncthreads();
  }
}
