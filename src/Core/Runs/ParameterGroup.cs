namespace Peft.Orleans.Core.Runs;

/// <summary>Groups of trainable parameters with a learning rate of their own. Rates travel in this order.</summary>
public enum ParameterGroup
{
    /// <summary><c>training.optimizer.learning_rate</c>.</summary>
    Default,

    /// <summary><c>training.optimizer.boft_learning_rate</c>.</summary>
    Rotation,
}
