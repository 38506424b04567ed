using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Models;

namespace Peft.Orleans.Client.Comparison;

/// <summary>
/// The parameter-matched control of a method: LoRA on the same modules, of the rank whose number of trainable parameters is nearest. Pure
/// functions of the model's sizes.
/// </summary>
internal static class MatchedControl
{
    /// <summary>The rank; of two equally near ones the smaller. Null: this method has no control.</summary>
    public static int? Rank(MethodSpec method, ModelDimensions model)
    {
        if (!MethodTraits.Of(method).HasControl) return null;
        var perRank = model.Trainable(MethodTable.Lora(method.TargetModules, new LoraSpec { Rank = 1 }));
        var wanted = model.Trainable(method);
        var below = Math.Max(1, wanted / perRank);
        return (int)(wanted - (below * perRank) <= ((below + 1) * perRank) - wanted ? below : below + 1);
    }
}
