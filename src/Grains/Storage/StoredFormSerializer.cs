using System.Text;
using Orleans.Serialization;
using Orleans.Storage;
using Peft.Orleans.Core;

namespace Peft.Orleans.Grains.Storage;

/// <summary>
/// Grain state as Orleans' storage providers keep it: the alias of its <see cref="StoredForm"/>, a line feed, its fields.
/// </summary>
/// <param name="serializer">Writes the fields by their ids.</param>
/// <param name="place">The store, for errors.</param>
internal sealed class StoredFormSerializer(Serializer serializer, string place) : IGrainStorageSerializer
{
    /// <inheritdoc/>
    public BinaryData Serialize<T>(T? input) =>
        new((byte[])[.. Encoding.UTF8.GetBytes(StoredForm.Of<T>() + "\n"), .. serializer.SerializeToArray(input!)]);

    /// <inheritdoc/>
    /// <exception cref="PeftException">Another version has written it.</exception>
    public T Deserialize<T>(BinaryData input)
    {
        var bytes = input.ToMemory();
        var form = FormOf(bytes.Span);
        if (form != StoredForm.Of<T>()) throw StoredForm.UnreadableIn(place, typeof(T).Name, $"the form '{form}'");
        try
        {
            return serializer.Deserialize<T>(bytes[(form.Length + 1)..])!;
        }
        catch (Exception error) when (error is SerializerException or ArgumentException or InvalidOperationException)
        {
            throw StoredForm.UnreadableIn(place, typeof(T).Name, $"the form '{form}' with other fields", error);
        }
    }

    /// <summary>Refuses a row that this version does not read.</summary>
    /// <param name="grain">Whose it is.</param>
    /// <param name="payload">What is stored; empty: nothing.</param>
    /// <param name="place">The store.</param>
    /// <exception cref="PeftException">Names store, grain and remedy.</exception>
    internal static void Check(string grain, ReadOnlySpan<byte> payload, string place)
    {
        if (payload.Length > 0 && FormOf(payload) is var form && !StoredForm.IsKnown(form))
            throw StoredForm.UnreadableIn(place, grain, $"the form '{form}'");
    }

    private static string FormOf(ReadOnlySpan<byte> payload)
    {
        var end = payload[..Math.Min(payload.Length, 200)].IndexOf((byte)'\n');
        return end < 0 ? "" : Encoding.ASCII.GetString(payload[..end]);
    }
}
