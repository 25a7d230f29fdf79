// Decodes codes to 16 bits, for truncation and for changing plans. Copies a tensor to and from the layout of snapshots,
// that of @kvtuner/quantizers: per KV head rows of codes, scales, minima and 16-bit rows.
#include "codes.cuh"
#include "rotation.cuh"

constexpr int DECODE_THREADS = 64;
constexpr int COPY_THREADS = 128;
constexpr float LARGEST_HALF = 65504.0f;

struct DecodeArguments {
  TensorView source;
  /** Receives the 16-bit rows; may be the source. */
  TensorView target;
  /** Tokens of the source that are codes, after the sinks. */
  int prefix;
  /** Position of the first token to decode. */
  int first;
};

/** Decodes token x of KV head y, rounds it to float16 and clamps it. Equals the quantizers' decoding bit for bit. */
KERNEL(decode_rows, DecodeArguments, DECODE_THREADS, 1) {
  const TensorView& source = args.source;
  float* row = (float*)sharedMemory();
  const int token = args.first + blockIdx.x;
  const int behind = token - source.sinks;
  const bool isCoded = behind >= 0 && behind < args.prefix;
  for (int channel = threadIdx.x; channel < source.headSize; channel += blockDim.x) {
    if (isCoded) {
      const CodeHead head = codeHead(source, blockIdx.y, behind);
      const int place = behind % CODE_PAGE_TOKENS;
      const int index = parameterIndex(source, place, channel);
      const float scaled = (float)(codeAt(source, head, place, channel) - codeOffset(source)) * floatFromHalf(load(head.scales + index));
      row[channel] = source.isAffine ? scaled + floatFromHalf(load(head.minima + index)) : scaled;
    } else {
      const unsigned short* octet = (const unsigned short*)exactOctet(source, blockIdx.y, token, channel / OCTET);
      row[channel] = floatFromHalf(load(octet + channel % OCTET));
    }
  }
  __syncthreads();
  if (isCoded && source.isRotated) rotateRow(row, source.headSize);
  for (int octet = threadIdx.x; octet < source.headSize / OCTET; octet += blockDim.x) {
    HalfOctet halves;
#pragma unroll
    for (int i = 0; i < OCTET; i++)
      halves.halves[i] = halfFromFloat(fminf(fmaxf(row[octet * OCTET + i], -LARGEST_HALF), LARGEST_HALF));
    store(exactOctet(args.target, blockIdx.y, token, octet), halves.words);
  }
}

/** Written by src/store/tensor-image.ts: the same fields in the same order. */
struct ImageArguments {
  TensorView tensor;
  unsigned char* codes;
  unsigned short* scales;
  unsigned short* minima;
  uint4* exact;
  /** The first token in codes, counted after the sinks, and how many there are. */
  int firstCoded;
  int codedTokens;
  /** The first token in 16 bits, how many there are before the codes, the first one after the codes, and how many in all. */
  int firstExact;
  int exactBefore;
  int exactAfter;
  int exactTokens;
  /** 1 copies the image into the pages, 0 the pages into the image. */
  int isImport;
};

/** A code's place in its head's image: eight consecutive codes fill whole bytes. */
struct ImagePlace {
  int octet;
  int index;
};

__device__ inline ImagePlace imagePlace(const TensorView& tensor, int token, int channel) {
  if (!tensor.isChannel) return {token * (tensor.headSize / OCTET) + channel / OCTET, channel % OCTET};
  const int row = token / tensor.groupSize * tensor.headSize + channel;
  return {row * (tensor.groupSize / OCTET) + token % tensor.groupSize / OCTET, token % OCTET};
}

__device__ inline int imageCode(const TensorView& tensor, const unsigned char* codes, ImagePlace place) {
  const int bit = place.index * tensor.bits;
  const unsigned char* bytes = codes + (long long)place.octet * tensor.bits + bit / 8;
  const int low = load(bytes) >> (bit % 8);
  const int high = bit % 8 + tensor.bits > 8 ? load(bytes + 1) << (8 - bit % 8) : 0;
  return (low | high) & ((1 << tensor.bits) - 1);
}

