namespace Peft.Orleans.Kernels.Versions;

/// <summary>What one optimizer step needs to know.</summary>
/// <param name="Step">Step from 1.</param>
/// <param name="Clip">Factor on the gradient: min(1, max_norm / (norm + 1e-6)), or 1.</param>
/// <param name="LearningRate">Rate of <see cref="ParameterGroup.Default"/>.</param>
/// <param name="RotationLearningRate">Rate of <see cref="ParameterGroup.Rotation"/>.</param>
/// <param name="NextLambda">λ as measured for this layer.</param>
public sealed record OptimizerStep(int Step, double Clip, double LearningRate, double RotationLearningRate, double[] NextLambda);
