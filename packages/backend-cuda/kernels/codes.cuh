// Layout of the codes of one head of a page: chunks of 16 channels, each for all tokens of the page.
//
//   2 bits:  uint   [chunks][128]
//   3 bits:  uint   [chunks][128], the low two bits; then ushort [chunks][128], the high bits
//   4 bits:  uint2  [chunks][128]
//   8 bits:  uint4  [chunks][128]
//
// The lowest channel is in the lowest bits.
#pragma once
#include "tensor.cuh"

/** Codes of eight channels in `bits` bytes: low and high bits apart for 3 bits, in two words for 8 bits. */
struct CodeOctet {
  unsigned int low;
  unsigned int high;
};

/** The two octets of a chunk. */
struct CodeChunk {
  CodeOctet octets[2];
};

__device__ inline const unsigned short* highBits(const CodeHead& head, int chunks) {
  return (const unsigned short*)(head.codes + 4 * chunks * CODE_PAGE_TOKENS);
}

/** Reads a chunk of one token in one vector, two for 3 bits. */
template <int BITS>
__device__ inline CodeChunk loadChunk(const CodeHead& head, int chunks, int chunk, int token) {
  const int index = chunk * CODE_PAGE_TOKENS + token;
  if constexpr (BITS == 8) {
    const uint4 words = load((const uint4*)head.codes + index);
    return {{{words.x, words.y}, {words.z, words.w}}};
  }
  if constexpr (BITS == 4) {
    const uint2 words = load((const uint2*)head.codes + index);
    return {{{words.x, 0}, {words.y, 0}}};
  }
  const unsigned int low = load((const unsigned int*)head.codes + index);
  const unsigned int high = BITS == 3 ? load(highBits(head, chunks) + index) : 0;
  return {{{low & 0xffff, high & 0xff}, {low >> 16, high >> 8}}};
}

/** Reads one half of a chunk. */
template <int BITS>
__device__ inline CodeOctet loadOctet(const CodeHead& head, int chunks, int octet, int token) {
  const int index = 2 * (octet / 2 * CODE_PAGE_TOKENS + token) + octet % 2;
  if constexpr (BITS == 8) {
    const uint2 words = load((const uint2*)head.codes + index);
    return {words.x, words.y};
  }
  if constexpr (BITS == 4) return {load((const unsigned int*)head.codes + index), 0};
  const unsigned int low = load((const unsigned short*)head.codes + index);
  const unsigned int high = BITS == 3 ? load((const unsigned char*)highBits(head, chunks) + index) : 0;
  return {low, high};
}

/** Bits `at` and up of a word, moved to bits `target` and up, with all others cleared. */
template <int BITS>
__device__ inline unsigned int movedBits(unsigned int word, int at, int target) {
  const unsigned int moved = target >= at ? word << (target - at) : word >> (at - target);
  return moved & (((1u << BITS) - 1) << target);
}

/**
 * The code of channel `i` of an octet as `1 + code / 2^BITS`: its bits go to the top of the fraction of a float with a
 * fixed exponent. This takes a shift and a logical operation, while converting an integer is slow.
 */
template <int BITS>
__device__ inline float codeFraction(const CodeOctet& octet, int i) {
  constexpr int TOP = 23;
  unsigned int bits;
  if constexpr (BITS == 8) bits = movedBits<8>(i < 4 ? octet.low : octet.high, 8 * (i % 4), TOP - 8);
  else if constexpr (BITS == 3) bits = movedBits<2>(octet.low, 2 * i, TOP - 3) | movedBits<1>(octet.high, i, TOP - 1);
  else bits = movedBits<BITS>(octet.low, BITS * i, TOP - BITS);
  return __uint_as_float(bits | 0x3f800000u);
}

/** Converts a fraction of {@link codeFraction} into its number. */
template <int BITS>
__device__ inline Parameters foldedParameters(const Parameters& plain) {
  const float scale = plain.scale * (1 << BITS);
  return {scale, plain.minimum - scale};
}

/** One stored code at any place. */
__device__ inline int codeAt(const TensorView& view, const CodeHead& head, int token, int channel) {
  const int chunks = view.headSize / CHUNK;
  const int index = channel / CHUNK * CODE_PAGE_TOKENS + token;
  const int place = channel % CHUNK;
  if (view.bits == 8) return load(head.codes + CHUNK * index + place);
  if (view.bits == 4) return load(head.codes + 8 * index + place / 2) >> (4 * (place % 2)) & 15;
  const int low = load((const unsigned int*)head.codes + index) >> (2 * place) & 3;
  return view.bits == 2 ? low : low | (load(highBits(head, chunks) + index) >> place & 1) << 2;
}

/** Stores the codes of a chunk of one token. */
__device__ inline void storeChunk(const TensorView& view, const CodeHead& head, int chunk, int token, const int* codes) {
  const int chunks = view.headSize / CHUNK;
  const int index = chunk * CODE_PAGE_TOKENS + token;
  const int wordBits = view.bits == 3 ? 2 : view.bits;
  unsigned int words[4] = {0, 0, 0, 0};
  unsigned int high = 0;
#pragma unroll
  for (int i = 0; i < CHUNK; i++) {
    const int bit = i * wordBits;
    words[bit / 32] |= (unsigned int)(codes[i] & ((1 << wordBits) - 1)) << (bit % 32);
    high |= (unsigned int)(codes[i] >> 2 & 1) << i;
  }
  if (view.bits == 8) store((uint4*)head.codes + index, uint4{words[0], words[1], words[2], words[3]});
  else if (view.bits == 4) store((uint2*)head.codes + index, uint2{words[0], words[1]});
  else store((unsigned int*)head.codes + index, words[0]);
  if (view.bits == 3) store((unsigned short*)highBits(head, chunks) + index, (unsigned short)high);
}
