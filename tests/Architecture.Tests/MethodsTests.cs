using System.Text.RegularExpressions;

namespace Peft.Orleans.Architecture.Tests;

/// <summary>
/// No code asks a method's name: it asks the method's traits, or its folder. Names stand where methods are defined and registered.
/// </summary>
public sealed partial class MethodsTests
{
    /// <summary>The words themselves with the run file's default, the table of traits, and what PEFT's words stand for.</summary>
    private static readonly string[] Tables =
    [
        "Core/Methods/MethodSpec.cs", "Core/Methods/MethodTable.cs", "Data/Adapters/AdapterForm.cs", "Data/Adapters/PeftMethods.cs",
    ];

    [Fact]
    public void Names_stand_in_definitions_and_tables_alone()
    {
        var asked = Product.Source()
            .Where(static line => Named().IsMatch(line.Text) && !Definition().IsMatch(line.Text) && !Tables.Contains(line.File))
            .Select(static line => $"{line.File}:{line.Line}: {line.Text.Trim()}");
        Broken.None(asked);
    }

    [GeneratedRegex(@"\bMethodName\.\w")]
    private static partial Regex Named();

    [GeneratedRegex(@"override MethodName Name => MethodName\.\w+;")]
    private static partial Regex Definition();
}
