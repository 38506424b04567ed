using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>
/// What libtorch asks for a processor tensor's memory, in place of its own allocator. That one calls <c>posix_memalign</c>, for which glibc
/// before 2.38 looks for a free block that is 96 bytes larger than the tensor: where one tensor was freed, another of the same size does
/// not fit, and half a gigabyte lies idle between living tensors. This one calls <c>malloc</c> for a little more and aligns the address
/// itself, so that it does.
/// </summary>
/// <remarks>
/// A <c>c10::Allocator</c> made by hand: a pointer to a table of functions, as compilers on x86-64 Linux lay it out (Itanium C++ ABI). The
/// layout is checked against libtorch's own tables and blocks first; where it is another, its own allocator stays.
/// </remarks>
internal static unsafe class TensorAllocator
{
    /// <summary>libtorch's own: a cache line, the width of its widest registers.</summary>
    private const int Alignment = 64;

    /// <summary>Above libtorch's own, which has 0.</summary>
    private const byte Priority = 1;

    /// <summary>
    /// The table: what lies before its address, then two destructors, <c>allocate</c>, <c>is_simple_data_ptr</c>, <c>raw_deleter</c>,
    /// <c>copy_data</c>.
    /// </summary>
    private const int Before = 2, Slots = 6, AllocateSlot = 2, IsSimpleSlot = 3, RawDeleterSlot = 4, CopySlot = 5;

    private static delegate* unmanaged[Cdecl]<nuint, void*> malloc;
    private static delegate* unmanaged[Cdecl]<void*, void> free;
    private static Place place;

    /// <summary>
    /// <c>c10::DataPtr</c>: the address, what is to be called with the context when it is no longer used, and the device.
    /// </summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Block
    {
        internal void* Data;
        internal delegate* unmanaged[Cdecl]<void*, void> Deleter;
        internal void* Context;
        internal Place Place;
    }

    /// <summary><c>c10::Device</c>.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 8)]
    private struct Place
    {
        internal sbyte Type;
        internal sbyte Index;
    }

    /// <summary>Whether libtorch uses it.</summary>
    internal static bool Installed { get; private set; }

    /// <summary>
    /// Makes libtorch use it for every tensor from now on. To be called once, after libtorch is loaded and before it makes a tensor.
    /// </summary>
    internal static void Install()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64) return;
        var process = NativeLibrary.GetMainProgramHandle();
        if (!NativeLibrary.TryLoad("libc10.so", typeof(TensorAllocator).Assembly, null, out var library)
            || !NativeLibrary.TryGetExport(library, "_ZN3c1015GetCPUAllocatorEv", out var get)
            || !NativeLibrary.TryGetExport(library, "_ZN3c1015SetCPUAllocatorEPNS_9AllocatorEh", out var set)
            || !NativeLibrary.TryGetExport(library, "_ZTVN3c109AllocatorE", out var vtable)
            || !NativeLibrary.TryGetExport(library, "_ZNK3c109Allocator18is_simple_data_ptrERKNS_7DataPtrE", out var isSimple)
            || !NativeLibrary.TryGetExport(process, "malloc", out var allocate)
            || !NativeLibrary.TryGetExport(process, "free", out var release)) return;
        var general = (nint*)vtable + Before;
        var standard = ((delegate* unmanaged[Cdecl]<nint**>)get)();
        if (general[IsSimpleSlot] != isSimple || general[AllocateSlot] != general[CopySlot] || !MakesBlocksAsExpected(standard)) return;
        malloc = (delegate* unmanaged[Cdecl]<nuint, void*>)allocate;
        free = (delegate* unmanaged[Cdecl]<void*, void>)release;
        // Both live as long as the process.
        var table = (nint*)NativeMemory.Alloc(Before + Slots, (nuint)sizeof(nint)) + Before;
        for (var i = -Before; i < Slots; i++) table[i] = (*standard)[i];
        table[AllocateSlot] = (nint)(delegate* unmanaged[Cdecl]<Block*, void*, nuint, Block*>)&Allocate;
        table[RawDeleterSlot] = (nint)(delegate* unmanaged[Cdecl]<void*, delegate* unmanaged[Cdecl]<void*, void>>)&RawDeleter;
        var self = (nint**)NativeMemory.Alloc((nuint)sizeof(nint));
        *self = table;
        ((delegate* unmanaged[Cdecl]<nint**, byte, void>)set)(self, Priority);
        Installed = true;
    }

    /// <summary>Has libtorch's own allocator make a block, and looks whether its parts are what we take them for.</summary>
    private static bool MakesBlocksAsExpected(nint** standard)
    {
        var block = default(Block);
        ((delegate* unmanaged[Cdecl]<Block*, nint**, nuint, Block*>)(*standard)[AllocateSlot])(&block, standard, Alignment);
        var deleter = ((delegate* unmanaged[Cdecl]<nint**, nint>)(*standard)[RawDeleterSlot])(standard);
        if (block.Data is null || block.Data != block.Context || (nint)block.Data % Alignment != 0
            || deleter == 0 || (nint)block.Deleter != deleter
            || block.Place is not { Type: 0, Index: -1 }) return false;
        place = block.Place;
        block.Deleter(block.Context);
        return true;
    }

    /// <summary>
    /// <c>DataPtr allocate(size_t)</c>; the caller names the place of what is returned. In front of the block stands what <c>malloc</c>
    /// gave.
    /// </summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static Block* Allocate(Block* block, void* self, nuint bytes)
    {
        void** data = null;
        if (bytes > 0)
        {
            var whole = malloc(bytes + (nuint)sizeof(void*) + Alignment);
            // No exception can pass from here through libtorch.
            if (whole is null)
            {
                MemoryRefusals.Note();
                Environment.FailFast(
                    $"the system has no {bytes} bytes left for a tensor; give this silo more memory, or the run more silos");
            }

            data = (void**)(((nuint)whole + (nuint)sizeof(void*) + Alignment - 1) & ~(nuint)(Alignment - 1));
            data[-1] = whole;
        }

        *block = new Block { Data = data, Deleter = &Free, Context = data, Place = place };
        return block;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Free(void* data)
    {
        if (data is not null) free(((void**)data)[-1]);
    }

    /// <summary><c>DeleterFnPtr raw_deleter()</c>.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static delegate* unmanaged[Cdecl]<void*, void> RawDeleter(void* self) => &Free;
}
