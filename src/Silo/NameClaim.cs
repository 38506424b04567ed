using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Silo;

/// <summary>
/// A silo's name in its cluster's folder is a locked file, <c>silos/NAME.lock</c>, held as long as the process lives: the name of a living
/// silo is nobody
/// else's, and that of a dead one, however it died, is free. Where the folder's storage knows no locks, <c>NameWatch</c> ends the earlier
/// of two.
/// </summary>
internal sealed class NameClaim : IDisposable
{
    private readonly FileStream held;

    private NameClaim(string name, FileStream held)
    {
        Name = name;
        this.held = held;
    }

    /// <summary>The name.</summary>
    internal string Name { get; }

    /// <summary>Claims a name, or the first <c>silo-N</c> that nobody has or had.</summary>
    /// <exception cref="PeftException">A living silo has the name.</exception>
    internal static NameClaim Take(string clusterFolder, string? name)
    {
        Directory.CreateDirectory(SiloRegistration.FolderOf(clusterFolder));
        if (name is not null)
        {
            var claim = TryTake(clusterFolder, name) ?? throw new PeftException(Refusal(clusterFolder, name));
            // Until this silo is up there is none of this name to connect to.
            SiloRegistration.Remove(clusterFolder, name);
            return claim;
        }

        var registered = SiloRegistration.ReadAll(clusterFolder).Select(static silo => silo.Name).ToHashSet(StringComparer.Ordinal);
        for (var i = 0; ; i++)
        {
            if (!registered.Contains($"silo-{i}") && TryTake(clusterFolder, $"silo-{i}") is { } claim) return claim;
        }
    }

    public void Dispose() => held.Dispose();

    private static NameClaim? TryTake(string clusterFolder, string name)
    {
        // What flock answers when another process has the lock.
        const int Eagain = 11;
        try
        {
            var path = Path.Combine(SiloRegistration.FolderOf(clusterFolder), name + ".lock");
            return new NameClaim(name, new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException error) when (error.HResult == Eagain)
        {
            return null;
        }
    }

    private static string Refusal(string clusterFolder, string name)
    {
        var holder = SiloRegistration.Read(clusterFolder, name) is { } silo
            ? $"process {silo.Pid} at {new Core.Endpoint(silo.Address, silo.SiloPort)}"
            : "one that is just starting";
        return $"{SiloArguments.Name} {name}: a living silo of {clusterFolder} has this name ({holder}); choose another, or end that silo";
    }
}
