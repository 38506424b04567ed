using System.Diagnostics;
using System.Reflection;
using Microsoft.Data.Sqlite;
using Peft.Orleans.Core;

namespace Peft.Orleans.Grains.Storage;

/// <summary>
/// What a row of grain state is written as: the alias of its type, and within it fields by their ids. No name of a class, namespace or
/// assembly is stored, so code may move and what an earlier build wrote stays readable. A change that the ids cannot carry gets another
/// alias; whoever does not know an alias refuses the row by name.
/// </summary>
internal static class StoredForm
{
    private static readonly HashSet<string> Known = [.. typeof(StoredForm).Assembly.GetTypes().Select(AliasOf).OfType<string>()];

    /// <summary>The form of a state.</summary>
    internal static string Of<T>() =>
        AliasOf(typeof(T)) ?? throw new UnreachableException($"{typeof(T)} is stored and has no alias");

    /// <summary>Looks at all rows before a silo begins: afterwards each would come as the failure of some run.</summary>
    /// <exception cref="PeftException">A row that this version cannot read; names file, grain and remedy.</exception>
    internal static void CheckAll(SqliteFile file)
    {
        using var connection = file.Open();
        if (Earlier(connection) is { } grain) throw Unreadable(file, grain, "names of classes, as earlier versions stored them");
        foreach (var (row, form) in Rows(connection))
        {
            if (!Known.Contains(form)) throw Unreadable(file, row, $"the form '{form}'");
        }
    }

    /// <summary>The refusal of a row.</summary>
    internal static PeftException Unreadable(SqliteFile file, string grain, string form, Exception? cause = null) =>
        Unreadable(file.Path, "move this file away", grain, form, cause);

    /// <summary>The refusal of a row in a server's store.</summary>
    internal static PeftException UnreadableIn(string place, string grain, string form, Exception? cause = null) =>
        Unreadable(place, "give the silos an empty database", grain, form, cause);

    /// <summary>Whether this version reads a form.</summary>
    internal static bool IsKnown(string form) => Known.Contains(form);

    private static PeftException Unreadable(string place, string remedy, string grain, string form, Exception? cause)
    {
        var message =
            $"{place}: what is stored of {grain} has {form}, which this version of Peft.Orleans does not read; go on with the version "
            + $"that wrote it, or {remedy} and resume: a run then goes on from the last snapshot in its folder";
        return cause is null ? new PeftException(message) : new PeftException(message, cause);
    }

    private static string? AliasOf(Type type) => type.GetCustomAttribute<AliasAttribute>()?.Alias;

    private static string? Earlier(SqliteConnection connection)
    {
        const string Table = SqliteFile.EarlierStateTable;
        using var exists = SqliteFile.Command(connection, null, "SELECT 1 FROM sqlite_master WHERE name = $table", ("$table", Table));
        if (exists.ExecuteScalar() is null) return null;
        using var first = SqliteFile.Command(connection, null, $"SELECT max(grain) FROM {Table}");
        return first.ExecuteScalar() as string;
    }

    private static IEnumerable<(string Grain, string Form)> Rows(SqliteConnection connection)
    {
        using var command = SqliteFile.Command(connection, null, "SELECT grain, form FROM stored_state ORDER BY grain DESC");
        using var reader = command.ExecuteReader();
        while (reader.Read()) yield return (reader.GetString(0), reader.GetString(1));
    }
}
