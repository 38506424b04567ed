using System.Runtime.InteropServices;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>Functions of libtorch's processor library that no interface of its own offers.</summary>
internal static class TorchExports
{
    /// <summary>The address of a function, of libtorch or of what it is linked with, by its mangled name; 0 where there is none.</summary>
    internal static nint Find(string name) =>
        NativeLibrary.TryLoad("libtorch_cpu.so", typeof(TorchExports).Assembly, null, out var library)
        && NativeLibrary.TryGetExport(library, name, out var export) ? export : 0;
}
