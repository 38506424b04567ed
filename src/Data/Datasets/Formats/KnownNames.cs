using System.Collections.Frozen;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Peft.Orleans.Data.Datasets.Formats;

/// <summary>Names of fields, of which it is told quickly that an object has none; that it has one is only likely.</summary>
internal sealed class KnownNames(IEnumerable<string> names)
{
    private readonly FrozenSet<int> signatures = names.Select(static name => Signature(Encoding.UTF8.GetBytes(name))).ToFrozenSet();

    /// <summary>False: the object has no field of these names.</summary>
    public bool MayBeIn(JsonElement line)
    {
        foreach (var property in line.EnumerateObject())
        {
            var name = JsonMarshal.GetRawUtf8PropertyName(property);
            if (signatures.Contains(Signature(name)) || name.Contains((byte)'\\')) return true;
        }

        return false;
    }

    private static int Signature(ReadOnlySpan<byte> name) => name.IsEmpty ? 0 : (name.Length << 16) | (name[0] << 8) | name[^1];
}
