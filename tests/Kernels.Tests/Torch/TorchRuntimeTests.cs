using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;

namespace Peft.Orleans.Kernels.Tests.Torch;

public class TorchRuntimeTests
{
    private const string Library = "libLibTorchSharp.so";
    private const string Version = "GLIBCXX_3.4.32";

    [Fact]
    public void Inplace_operations_return_the_same_object()
    {
        using var scope = torch.NewDisposeScope();
        var a = torch.zeros(3);
        var b = a.add_(torch.ones(3));
        Assert.True(ReferenceEquals(a, b));
        Assert.True(ReferenceEquals(a, a.copy_(torch.ones(3))));
    }
}
