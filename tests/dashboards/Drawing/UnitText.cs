using System.Globalization;
using Peft.Orleans.Dashboards.Source;

namespace Peft.Orleans.Dashboards.Drawing;

/// <summary>Values with their unit, as Grafana writes them.</summary>
internal static class UnitText
{
    private static readonly string[] Binary = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];
    private static readonly string[] Si = ["", "k", "M", "G", "T", "P"];
    private static readonly string[] Decimal = ["", " K", " M", " B", " T"];

    internal static string Of(double value, string unit) => unit switch
    {
        _ when !double.IsFinite(value) => value.ToString(CultureInfo.InvariantCulture),
        Units.Share => $"{Short(value * 100)} %",
        Units.Percent => $"{Short(value)} %",
        Units.Bytes => Scaled(value, 1024, Binary, " ", "B"),
        Units.BytesPerSecond => Scaled(value, 1024, Binary, " ", "B/s"),
        Units.Seconds => Seconds(value),
        Units.PerSecond => $"{Scaled(value, 1000, Decimal, "", "")}/s",
        Units.Flops => Scaled(value, 1000, Si, " ", "FLOP/s"),
        Units.PerMinute => $"{Short(value)}/min",
        Units.Celsius => $"{Short(value)} °C",
        Units.Watt => $"{Short(value)} W",
        Units.Megahertz => $"{Short(value)} MHz",
        Units.Scientific => value.ToString("0.#e+0", CultureInfo.InvariantCulture),
        _ => Math.Abs(value) is > 0 and < 0.001
            ? value.ToString("0.#e+0", CultureInfo.InvariantCulture)
            : Scaled(value, 1000, Decimal, "", ""),
    };

    private static string Seconds(double value) => Math.Abs(value) switch
    {
        0 => "0 s",
        < 1e-3 => $"{Short(value * 1e6)} µs",
        < 1 => $"{Short(value * 1e3)} ms",
        < 120 => $"{Short(value)} s",
        < 7200 => $"{Short(value / 60)} min",
        _ => $"{Short(value / 3600)} h",
    };

    private static string Scaled(double value, double step, string[] prefixes, string between, string unit)
    {
        var place = 0;
        while (Math.Abs(value) >= step && place < prefixes.Length - 1) (value, place) = (value / step, place + 1);
        return $"{Short(value)}{between}{prefixes[place]}{unit}";
    }

    private static string Short(double value) => value.ToString(
        Math.Abs(value) switch { 0 => "0", < 0.01 => "0.####", < 1 => "0.###", < 10 => "0.##", < 100 => "0.#", _ => "0" },
        CultureInfo.InvariantCulture);
}
