namespace Peft.Orleans.Kernels.Tests;

/// <summary>A folder that lives as long as a test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    internal string Path { get; } = Directory.CreateTempSubdirectory("peft-kernels-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
