using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>A filter, <c>value | name(arguments)</c>.</summary>
internal delegate object? Filter(Meter meter, object? value, Arguments arguments);

/// <summary>Jinja's filters; those whose result is random, or only right on a web page, are refused where they are reached.</summary>
internal static class Filters
{
    /// <summary>All by name.</summary>
    public static readonly Dictionary<string, Filter> Table = new(
        TextFilters.Table.Concat(SequenceFilters.Table).Concat(NumberFilters.Table).Concat(
        [
            Refused("random", "gives something else each time"),
            Refused("urlize", "makes links for web pages"),
            Refused("pprint", "breaks lines as Python's debugger does"),
            Refused("xmlattr", "writes attributes of web pages"),
        ]));

    /// <summary>Whether an argument was given.</summary>
    public static bool Given(object? argument) => !ReferenceEquals(argument, Arguments.Absent);

    /// <summary>A truth value, where it was given.</summary>
    public static bool Flag(object? argument, bool absent = false) => Given(argument) ? Types.IsTrue(argument) : absent;

    /// <summary>A whole number, where it was given.</summary>
    public static int Count(object? argument, int absent, string filter) => Given(argument) ? Types.Count(argument, filter) : absent;

    /// <summary>A value, or null where none was given.</summary>
    public static object? OrNone(object? argument) => Given(argument) ? argument : null;

    private static KeyValuePair<string, Filter> Refused(string name, string why) =>
        new(name, (_, _, _) => throw JinjaException.Impossible($"the filter {name} {why}, which is not done here"));
}
