using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Urnn;

/// <summary>A complex Householder reflection <c>H = I − 2 v vᴴ / ‖v‖²</c>, its own inverse, on rows <c>[T, h]</c>.</summary>
internal sealed class Reflection : IDisposable
{
    private readonly Tensor vector; // v [1, h]
    private readonly Tensor conjugate; // v̄ [h, 1]
    private readonly Tensor scaled; // −2 v / ‖v‖² [1, h]
    private readonly float squaredNorm;

    /// <param name="pairs"><c>[h, 2]</c>: real and imaginary parts of v.</param>
    internal Reflection(Tensor pairs)
    {
        using var scope = NewDisposeScope();
        var v = view_as_complex(pairs);
        squaredNorm = pairs.Squared().sum().item<float>();
        vector = v.unsqueeze(0).clone().DetachFromDisposeScope();
        conjugate = v.conj().resolve_conj().unsqueeze(1).clone().DetachFromDisposeScope();
        scaled = vector.mul(Held(-2 / squaredNorm)).DetachFromDisposeScope();
    }

    /// <summary>Reflects rows in place.</summary>
    internal void Apply(Tensor rows)
    {
        using var along = rows.mm(conjugate); // vᴴz [T, 1]
        rows.addmm_(along, scaled);
    }

    /// <summary>
    /// Takes outputs z' (first half of the rows) and their gradients g' (second half) back to z and g in place, and returns dL/dv as pairs
    /// <c>[h, 2]</c>: with a = vᴴz' (= −vᴴz) and k = vᴴg', <c>−2/‖v‖² (kᴴz − aᴴg) + 4i/‖v‖⁴ Im(aᴴk) v</c>.
    /// </summary>
    internal Tensor Backward(Tensor rows)
    {
        using var scope = NewDisposeScope();
        var tokens = rows.shape[0] / 2;
        var along = rows.mm(conjugate);
        rows.addmm_(along, scaled);
        var a = Row(along.narrow(0, 0, tokens));
        var k = Row(along.narrow(0, tokens, tokens));
        var dv = k.mm(rows.narrow(0, 0, tokens)).sub_(a.mm(rows.narrow(0, tokens, tokens))).mul_(Held(-2 / squaredNorm)); // [1, h]
        var turn = a.mm(along.narrow(0, tokens, tokens)).imag.mul(Held(4 / (squaredNorm * squaredNorm))); // Im(aᴴk) [1, 1]
        dv.add_(vector.mul(complex(zeros_like(turn), turn)), One);
        return view_as_real(dv.squeeze(0)).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        vector.Dispose();
        conjugate.Dispose();
        scaled.Dispose();
    }

    private static Tensor Row(Tensor column) => column.conj().resolve_conj().t();
}

/// <summary>A diagonal of phases <c>e^{i d}</c> and its inverse.</summary>
internal sealed class Phases : IDisposable
{
    private readonly Tensor forward;
    private readonly Tensor inverse;

    internal Phases(Tensor angles)
    {
        using var scope = NewDisposeScope();
        var (cos, sin) = (angles.cos(), angles.sin());
        forward = complex(cos, sin).DetachFromDisposeScope();
        inverse = complex(cos, sin.neg()).DetachFromDisposeScope();
    }

    internal void Apply(Tensor rows) => rows.mul_(forward);

    internal void Invert(Tensor rows) => rows.mul_(inverse);

    /// <summary>Takes outputs z' and gradients g' back in place, and returns dL/dd = Σ Im(g' z̄').</summary>
    internal Tensor Backward(Tensor rows)
    {
        using var scope = NewDisposeScope();
        var tokens = rows.shape[0] / 2;
        var product = rows.narrow(0, 0, tokens).conj().mul(rows.narrow(0, tokens, tokens)).sum(0, false).imag;
        rows.mul_(inverse);
        return product.MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        forward.Dispose();
        inverse.Dispose();
    }
}

/// <summary>Gradients of the five parameter vectors of one structured map.</summary>
internal readonly record struct StructuredGradient(Tensor D1, Tensor D2, Tensor D3, Tensor V1, Tensor V2);

/// <summary>
/// What a version's structured map multiplies with. <c>Ũ = U(θ) U(θ0)ᴴ</c>, <c>U = D3 R2 F⁻¹ D2 Π R1 F D1</c> (Eq. 10), F the unitary FFT,
/// <c>(Πh)_i = h[perm[i]]</c>. The neighbours D1(θ) D1(θ0)ᴴ are one diagonal.
/// </summary>
internal sealed class StructuredFactors : IDisposable
{
    private readonly Phases first; // D1(θ) D1(θ0)ᴴ
    private readonly Phases second;
    private readonly Phases third;
    private readonly Phases startSecond;
    private readonly Phases startThird;
    private readonly Reflection one;
    private readonly Reflection two;
    private readonly Reflection startOne;
    private readonly Reflection startTwo;
    private readonly Tensor permutation;
    private readonly Tensor inverse;
    private readonly bool isIdentity;

