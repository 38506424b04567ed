namespace Peft.Orleans.Client.Clusters;

/// <summary>
/// Finds <c>peft-silo</c>: PEFT_SILO, beside the client (published together), or in the build's output folder next to the client's.
/// </summary>
internal static class SiloExecutable
{
    private const string Name = "peft-silo";

    /// <summary>Program and leading arguments that start a silo.</summary>
    /// <exception cref="ClientException">Not found; the places that were looked at are named.</exception>
    public static (string Program, string[] Arguments) Locate() =>
        TryLocate(out var tried) is { } found
            ? found
            : throw new ClientException(
                ExitCodes.NoCluster,
                $"peft-silo not found (looked at {string.Join(", ", tried)}); build it with: dotnet build src/Silo, or set PEFT_SILO to "
                    + "peft-silo or peft-silo.dll"
            );

    /// <summary>The same, or null.</summary>
    public static (string Program, string[] Arguments)? TryLocate(out IReadOnlyList<string> tried)
    {
        var candidates = Candidates().ToArray();
        tried = candidates;
        foreach (var candidate in candidates)
        {
            if (!File.Exists(candidate)) continue;
            if (candidate.EndsWith(".dll", StringComparison.Ordinal)) return (DotnetHost(), ["exec", candidate]);

            // The apphost finds the runtime where it is installed for all; a private one (DOTNET_ROOT, or the host that runs us) it may
            // not.
            var assembly = candidate + ".dll";
            return RunsUnderDotnet && File.Exists(assembly) ? (DotnetHost(), ["exec", assembly]) : (candidate, []);
        }

        return null;
    }

    private static bool RunsUnderDotnet => Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet";

    private static string DotnetHost() => RunsUnderDotnet
        ? Environment.ProcessPath!
        : Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } host ? host : "dotnet";

    private static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable("PEFT_SILO") is { Length: > 0 } set)
        {
            yield return Path.GetFullPath(Directory.Exists(set) ? Path.Combine(set, Name) : set);
            yield break;
        }

        var here = Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);
        yield return Path.Combine(here, Name);
        // artifacts/bin/Client/<configuration>/ → artifacts/bin/Silo/<configuration>/; from a test project's output too.
        var pivot = Path.GetFileName(here);
        yield return Path.GetFullPath(Path.Combine(here, "..", "..", "Silo", pivot, Name));
    }
}
