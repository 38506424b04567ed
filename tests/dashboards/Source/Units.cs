namespace Peft.Orleans.Dashboards.Source;

/// <summary>Units by Grafana's names.</summary>
internal static class Units
{
    /// <summary>A bare number.</summary>
    internal const string None = "none";

    /// <summary>A count, shortened: 1.2 K.</summary>
    internal const string Count = "short";

    /// <summary>A fraction shown as percent.</summary>
    internal const string Share = "percentunit";

    /// <summary>Percent.</summary>
    internal const string Percent = "percent";

    internal const string Seconds = "s";

    /// <summary>Bytes in powers of 1,024.</summary>
    internal const string Bytes = "bytes";

    /// <summary>Bytes per second, in powers of 1,024.</summary>
    internal const string BytesPerSecond = "binBps";

    /// <summary>Operations per second.</summary>
    internal const string PerSecond = "ops";

    /// <summary>Floating-point operations per second.</summary>
    internal const string Flops = "flops";

    internal const string PerMinute = "opm";

    internal const string Celsius = "celsius";

    internal const string Watt = "watt";

    internal const string Megahertz = "rotmhz";

    internal const string Scientific = "sci";
}