    /// <param name="current">d1, d2, d3 <c>[h]</c>, v1, v2 <c>[h, 2]</c> of θ.</param>
    /// <param name="start">The same of θ0.</param>
    /// <param name="permutation">int64 <c>[h]</c>; owned by this object from now on.</param>
    internal StructuredFactors(Tensor[] current, Tensor[] start, Tensor permutation)
    {
        using var scope = NewDisposeScope();
        first = new Phases(current[0].sub(start[0]));
        (second, third, one, two) = (
            new Phases(current[1]),
            new Phases(current[2]),
            new Reflection(current[3]),
            new Reflection(current[4])
        );
        (startSecond, startThird, startOne, startTwo) = (
            new Phases(start[1]),
            new Phases(start[2]),
            new Reflection(start[3]),
            new Reflection(start[4])
        );
        this.permutation = permutation;
        isIdentity = current.Zip(start).All(static pair => pair.First.eq(pair.Second).all().item<bool>());
        inverse = permutation.argsort().DetachFromDisposeScope();
    }

    /// <summary>fp32 rows <c>[T, n]</c> through Ũ.</summary>
    internal Tensor Map(Tensor x)
    {
        // With θ = θ0 the map is I, and the model its base to the last bit.
        if (isIdentity) return x.clone();
        using var scope = NewDisposeScope();
        var z = StartInverse(Pairs(x));
        first.Apply(z);
        z = Fourier(z);
        one.Apply(z);
        z = Permute(z, permutation);
        second.Apply(z);
        z = InverseFourier(z);
        two.Apply(z);
        third.Apply(z);
        return Rows(z).MoveToOuterDisposeScope();
    }

    /// <summary>fp32 rows <c>[T, n]</c> through Ũ⁻¹ = Ũᵀ.</summary>
    internal Tensor Inverse(Tensor y)
    {
        if (isIdentity) return y.clone();
        using var scope = NewDisposeScope();
        var z = Pairs(y).clone();
        third.Invert(z);
        two.Apply(z);
        z = Fourier(z);
        second.Invert(z);
        z = Permute(z, inverse);
        one.Apply(z);
        z = InverseFourier(z);
        return Rows(Start(z)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// From fp32 outputs and their gradient: every factor is unitary, so outputs go back to inputs by the same products as gradients, and
    /// nothing but the output need be kept. Gradients belong to the caller's scope.
    /// </summary>
    internal (StructuredGradient Gradient, Tensor? Input) Backward(Tensor mapped, Tensor dMapped, bool needsInput)
    {
        using var scope = NewDisposeScope();
        var tokens = mapped.shape[0];
        var rows = cat([Pairs(mapped), Pairs(dMapped)], 0); // [2T, h]
        var d3 = third.Backward(rows);
        var v2 = two.Backward(rows);
        rows = Fourier(rows);
        var d2 = second.Backward(rows);
        rows = Permute(rows, inverse);
        var v1 = one.Backward(rows);
        rows = InverseFourier(rows);
        var d1 = first.Backward(rows);
        var input = needsInput ? Rows(Start(rows.narrow(0, tokens, tokens), undone: true)) : null;
        return (new StructuredGradient(Outer(d1), Outer(d2), Outer(d3), Outer(v1), Outer(v2)), input?.MoveToOuterDisposeScope());
    }

    public void Dispose()
    {
        foreach (var phases in new[] { first, second, third, startSecond, startThird }) phases.Dispose();
        foreach (var reflection in new[] { one, two, startOne, startTwo }) reflection.Dispose();
        permutation.Dispose();
        inverse.Dispose();
    }

    /// <summary>U(θ0)ᴴ without its last factor, which <see cref="first"/> holds.</summary>
    private Tensor StartInverse(Tensor x)
    {
        var z = x.clone();
        startThird.Invert(z);
        startTwo.Apply(z);
        z = Fourier(z);
        startSecond.Invert(z);
        z = Permute(z, inverse);
        startOne.Apply(z);
        return InverseFourier(z);
    }

    /// <summary>The inverse of <see cref="StartInverse"/>, after <see cref="first"/> unless that is <paramref name="undone"/>.</summary>
    private Tensor Start(Tensor z, bool undone = false)
    {
        if (!undone) first.Invert(z);
        z = Fourier(z);
        startOne.Apply(z);
        z = Permute(z, permutation);
        startSecond.Apply(z);
        z = InverseFourier(z);
        startTwo.Apply(z);
        startThird.Apply(z);
        return z;
    }

    private static Tensor Fourier(Tensor z) => fft.fft_(z, norm: FFTNormType.Ortho);

    private static Tensor InverseFourier(Tensor z) => fft.ifft(z, norm: FFTNormType.Ortho);

    /// <summary><c>z[:, indices]</c>; a gather takes a third of the time of index_select, which copies column by column.</summary>
    private static Tensor Permute(Tensor z, Tensor indices) => z.gather(1, indices.unsqueeze(0).expand(z.shape[0], z.shape[1]));

    /// <summary><c>[T, n]</c> real as <c>[T, n/2]</c> complex, a view.</summary>
    private static Tensor Pairs(Tensor rows) => view_as_complex(rows.contiguous().view(rows.shape[0], -1, 2));

    private static Tensor Rows(Tensor z) => view_as_real(z).reshape(z.shape[0], -1);

    private static Tensor Outer(Tensor value) => value.MoveToOuterDisposeScope();
}
