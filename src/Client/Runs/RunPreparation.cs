using System.Security.Cryptography;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Client.Runs;

/// <summary>A run that is ready to be started: folder made, run file written.</summary>
/// <param name="Id">Run id.</param>
/// <param name="Folder">Its folder.</param>
/// <param name="Spec">Resolved.</param>
/// <param name="Yaml">The resolved run file.</param>
/// <param name="Existed">Whether the folder held this very run already.</param>
internal sealed record PreparedRun(string Id, string Folder, RunSpec Spec, string Yaml, bool Existed);

/// <summary>Resolves a run and makes its folder.</summary>
internal static class RunPreparation
{
    /// <summary>Replaces what is <c>auto</c> by what holds from now on; bits are promised for the recorded values.</summary>
    public static RunSpec ResolveCompute(RunSpec spec, ModelFolder model, int silos) => spec with
    {
        Compute = spec.Compute with
        {
            ThreadsPerSilo = spec.Compute.ThreadsPerSilo ?? Math.Max(1, Environment.ProcessorCount / Math.Max(1, silos)),
            Products = spec.Compute.Products ?? Processor.Products(spec.Model.Dtype ?? model.StoredType),
        },
    };

    /// <summary>The id given, or the name and six random digits.</summary>
    public static string NewId(RunSpec spec, string? given)
    {
        if (given is null) return $"{spec.Name}-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(3))}";
        return given.Length is > 0 and <= 120 && char.IsAsciiLetterOrDigit(given[0]) && given.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-')
            ? given
            : throw new PeftException($"--run-id {given}: expected letters, digits, '.', '_' and '-', starting with a letter or digit");
    }

    /// <summary>Values recorded when this run was created, where the file leaves them to us.</summary>
    public static RunSpec KeepRecorded(RunSpec spec, string folder)
    {
        var path = Path.Combine(folder, RunFiles.RunYaml);
        if (!File.Exists(path)) return spec;
        var recorded = RunFile.Load(path).Compute;
        return spec with
        {
            Compute = new ComputeSpec
            {
                ThreadsPerSilo = spec.Compute.ThreadsPerSilo ?? recorded.ThreadsPerSilo,
                Replicas = spec.Compute.Replicas ?? recorded.Replicas,
                Products = spec.Compute.Products ?? recorded.Products,
            },
        };
    }

    /// <summary>The run as its folder holds it; null where there is none yet.</summary>
    /// <exception cref="PeftException">The folder holds another run.</exception>
    public static PreparedRun? Existing(RunSpec resolved, string id)
    {
        var folder = Path.Combine(resolved.Output, id);
        var path = Path.Combine(folder, RunFiles.RunYaml);
        if (!File.Exists(path)) return null;
        var yaml = RunFile.Write(resolved);
        return File.ReadAllText(path) == yaml
            ? new PreparedRun(id, folder, resolved, yaml, Existed: true)
            : throw new PeftException(
                $"run {id} exists in {folder} with another run file ({path}); choose another --run-id, or continue it with peft-client resume {id}");
    }

    /// <summary>The run as its folder holds it, or a folder made for it with the run file in it. The caller has its <see cref="RunLock"/>.</summary>
    /// <exception cref="PeftException">The folder cannot be written, or holds another run.</exception>
    public static PreparedRun Create(RunSpec resolved, string id)
    {
        if (Existing(resolved, id) is { } existing) return existing;
        var folder = Path.Combine(resolved.Output, id);
        var yaml = RunFile.Write(resolved);
        try
        {
            Directory.CreateDirectory(Path.Combine(folder, RunFiles.Logs));
            Directory.CreateDirectory(Path.Combine(folder, SiloArguments.ClusterSubfolder));
            File.WriteAllText(Path.Combine(folder, RunFiles.RunYaml), yaml);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw RunLock.Unwritable(folder, error);
        }

        return new PreparedRun(id, folder, resolved, yaml, Existed: false);
    }
}
