using System.Reflection.PortableExecutable;
using Peft.Orleans.Client.Clusters;
using Xunit;

namespace Peft.Orleans.Client.Tests;

public class PrecompiledTests
{
    [Theory]
    [InlineData("peft-silo", true)]
    [InlineData("Peft.Orleans.Core", true)]
    [InlineData("Peft.Orleans.Grains", true)]
    [InlineData("Orleans.Runtime", true)]
    [InlineData("TorchSharp", true)]
    [InlineData("Peft.Orleans.Kernels", false)] // its loops are compiled for the processor they run on
    public void A_silo_starts_from_machine_code(string assembly, bool precompiled)
    {
        var (program, arguments) = SiloExecutable.Locate();
        var folder = Path.GetDirectoryName(arguments.Length > 0 ? arguments[^1] : program)!;
        using var reader = new PEReader(File.OpenRead(Path.Combine(folder, assembly + ".dll")));
        Assert.Equal(precompiled, reader.PEHeaders.CorHeader!.ManagedNativeHeaderDirectory.Size > 0);
    }
}
