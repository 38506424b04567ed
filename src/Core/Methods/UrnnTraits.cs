using Peft.Orleans.Core.Models;

namespace Peft.Orleans.Core.Methods;

/// <summary>Unitary layers (Eq. 10-12, Alg. 1).</summary>
internal sealed class UrnnTraits : MethodTraits
{
    public override MethodName Name => MethodName.Urnn;

    public override string Title => "uRNN";

    public override string? PeftType => "URNN";

    public override IEnumerable<BrokenRule> Check(MethodSpec method)
    {
        if (method.Urnn.Kind == UrnnKind.Dense && method.Urnn.BlockSize < 1)
            yield return new("method.urnn.block_size", $"{method.Urnn.BlockSize} is no size of a block; write 1 or more");
    }

    public override IEnumerable<BrokenRule> CheckShape(MethodSpec method, string name, long d, long k)
    {
        var urnn = method.Urnn;
        if (urnn.Mode == UrnnMode.Replace && d != k)
        {
            yield return new(
                "method.urnn.mode",
                $"replace needs square weights, but {name} is {d} × {k}; write compose, or leave it out of method.target_modules");
        }

        if (k % 2 != 0)
        {
            yield return new("method.urnn", $"pairs neighbours, but {name} has {k} inputs; leave it out of method.target_modules");
        }
        else if (urnn.Kind == UrnnKind.Dense && k / 2 % urnn.BlockSize != 0)
        {
            yield return new(
                "method.urnn.block_size",
                $"{name} has {k} inputs, {k / 2} pairs, which {urnn.BlockSize} does not divide; choose a block_size that does");
        }
    }

    // A replaced weight is not loaded.
    public override long BaseBytes(MethodSpec method, LinearDimensions linear, long weight, long activation) =>
        base.BaseBytes(method, linear, method.Urnn.Mode == UrnnMode.Replace ? 0 : weight, activation);

    public override long Trainable(MethodSpec method, LinearDimensions linear) =>
        method.Urnn.Kind == UrnnKind.Structured ? 7L * linear.In / 2 : (long)linear.In * method.Urnn.BlockSize;
}
