using System.Reflection;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;

namespace Peft.Orleans.Architecture.Tests;

/// <summary>A unit of the coordinator or of an agent has one purpose, and therefore few others to work with.</summary>
public sealed class CollaboratorsTests
{
    private const int Most = 4;

    [Fact]
    public void A_class_of_Grains_works_with_at_most_four_others() =>
        Broken.None(Product.Written("Grains")
            .Where(static type => type is { IsClass: true, IsNested: false } && !IsRecord(type))
            .SelectMany(static type => type.GetConstructors(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic))
            .Select(static made => (made.DeclaringType, Others: Others(made)))
            .Where(static made => made.Others.Length > Most)
            .Select(static made => $"{made.DeclaringType}: {string.Join(", ", made.Others.Select(static other => other.Name))}"));

    /// <summary>What it is given to work with; not its values, its log, and what only its base class asks for.</summary>
    private static Type[] Others(ConstructorInfo made)
    {
        var asked = made.DeclaringType!.BaseType!.GetConstructors(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
            .SelectMany(static constructor => constructor.GetParameters())
            .Select(static parameter => parameter.ParameterType);
        return
        [
            .. made.GetParameters()
                .Select(static parameter => parameter.ParameterType)
                .Except(asked)
                .Where(static type => !type.IsValueType && type != typeof(string) && !typeof(ILogger).IsAssignableFrom(type)),
        ];
    }

    /// <summary>Records are values.</summary>
    private static bool IsRecord(Type type) =>
        type.GetMethod("<Clone>$") is not null || type.GetCustomAttribute<CompilerGeneratedAttribute>() is not null;
}
