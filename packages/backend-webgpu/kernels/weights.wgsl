// Weights are powers of two: 2 to a score, relative to the largest.
const LOG2_E: f32 = 1.4426950408889634;

// Below any score.
const LOWEST: f32 = -3.0e38;
