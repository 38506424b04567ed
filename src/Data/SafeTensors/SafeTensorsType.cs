namespace Peft.Orleans.Data.SafeTensors;

/// <summary>Element type of a tensor in a safetensors file.</summary>
public enum SafeTensorsType
{
    /// <summary>IEEE double precision (<c>F64</c>).</summary>
    F64,

    /// <summary>IEEE single precision (<c>F32</c>).</summary>
    F32,

    /// <summary>IEEE half precision (<c>F16</c>).</summary>
    F16,

    /// <summary>bfloat16 (<c>BF16</c>).</summary>
    BF16,

    /// <summary>Signed 64-bit (<c>I64</c>).</summary>
    I64,

    /// <summary>Signed 32-bit (<c>I32</c>).</summary>
    I32,

    /// <summary>Signed 16-bit (<c>I16</c>).</summary>
    I16,

    /// <summary>Signed 8-bit (<c>I8</c>).</summary>
    I8,

    /// <summary>Unsigned 64-bit (<c>U64</c>).</summary>
    U64,

    /// <summary>Unsigned 32-bit (<c>U32</c>).</summary>
    U32,

    /// <summary>Unsigned 16-bit (<c>U16</c>).</summary>
    U16,

    /// <summary>Unsigned 8-bit (<c>U8</c>).</summary>
    U8,

    /// <summary>Boolean, one byte (<c>BOOL</c>).</summary>
    Bool,

    /// <summary>8-bit float, 4 exponent bits (<c>F8_E4M3</c>).</summary>
    F8E4M3,

    /// <summary>8-bit float, 5 exponent bits (<c>F8_E5M2</c>).</summary>
    F8E5M2,

    /// <summary>8-bit float, 4 exponent bits, no negative zero (<c>F8_E4M3FNUZ</c>).</summary>
    F8E4M3Fnuz,

    /// <summary>8-bit float, 5 exponent bits, no negative zero (<c>F8_E5M2FNUZ</c>).</summary>
    F8E5M2Fnuz,

    /// <summary>8-bit exponent (<c>F8_E8M0</c>).</summary>
    F8E8M0,

    /// <summary>6-bit float, 2 exponent bits (<c>F6_E2M3</c>).</summary>
    F6E2M3,

    /// <summary>6-bit float, 3 exponent bits (<c>F6_E3M2</c>).</summary>
    F6E3M2,

    /// <summary>4-bit float (<c>F4</c>).</summary>
    F4,

    /// <summary>Complex of two single-precision numbers (<c>C64</c>).</summary>
    C64,
}

/// <summary>Names and widths of the element types.</summary>
public static class SafeTensorsTypes
{
    private static readonly (SafeTensorsType Type, string Name, int Bits)[] Table =
    [
        (SafeTensorsType.F64, "F64", 64), (SafeTensorsType.F32, "F32", 32), (SafeTensorsType.F16, "F16", 16),
        (SafeTensorsType.BF16, "BF16", 16), (SafeTensorsType.I64, "I64", 64), (SafeTensorsType.I32, "I32", 32),
        (SafeTensorsType.I16, "I16", 16), (SafeTensorsType.I8, "I8", 8), (SafeTensorsType.U64, "U64", 64),
        (SafeTensorsType.U32, "U32", 32), (SafeTensorsType.U16, "U16", 16), (SafeTensorsType.U8, "U8", 8),
        (SafeTensorsType.Bool, "BOOL", 8), (SafeTensorsType.F8E4M3, "F8_E4M3", 8), (SafeTensorsType.F8E5M2, "F8_E5M2", 8),
        (SafeTensorsType.F8E4M3Fnuz, "F8_E4M3FNUZ", 8), (SafeTensorsType.F8E5M2Fnuz, "F8_E5M2FNUZ", 8),
        (SafeTensorsType.F8E8M0, "F8_E8M0", 8), (SafeTensorsType.F6E2M3, "F6_E2M3", 6), (SafeTensorsType.F6E3M2, "F6_E3M2", 6),
        (SafeTensorsType.F4, "F4", 4), (SafeTensorsType.C64, "C64", 64),
    ];

    private static readonly Dictionary<string, SafeTensorsType> ByName =
        Table.ToDictionary(static row => row.Name, static row => row.Type, StringComparer.Ordinal);

    private static readonly Dictionary<SafeTensorsType, (string Name, int Bits)> ByType =
        Table.ToDictionary(static row => row.Type, static row => (row.Name, row.Bits));

    /// <summary>The name in the file's header.</summary>
    public static string HeaderName(this SafeTensorsType type) => ByType[type].Name;

    /// <summary>Bits of one element.</summary>
    public static int Bits(this SafeTensorsType type) => ByType[type].Bits;

    /// <summary>The type of a header name.</summary>
    public static bool TryParse(string name, out SafeTensorsType type) => ByName.TryGetValue(name, out type);
}
