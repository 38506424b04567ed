namespace Peft.Orleans.Kernels.Versions;

/// <summary>What one optimizer step needs to know.</summary>
/// <param name="Step">Step from 1.</param>
/// <param name="Clip">Factor on the gradient: min(1, max_norm / (norm + 1e-6)), or 1.</param>
/// <param name="Rates">Learning rate of each <see cref="Core.Runs.ParameterGroup"/>, in their order.</param>
/// <param name="NextLambda">λ as measured for this layer.</param>
public sealed record OptimizerStep(int Step, double Clip, IReadOnlyList<double> Rates, double[] NextLambda);
