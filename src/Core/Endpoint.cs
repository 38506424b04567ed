using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Peft.Orleans.Core;

/// <summary>A host, by name or address, and a port: <c>host:port</c>, an IPv6 address in brackets.</summary>
/// <param name="Host">Host; empty: nowhere.</param>
/// <param name="Port">Port.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.Endpoint")]
public readonly record struct Endpoint(string Host, int Port)
{
    /// <summary>No place at all, for silos that only a plan knows.</summary>
    public static readonly Endpoint None = new("", 0);

    /// <summary>Reads <c>host:port</c>.</summary>
    /// <exception cref="FormatException">It is neither.</exception>
    public static Endpoint Parse(string text) =>
        TryParse(text, null, out var endpoint) ? endpoint : throw new FormatException($"'{text}' is no host:port");

    /// <summary>Reads <c>host:port</c>, or <c>host</c> alone where there is a port to assume.</summary>
    /// <param name="text">The text.</param>
    /// <param name="assumed">Port where the text has none; null: it must have one.</param>
    /// <param name="endpoint">What was read.</param>
    public static bool TryParse([NotNullWhen(true)] string? text, int? assumed, out Endpoint endpoint)
    {
        endpoint = None;
        if (string.IsNullOrWhiteSpace(text)) return false;
        var colon = text.LastIndexOf(':');
        // An IPv6 address has colons of its own: with a port it is bracketed, alone it may stand without.
        var bracketed = text.StartsWith('[');
        if (bracketed && colon < text.IndexOf(']')) colon = -1;
        if (!bracketed && colon >= 0 && text.IndexOf(':') != colon) colon = -1;
        var host = (colon < 0 ? text : text[..colon]).TrimStart('[').TrimEnd(']');
        if (host.Length == 0) return false;
        if (colon < 0)
        {
            endpoint = new Endpoint(host, assumed ?? 0);
            return assumed is not null;
        }

        if (
            !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            || port > ushort.MaxValue
        )
            return false;
        endpoint = new Endpoint(host, port);
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => Host.Contains(':') ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}
