namespace Peft.Orleans.Kernels.Versions;

/// <summary>Lays tensors out in flat buffers: 64-byte aligned, in the order of declaration.</summary>
internal sealed class LayoutBuilder
{
    private const long Alignment = 16; // fp32 elements in 64 bytes

    private readonly List<ParameterSlot> trainable = [];
    private readonly List<ParameterSlot> constants = [];
    private long size;
    private long constantSize;

    internal int LambdaCount { get; set; }

    internal ParameterSlot Trainable(string name, long[] shape, SlotOptions? options = null)
    {
        var slot = new ParameterSlot(name, shape, size) { Options = options ?? SlotOptions.None };
        trainable.Add(slot);
        size = Next(size, slot);
        return slot;
    }

    internal ParameterSlot Constant(string name, long[] shape, SlotOptions? options = null)
    {
        var slot = new ParameterSlot(name, shape, constantSize) { Options = options ?? SlotOptions.None };
        constants.Add(slot);
        constantSize = Next(constantSize, slot);
        return slot;
    }

    internal ParameterLayout Build(bool moments) => new()
    {
        Trainable = [.. trainable],
        Constants = [.. constants],
        Size = size,
        OptimizerSize = moments ? size : 0,
        ConstantSize = constantSize,
        LambdaCount = LambdaCount,
    };

    private static long Next(long start, ParameterSlot slot) => (start + slot.Count + Alignment - 1) / Alignment * Alignment;
}
