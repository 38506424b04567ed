using System.CommandLine;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>stop</c>.</summary>
internal static class StopCommand
{
    public static Command Create(Terminal terminal)
    {
        var run = CommonOptions.Run();
        var cluster = CommonOptions.Cluster();
        var snapshot = new Option<bool>("--snapshot") { Description = "Take a snapshot first, so that resume repeats no step." };
        var command = new Command("stop", "Stop a run after the step under way.") { run, snapshot, cluster };
        command.SetAction(
            async (parsed, cancellation) =>
            {
                var found = RunLookup.Find(parsed, run, cluster);
                await using var client = await RunConnection.Open(terminal, found, cancellation);
                if (RunSession.WordOf((await client.StatusOf(found.Id)).State) is { } word)
                {
                    terminal.Line($"run {found.Id} is {word} already");
                    return ExitCodes.Success;
                }

                await client.Stop(found.Id, parsed.GetValue(snapshot));
                terminal.Line(
                    $"run {found.Id} stops after the step under way{(parsed.GetValue(snapshot) ? ", with a snapshot" : "")}; continue it "
                        + $"with: peft-client resume {found.Id}"
                );
                return ExitCodes.Success;
            }
        );
        return command;
    }
}
