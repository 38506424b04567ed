using Peft.Orleans.Kernels.Loops.Products;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Weights;

/// <summary>
/// A frozen matrix <c>[out, in]</c> and its products. Where it is held in a half type that the device multiplies slowly, it is converted to
/// the compute type as it is multiplied, in each thread's own cache or into one scratch block that all weights share: fp32's speed at half
/// the memory.
/// </summary>
internal sealed class FrozenWeight(Tensor held, ScalarType compute) : IDisposable
{
    [ThreadStatic]
    private static Tensor? scratch;

    internal long Bytes => held.numel() * held.element_size();

    internal long Out => held.shape[0];

    internal long In => held.shape[1];

    internal Tensor Held => held;

    /// <summary>The matrix in the compute type; valid until another weight is asked for. Disposed with the caller's scope.</summary>
    internal Tensor Matrix() => held.dtype == compute ? held.alias() : Convert(0, Out);

    /// <summary>Rows [start, start + count) in the compute type; valid until another weight is asked for.</summary>
    internal Tensor Rows(long start, long count) => held.dtype == compute ? held.narrow(0, start, count) : Convert(start, count);

    /// <summary>Whether the matrix must be converted before each product.</summary>
    internal bool Converts => held.dtype != compute;

    /// <summary><c>x [T, in] → x Wᵀ [T, out]</c>.</summary>
    internal Tensor Product(Tensor x) => BlockProducts.Product(x, held) ?? x.mm(Matrix().t());

    /// <summary>Adds <c>dy [T, out] W</c> to <paramref name="dx"/> in place, or makes it.</summary>
    internal Tensor InputGradient(Tensor dy, Tensor? dx) =>
        BlockProducts.InputGradient(dy, held, dx) ?? (dx is null ? dy.mm(Matrix()) : dx.addmm_(dy, Matrix()));

    public void Dispose() => held.Dispose();

    private Tensor Convert(long start, long count)
    {
        var elements = count * In;
        if (scratch is null || scratch.IsInvalid || scratch.numel() < elements || scratch.dtype != compute || scratch.device != held.device)
        {
            scratch?.Dispose();
            scratch = empty(elements, compute, held.device).DetachFromDisposeScope();
        }

        var (from, to) = (held.narrow(0, start, count), scratch.narrow(0, 0, elements).view(count, In));
        if (compute != ScalarType.Float32 || !Widening.Fit(from)) return to.copy_(from);
        Widening.Copy(from, to);
        return to;
    }
}
