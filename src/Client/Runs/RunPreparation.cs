using System.Security.Cryptography;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Runs;

namespace Peft.Orleans.Client.Runs;

/// <summary>A run that is ready to be started: folder made, run file written.</summary>
/// <param name="Id">Run id.</param>
/// <param name="Folder">Its folder.</param>
/// <param name="Spec">Resolved.</param>
/// <param name="Yaml">The resolved run file.</param>
/// <param name="Existed">Whether the folder held this very run already.</param>
internal sealed record PreparedRun(string Id, string Folder, RunSpec Spec, string Yaml, bool Existed)
{
    /// <summary>What lies in the folder.</summary>
    internal RunFolder Files { get; } = new(Folder);
}

/// <summary>Resolves a run and makes its folder.</summary>
internal static class RunPreparation
{
    /// <summary>
    /// Decides what a run file leaves open, as it was decided when the run in the folder was created; bits are promised for the recorded
    /// values.
    /// </summary>
    /// <param name="spec">Run file, paths absolute.</param>
    /// <param name="model">Its model.</param>
    /// <param name="id">The run's id, below <c>output</c>.</param>
    /// <param name="silos">Silos that share this machine's processors.</param>
    public static ResolvedRun Resolve(RunSpec spec, ModelFolder model, string id, int silos) => RunResolver.Resolve(
        spec, model, Math.Max(1, Environment.ProcessorCount / Math.Max(1, silos)), Recorded(Path.Combine(spec.Output, id)));

    /// <summary>The id given, or the name and six random digits.</summary>
    public static string NewId(RunSpec spec, string? given)
    {
        if (given is null)
            return $"{spec.Name}-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(3))}";
        return
            given.Length is > 0 and <= 120
            && char.IsAsciiLetterOrDigit(given[0])
            && given.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-')
            ? given
            : throw new PeftException($"--run-id {given}: expected letters, digits, '.', '_' and '-', starting with a letter or digit");
    }

    /// <summary>What was decided when the run of a folder was created; null: there is none.</summary>
    public static RunSpec? Recorded(string folder)
    {
        var path = new RunFolder(folder).RunFile;
        return File.Exists(path) ? RunFile.Load(path) : null;
    }

    /// <summary>The run as its folder holds it; null where there is none yet.</summary>
    /// <exception cref="PeftException">The folder holds another run.</exception>
    public static PreparedRun? Existing(ResolvedRun run, string id)
    {
        var folder = Path.Combine(run.Spec.Output, id);
        var path = new RunFolder(folder).RunFile;
        if (!File.Exists(path)) return null;
        return File.ReadAllText(path) == run.Yaml
            ? new PreparedRun(id, folder, run.Spec, run.Yaml, Existed: true)
            : throw new PeftException(
                $"run {id} exists in {folder} with another run file ({path}); "
                + $"choose another --run-id, or continue it with peft-client resume {id}");
    }

    /// <summary>
    /// The run as its folder holds it, or a folder made for it with the run file in it. The caller has its <see cref="RunLock"/>.
    /// </summary>
    /// <exception cref="PeftException">The folder cannot be written, or holds another run.</exception>
    public static PreparedRun Create(ResolvedRun run, string id)
    {
        if (Existing(run, id) is { } existing)
        {
            RunInputs.CheckAll(existing.Folder, run.Spec);
            return existing;
        }

        var folder = Path.Combine(run.Spec.Output, id);
        try
        {
            var files = new RunFolder(folder);
            Directory.CreateDirectory(files.Logs);
            Directory.CreateDirectory(files.Cluster);
            File.WriteAllText(files.RunFile, run.Yaml);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw RunLock.Unwritable(folder, error);
        }

        return new PreparedRun(id, folder, run.Spec, run.Yaml, Existed: false);
    }
}
