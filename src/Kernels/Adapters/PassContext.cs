namespace Peft.Orleans.Kernels.Adapters;

/// <summary>Where a microbatch stands in the run: seeds what is random in it.</summary>
/// <param name="Seed">The run's seed.</param>
/// <param name="Step">Step from 1; in gradient estimation the pass over the samples, from 1; 0 in evaluation.</param>
/// <param name="Index">Microbatch index in the global batch; in gradient estimation the sample.</param>
/// <param name="Training">Whether dropout is active.</param>
public readonly record struct PassContext(long Seed, int Step, int Index, bool Training);
