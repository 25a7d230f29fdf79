// Layout of a tensor: the keys or the values of one layer.
//
// Codes are in pages of 128 tokens, counted after the sinks. 16-bit numbers are in pages of 64 tokens, counted from the start of
// the sequence. A page stores its KV heads one after another. Tables hold the addresses of pages, so that a cache grows
// without moving.
//
// One head of a page of 16-bit numbers:  half  [headSize / 8][64 tokens][8]
// One head of a page of codes:           codes (codes.cuh), then scales, then, if affine, minima:
//                                        half  [groups of a head][128 tokens]             axis token
//                                        half  [128 / groupSize groups of tokens][headSize]  axis channel
// Threads with neighbouring tokens read neighbouring words, in vectors, and pages have no padding.
#pragma once
#include "device.cuh"

constexpr int CODE_PAGE_TOKENS = 128;
constexpr int EXACT_PAGE_TOKENS = 64;
constexpr int CHUNK = 16;
constexpr int OCTET = 8;

/** Written by src/store/packed-tensor.ts, writeView: the same fields in the same order. */
struct TensorView {
  const unsigned long long* codePages;
  const unsigned long long* exactPages;
  int kvHeads;
  int headSize;
  int bits;
  int groupSize;
  int isChannel;
  int isAffine;
  int isRotated;
  int sinks;
  /** Words of a row of codes of the codec `transform`; 0 for other codecs. */
  int rowWords;
  /** First page of codes that is decoded to float32, which attention reads at `codePages` for `bits` of 32. */
  int firstDecoded;
};

__device__ inline int groupsOfHead(const TensorView& view) { return (view.headSize + view.groupSize - 1) / view.groupSize; }

/** Scales of one head in a page. */
__device__ inline int parametersOfHead(const TensorView& view) {
  return view.isChannel ? CODE_PAGE_TOKENS / view.groupSize * view.headSize : groupsOfHead(view) * CODE_PAGE_TOKENS;
}

/** One KV head's part of a page of codes. */
struct CodeHead {
  unsigned char* codes;
  unsigned short* scales;
  unsigned short* minima;
};

/** @param behind position of a token, counted after the sinks */
__device__ inline CodeHead codeHead(const TensorView& view, int head, int behind) {
  const int codeBytes = CODE_PAGE_TOKENS * view.headSize / 8 * view.bits;
  const int parameters = parametersOfHead(view);
  const int headBytes = codeBytes + 2 * parameters * (view.isAffine ? 2 : 1);
  unsigned char* start = (unsigned char*)load(view.codePages + behind / CODE_PAGE_TOKENS) + (long long)head * headBytes;
  unsigned short* scales = (unsigned short*)(start + codeBytes);
  return {start, scales, scales + parameters};
}

/** Index of a number's scale and minimum within its head's part of the page. */
__device__ inline int parameterIndex(const TensorView& view, int tokenInPage, int channel) {
  return view.isChannel ? tokenInPage / view.groupSize * view.headSize + channel
                        : channel / view.groupSize * CODE_PAGE_TOKENS + tokenInPage;
}

/** Offset of symmetric codes as stored. */
__device__ inline int codeOffset(const TensorView& view) { return view.isAffine ? 0 : (1 << (view.bits - 1)) - 1; }

/** Parameters of a group: a number is `code * scale + minimum`. */
struct Parameters {
  float scale;
  float minimum;
};

/** @param index of {@link parameterIndex} */
__device__ inline Parameters loadParameters(const TensorView& view, const CodeHead& head, int index) {
  const float scale = floatFromHalf(load(head.scales + index));
  return {scale, view.isAffine ? floatFromHalf(load(head.minima + index)) : -codeOffset(view) * scale};
}

/** Four neighbouring channels of a token that transform.cu decoded. */
__device__ inline const float4* decodedQuad(const TensorView& view, int head, int behind, int quad) {
  const long long page = behind / CODE_PAGE_TOKENS - view.firstDecoded;
  const long long index = (page * view.kvHeads + head) * (view.headSize / 4) + quad;
  return (const float4*)view.codePages + index * CODE_PAGE_TOKENS + behind % CODE_PAGE_TOKENS;
}

/** Eight neighbouring channels of a token in 16 bits. */
__device__ inline uint4* exactOctet(const TensorView& view, int head, int token, int octet) {
  uint4* page = (uint4*)load(view.exactPages + token / EXACT_PAGE_TOKENS);
  return page + (head * (view.headSize / OCTET) + octet) * EXACT_PAGE_TOKENS + token % EXACT_PAGE_TOKENS;
}
