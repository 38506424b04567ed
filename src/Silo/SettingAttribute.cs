namespace Peft.Orleans.Silo;

/// <summary>
/// A setting of a silo, beside the property that holds it: <c>--help</c>, the environment and the table in docs/silo.md come from here.
/// </summary>
/// <param name="option">Spelling on the command line.</param>
/// <param name="value">What its value is called in the help; empty: it is a switch.</param>
/// <param name="otherwise">What holds without it.</param>
/// <param name="meaning">What it does.</param>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class SettingAttribute(string option, string value, string otherwise, string meaning) : Attribute
{
    /// <summary>Spelling on the command line.</summary>
    public string Option { get; } = option;

    /// <summary>What its value is called in the help; empty: it is a switch.</summary>
    public string Value { get; } = value;

    /// <summary>What holds without it.</summary>
    public string Otherwise { get; } = otherwise;

    /// <summary>What it does.</summary>
    public string Meaning { get; } = meaning;

    /// <summary>Smallest number.</summary>
    public int Least { get; init; } = 1;

    /// <summary>Largest number.</summary>
    public int Most { get; init; } = int.MaxValue;

    /// <summary>Whether it belongs to one process, not to an environment.</summary>
    public bool OfProcess { get; init; }

    /// <summary>Its environment variable, of a switch <c>true</c> or <c>false</c>; null: it has none.</summary>
    public string? Variable => OfProcess ? null : "PEFT_SILO_" + Option[2..].Replace('-', '_').ToUpperInvariant();
}
