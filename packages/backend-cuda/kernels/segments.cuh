// Which tokens a query reads in which form. Sinks and newest tokens are in 16 bits. After the sinks, keys and values are
// codes up to a prefix each, of different lengths. So the tokens that a query sees form five ranges, each with one form
// of keys and one form of values.
#pragma once
#include "tensor.cuh"

constexpr int SEGMENTS = 5;

/** Tokens `begin .. end - 1`; empty when `end <= begin`. */
struct TokenRange {
  int begin;
  int end;
};

struct Segment {
  bool isKeyCoded;
  bool isValueCoded;
};

__device__ inline Segment segmentAt(int index) { return {index == 1 || index == 2, index == 1 || index == 3}; }

/** A segment's tokens for a query that sees `length` tokens. Begin and end never decrease as the length grows. */
__device__ inline TokenRange segmentRange(int index, const TensorView& key, const TensorView& value, int length) {
  const int keyEnd = key.sinks + prefixAt(key, length);
  const int valueEnd = key.sinks + prefixAt(value, length);
  if (index == 0) return {0, smaller(key.sinks, length)};
  if (index == 1) return {key.sinks, smaller(keyEnd, valueEnd)};
  if (index == 2) return {valueEnd, keyEnd};
  if (index == 3) return {keyEnd, valueEnd};
  return {larger(keyEnd, valueEnd), length};
}

/** Tokens of one segment that any query reads which sees from `from` to `to` tokens. */
__device__ inline TokenRange coveredRange(int index, const TensorView& key, const TensorView& value, int from, int to) {
  return {segmentRange(index, key, value, from).begin, segmentRange(index, key, value, to).end};
}

/** Codes are read from the start of a page, so that a tile lies in one page. */
__device__ inline int tileStart(int index, int sinks, int begin) {
  const Segment segment = segmentAt(index);
  if (!segment.isKeyCoded && !segment.isValueCoded) return begin;
  return sinks + (begin - sinks) / CODE_PAGE_TOKENS * CODE_PAGE_TOKENS;
}
