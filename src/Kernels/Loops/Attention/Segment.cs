namespace Peft.Orleans.Kernels.Loops.Attention;

/// <summary>A stretch of tokens that attend to each other: whole rows together, or one sample of a packed row.</summary>
/// <param name="Row">First row.</param>
/// <param name="Rows">Number of rows.</param>
/// <param name="Start">First column.</param>
/// <param name="Length">Number of columns; positions count from 0.</param>
internal readonly record struct Segment(int Row, int Rows, int Start, int Length);
