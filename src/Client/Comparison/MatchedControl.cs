using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Client.Comparison;

/// <summary>The parameter-matched control of a method: LoRA on the same modules, of the rank whose number of trainable parameters is nearest. Pure functions of the model's sizes.</summary>
internal static class MatchedControl
{
    /// <summary>Trainable parameters of a run.</summary>
    public static long Trainable(MethodSpec method, ModelDimensions model) => method.Name == MethodName.Full
        ? (model.BlockParameters * model.Blocks) + (model.EmbeddingParameters * (model.Tied ? 1 : 2)) + model.HiddenSize
        : model.Blocks * model.Linears.Sum(linear => MemoryModel.Trainable(method, linear));

    /// <summary>The rank; of two equally near ones the smaller. Null: this method has no control (full changes every weight, and LoRA is the control itself).</summary>
    public static int? Rank(MethodSpec method, ModelDimensions model)
    {
        if (method.Name is MethodName.Full or MethodName.Lora) return null;
        var perRank = Trainable(new MethodSpec { Name = MethodName.Lora, TargetModules = method.TargetModules, Lora = new LoraSpec { Rank = 1 } }, model);
        var wanted = Trainable(method, model);
        var below = Math.Max(1, wanted / perRank);
        return (int)(wanted - (below * perRank) <= ((below + 1) * perRank) - wanted ? below : below + 1);
    }
}
