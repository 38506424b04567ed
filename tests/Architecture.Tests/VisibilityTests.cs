using System.Reflection;

namespace Peft.Orleans.Architecture.Tests;

/// <summary>A type is public because another project of the product names it, and for no other reason.</summary>
public sealed class VisibilityTests
{
    /// <summary>What a family from another assembly is registered with.</summary>
    private static readonly string[] Doors = ["Peft.Orleans.Data.Models.ModelFamilies"];

    [Theory]
    [InlineData("Client")]
    [InlineData("Core")]
    [InlineData("Data")]
    [InlineData("Grains")]
    [InlineData("Kernels")]
    [InlineData("Silo")]
    public void Public_types_are_named_from_outside(string project)
    {
        var assembly = Product.Assemblies[project];
        var named = Product.Assemblies.Keys.Where(other => other != project).SelectMany(Product.Written).SelectMany(Dependencies.Used)
            .Where(type => type.Assembly == assembly).Select(Outermost).ToHashSet();
        // What a public type shows in its signatures is public with it.
        for (var count = -1; count != named.Count;)
        {
            count = named.Count;
            named.UnionWith(
                named
                    .Where(static type => type.IsPublic)
                    .SelectMany(Dependencies.Shown)
                    .Where(type => type.Assembly == assembly)
                    .Select(Outermost)
                    .ToArray()
            );
        }

        Broken.None(Product.Written(project)
            .Where(type => type is { IsPublic: true, IsNested: false } && !named.Contains(type) && !Doors.Contains(type.FullName))
            .Where(static type => !OnlyConstants(type))
            .Select(static type => type.FullName!));
    }

    /// <summary>A constant is copied to where it is used, which names nobody any more.</summary>
    private static bool OnlyConstants(Type type) =>
        type is { IsAbstract: true, IsSealed: true }
        && type.GetMembers(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.DeclaredOnly)
            .All(static member => member is FieldInfo { IsLiteral: true });

    private static Type Outermost(Type type)
    {
        while (type.DeclaringType is { } outer) type = outer;
        return type.IsGenericType ? type.GetGenericTypeDefinition() : type;
    }
}
