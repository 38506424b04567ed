using Peft.Orleans.Core;

namespace Peft.Orleans.Silo.Stores;

/// <summary>How the settings of a silo name its store.</summary>
internal static class StoreSettings
{
    /// <summary>Option that names the kind.</summary>
    internal const string Option = "--store";

    /// <summary>Option that names the file with the connection.</summary>
    internal const string FileOption = "--store-connection-file";

    /// <summary>Variable with the connection; there is no option: a command line is read by every user of a machine.</summary>
    internal const string Variable = "PEFT_SILO_STORE_CONNECTION";

    /// <summary>Reads the connection, and refuses what does not fit the kind.</summary>
    /// <exception cref="PeftException">Names option or variable, and what to give.</exception>
    internal static SiloSettings Read(SiloSettings given, Func<string, string?> variable)
    {
        var kind = given.StoreName switch
        {
            "sqlite" => StoreKind.Sqlite,
            "redis" => StoreKind.Redis,
            "postgresql" => StoreKind.Postgresql,
            var other => throw new PeftException($"{Option} {other}: expected sqlite, redis or postgresql"),
        };
        if (kind == StoreKind.Sqlite)
        {
            return given.StoreConnectionFile is null
                ? given
                : throw new PeftException($"{FileOption} {given.StoreConnectionFile}: needs {Option} redis or postgresql; leave one out");
        }

        if (given.Name is null)
        {
            throw new PeftException(
                $"{Option} {given.StoreName}: give {Core.Cluster.SiloArguments.Name} NAME too, another for each silo (in Kubernetes the "
                + "pod's); only silos that share a folder can find a free name");
        }

        return given with { Store = kind, StoreConnection = Connection(given, variable) };
    }

    private static string Connection(SiloSettings given, Func<string, string?> variable)
    {
        var inVariable = variable(Variable) is { Length: > 0 } text ? text.Trim() : null;
        if (given.StoreConnectionFile is not { } path)
        {
            return inVariable ?? throw new PeftException(
                $"{Option} {given.StoreName}: where is it? Give its connection in the variable {Variable}, or in a file: "
                + $"{FileOption} FILE");
        }

        try
        {
            var read = File.ReadAllText(path).Trim();
            return read.Length > 0 ? read : throw new PeftException($"{FileOption} {path}: it is empty; expected the store's connection");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PeftException($"{FileOption} {path}: {error.Message}", error);
        }
    }
}
