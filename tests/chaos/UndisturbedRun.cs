using System.Globalization;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Chaos;

/// <summary>The run that nothing happens to: made once for a run file and a build, then kept in the work folder.</summary>
internal static class UndisturbedRun
{
    internal static async Task<string> Make(PeftPrograms programs, string file, ChaosOptions options, CancellationToken cancellation)
    {
        var id = "undisturbed-" + programs.HashWith(await File.ReadAllTextAsync(file, cancellation));
        var folder = Path.Combine(options.Work, id);
        if (IsCompleted(folder)) return folder;
        Narration.Say($"the undisturbed run: {folder}");
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        var log = Path.Combine(options.Work, id + ".log");
        using var client = programs.StartRun(file, id, Math.Min(options.Silos, Environment.ProcessorCount), log);
        try
        {
            await client.WaitForExitAsync(cancellation);
        }
        finally
        {
            if (!client.HasExited) client.Kill();
        }

        if (client.ExitCode != 0 || !IsCompleted(folder))
            throw new ChaosException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"the undisturbed run ended with exit code "
                        + $"{client.ExitCode}:\n{string.Join('\n', File.ReadLines(log).TakeLast(8))}\n(whole log: {log})"
                )
            );
        return folder;
    }

    internal static RunStatus? StatusOf(string runFolder) => new RunFolder(runFolder).ReadStatus();

    private static bool IsCompleted(string runFolder) => StatusOf(runFolder)?.State == RunState.Completed;
}
