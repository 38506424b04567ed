using System.CommandLine;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>logs</c>.</summary>
internal static class LogsCommand
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(200);

    public static Command Create(Terminal terminal)
    {
        var run = CommonOptions.Run();
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on until the silos have ended." };
        var silo = new Option<string?>("--silo") { HelpName = "NAME", Description = "Only this silo's log." };
        var command = new Command("logs", "Print the logs of a run's silos; each line begins with the silo's name.")
        {
            run,
            follow,
            silo,
        };
        command.SetAction(
            async (parsed, _) =>
            {
                using var interruption = new Interruption();
                var found = RunIndex.OfUser().FindPresent(parsed.GetValue(run)!);
                var folder = found.Files.Logs;
                if (!Directory.Exists(folder))
                    throw new ClientException(
                        ExitCodes.NotFound,
                        $"run {found.Id}: no logs in {folder}; those of a remote cluster are with its silos"
                    );
                if (parsed.GetValue(silo) is { } name && !File.Exists(Path.Combine(folder, name + ".log")))
                {
                    var names = Directory.EnumerateFiles(folder, "*.log").Select(Path.GetFileNameWithoutExtension);
                    var known = string.Join(", ", names.Order(StringComparer.Ordinal));
                    throw new ClientException(ExitCodes.NotFound, $"run {found.Id} has no log {name}; there are {known}");
                }

                var positions = new Dictionary<string, long>(StringComparer.Ordinal);
                using var timer = new PeriodicTimer(Poll);
                try
                {
                    for (var ended = false; !ended;)
                    {
                        ended = !parsed.GetValue(follow) || !RunFolderReader.IsActive(found.Folder);
                        Print(terminal, folder, parsed.GetValue(silo), positions);
                        if (!ended)
                            await timer.WaitForNextTickAsync(interruption.Asked);
                    }
                }
                catch (OperationCanceledException)
                {
                    // Ctrl-C ends the following, not the run.
                }

                return ExitCodes.Success;
            }
        );
        return command;
    }

    private static void Print(Terminal terminal, string folder, string? silo, Dictionary<string, long> positions)
    {
        foreach (var path in Directory.EnumerateFiles(folder, silo is null ? "*.log" : silo + ".log").Order(StringComparer.Ordinal))
        {
            var name = Path.GetFileNameWithoutExtension(path);
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            stream.Position = positions.GetValueOrDefault(path);
            using var reader = new StreamReader(stream);
            var text = reader.ReadToEnd();
            var whole = text.LastIndexOf('\n') + 1;
            positions[path] = positions.GetValueOrDefault(path) + System.Text.Encoding.UTF8.GetByteCount(text.AsSpan(0, whole));
            foreach (var line in text[..whole].Split('\n').SkipLast(1)) terminal.Line(silo is null ? $"{name} | {line}" : line);
        }

        terminal.Out.Flush();
    }
}
