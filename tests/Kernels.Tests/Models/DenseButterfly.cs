using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Models;

/// <summary>
/// Butterfly orthogonal matrices as the literature writes them: dense permutations, dense block-diagonals, float64, differentiable.
/// </summary>
internal static class DenseButterfly
{
    internal static Tensor Of(Tensor theta, long size, int block, double eta)
    {
        var result = eye(size, -1, float64);
        for (var factor = 0; factor < theta.shape[0]; factor++)
        {
            var dense = zeros([size, size], float64);
            for (var d = 0; d < theta.shape[1]; d++)
            {
                var q = zeros([block, block], float64);
                var at = 0;
                for (var i = 0; i < block; i++)
                {
                    for (var j = i + 1; j < block; j++)
                    {
                        var unit = zeros([block, block], float64);
                        unit[i, j] = tensor(1.0);
                        unit[j, i] = tensor(-1.0);
                        q = q + theta[factor, d, at++] * unit;
                    }
                }

                var identity = eye(block, -1, float64);
                var c = (identity + q * eta).mm(linalg.inv(identity - q * eta));
                var place = eye(size, -1, float64).narrow(1, (long)d * block, block);
                dense = dense + place.mm(c).mm(place.t());
            }

            // The first factor permutes nothing; its blocks may be odd.
            var permutation = factor == 0 ? eye(size, -1, float64) : Permutation(size, block << factor, block / 2);
            result = permutation.mm(dense).mm(permutation.t()).mm(result);
        }

        return result;
    }

    /// <summary><c>(P x)_j = x[order_j]</c>.</summary>
    private static Tensor Permutation(long size, int group, int chunk)
    {
        var order = new List<long>();
        for (var start = 0L; start < size; start += group)
        {
            var chunks = Enumerable
                .Range(0, group / chunk)
                .Select(c => Enumerable.Range(0, chunk).Select(i => start + (c * chunk) + i))
                .ToArray();
            foreach (var c in chunks.Where(static (_, i) => i % 2 == 0).Concat(chunks.Where(static (_, i) => i % 2 == 1)))
                order.AddRange(c);
        }

        return eye(size, -1, float64).index_select(0, tensor(order.ToArray(), int64));
    }
}
