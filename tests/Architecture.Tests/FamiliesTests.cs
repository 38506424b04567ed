using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Architecture.Tests;

/// <summary>A model family is a room: its types are named in its own folders of Data and Kernels, and in the two tables.</summary>
public sealed class FamiliesTests
{
    private static readonly string[] Tables = ["Peft.Orleans.Data.Models.ModelFamilies", "Peft.Orleans.Kernels.Models.FamilyTable"];

    [Fact]
    public void Nothing_else_uses_a_familys_types()
    {
        string[] families = [.. ModelFamilies.All.Select(static family => family.GetType().Namespace!.Split('.')[^1]).Distinct()];
        Assert.NotEmpty(families);
        var uses = from project in Product.Assemblies.Keys
                   from type in Product.Written(project)
                   where FamilyOf(type) is null && !Tables.Any(table => type.FullName!.StartsWith(table, StringComparison.Ordinal))
                   from other in Dependencies.Used(type)
                   where FamilyOf(other) is not null
                   select $"{type.FullName} uses {other.FullName}";
        Broken.None(uses);

        string? FamilyOf(Type type) => Array.Find(families, family =>
            type.Namespace is { } name && (name.StartsWith($"Peft.Orleans.Data.Models.{family}", StringComparison.Ordinal)
                || name.StartsWith($"Peft.Orleans.Kernels.Models.{family}", StringComparison.Ordinal)));
    }
}