/** Copies codes of an image into the pages of KV head y. A thread handles a chunk of a token. */
KERNEL(import_codes, ImageArguments, COPY_THREADS, 1) {
  const TensorView& tensor = args.tensor;
  const int chunks = tensor.headSize / CHUNK;
  const int tokens = args.codedTokens;
  const int index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= tokens * chunks) return;
  const int token = index / chunks;
  const unsigned char* image = args.codes + (long long)blockIdx.y * tokens * (tensor.headSize / 8) * tensor.bits;
  int codes[CHUNK];
  for (int i = 0; i < CHUNK; i++)
    codes[i] = imageCode(tensor, image, imagePlace(tensor, token, index % chunks * CHUNK + i));
  const int behind = args.firstCoded + token;
  storeChunk(tensor, codeHead(tensor, blockIdx.y, behind), index % chunks, behind % CODE_PAGE_TOKENS, codes);
}

/**
 * Copies codes of KV head y into an image. A thread handles eight consecutive codes: channels of a token, or tokens of a
 * channel.
 */
KERNEL(export_codes, ImageArguments, COPY_THREADS, 1) {
  const TensorView& tensor = args.tensor;
  const int tokens = args.codedTokens;
  const int octets = tokens * (tensor.headSize / OCTET);
  const int octet = blockIdx.x * blockDim.x + threadIdx.x;
  if (octet >= octets) return;
  const int rowOctets = (tensor.isChannel ? tensor.groupSize : tensor.headSize) / OCTET;
  const int row = octet / rowOctets;
  const int along = octet % rowOctets * OCTET;
  const int token = args.firstCoded + (tensor.isChannel ? row / tensor.headSize * tensor.groupSize + along : row);
  const int channel = tensor.isChannel ? row % tensor.headSize : along;
  const CodeHead head = codeHead(tensor, blockIdx.y, token);
  unsigned long long word = 0;
  for (int i = 0; i < OCTET; i++) {
    const int code = codeAt(tensor, head, (token + i * tensor.isChannel) % CODE_PAGE_TOKENS, channel + i * !tensor.isChannel);
    word |= (unsigned long long)code << (i * tensor.bits);
  }
  unsigned char* image = args.codes + ((long long)blockIdx.y * octets + octet) * tensor.bits;
  for (int byte = 0; byte < tensor.bits; byte++) store(image + byte, (unsigned char)(word >> (8 * byte)));
}

/** Copies scales and minima of KV head y, one per thread. */
KERNEL(copy_parameters, ImageArguments, COPY_THREADS, 1) {
  const TensorView& tensor = args.tensor;
  const int groups = tensor.isChannel ? tensor.headSize : groupsOfHead(tensor);
  const int tokensPerGroup = tensor.isChannel ? tensor.groupSize : 1;
  const int count = args.codedTokens / tokensPerGroup * groups;
  const int index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= count) return;
  const int token = args.firstCoded + index / groups * tokensPerGroup;
  const int channel = index % groups * (tensor.isChannel ? 1 : tensor.groupSize);
  const CodeHead head = codeHead(tensor, blockIdx.y, token);
  const int place = parameterIndex(tensor, token % CODE_PAGE_TOKENS, channel);
  const long long image = (long long)blockIdx.y * count + index;
  if (args.isImport) store(head.scales + place, load(args.scales + image));
  else store(args.scales + image, load(head.scales + place));
  if (!tensor.isAffine) return;
  if (args.isImport) store(head.minima + place, load(args.minima + image));
  else store(args.minima + image, load(head.minima + place));
}

/** Copies 16-bit rows of KV head y, oldest first. A thread handles eight channels. */
KERNEL(copy_exact, ImageArguments, COPY_THREADS, 1) {
  const TensorView& tensor = args.tensor;
  const int octets = tensor.headSize / OCTET;
  const int count = args.exactTokens * octets;
  const int index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= count) return;
  const int row = index / octets;
  const int token = row < args.exactBefore ? args.firstExact + row : args.exactAfter + row - args.exactBefore;
  uint4* page = exactOctet(tensor, blockIdx.y, token, index % octets);
  uint4* image = args.exact + (long long)blockIdx.y * count + index;
  if (args.isImport) store(page, load(image));
  else store(image, load(page));
}
