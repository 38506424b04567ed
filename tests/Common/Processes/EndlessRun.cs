using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Peft.Orleans.Tests;

/// <summary>
/// A run that does not end before a test stops it, however busy the machine is: with a constant learning rate no step depends on how many
/// there will be, so that what it has done when it is stopped equals an undisturbed run of as many steps, bit for bit.
/// </summary>
internal sealed class EndlessRun : IDisposable
{
    private const int Steps = 1_000_000;

    private static readonly string[] Constant = ["--set", "training.schedule.name=constant"];

    private readonly string file;
    private readonly StringBuilder said = new();
    private Process client = null!;
    private Task<string> output = null!;
    private Task<string> errors = null!;

    private EndlessRun(string file, string id)
    {
        this.file = file;
        Folder = Path.Combine(Path.GetDirectoryName(file)!, "runs", id);
    }

    /// <summary>The run's folder.</summary>
    internal string Folder { get; }

    /// <summary>Starts a run file with <c>output: runs</c>.</summary>
    /// <param name="file">The run file; its number of steps does not count.</param>
    /// <param name="id">The run's id.</param>
    /// <param name="where"><c>--local N</c> or <c>--cluster A</c>.</param>
    internal static EndlessRun Start(string file, string id, params string[] where)
    {
        var run = new EndlessRun(file, id);
        run.Follow(PeftClient.Start(
            ["start-run", "-f", file, "--run-id", id, .. where, "-o", "json", "--set", $"training.steps={Steps}", .. Constant]));
        return run;
    }

    /// <summary>Starts it with a client of another network.</summary>
    internal static EndlessRun Start(Func<string[], Process> client, string file, string id, params string[] where)
    {
        var run = new EndlessRun(file, id);
        run.Follow(client(
            ["start-run", "-f", file, "--run-id", id, .. where, "-o", "json", "--set", $"training.steps={Steps}", .. Constant]));
        return run;
    }

    /// <summary>Goes on with a run that was stopped, or lost all its silos.</summary>
    internal void Resume(params string[] where) => Follow(PeftClient.Start(["resume", Folder, .. where, "-o", "json"]));

    /// <summary>What its clients have written to standard error so far.</summary>
    internal string Said
    {
        get
        {
            lock (said) return said.ToString();
        }
    }

    internal string[] Lines() =>
        File.Exists(Path.Combine(Folder, "metrics.jsonl")) ? File.ReadAllLines(Path.Combine(Folder, "metrics.jsonl")) : [];

    /// <summary>Details of the events of a name.</summary>
    internal IReadOnlyList<JsonElement> Events(string name) =>
        [.. File.ReadAllLines(Path.Combine(Folder, "events.jsonl")).Select(static line => JsonDocument.Parse(line).RootElement)
            .Where(line => line.GetProperty("event").GetString() == name).Select(static line => line.GetProperty("details"))];

    internal Task Reached(int step) => Until(() => Lines().Length >= step);

    internal Task MoreSteps(int count) => Reached(Lines().Length + count);

    /// <summary>Until the last step was made by so many silos.</summary>
    internal Task OnSilos(int count) => Until(() =>
        Lines() is [.., var last] && JsonDocument.Parse(last).RootElement.GetProperty("silos").GetInt32() == count);

    internal async Task Until(Func<bool> condition)
    {
        await Patience.Until(() => client.HasExited || condition());
        Assert.True(
            !client.HasExited,
            client.HasExited ? $"the client ended with {client.ExitCode}\n{await errors}\n{await output}" : "");
    }

    /// <summary>Waits for the client, however it ends.</summary>
    internal Task Ended() => client.WaitForExitAsync(Patience.Token);

    /// <summary>The client alone dies.</summary>
    internal void KillClient() => client.Kill();

    /// <summary>Stops it with a snapshot; what the client said last.</summary>
    /// <param name="more"><c>--cluster A</c> where the run is on one.</param>
    internal async Task<JsonElement> Stop(params string[] more)
    {
        (await PeftClient.Run(["stop", more.Length > 0 ? Path.GetFileName(Folder) : Folder, "--snapshot", .. more])).Succeeded();
        return await Stopped();
    }

    /// <summary>Waits for a run that was asked to stop; what the client said last.</summary>
    internal async Task<JsonElement> Stopped()
    {
        await Ended();
        Assert.True(client.ExitCode == 4, $"exit code {client.ExitCode}\n{await errors}\n{await output}");
        var last = JsonDocument.Parse((await output).Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1]).RootElement;
        Assert.Equal("stopped", last.GetProperty("status").GetString());
        return last;
    }

    /// <summary>
    /// Compares metrics, samples, and the snapshot where it was stopped (adapter and optimizer state of every layer) with those of an
    /// undisturbed run of as many steps on one silo.
    /// </summary>
    internal async Task AssertUndisturbed()
    {
        var steps = Lines().Length;
        var id = "undisturbed-" + Path.GetFileName(Folder);
        (await PeftClient.Run(
        [
            "start-run", "-f", file, "--run-id", id, "--local", "1", "-o", "json",
            "--set", string.Create(CultureInfo.InvariantCulture, $"training.steps={steps}"), "--set", "elastic.min_silos=1", .. Constant,
        ])).Succeeded();
        var undisturbed = Path.Combine(Path.GetDirectoryName(Folder)!, id);
        Assert.Equal(EmbeddedModel.Comparable(undisturbed), EmbeddedModel.Comparable(Folder));
        Assert.Equal(
            File.ReadAllLines(Path.Combine(undisturbed, "samples.jsonl")), File.ReadAllLines(Path.Combine(Folder, "samples.jsonl")));
        var snapshot = Path.Combine("snapshots", string.Create(CultureInfo.InvariantCulture, $"step-{steps:D6}"));
        var files = Layers(Path.Combine(undisturbed, snapshot));
        Assert.NotEmpty(files);
        Assert.Equal(files, Layers(Path.Combine(Folder, snapshot)));
    }

    public void Dispose()
    {
        if (!client.HasExited) client.Kill(entireProcessTree: true);
        client.Dispose();
    }

    private static (string Name, string Sha256)[] Layers(string snapshot) =>
        [.. Directory.EnumerateFiles(snapshot, "layer-*").Order(StringComparer.Ordinal)
            .Select(static file => (Path.GetFileName(file), Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)))))];

    private async Task<string> Hear(StreamReader from)
    {
        while (await from.ReadLineAsync() is { } line)
        {
            lock (said) said.AppendLine(line);
        }

        return Said;
    }

    private void Follow(Process started)
    {
        client = started;
        output = client.StandardOutput.ReadToEndAsync();
        errors = Hear(client.StandardError);
    }
}
