using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Grains.RunFiles;
using Peft.Orleans.Kernels.Torch;

namespace Peft.Orleans.Grains.Runs;

/// <summary>Makes what a run needs before its first term. A client of this machine has done it already; a remote one sees neither silos nor folder.</summary>
internal static class RunCreation
{
    /// <summary>Replaces what is <c>auto</c> by what was recorded when the run was created, or by what holds on this silo; bits are promised for the recorded values.</summary>
    internal static RunRequest Resolve(RunRequest request, RunRequest? known, int threads)
    {
        var spec = RunFile.Parse(request.RunYaml, RunFolder.RunFileName);
        if (spec.Compute is { ThreadsPerSilo: not null, Products: not null }) return request;
        var path = Path.Combine(request.Folder, RunFolder.RunFileName);
        var yaml = known?.RunYaml ?? (File.Exists(path) ? File.ReadAllText(path) : null);
        var recorded = yaml is null ? null : RunFile.Parse(yaml, path).Compute;
        return request with
        {
            RunYaml = RunFile.Write(spec with
            {
                Compute = spec.Compute with
                {
                    ThreadsPerSilo = spec.Compute.ThreadsPerSilo ?? recorded?.ThreadsPerSilo ?? threads,
                    Products = spec.Compute.Products ?? recorded?.Products ?? TorchRuntime.ResolveProducts(DtypeOf(spec), null),
                },
            }),
        };
    }

    /// <summary>The run's folder with its run file.</summary>
    /// <exception cref="PeftException">The folder cannot be written, or is another run's.</exception>
    internal static void MakeFolder(RunRequest request)
    {
        var path = Path.Combine(request.Folder, RunFolder.RunFileName);
        if (File.Exists(path))
        {
            if (File.ReadAllText(path) != request.RunYaml)
                throw new PeftException($"run {request.RunId} exists in {request.Folder} with another run file ({path}); choose another run id, or resume it with the file it was created with");
            return;
        }

        try
        {
            Directory.CreateDirectory(request.Folder);
            File.WriteAllText(path, request.RunYaml);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PeftException($"output: {request.Folder} cannot be written by the silo: {error.Message}; set output to a folder that every silo can write (--set output=FOLDER)", error);
        }
    }

    private static WeightType DtypeOf(RunSpec spec) => spec.Model.Dtype ?? ModelFolder.Open(spec.Model.Path).StoredType;
}
