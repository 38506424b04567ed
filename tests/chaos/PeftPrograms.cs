using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Chaos;

/// <summary>Client and silo as built beside this program, started as a user would.</summary>
internal sealed class PeftPrograms
{
    private readonly string client;
    private readonly string silo;
    private readonly string work;

    private PeftPrograms(string client, string silo, string work)
    {
        this.client = client;
        this.silo = silo;
        this.work = work;
    }

    internal static PeftPrograms Find(string work)
    {
        Directory.CreateDirectory(work);
        try
        {
            return new PeftPrograms(Repository.Built("Client", "peft-client.dll"), Repository.Built("Silo", "peft-silo.dll"), work);
        }
        catch (FileNotFoundException error)
        {
            throw new ChaosException(error.Message);
        }
    }

    /// <summary>What the bits of a run come from, besides its file: the silo's own assemblies.</summary>
    internal string HashWith(string text)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(System.Text.Encoding.UTF8.GetBytes(text));
        foreach (
            var assembly in Directory.EnumerateFiles(Path.GetDirectoryName(silo)!, "Peft.Orleans.*.dll").Order(StringComparer.Ordinal)
        )
            hash.AppendData(File.ReadAllBytes(assembly));
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..12];
    }

    /// <summary>Starts a run, or continues it, on new silos; its output goes to a file.</summary>
    internal Process StartRun(string file, string runId, int silos, string log) =>
        Start(log, client, "start-run", "-f", file, "--local", Text(silos), "--run-id", runId, "--set", "output=" + work, "-o", "json");

    /// <summary>Continues a run whose client or silos are all gone.</summary>
    internal Process Resume(string runFolder, int silos, string log) =>
        Start(log, client, "resume", runFolder, "--local", Text(silos), "-o", "json");

    /// <summary>Adds a silo to a run.</summary>
    internal Process Join(string runFolder, string name) =>
        Start(Path.Combine(runFolder, "logs", name + ".log"), silo, "--join", runFolder, "--name", name);

    private Process Start(string log, string program, params string[] arguments)
    {
        // The shell replaces itself; the log is a file, so that nobody has to read a pipe.
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true };
        foreach (
            var argument in (string[])
                [
                    "-c",
                    "log=$1; shift; exec \"$@\" >>\"$log\" 2>&1",
                    "sh",
                    log,
                    Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet",
                    "exec",
                    program,
                    .. arguments,
                ]
        )
            start.ArgumentList.Add(argument);
        start.Environment["PEFT_HOME"] = Path.Combine(work, "home");
        start.Environment["NO_COLOR"] = "1";
        return Process.Start(start) ?? throw new ChaosException($"{program} could not be started");
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
