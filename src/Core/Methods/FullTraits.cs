using Peft.Orleans.Core.Models;

namespace Peft.Orleans.Core.Methods;

/// <summary>All weights train.</summary>
internal sealed class FullTraits : MethodTraits
{
    public override MethodName Name => MethodName.Full;

    public override string Title => "Full";

    public override string? PeftType => null;

    public override bool TrainsBase => true;

    public override bool HasControl => false;

    public override IEnumerable<BrokenRule> Check(MethodSpec method)
    {
        if (method.InitialAdapter is not null)
            yield return new("method.initial_adapter", "has no meaning for method full: point model.path at the folder to start from");
    }

    public override long BaseBytes(MethodSpec method, LinearDimensions linear, long weight, long activation) => 0;

    public override long Trainable(MethodSpec method, LinearDimensions linear) => linear.Parameters;
}
