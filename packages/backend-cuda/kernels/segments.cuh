// Which tokens a query reads in which form. Sinks and newest tokens are in 16 bits. After the sinks, keys and values are
// codes up to a prefix each, of different lengths. So the tokens that a query sees form five ranges, each with one form
// of keys and one form of values. A query with a span reads only the newest tokens of them.
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

/** What a query sees: tokens `first .. length - 1`, of which keys and values after the sinks are codes up to these ends. */
struct Seen {
  int first;  // may be negative
  int length;
  int keyEnd;
  int valueEnd;
};

__device__ inline Segment segmentAt(int index) { return {index == 1 || index == 2, index == 1 || index == 3}; }

/** A segment's tokens up to the length that a query sees. */
__device__ inline TokenRange tokensOfSegment(int index, int sinks, const Seen& seen) {
  if (index == 0) return {0, smaller(sinks, seen.length)};
  if (index == 1) return {sinks, smaller(seen.keyEnd, seen.valueEnd)};
  if (index == 2) return {seen.valueEnd, seen.keyEnd};
  if (index == 3) return {seen.keyEnd, seen.valueEnd};
  return {larger(seen.keyEnd, seen.valueEnd), seen.length};
}

/** A segment's tokens for a query. Begin and end never decrease as the length grows. */
__device__ inline TokenRange segmentRange(int index, int sinks, const Seen& seen) {
  const TokenRange all = tokensOfSegment(index, sinks, seen);
  return {larger(all.begin, seen.first), all.end};
}

/** Codes are read from the start of a page, so that a tile lies in one page. */
__device__ inline int tileStart(int index, int sinks, int begin) {
  const Segment segment = segmentAt(index);
  if (!segment.isKeyCoded && !segment.isValueCoded) return begin;
  return sinks + (begin - sinks) / CODE_PAGE_TOKENS * CODE_PAGE_TOKENS;
}
