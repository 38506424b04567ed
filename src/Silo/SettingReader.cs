using System.Globalization;
using System.Reflection;
using Peft.Orleans.Core;

namespace Peft.Orleans.Silo;

/// <summary>Reads settings as their attributes describe them.</summary>
internal static class SettingReader
{
    /// <summary>What the command line says, over what the environment does.</summary>
    /// <exception cref="PeftException">Names the option or variable, and what was expected.</exception>
    internal static SiloSettings Read(string[] args, Func<string, string?> variable)
    {
        var settings = new SiloSettings();
        foreach (var (property, setting) in SiloSettings.All)
        {
            if (setting.Variable is { } name && variable(name) is { Length: > 0 } text)
                Set(settings, property, setting, text, $"{name}={text}");
        }

        for (var i = 0; i < args.Length; i++)
        {
            var (property, setting) = SiloSettings.All.FirstOrDefault(item => item.Setting.Option == args[i]);
            if (property is null) throw new PeftException($"unknown option {args[i]}; peft-silo --help lists them");
            if (setting.Value.Length == 0) property.SetValue(settings, true);
            else if (i + 1 == args.Length)
                throw new PeftException($"{args[i]} needs a value: {args[i]} {setting.Value}, {setting.Meaning}");
            else Set(settings, property, setting, args[++i], $"{setting.Option} {args[i]}");
        }

        return settings;
    }

    private static void Set(SiloSettings settings, PropertyInfo property, SettingAttribute setting, string text, string said)
    {
        if (property.PropertyType == typeof(bool))
        {
            if (!bool.TryParse(text, out var on)) throw new PeftException($"{said}: expected true or false");
            property.SetValue(settings, on);
            return;
        }

        if (property.PropertyType != typeof(int))
        {
            property.SetValue(settings, text);
            return;
        }

        var read = int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number);
        if (!read || number < setting.Least || number > setting.Most)
        {
            throw new PeftException(
                $"{said}: expected an integer from {setting.Least} to {setting.Most}; "
                + $"leave it out for {setting.Otherwise.Replace("`", "")}");
        }

        property.SetValue(settings, number);
    }
}
