using System.Collections.Concurrent;
using System.Reflection;
using System.Text.Json;

namespace Peft.Orleans.Core.Runs;

/// <summary>The spec records as the run file spells them: snake_case keys.</summary>
internal static class SpecReflection
{
    private static readonly ConcurrentDictionary<Type, IReadOnlyDictionary<string, PropertyInfo>> ByKey = new();

    /// <summary>Properties of a spec record by key.</summary>
    public static IReadOnlyDictionary<string, PropertyInfo> Keys(Type record) => ByKey.GetOrAdd(record, static type => type
        .GetProperties(BindingFlags.Public | BindingFlags.Instance)
        .Where(static property => property.CanWrite)
        .ToDictionary(static property => JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name), StringComparer.Ordinal));

    /// <summary>Whether a type is a section of the run file.</summary>
    public static bool IsSection(Type type) => type.Assembly == typeof(RunSpec).Assembly && type.IsClass;

    /// <summary>The value at a dotted key.</summary>
    public static object? Get(RunSpec spec, string path)
    {
        object? value = spec;
        foreach (var part in path.Split('.'))
        {
            if (value is null) return null;
            value = Keys(value.GetType())[part].GetValue(value);
        }

        return value;
    }
}
