using System.Diagnostics;
using System.Text;
using System.Text.Json;

namespace Peft.Orleans.Tests;

/// <summary>Runs the built client as a user would: a child process, its own silos, real files.</summary>
internal static class PeftClient
{
    /// <summary>The outcome of a command.</summary>
    internal sealed record Outcome(int ExitCode, string Output, string Errors)
    {
        /// <summary>The last line of stdout as JSON.</summary>
        internal JsonElement Json => JsonDocument.Parse(Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1]).RootElement;

        /// <summary>sha256 of the adapter that a run has left, by what its start prints as JSON.</summary>
        internal string AdapterSha256 => Json.GetProperty("adapterSha256").GetString()!;

        internal Outcome Succeeded()
        {
            Assert.True(ExitCode == 0, $"exit code {ExitCode}\n{Output}\n{Errors}");
            return this;
        }
    }

    /// <summary>The client's program, beside the tests in the artifacts folder.</summary>
    internal static string Program { get; } = Repository.Built("Client", "peft-client.dll");

    internal static async Task<Outcome> Run(params string[] arguments)
    {
        using var process = Start(arguments);
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        try
        {
            await process.WaitForExitAsync(Patience.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException(
                $"peft-client {string.Join(' ', arguments)} did not end in {Patience.Limit}\n{await output}\n{await errors}");
        }

        return new Outcome(process.ExitCode, await output, await errors);
    }

    internal static Process Start(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        start.ArgumentList.Add(Program);
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        start.Environment["PEFT_HOME"] = Home;
        start.Environment["NO_COLOR"] = "1";
        return Process.Start(start)!;
    }

    /// <summary>An own run index, so that tests leave the user's alone.</summary>
    private static string Home { get; } = Directory.CreateTempSubdirectory("peft-home").FullName;
}

/// <summary>A folder of one test.</summary>
internal sealed class Workspace : IDisposable
{
    internal string Folder { get; } = Directory.CreateTempSubdirectory("peft-test").FullName;

    internal string Write(string name, string text)
    {
        var path = Path.Combine(Folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text, new UTF8Encoding(false));
        return path;
    }

    public void Dispose()
    {
        try
        {
            Directory.Delete(Folder, recursive: true);
        }
        catch (IOException)
        {
            // A silo that is just ending may still write its log.
        }
    }
}
