using System.CommandLine;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>stop</c>.</summary>
internal static class StopCommand
{
    public static Command Create(Terminal terminal)
    {
        var run = CommonOptions.Run();
        var snapshot = new Option<bool>("--snapshot") { Description = "Take a snapshot first, so that resume repeats no step." };
        var command = new Command("stop", "Stop a run after the step under way.") { run, snapshot };
        command.SetAction(async (parsed, cancellation) =>
        {
            var found = RunIndex.OfUser().Find(parsed.GetValue(run)!);
            await using var client = await ClusterClient.ToRun(found, cancellation);
            var grain = client.Grains.GetGrain<IRunGrain>(found.Id);
            await grain.Stop(parsed.GetValue(snapshot));
            terminal.Line($"run {found.Id} stops after the step under way{(parsed.GetValue(snapshot) ? ", with a snapshot" : "")}; continue it with: peft-client resume {found.Id}");
            return ExitCodes.Success;
        });
        return command;
    }
}
