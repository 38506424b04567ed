using System.CommandLine;
using System.Globalization;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>scale</c>.</summary>
internal static class ScaleCommand
{
    public static Command Create(Terminal terminal)
    {
        var run = CommonOptions.Run();
        var cluster = CommonOptions.Cluster();
        var silos = new Option<int>("--silos") { Required = true, HelpName = "N", Description = "Number of silos from now on." };
        silos.Number(static count => count >= 1, "a number of at least 1; to end the run use peft-client stop");
        var command = new Command(
            "scale",
            "Add silos to a local run that is under way, or take some away; no bit of the result depends on it."
        )
        {
            run,
            silos,
            cluster,
        };
        command.SetAction(
            async (parsed, cancellation) =>
            {
                var found = RunLookup.Find(parsed, run, cluster);
                if (found.Cluster is not null)
                    throw new ClientException(
                        ExitCodes.Refused,
                        $"run {found.Id} is on a running cluster, whose silos are started and ended there (Kubernetes: kubectl scale "
                            + $"statefulset peft-silo --replicas={parsed.GetValue(silos)}); the run takes them in by itself"
                    );
                var living = RunFolderReader.LivingSilos(found.Folder);
                if (living.Count == 0)
                    throw new ClientException(
                        ExitCodes.NoCluster,
                        $"run {found.Id} is not running; start it again with: peft-client resume {found.Id} --local "
                            + $"{parsed.GetValue(silos)}"
                    );
                await using var client = await RunConnection.Open(terminal, found, cancellation);
                var wanted = parsed.GetValue(silos);
                if (wanted > living.Count)
                    await Grow(found, wanted - living.Count, terminal, cancellation);
                else if (wanted < living.Count)
                    await Shrink(
                        [.. living.OrderByDescending(static silo => silo.Name, StringComparer.Ordinal).Take(living.Count - wanted)],
                        terminal,
                        cancellation
                    );
                terminal.Line($"run {found.Id}: {wanted} silos; see who holds what with: peft-client silos {found.Id}");
                return ExitCodes.Success;
            }
        );
        return command;
    }

    private static async Task Grow(IndexedRun run, int count, Terminal terminal, CancellationToken cancellation)
    {
        var clusterFolder = run.Files.Cluster;
        var taken = SiloRegistration.ReadAll(clusterFolder).Select(static silo => silo.Name).ToHashSet(StringComparer.Ordinal);
        var names = Enumerable
            .Range(0, int.MaxValue)
            .Select(static i => "silo-" + i.ToString(CultureInfo.InvariantCulture))
            .Where(name => !taken.Contains(name))
            .Take(count)
            .ToArray();
        foreach (var name in names)
        {
            terminal.Note($"starting {name}");
            SiloProcess.Join(name, run.Folder, run.Files.LogOf(name));
        }

        string[] Missing() => [.. names.Except(SiloRegistration.ReadAll(clusterFolder).Select(static silo => silo.Name))];
        await Until(terminal, () => Missing().Length == 0, () => $"{string.Join(", ", Missing())} to start",
            $"the new silos did not come up; see {run.Files.Logs}", cancellation);
    }

    /// <summary>SIGTERM: a silo that leaves in order says so, and its layers' other places take over.</summary>
    private static async Task Shrink(IReadOnlyList<SiloRegistration> leaving, Terminal terminal, CancellationToken cancellation)
    {
        foreach (var silo in leaving)
        {
            terminal.Note($"ending {silo.Name} (process {silo.Pid})");
            SiloProcess.Terminate(silo.Pid);
            // One after the other: the layers of each have a second place only where the next has not left as well.
            await Until(
                terminal,
                () => !RunFolderReader.IsAlive(silo),
                () => $"{silo.Name} to end",
                $"{silo.Name} (process {silo.Pid}) does not end",
                cancellation);
        }
    }

    private static async Task Until(
        Terminal terminal,
        Func<bool> condition,
        Func<string> what,
        string otherwise,
        CancellationToken cancellation)
    {
        var times = ClusterTimes.Current;
        using var watch = new StartWatch(terminal, times.LocalStart, times, TimeProvider.System, static () => null, cancellation);
        await watch.Until(what, () => Task.FromResult(condition()), _ => new ClientException(ExitCodes.NoCluster, otherwise));
    }
}
