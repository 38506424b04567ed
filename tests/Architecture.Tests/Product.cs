using System.Reflection;

namespace Peft.Orleans.Architecture.Tests;

/// <summary>The product's assemblies, and what of each file of its source is said.</summary>
internal static class Product
{
    /// <summary>By the name of their folder in <c>src</c>.</summary>
    internal static IReadOnlyDictionary<string, Assembly> Assemblies { get; } = new Dictionary<string, Assembly>
    {
        ["Core"] = Assembly.Load("Peft.Orleans.Core"),
        ["Data"] = Assembly.Load("Peft.Orleans.Data"),
        ["Kernels"] = Assembly.Load("Peft.Orleans.Kernels"),
        ["Grains"] = Assembly.Load("Peft.Orleans.Grains"),
        ["Silo"] = Assembly.Load("peft-silo"),
        ["Client"] = Assembly.Load("peft-client"),
    };

    /// <summary>Types that people wrote; serializers that Orleans writes are in namespaces of their own.</summary>
    internal static IEnumerable<Type> Written(string project) => Assemblies[project].GetTypes()
        .Where(static type => type.Namespace is { } name && name.StartsWith("Peft.Orleans", StringComparison.Ordinal));

    /// <summary>
    /// First part of a type's namespace below its project's; empty for those at the project's root, null for another project's.
    /// </summary>
    internal static string? RoomOf(string project, Type type)
    {
        var root = $"Peft.Orleans.{project}";
        if (type.Namespace == root)
            return "";
        return type.Namespace?.StartsWith(root + ".", StringComparison.Ordinal) == true
            ? type.Namespace[(root.Length + 1)..].Split('.')[0]
            : null;
    }

    /// <summary>Lines of the source below <c>src</c>: path from there, number, text.</summary>
    internal static IEnumerable<(string File, int Line, string Text)> Source()
    {
        var root = Path.Combine(Peft.Orleans.Tests.SharedFolder.RepositoryRoot, "src");
        return Directory
            .EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
            .SelectMany(path =>
                File.ReadLines(path).Select((text, i) => (Path.GetRelativePath(root, path).Replace('\\', '/'), i + 1, text))
            );
    }
}
